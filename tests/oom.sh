#!/usr/bin/env bash
# A worker in a cgroup that is too small for a segment: the system kills its process, the one above it says so and starts it again,
# and the segment is proven by a worker with more memory. Needs a cgroup that it may make (root). oom.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
limit=$((700 << 20))
# shellcheck source=house.sh
source tests/house.sh
group=
# A worker ends its child where it is told to end, and a group goes only when it is empty.
leave() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  sleep 1
  cleanup
  [[ -z $group ]] || for _ in $(seq 50); do rmdir "$group" 2>/dev/null && break; sleep 0.1; done
}
trap leave EXIT

if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
  group=/sys/fs/cgroup/proofmill-$$ file=memory.max unlimited=max
else
  group=/sys/fs/cgroup/memory/proofmill-$$ file=memory.limit_in_bytes unlimited=-1
fi
if ! mkdir "$group" 2>/dev/null || ! [[ -w $group/$file ]]; then
  rmdir "$group" 2>/dev/null || true
  group=
  # Also into the file of `scripts/skipped.sh`, where there is one.
  echo "skipped: tests/oom.sh: this user may not make a cgroup with a limit on memory" | tee -a "${PROOFMILL_TEST_SKIPPED:-/dev/null}"
  exit 0
fi

port=$(free_port)
cluster=http://127.0.0.1:$port
"$bin" cluster --data-dir "$dir/data" --listen "127.0.0.1:$port" --controller-headroom 1 >"$dir/cluster.log" 2>&1 &
pids+=($!)
answers "$cluster"
worker() { # id max-weight
  exec "$bin" worker --data-dir "$dir/data" --coordinator "$cluster" --prover openvm --id "$1" --max-weight "$2" --segment-memory 2
}
(echo "$BASHPID" >"$group/cgroup.procs" && worker small 7) >"$dir/small.log" 2>&1 &
pids+=($!)
# Not before it has looked at its memory: it would refuse to start.
for _ in $(seq 100); do grep -q registered "$dir/small.log" && break; sleep 0.1; done
echo "$limit" >"$group/$file"
elf=crates/backends/tests/fixtures/fibonacci-openvm.elf
tests/fibonacci-input.sh 8000 >"$dir/stdin.json"
"$bin" prove --cluster "$cluster" --data-dir "$dir/data" --elf "$elf" --stdin "$dir/stdin.json" --output "$dir/proof" \
  >"$dir/prove.log" 2>&1 &
prove=$!
pids+=("$prove")
for _ in $(seq 1200); do grep -q 'killed' "$dir/small.log" && break; kill -0 "$prove" 2>/dev/null || break; sleep 0.25; done
grep -q 'killed' "$dir/small.log" || fail "nobody was killed, or nobody said so"
# What starts again after a second finds its memory as declared, and hands back what was too much.
echo "$unlimited" >"$group/$file"
echo "ok: $(grep -m1 'killed' "$dir/small.log" | sed 's/\x1b\[[0-9;]*m//g' | cut -c1-200)"
(worker large 7) >"$dir/large.log" 2>&1 &
pids+=($!)
wait "$prove" || fail "the proof was not made: $(cat "$dir/prove.log")"
"$bin" verify --elf "$elf" "$dir/proof" >"$dir/verify.log" || fail "the proof does not verify"
# Two segments ran at once, or one: what is killed among others is not counted against either.
grep -qE 'fault=worker/killed-(for-memory|among-others)' "$dir/cluster.log" || fail "the cluster does not say what happened"
echo "ok: the proof was made by another worker: $(head -1 "$dir/verify.log")"
