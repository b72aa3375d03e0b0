#!/usr/bin/env bash
# What does not fit `make test`: all of the Ethereum Foundation's tests, the OpenVM backend's own tests with real proofs,
# and SP1 (which builds for a quarter of an hour and needs 14 GB).
set -euo pipefail
cd "$(dirname "$0")/.."
echo "== all of the Ethereum Foundation's blockchain tests"
cargo nextest run -p proofmill-stateless --run-ignored only --no-capture
echo "== a proof over processes that are killed in the middle"
scripts/build.sh openvm
tests/e2e.sh "$(scripts/binary.sh openvm)"
echo "== the demo with OpenVM"
scripts/demo.sh "$(scripts/binary.sh openvm)" openvm
echo "== SP1: wire format, execution, proofs"
(cd sp1 && cargo test --release --workspace && cargo test --release --workspace -- --ignored --test-threads 1)
