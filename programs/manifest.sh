# shellcheck shell=bash
# Reads and writes elf/manifest.json: one line for each program, so that the shell can read it and serde too.
#
#   sha256   of the ELF
#   sources  hash of everything it was built from (sources.sh)
#   rustc    the compiler that built it
#   version  its program version (verifying key) as the backend computes it; empty until keys.sh has run
#   machine  what the version follows from beside the ELF, as `machine_of` says it

manifest=$repository/programs/elf/manifest.json

# Prints field $2 of program $1, or nothing.
manifest_field() {
    [[ -f $manifest ]] || return 0
    sed -nE "s/^ *\"$1\": .*\"$2\": \"([^\"]*)\".*/\1/p" "$manifest"
}

# What versions of programs for machine $1 (openvm or sp1) follow from beside their ELFs: the keys of OpenVM's circuits, or
# SP1's version. Where it changes, the version of the same ELF is another one.
machine_of() {
    case $1 in
        openvm) sha256sum "$repository/crates/backends/src/openvm/keys.bin" | cut -d' ' -f1 ;;
        sp1) sed -n '/^name = "sp1-prover"$/ { n; s/^version = "\(.*\)"$/\1/p }' "$repository/sp1/Cargo.lock" ;;
    esac
}

# Sets the line of program $1 to sha256 $2, sources $3, rustc $4, version $5, machine $6 (what it was, if it is not given), and
# keeps the others.
manifest_set() {
    local lines machine
    machine=${6-$(manifest_field "$1" machine)}
    lines=$({
        [[ -f $manifest ]] && sed -nE 's/^  ("[a-z0-9-]+": \{.*\}),?$/\1/p' "$manifest" | grep -v "^\"$1\":" || true
        printf '"%s": { "sha256": "%s", "sources": "%s", "rustc": "%s", "version": "%s", "machine": "%s" }\n' "${@:1:5}" "$machine"
    } | LC_ALL=C sort)
    { echo '{' && sed 's/^/  /; $!s/$/,/' <<<"$lines" && echo '}'; } >"$manifest.new"
    mv "$manifest.new" "$manifest"
}
