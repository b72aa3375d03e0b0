#!/usr/bin/env bash
# What does not fit `make test`: all of the Ethereum Foundation's tests, the OpenVM backend's own tests with real proofs,
# and SP1 (which builds for a quarter of an hour and needs 14 GB).
set -euo pipefail
cd "$(dirname "$0")/.."
echo "== all of the Ethereum Foundation's blockchain tests"
cargo nextest run -p proofmill-stateless --run-ignored only --no-capture
echo "== the OpenVM backend with real proofs"
cargo test --release -p proofmill-backends --features openvm -- --nocapture
echo "== the demo with OpenVM"
scripts/build.sh openvm
scripts/demo.sh "$(scripts/binary.sh openvm)" openvm
echo "== SP1: wire format, execution, proofs"
(cd sp1 && cargo test --release --workspace && cargo test --release --workspace -- --ignored --test-threads 1)
