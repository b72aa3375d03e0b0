#!/usr/bin/env bash
# Prints where scripts/build.sh puts the binary for a prover type; for several, the one that asks the others.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:?openvm, sp1 or exec, or several with commas between them} == sp1 ]]; then
  target=$(cargo metadata --format-version 1 --no-deps --manifest-path sp1/Cargo.toml | jq -r .target_directory)
  echo "$target/release/proofmill-sp1"
else
  target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)
  echo "$target/release/proofmill"
fi
