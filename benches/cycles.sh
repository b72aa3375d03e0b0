#!/usr/bin/env bash
# Measures what the range program costs, as benches/cycles.md shows it.
#
#   benches/cycles.sh [openvm|sp1|profile]
#
# `openvm` and `sp1` run the committed guests on made blocks (crates/program/examples/make_input.rs), `profile` tells
# where the instructions go: it builds the OpenVM guest with its symbols, which needs the guests' toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)
sp1_target=$(cargo metadata --format-version 1 --no-deps --manifest-path sp1/Cargo.toml 2>/dev/null | jq -r .target_directory)
inputs=("transfers 1 10" "transfers 1 50" "transfers 5 10" "erc20 1 50" "storage 1 10")
row() { printf '| %s | %s | %s | %s | %s | %s |\n' "$@"; }

make_inputs() {
    cargo build --quiet -p proofmill-program --example make_input
    for input in "${inputs[@]}"; do
        read -r kind blocks transactions <<<"$input"
        "$target/debug/examples/make_input" "$kind" "$blocks" "$transactions" "$work/$kind-$blocks-$transactions" \
            >"$work/$kind-$blocks-$transactions.txt"
    done
}

measure() {
    row input transactions gas "$1" "per transaction" "per gas"
    row --- --- --- --- --- ---
    for input in "${inputs[@]}"; do
        name=${input// /-}
        gas=$(sed -nE 's/.* gas ([0-9]+).*/\1/p' "$work/$name.txt")
        count=$(sed -nE 's/.* transactions ([0-9]+).*/\1/p' "$work/$name.txt")
        cost=$(run "$work/$name" | sed -nE 's/^(instructions|cycles) +([0-9]+)$/\2/p')
        row "$input" "$count" "$gas" "$cost" $((cost / count)) "$(awk "BEGIN { printf \"%.2f\", $cost / $gas }")"
    done
}

case ${1:-openvm} in
    openvm)
        make_inputs
        cargo build --quiet --release -p proofmill -p proofmill-backends --features proofmill/openvm --example execute
        run() { "$target/release/examples/execute" "${ELF:-programs/elf/openvm-range.elf}" "$1" 2>/dev/null; }
        measure instructions
        ;;
    sp1)
        make_inputs
        # The whole workspace: one package of it would choose other features, and SP1 would be compiled again.
        cargo build --quiet --release --manifest-path sp1/Cargo.toml --workspace --example execute
        run() { "$sp1_target/release/examples/execute" "${ELF:-programs/elf/sp1-range.elf}" "$1.raw"; }
        measure cycles
        ;;
    profile)
        make_inputs
        programs/build.sh openvm --only range --symbols --out "$work"
        cargo build --quiet --manifest-path programs/profile/Cargo.toml --target-dir "$target/programs"
        for input in "${inputs[@]}"; do
            echo "## $input"
            "$target/programs/debug/profile" "$work/openvm-range.elf" "$work/${input// /-}.raw"
        done
        ;;
    *) echo "usage: benches/cycles.sh [openvm|sp1|profile]" >&2 && exit 2 ;;
esac
