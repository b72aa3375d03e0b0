#!/usr/bin/env bash
# Wall time and peak memory for one range of blocks: one worker process, two, and OpenVM's own prover in one process. One
# after the other in one run, because the machine's speed differs from hour to hour. Prints a Markdown table.
#   benches/workers.sh [TRANSFERS] [TOKEN_TRANSFERS]
set -euo pipefail
cd "$(dirname "$0")/.."
transfers=${1:-4} tokens=${2:-4}
target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/release
cargo build --release --quiet -p proofmill -p proofmill-backends --features proofmill/openvm --bin proofmill \
  --example openvm_split
bin=$target/proofmill
dir=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap cleanup EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

port=$(free_port)
rpc=http://127.0.0.1:$port
node_modules/.bin/anvil --port "$port" --hardfork prague --block-time 1 --quiet >/dev/null 2>&1 &
pids+=($!)
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
sleep 2
export LOAD_TEST_PRIVATE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
export PROOFMILL_LOG=warn
"$bin" load --rpc-url "$rpc" --kind erc20 --accounts 2 --transactions $((tokens / 2)) 2>/dev/null | tee "$dir/load" >&2
"$bin" load --rpc-url "$rpc" --kind eth-transfers --accounts 2 --transactions $((transfers / 2)) 2>/dev/null | tee -a "$dir/load" >&2
first=$(sed -nE 's/.*blocks ([0-9]+) to ([0-9]+).*/\1/p' "$dir/load" | head -1)
last=$(sed -nE 's/.*blocks ([0-9]+) to ([0-9]+).*/\2/p' "$dir/load" | tail -1)
"$bin" prove --data-dir "$dir/data" --l2-rpc "$rpc" --start "$first" --end "$last" --export "$dir" >&2

echo "| how | threads | wall time | instructions | segments | peak memory of all processes |"
echo "|---|---|---|---|---|---|"
# name, threads of a process, GB of each worker
cluster_run() {
  local name=$1 threads=$2 data=$dir/$1 address run=()
  shift 2
  port=$(free_port)
  address=http://127.0.0.1:$port
  "$bin" cluster --data-dir "$data" --listen "127.0.0.1:$port" --controller-headroom 4 2>/dev/null &
  run+=($!)
  for _ in $(seq 100); do "$bin" status --cluster "$address" >/dev/null 2>&1 && break; sleep 0.1; done
  for gb in "$@"; do
    RAYON_NUM_THREADS=$threads "$bin" worker --data-dir "$data" --coordinator "$address" --prover openvm \
      --id "worker-$gb-${#run[@]}" --max-weight "$gb" --segment-memory 4 2>/dev/null &
    run+=($!)
  done
  pids+=("${run[@]}")
  "$bin" prove --cluster "$address" --data-dir "$data" --elf "$dir/program.elf" --stdin "$dir/stdin" \
    --output "$data.proof" --report "$data.json" >/dev/null 2>"$data.err" || { cat "$data.err" >&2; exit 1; }
  jq -r --arg name "$# worker(s)" --arg threads "$threads" \
    '"| \($name) | \($threads) each | \(.proving_ms / 100 | round / 10) s | \(.instructions) | \(.tasks.ProveShard.count) | \([.workers[].peak_memory_mb] | add) MB |"' \
    "$data.json"
  kill "${run[@]}" 2>/dev/null || true
  wait "${run[@]}" 2>/dev/null || true
}
cluster_run one 2 8
cluster_run two 2 8 4
cluster_run two-single 1 8 4
mkdir "$dir/local"
start=$(date +%s%N)
line=$(SPLIT_DIR=$dir/local "$target/examples/openvm_split" local "$dir/program.elf" "$dir/stdin" | tail -1)
tenths=$((($(date +%s%N) - start) / 100000000))
memory=$(sed -nE 's/.* ([0-9]+) MB .*/\1/p' <<<"$line")
echo "| OpenVM's own prover, which makes its keys first | 2 | $((tenths / 10)).$((tenths % 10)) s | | | $memory MB |"
