#!/usr/bin/env bash
# Builds the zkVM guests with Debian's Rust, into programs/elf.
#
#   programs/build.sh [openvm|sp1|all] [--only range] [--update-lock]
#   programs/build.sh openvm --only range --out DIR [--no-default-features --features a,b] [--symbols]
#
# Needs the Debian packages rustc-web, cargo-web and rust-web-src, and the rust-lld of the pinned toolchain.
# The sources are copied to one fixed folder and built there, with every path in the binary mapped to a short name:
# cargo hashes the absolute path of a path dependency into its symbols, so two checkouts would give two binaries.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=sources.sh
source "$here/sources.sh"
# shellcheck source=manifest.sh
source "$here/manifest.sh"
# shellcheck source=toolchain.sh
source "$here/toolchain.sh"

stage=/tmp/proofmill-guests
machines=(openvm sp1)
out=$here/elf
only=(range op-range aggregation op-aggregation)
locked=(--locked)
last=()
options=()
target_name=release-guests
while (($#)); do
    case $1 in
        openvm | sp1) machines=("$1") ;;
        all) ;;
        --out) out=$2 && shift ;;
        --only) only=("$2") && shift ;;
        --features) options+=(--features "$2") && target_name=variant && shift ;;
        --no-default-features) options+=(--no-default-features) && target_name=variant ;;
        --symbols) last=(-- -C strip=none) ;;
        --update-lock) locked=() ;;
        *) echo "build.sh: unknown argument $1" >&2 && exit 2 ;;
    esac
    shift
done

fail() { echo "build.sh: $*" >&2; exit 1; }
mkdir -p "$stage" "$out"
exec 9>"$stage/lock"
flock 9

# Copies a file only when it changed, so that cargo rebuilds only what it must.
refresh() {
    if ! cmp -s "$1" "$2"; then mkdir -p "$(dirname "$2")" && cp "$1" "$2"; fi
}

stage_sources() {
    local machine=$1 file kept=$stage/kept
    reduced_manifest >"$stage/manifest.new"
    refresh "$stage/manifest.new" "$stage/Cargo.toml"
    source_files "$machine" >"$kept"
    while read -r file; do refresh "$repository/$file" "$stage/$file"; done <"$kept"
    # What is gone in the repository must be gone here, or a build would find it.
    (cd "$stage" && find crates "${beside[@]/#/programs/}" "programs/$machine" -type f -not -path '*/target/*' 2>/dev/null |
        LC_ALL=C sort | comm -23 - "$kept" | sed '/Cargo.lock$/d' | tr '\n' '\0' | xargs -0 -r rm --)
    cat >"$stage/rustc" <<WRAPPER
#!/bin/sh
exec $rustc "\$@" $(remaps)
WRAPPER
    chmod +x "$stage/rustc"
}

# Given by a wrapper and not as RUSTFLAGS, because cargo hashes those into symbols.
remaps() {
    local registry
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        printf -- '--remap-path-prefix=%s=/registry ' "${registry%/}"
    done
    printf -- '--remap-path-prefix=%s=/proofmill ' "$stage"
    printf -- '--remap-path-prefix=%s=/rust' "$sysroot/lib/rustlib/src/rust"
}

# Notes in the manifest what was built. The version stays while the binary does.
record() {
    local sha256 version=''
    sha256=$(sha256sum "$out/$2.elf" | cut -d' ' -f1)
    [[ $sha256 != "$(manifest_field "$2" sha256)" ]] || version=$(manifest_field "$2" version)
    manifest_set "$2" "$sha256" "$hash" "$("$rustc" --version | cut -d' ' -f2)" "$version"
}

# Of OpenVM: how many words of code there are, and an error where they are too many for the table's height.
check_length() {
    local bytes words limit=$((1 << 19))
    bytes=$(readelf -lW "$1" | awk '$1 == "LOAD" && $7 ~ /E/ || $1 == "LOAD" && $8 ~ /E/ { print $5; exit }')
    words=$((bytes / 4))
    echo "$(basename "$1"): $words of $limit words of code"
    ((words < limit)) || fail "$(basename "$1") has $words words of code, and a table of 2^19 rows takes fewer than $limit: each" \
        "segment of a proof would have a table twice as high (benches/cycles.md). Make the code smaller, or raise the limit knowingly"
}

build() {
    local machine=$1 target=$2 std=$3 flags program hash
    shift 3
    flags=("$@" -C passes=lower-atomic -C panic=abort --cfg 'getrandom_backend="custom"')
    stage_sources "$machine"
    if ((${#locked[@]} == 0)); then
        # Before the sources are hashed: the lock file is one of them.
        (cd "$stage/programs/$machine" && RUSTC=$stage/rustc "$cargo" metadata --format-version 1 >/dev/null)
        cp "$stage/programs/$machine/Cargo.lock" "$repository/programs/$machine/Cargo.lock"
    fi
    hash=$(source_hash "$machine")
    for program in "${only[@]}"; do
        [[ -d $stage/programs/$machine/$program ]] || continue
        # Each program alone: building them together would unite their features.
        (cd "$stage/programs/$machine" &&
            CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}") RUSTC_BOOTSTRAP=1 RUSTC=$stage/rustc \
                CARGO_TARGET_DIR=$stage/target/$target_name PATH=$(dirname "$lld"):$PATH \
                "$cargo" rustc --release "${locked[@]}" "${options[@]}" --package "$machine-$program" \
                -Z "build-std=$std" -Z build-std-features=compiler-builtins-mem \
                ${json_target:+-Z json-target-spec} --target "$target" "${last[@]}")
        local built
        built=$stage/target/$target_name/$(basename "${target%.json}")/release/$machine-$program
        cp "$built" "$out/$machine-$program.elf"
        [[ $machine != openvm ]] || check_length "$out/$machine-$program.elf"
        [[ $out != "$here/elf" ]] || record "$machine" "$machine-$program"
        echo "$machine-$program.elf: $(stat -c %s "$out/$machine-$program.elf") bytes, sha256 $(sha256sum "$out/$machine-$program.elf" | cut -c1-16)…"
    done
}

for machine in "${machines[@]}"; do
    case $machine in
        openvm)
            # Every segment of a proof commits to the whole program, in a table whose height is a power of two. Inlining
            # less keeps the program below 2^19 instructions (2 MiB): 2 % more of them run, but segments within a given
            # memory are twice as long (benches/cycles.md).
            json_target='' build openvm riscv32im-risc0-zkvm-elf core,alloc,panic_abort \
                -C llvm-args=-inline-threshold=105 -C link-arg=-Ttext=0x00200800 -C link-arg=--fatal-warnings
            ;;
        sp1)
            # The image base is the end of the stack (`sp1_primitives::consts::STACK_TOP`).
            json_target=1 build sp1 "$stage/programs/sp1/riscv64im-succinct-zkvm-elf.json" std,panic_abort \
                -C link-arg=--image-base=$((0x78000000)) \
                -C llvm-args=-misched-prera-direction=bottomup -C llvm-args=-misched-postra-direction=bottomup
            ;;
    esac
done
