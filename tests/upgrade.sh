#!/usr/bin/env bash
# A cluster is upgraded from an earlier commit while proofs run: one worker after the other, then the coordinator, with new workers on
# the old coordinator and an old worker on the new one on the way. No proof fails, and nothing that was done is done again.
# upgrade.sh [COMMIT]; without one, from the last commit before the newest that changes a crate
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify "${1:-$(git rev-list -1 HEAD -- crates)^}^{commit}")
target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)
# shellcheck source=house.sh
source tests/house.sh
export NO_COLOR=1 PROOFMILL_LOG=info

mkdir -p "$target/upgrade"
old=$target/upgrade/proofmill-$commit
if [[ ! -x $old ]]; then
  echo "== building $(git log -1 --format='%h %s' "$commit")"
  # With build output of its own: what was built from there would pass for what is here.
  source=$target/upgrade/source
  git worktree remove --force "$source" 2>/dev/null || true
  git worktree add --quiet --force --detach "$source" "$commit"
  CARGO_TARGET_DIR=$target/upgrade/build cargo build --quiet --workspace --bin proofmill --manifest-path "$source/Cargo.toml"
  git worktree remove --force "$source"
  mv "$target/upgrade/build/debug/proofmill" "$old"
fi
echo "== building this one"
CARGO_TARGET_DIR=$target cargo build --quiet --workspace --bin proofmill
new=$dir/proofmill
cp "$target/debug/proofmill" "$new"
! cmp --quiet "$old" "$new" || fail "both binaries are the same"
bin=$new

"$new" localnet --data-dir "$dir/chains" --prover exec >"$dir/localnet.log" 2>&1 &
pids+=($!)
for _ in $(seq 600); do [[ -s $dir/chains/localnet.json ]] && break; sleep 0.1; done
l2=$(jq -r .l2_rpc "$dir/chains/localnet.json") || fail "the chains do not start"
# The first account of every development chain.
export LOAD_TEST_PRIVATE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
# Blocks are made while there are transactions. Ranges of eight give more proofs than are asked for.
for seed in $(seq 8); do
  "$new" load --rpc-url "$l2" --accounts 2 --transactions 20 --seed "$seed" >"$dir/load.log" 2>&1 || fail "no transactions"
done
last=$((8 + 1))

port=$(free_port)
cluster=http://127.0.0.1:$port
declare -A running
coordinator() { # binary
  "$1" cluster --data-dir "$dir/data" --listen "127.0.0.1:$port" >>"$dir/cluster.log" 2>&1 &
  running[cluster]=$!
  pids+=($!)
  answers "$cluster"
}
worker() { # name kind binary
  "$3" worker --data-dir "$dir/data" --coordinator "$cluster" --prover exec --id "$1" --kind "$2" --max-weight 9 \
    >>"$dir/worker-$1.log" 2>&1 &
  running[$1]=$!
  pids+=($!)
}
# Told to stop, as an upgrade does: it ends in good order, in time.
drain() { # name
  local pid=${running[$1]}
  kill "$pid"
  for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -0 "$pid" 2>/dev/null && fail "$1 does not stop"
  wait "$pid" || fail "$1 did not stop in good order"
}
# The range that was asked for last.
first=2 end=1 clients=()
ask() { # binary
  end=$((end + 1))
  if [[ $end -gt $last ]]; then first=$((first + 1)) end=$((first + 1)); fi
  "$1" prove --prover exec --l2-rpc "$l2" --cluster "$cluster" --data-dir "$dir/data" --start "$first" --end "$end" \
    >"$dir/client-$first-$end.log" 2>&1 &
  clients+=("$!:$first-$end")
  pids+=($!)
}
burst() { for _ in 1 2 3 4; do ask "$1"; done; }
all_proven() { # what
  local client
  for client in "${clients[@]}"; do
    wait "${client%:*}" || fail "$1: the proof of blocks ${client#*:} was not made: $(tail -3 "$dir/client-${client#*:}.log")"
  done
  echo "ok: $1: ${#clients[@]} proofs"
  clients=()
}
controllers() { grep -h ' started ' "$dir/worker-cpu.log" | grep -c 'kind=Controller' || true; }

coordinator "$old"
worker cpu cpu "$old"
worker gpu gpu "$old"
burst "$old"
all_proven "all is old"

burst "$old"
drain gpu
worker gpu gpu "$new"
burst "$old"
all_proven "a new worker beside an old one, on the old coordinator"

# A proof whose segment nobody can make now, so that it lives through what follows.
drain gpu
before=$(controllers)
ask "$old"
held=$first-$end
for _ in $(seq 300); do [[ $(controllers) -gt $before ]] && break; sleep 0.1; done
[[ $(controllers) -gt $before ]] || fail "the controller of blocks $held is not started"
drain cpu
worker cpu cpu "$new"
drain cluster
coordinator "$new"
worker gpu gpu "$old"
burst "$new"
all_proven "an old worker on the new coordinator, with the proof of blocks $held begun on the old one"

burst "$new"
drain gpu
worker gpu gpu "$new"
burst "$new"
all_proven "all is new"

# What was proven by the old ones is found, not made again.
before=$(grep -h ' done ' "$dir"/worker-*.log | wc -l)
first=2 end=1
burst "$new"
all_proven "what the old ones proved is asked for again"
[[ $(grep -h ' done ' "$dir"/worker-*.log | wc -l) == "$before" ]] || fail "it was proven again"

# A task that is handed back is started twice and done once; a controller may start over.
twice=$(awk '
  function field(name,  at) { at = match($0, " " name "=[^ ]+"); return at ? substr($0, at + length(name) + 2, RLENGTH - length(name) - 2) : "" }
  { task = field("task") }
  /reused/ { delete what[task] }
  / started / { what[task] = field("proof") " " field("kind") " " field("output") }
  / done / && (task in what) && what[task] !~ /Controller/ { if (++times[what[task]] == 2) print what[task] }
' "$dir"/worker-*.log)
[[ -z $twice ]] || fail "made twice: $twice"
echo "ok: nothing that was done was done again"
"$new" status --cluster "$cluster" >"$dir/status.log" || fail "no status"
if grep -qi 'failed' "$dir/status.log"; then fail "a proof failed: $(cat "$dir/status.log")"; fi
if grep -h 'panicked' "$dir"/*.log; then fail "something panicked"; fi
