#!/usr/bin/env bash
# Fills in the versions of programs in elf/manifest.json that have none, or one of another machine: their keys, as the backends
# compute them.
#
#   programs/keys.sh [openvm|sp1]      compiles that backend, or both
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=sources.sh
source "$here/sources.sh"
# shellcheck source=manifest.sh
source "$here/manifest.sh"

version_of() {
    case $1 in
        # The program is run on an empty input, which it refuses, after its version was printed.
        openvm) { "$(built "$repository/Cargo.toml" execute -p proofmill -p proofmill-backends \
            --features proofmill/openvm)" "$2" hex: || true; } ;;
        # The whole workspace: one package of it would choose other features, and SP1 would be compiled again.
        sp1) "$(built "$repository/sp1/Cargo.toml" program_version --workspace)" "$2" ;;
    esac | sed -nE 's/^program +(0x[0-9a-f]{64})$/\1/p'
}

# Builds an example of a workspace, with cargo's options behind it, and prints where it is.
built() {
    local workspace=$1 example=$2
    shift 2
    cargo build --quiet --release --manifest-path "$workspace" "$@" --example "$example" >&2
    echo "$(cargo metadata --format-version 1 --no-deps --manifest-path "$workspace" | jq -r .target_directory)/release/examples/$example"
}

for machine in ${1:-openvm sp1}; do
    for elf in "$here/elf/$machine"-*.elf; do
        program=$(basename "$elf" .elf)
        if [[ -n $(manifest_field "$program" version) && $(manifest_field "$program" machine) == "$(machine_of "$machine")" ]]; then
            continue
        fi
        version=$(version_of "$machine" "$elf")
        [[ -n $version ]] || { echo "keys.sh: the backend gave no version for $elf" >&2; exit 1; }
        manifest_set "$program" "$(manifest_field "$program" sha256)" "$(manifest_field "$program" sources)" \
            "$(manifest_field "$program" rustc)" "$version" "$(machine_of "$machine")"
        echo "$program $version"
    done
done
