#!/usr/bin/env bash
# Compiles the contracts into contracts/artifacts, which is committed. Needs what `make setup` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
node contracts/build.mjs
# What the committed gas snapshot says is of the contracts before: the tests of `chain` compare it.
echo "contracts/artifacts is up to date; if gas changed: PROOFMILL_GAS_SNAPSHOT=write cargo test -p proofmill-chain gas"
