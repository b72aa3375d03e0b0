#!/usr/bin/env bash
# Every test that fits a 2-core machine. Servers that tests need, they start themselves on free ports. Which tests did nothing, for
# want of data or a program, is said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/skipped.sh
source scripts/skipped.sh
say() { printf '\n== %s (after %d min)\n' "$1" $((SECONDS / 60)); }

say "the committed guests are those of the committed sources"
programs/check.sh

say "the committed contract artifacts are those of the committed sources"
contracts/check.sh

# One build of the binary and the tests: a build of the binary alone has other features of shared dependencies, and would compile
# OpenVM again.
openvm=(--release -p proofmill -p proofmill-backends --features proofmill/openvm)
proofs=(--test openvm --test openvm_aggregation --test openvm_range --test openvm_snark)
tests=(--lib "${proofs[@]}" -- --test-threads 1 --skip range_proofs_are_aggregated) # make test-long

# They are compiled with what the tests below leave of the cores, which wait half of their time. A process group of its own, so that
# its compilers end with this script.
beside=$(mktemp)
build_openvm() {
  renice -n 19 "$BASHPID" >/dev/null
  cargo build "${openvm[@]}" --bin proofmill "${proofs[@]}" && cargo test "${openvm[@]}" --no-run "${tests[@]}"
}
set -m
build_openvm >"$beside" 2>&1 </dev/null &
set +m
building=$!
end() {
  kill -- "-$building" 2>/dev/null || true
  rm -f "$beside"
  show_skipped
}
trap end EXIT

say "build and test everything but the zkVM backends"
# More than cores: many tests wait for slots and blocks.
jobs=$(($(nproc) * 2 + 1))
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --no-fail-fast --test-threads "$jobs"
  cargo test --workspace --doc # which it leaves out
else
  RUST_TEST_THREADS=$jobs cargo test --workspace --no-fail-fast
fi

say "what the guests compute by themselves (curves, hasher, allocator), compared with revm's"
programs_target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/programs
for crate in secp256k1 hasher heap curves; do
  cargo test --locked --manifest-path "programs/$crate/Cargo.toml" --target-dir "$programs_target"
done

say "OpenVM: the binary, and the tests of its backend"
tail -n 3 -f --pid="$building" "$beside"
wait "$building" || { tail -n 200 "$beside" >&2 && exit 1; }
binary=$(scripts/binary.sh openvm)

say "OpenVM: real proofs, split over backends, what must be refused, and what blocks may cost"
cargo test --no-fail-fast "${openvm[@]}" "${tests[@]}"

say "OpenVM: rollups"
PROOFMILL_TEST_BINARY=$binary cargo test --workspace --test cli -- --ignored \
  an_attestor_that_ends what_one_of_two_systems a_real_snark a_block_that_costs_too_much

say "the demo without proofs"
scripts/demo.sh "$binary" exec

say "the demo of an OP Stack chain without proofs"
began=$SECONDS
timeout 1200 scripts/demo-op.sh "$binary" exec
took=$((SECONDS - began))
((took < 120)) || echo "note: it took $took s, which should be less than 120 where the machine does nothing else" >&2
