#!/usr/bin/env bash
# Every test that fits a 2-core machine. Servers that tests need, they start themselves on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== the committed guests are those of the committed sources"
programs/check.sh

echo "== the committed contract artifacts are those of the committed sources"
contracts/check.sh

echo "== build and test everything but the zkVM backends"
[[ -d ../shared/ef-tests ]] || echo "skipped: the Ethereum Foundation's tests, which are not in ../shared/ef-tests"
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --no-fail-fast
  cargo test --workspace --doc # which it leaves out
else
  cargo test --workspace --no-fail-fast
fi

echo "== what the guests compute by themselves (curves, hasher, allocator), compared with revm's"
programs_target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/programs
for crate in secp256k1 hasher heap curves; do
  cargo test --locked --manifest-path "programs/$crate/Cargo.toml" --target-dir "$programs_target"
done

echo "== OpenVM: real proofs, split over backends, and what must be refused (about 6 minutes)"
cargo test --release -p proofmill -p proofmill-backends --features proofmill/openvm --lib --test openvm --test openvm_aggregation --test openvm_range -- --test-threads 1 \
  --skip range_proofs_are_aggregated # make test-long
cargo test --release -p proofmill -p proofmill-backends --features proofmill/openvm --test cli -- an_attestor_that_ends what_one_of_two_systems

echo "== the binary with OpenVM, and the demo without proofs"
scripts/build.sh openvm
scripts/demo.sh "$(scripts/binary.sh openvm)" exec
