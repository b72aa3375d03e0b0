# shellcheck shell=bash
# Reads and writes elf/manifest.json: one line for each program, so that the shell can read it and serde too.
#
#   sha256   of the ELF
#   sources  hash of everything it was built from (sources.sh)
#   rustc    the compiler that built it
#   version  its program version (verifying key) as the backend computes it; empty until keys.sh has run

manifest=$repository/programs/elf/manifest.json

# Prints field $2 of program $1, or nothing.
manifest_field() {
    [[ -f $manifest ]] || return 0
    sed -nE "s/^ *\"$1\": .*\"$2\": \"([^\"]*)\".*/\1/p" "$manifest"
}

# Sets the line of program $1 to sha256 $2, sources $3, rustc $4, version $5, and keeps the others.
manifest_set() {
    local lines
    lines=$({
        [[ -f $manifest ]] && sed -nE 's/^  ("[a-z0-9-]+": \{.*\}),?$/\1/p' "$manifest" | grep -v "^\"$1\":" || true
        printf '"%s": { "sha256": "%s", "sources": "%s", "rustc": "%s", "version": "%s" }\n' "$@"
    } | LC_ALL=C sort)
    { echo '{' && sed 's/^/  /; $!s/$/,/' <<<"$lines" && echo '}'; } >"$manifest.new"
    mv "$manifest.new" "$manifest"
}
