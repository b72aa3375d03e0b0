#!/usr/bin/env bash
# Every test that fits a 2-core machine. Servers that tests need, they start themselves on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== the committed guests are those of the committed sources"
programs/check.sh

echo "== build and test everything but the zkVM backends"
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --no-fail-fast
else
  cargo test --workspace --no-fail-fast
fi

echo "== build with OpenVM, and prove"
scripts/build.sh openvm
bin=$(scripts/binary.sh openvm)
scripts/demo.sh "$bin" exec
tests/e2e.sh "$bin"
