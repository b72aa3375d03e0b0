#!/usr/bin/env bash
# What does not fit `make test`: all of the Ethereum Foundation's tests, 10,000 blocks of the OP Stack, OpenVM's proofs of blocks
# and their aggregation, and SP1 (which builds for a quarter of an hour and needs 20 GB).
set -euo pipefail
cd "$(dirname "$0")/.."
echo "== all of the Ethereum Foundation's blockchain tests"
[[ -d ../shared/ef-tests ]] || echo "skipped: they are not in ../shared/ef-tests"
cargo test -p proofmill-stateless --test it -- --ignored --nocapture
echo "== 10,000 random blocks of the OP Stack, beside another implementation"
cargo test -p proofmill-optimism --test it -- --ignored --nocapture
echo "== 1,500 histories of dispute games, for who creates and who challenges them"
SIMULATION_COUNT=1500 cargo test -p proofmill-op-proposer --test games_simulation
echo "== 10,000 changes of a SNARK, which its contract must refuse"
SNARK_CASES=10000 cargo test -p proofmill-chain --test evm whatever_is_changed
echo "== what operators live through, with stores and networks away for a minute"
SCENARIO_AWAY=60 cargo test -p proofmill --test scenarios -- --test-threads 1
echo "== a cluster that is upgraded from the commit before while proofs run"
tests/upgrade.sh
echo "== bugs planted in the scheduler, which its simulation must find"
scripts/planted.sh
echo "== a proof over processes that are killed in the middle"
scripts/build.sh openvm
tests/e2e.sh "$(scripts/binary.sh openvm)"
echo "== two epochs settled by SNARKs, with a worker that is killed at each step of the second (two hours, 20 GB)"
tests/snark.sh "$(scripts/binary.sh openvm)"
echo "== a worker that the system kills for its memory"
tests/oom.sh "$(scripts/binary.sh openvm)"
echo "== one proof through a folder, Redis and S3"
tests/stores.sh "$(scripts/binary.sh openvm)"
echo "== range proofs aggregated by OpenVM, step by step"
cargo test --release -p proofmill -p proofmill-backends --features proofmill/openvm --test openvm_aggregation -- --test-threads 1
echo "== a reorg of L2, with OpenVM (an hour)"
PROOFMILL_TEST_BINARY=$(scripts/binary.sh openvm) cargo test --workspace --test cli -- --ignored a_reorg_of_l2
echo "== a rollup that two systems prove: OpenVM, and exec in place of the other"
scripts/demo.sh "$(scripts/binary.sh openvm)" openvm,exec
echo "== the demo with OpenVM"
scripts/demo.sh "$(scripts/binary.sh openvm)" openvm
echo "== SP1: wire format, execution, proofs, and one over two processes of which one is killed"
(cd sp1 && cargo test --release --workspace && cargo test --release --workspace -- --ignored --test-threads 1)
