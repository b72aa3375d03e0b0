#!/usr/bin/env bash
# What does not fit `make test`: all of the Ethereum Foundation's tests, 10,000 blocks of the OP Stack, OpenVM's proofs of blocks
# and their aggregation, and SP1 (which builds for a quarter of an hour and needs 20 GB). A part that fails does not keep the
# others from running: what failed is said at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/skipped.sh
source scripts/skipped.sh
failed=()
part() { # what it is, then the command
  local what=$1
  shift
  printf '\n== %s\n' "$what"
  "$@" && return
  echo "FAILED: $what" >&2
  failed+=("$what")
}

scenarios() {
  # With the binary whose proofs can be held, which `--test` alone does not build.
  cargo build -p proofmill --examples && SCENARIO_AWAY=60 cargo test -p proofmill --test scenarios -- --test-threads 1
}
sp1() { (cd sp1 && cargo test --release --workspace && cargo test --release --workspace -- --ignored --test-threads 1); }

part "all of the Ethereum Foundation's blockchain tests" \
  cargo test -p proofmill-stateless --test it -- --ignored --nocapture
part "10,000 random blocks of the OP Stack, beside another implementation" \
  cargo test -p proofmill-optimism --test it -- --ignored --nocapture
part "1,500 histories of dispute games, for who creates and who challenges them" \
  env SIMULATION_COUNT=1500 cargo test -p proofmill-op-proposer --test games_simulation
part "what operators live through, with stores and networks away for a minute" scenarios
part "a cluster that is upgraded from the commit before while proofs run" tests/upgrade.sh
part "bugs planted in the scheduler, which its simulation must find" scripts/planted.sh
part "the binary with OpenVM" scripts/build.sh openvm
binary=$(scripts/binary.sh openvm)
part "a proof over processes that are killed in the middle" tests/e2e.sh "$binary"
part "two epochs settled by SNARKs, with a worker that is killed at each step of the second (two hours, 12 GB)" tests/snark.sh "$binary"
part "a worker that the system kills for its memory" tests/oom.sh "$binary"
part "one proof through a folder, Redis and S3" tests/stores.sh "$binary"
part "range proofs aggregated by OpenVM, step by step" \
  cargo test --release -p proofmill -p proofmill-backends --features proofmill/openvm --test openvm_aggregation -- --test-threads 1
part "a reorg of L2, with OpenVM (an hour)" \
  env PROOFMILL_TEST_BINARY="$binary" cargo test --workspace --test cli -- --ignored a_reorg_of_l2
part "a rollup that two systems prove: OpenVM, and exec in place of the other" scripts/demo.sh "$binary" openvm,exec
part "the demo with OpenVM" scripts/demo.sh "$binary" openvm
part "the demo of an OP Stack chain with OpenVM" scripts/demo-op.sh "$binary" openvm
part "SP1: wire format, execution, proofs, and one over two processes of which one is killed" sp1

echo
if ((${#failed[@]})); then
  printf 'FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "every part has passed"
