#!/usr/bin/env bash
# Checks that the committed guests are those that the committed sources give.
#
#   programs/check.sh            compares hashes; needs no toolchain
#   programs/check.sh --rebuild  builds the guests too, and compares the binaries
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=sources.sh
source "$here/sources.sh"
# shellcheck source=manifest.sh
source "$here/manifest.sh"

bad=0
complain() { echo "check.sh: $*" >&2; bad=1; }

[[ -f $manifest ]] || { complain "$manifest is missing: programs/build.sh"; exit 1; }
for machine in openvm sp1; do
    sources=$(source_hash "$machine")
    for program in "$machine"-{range,op-range,aggregation,op-aggregation}; do
        elf=$here/elf/$program.elf
        if [[ ! -d $here/$machine/${program#"$machine"-} ]]; then continue; fi
        if [[ ! -f $elf ]]; then complain "$elf is missing: programs/build.sh $machine"; continue; fi
        [[ $(sha256sum "$elf" | cut -d' ' -f1) == "$(manifest_field "$program" sha256)" ]] ||
            complain "$program.elf is not the file that manifest.json names"
        [[ $sources == "$(manifest_field "$program" sources)" ]] ||
            complain "$program.elf was built from other sources: programs/build.sh $machine, then programs/keys.sh"
        # The key takes the machine's prover to derive, minutes of building for SP1: a note, not a fault. One of another machine
        # is a fault: proofs would be of another program than everybody expects.
        if [[ -z $(manifest_field "$program" version) ]]; then
            echo "check.sh: $program has no version yet: programs/keys.sh $machine"
        elif [[ $(manifest_field "$program" machine) != "$(machine_of "$machine")" ]]; then
            complain "the version of $program is that of another machine: programs/keys.sh $machine"
        fi
    done
done

# The compiler and the linker of a guest, which it names itself. Others give another binary of the same sources.
tools() {
    readelf -p .comment "$1" | sed -nE 's/^ *\[ *[0-9a-f]+\] +((Linker:|rustc) .*)$/\1/p' | LC_ALL=C sort
}

if [[ ${1:-} == --rebuild ]]; then
    rebuilt=$(mktemp -d)
    trap 'rm -rf "$rebuilt"' EXIT
    "$here/build.sh" all --out "$rebuilt"
    for elf in "$rebuilt"/*.elf; do
        committed=$here/elf/${elf##*/}
        cmp -s "$elf" "$committed" && continue
        complain "${elf##*/} comes out different when it is built again"
        [[ $(tools "$elf") == "$(tools "$committed")" ]] ||
            complain "it was built with other tools: $(tools "$elf" | paste -sd,) here, $(tools "$committed" | paste -sd,) for the committed one"
    done
fi
((bad == 0)) && echo "check.sh: the guests match their sources"
exit "$bad"
