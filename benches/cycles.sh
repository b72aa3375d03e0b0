#!/usr/bin/env bash
# Measures what the range program costs, as benches/cycles.md shows it.
#
#   benches/cycles.sh [openvm|sp1|profile|precompiles]
#   benches/cycles.sh op [openvm|sp1]
#   KINDS=attacks|slots benches/cycles.sh [openvm|sp1]
#
# KINDS=attacks: each precompile and class of opcodes in a loop. KINDS=slots: colliding storage keys, and others.
# `openvm` and `sp1` run the committed guests on made blocks (crates/made-blocks), `profile` tells
# where the instructions go: it builds the OpenVM guest with its symbols, which needs the guests' toolchain. `op` runs blocks of the OP
# Stack, and derives one from more and more on L1: real data are in ../shared/op-stack, and without it their rows are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)
sp1_target=$(cargo metadata --format-version 1 --no-deps --manifest-path sp1/Cargo.toml 2>/dev/null | jq -r .target_directory)
inputs=("transfers 1 10" "transfers 1 50" "transfers 5 10" "erc20 1 50" "storage 1 10")
# Name and length in percent. The attacks are those of crates/made-blocks.
slots=("slots 100" "slots 200" "slots 400" "slots-colliding 100" "slots-colliding 200" "slots-colliding 400" "slots-high 100"
    "slots-high 400")
case ${KINDS:-} in
    attacks)
        cargo build --quiet -p proofmill-made-blocks --example make_input
        mapfile -t attacks < <("$target/debug/examples/make_input" attacks)
        inputs=("${attacks[@]/ / 1 }")
        ;;
    slots) inputs=("${slots[@]/ / 1 }") ;;
esac
row() { printf '|'; printf ' %s |' "$@"; echo; }

make_inputs() {
    cargo build --quiet -p proofmill-made-blocks --example make_input
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
        cargo build --quiet --release --manifest-path sp1/Cargo.toml --workspace --example gas
        row input transactions gas cycles "prover gas" "cycles per transaction" "prover gas per gas"
        row --- --- --- --- --- --- ---
        for input in "${inputs[@]}"; do
            name=${input// /-}
            gas=$(sed -nE 's/.* gas ([0-9]+).*/\1/p' "$work/$name.txt")
            count=$(sed -nE 's/.* transactions ([0-9]+).*/\1/p' "$work/$name.txt")
            read -r cycles cost < <("$sp1_target/release/examples/gas" "${ELF:-programs/elf/sp1-range.elf}" "$work/$name.raw" |
                sed -nE 's/.* cycles ([0-9]+) gas ([0-9]+) exit 0$/\1 \2/p')
            row "$input" "$count" "$gas" "$cycles" "$cost" $((cycles / count)) "$(awk "BEGIN { printf \"%.2f\", $cost / $gas }")"
        done
        ;;
    # The last two columns: how much dearer an input is than another one, for each of what it has more.
    op)
        cargo build --quiet -p proofmill-op-fixtures --example op_inputs
        case ${2:-openvm} in
            openvm)
                cargo build --quiet --release -p proofmill -p proofmill-backends --features proofmill/openvm --example execute
                row input gas instructions "per gas" more each
                row --- --- --- --- --- ---
                run() {
                    "$target/release/examples/execute" "${ELF:-programs/elf/openvm-op-range.elf}" "$1" 2>"$work/log" |
                        sed -nE 's/^instructions +([0-9]+)$/\1/p'
                }
                ;;
            sp1)
                cargo build --quiet --release --manifest-path sp1/Cargo.toml --workspace --example gas
                row input gas cycles "prover gas" "prover gas per gas" more each
                row --- --- --- --- --- --- ---
                run() {
                    "$sp1_target/release/examples/gas" "${ELF:-programs/elf/sp1-op-range.elf}" "$1.raw" 2>"$work/log" |
                        sed -nE 's/.* cycles ([0-9]+) gas ([0-9]+) exit 0$/\1 \2/p'
                }
                ;;
            *) echo "usage: benches/cycles.sh op [openvm|sp1]" >&2 && exit 2 ;;
        esac
        "$target/debug/examples/op_inputs" "$work" >"$work/inputs"
        declare -A costs
        while read -r name gas than count of; do
            read -r -a cost <<<"$(run "$work/$name")"
            ((${#cost[@]})) || { echo "error: $name does not run" >&2 && cat "$work/log" >&2 && exit 1; }
            costs[$name]=${cost[-1]}
            per_gas=$(awk "BEGIN { printf \"%.2f\", ${costs[$name]} / $gas }")
            more='' each=''
            if [[ $than ]]; then
                more="$count × $of than $than"
                each=$(awk "BEGIN { printf \"%.1f\", (${costs[$name]} - ${costs[$than]}) / $count }")
            fi
            row "$name" "$gas" "${cost[@]}" "$per_gas" "$more" "$each"
        done <"$work/inputs"
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
    # The committed OpenVM guest's precompiles, with good and bad arguments, against revm's own: their answers are in the
    # block's state root, so a guest that computes something else stops with an error.
    precompiles)
        inputs=("precompiles 1 1")
        make_inputs
        cargo build --quiet --release --manifest-path programs/profile/Cargo.toml --target-dir "$target/programs"
        "$target/programs/release/profile" "${ELF:-programs/elf/openvm-range.elf}" "$work/precompiles-1-1.raw" >"$work/out"
        echo "$(cat "$work/precompiles-1-1.txt"): the guest agrees, $(head -1 "$work/out" | cut -d' ' -f1) instructions"
        ;;
    *) echo "usage: benches/cycles.sh [openvm|sp1|op|profile|precompiles], or op openvm|sp1" >&2 && exit 2 ;;
esac
