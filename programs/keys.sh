#!/usr/bin/env bash
# Fills in the versions of programs in elf/manifest.json that have none: their keys, as the backends compute them.
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
        openvm) { cargo run --quiet --release --manifest-path "$repository/Cargo.toml" -p proofmill \
            -p proofmill-backends --features proofmill/openvm --example execute -- "$2" hex: 2>/dev/null || true; } ;;
        sp1) cargo run --quiet --release --manifest-path "$repository/sp1/Cargo.toml" -p proofmill-backend-sp1 \
            --example program_version -- "$2" ;;
    esac | sed -nE 's/^program +(0x[0-9a-f]{64})$/\1/p'
}

for machine in ${1:-openvm sp1}; do
    for elf in "$here/elf/$machine"-*.elf; do
        program=$(basename "$elf" .elf)
        [[ -z $(manifest_field "$program" version) ]] || continue
        version=$(version_of "$machine" "$elf")
        [[ -n $version ]] || { echo "keys.sh: the backend gave no version for $elf" >&2; exit 1; }
        manifest_set "$program" "$(manifest_field "$program" sha256)" "$(manifest_field "$program" sources)" \
            "$(manifest_field "$program" rustc)" "$version"
        echo "$program $version"
    done
done
