#!/usr/bin/env bash
# Prints where scripts/build.sh puts the binary for a prover type.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:?openvm, sp1 or exec} == sp1 ]]; then
  target=$(cargo metadata --format-version 1 --no-deps --manifest-path sp1/Cargo.toml | jq -r .target_directory)
  echo "$target/release/proofmill-sp1"
else
  target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)
  echo "$target/release/proofmill"
fi
