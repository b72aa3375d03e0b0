#!/usr/bin/env bash
# End to end with OpenVM over real processes: one program, proven by two workers of which one is killed in the middle, on
# a cluster that is killed with -9 and started again. Then the demo. e2e.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
# shellcheck source=house.sh
source tests/house.sh
port=$(free_port)
cluster=http://127.0.0.1:$port
passed=0
pass() {
  passed=$((passed + 1))
  echo "ok: $*"
}

start_cluster() {
  "$bin" cluster --data-dir "$dir/data" --listen "127.0.0.1:$port" --controller-headroom 1 >>"$dir/cluster.log" 2>&1 &
  cluster_pid=$!
  pids+=("$cluster_pid")
  answers "$cluster"
}
start_worker() { # id max-weight
  RAYON_NUM_THREADS=1 "$bin" worker --data-dir "$dir/data" --coordinator "$cluster" --prover openvm --id "$1" \
    --max-weight "$2" --segment-memory 2 >>"$dir/$1.log" 2>&1 &
  pids+=($!)
}
# How many times a task of this kind was started by any worker.
started() { grep -h "started" "$dir"/worker-*.log | grep -c "kind=$1" || true; }

elf=crates/backends/tests/fixtures/fibonacci-openvm.elf
stdin=$dir/stdin.json
tests/fibonacci-input.sh 20000 >"$stdin"

start_cluster
start_worker worker-1 7
start_worker worker-2 2
worker_2=${pids[-1]}
"$bin" prove --cluster "$cluster" --data-dir "$dir/data" --elf "$elf" --stdin "$stdin" --output "$dir/fibonacci.proof" \
  --report "$dir/report.json" >"$dir/prove.log" 2>&1 &
prove_pid=$!
pids+=("$prove_pid")

for _ in $(seq 600); do [[ $(started ProveShard) -ge 3 ]] && break; sleep 0.2; done
[[ $(started ProveShard) -ge 3 ]] || fail "no third segment was started"
kill -9 "$worker_2"
pass "a worker was killed in the middle of a segment"
for _ in $(seq 600); do [[ $(started ProveShard) -ge 4 ]] && break; sleep 0.2; done
kill -9 "$cluster_pid"
sleep 2
start_cluster
start_worker worker-3 2
pass "the cluster was killed with -9 and started again"
wait "$prove_pid" || fail "the proof was not made: $(cat "$dir/prove.log")"
pass "the proof was made all the same"

segments=$(jq '.tasks.ProveShard.count' "$dir/report.json")
lost=2 # what was running when the worker and the cluster were killed may be started again
[[ $(started ProveShard) -le $((segments + lost)) ]] ||
  fail "$(started ProveShard) segments were started for a proof of $segments: finished ones were proven again"
pass "finished segments were not proven again ($(started ProveShard) starts for $segments segments)"

"$bin" verify --elf "$elf" "$dir/fibonacci.proof" | tee "$dir/verify.log"
grep -q "^valid" "$dir/verify.log" || fail "the proof does not verify"
pass "the proof verifies"
other=programs/elf/openvm-range.elf
if "$bin" verify --elf "$other" "$dir/fibonacci.proof" >"$dir/other.log" 2>&1; then fail "accepted for another program"; fi
grep -q "is of the program" "$dir/other.log" || fail "refused for another reason: $(cat "$dir/other.log")"
pass "a proof of another program is refused"

before=$(started ProveShard)
"$bin" prove --cluster "$cluster" --data-dir "$dir/data" --elf "$elf" --stdin "$stdin" --output "$dir/again.proof" \
  >"$dir/again.log" 2>&1 || fail "asking again failed: $(cat "$dir/again.log")"
cmp "$dir/fibonacci.proof" "$dir/again.proof" || fail "asking again gave another proof"
[[ $(started ProveShard) == "$before" ]] || fail "asking again proved again"
pass "asking again gives the same proof at once"

echo "$passed passed, 0 failed"
