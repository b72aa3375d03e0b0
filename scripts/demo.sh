#!/usr/bin/env bash
# The main job, from nothing: a chain, real transactions, a real proof of its blocks by two worker processes, and its
# verification. demo.sh BINARY PROVER
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
prover=$2
dir=$PWD/.demo
export PROOFMILL_LOG=${PROOFMILL_LOG:-warn}
# What each worker may use, and what one segment may take. The leaf of the folding tree takes 6 GB beside the controller.
case $prover in
  openvm) worker_gb=(7 5) segment_gb=5 ;;
  sp1) worker_gb=(14) segment_gb=10 ;;
  *) worker_gb=(2 2) segment_gb=1 ;;
esac

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap cleanup EXIT
# A port that nobody listens on.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# What an interrupted demo left behind, by the ids it wrote down.
if [[ -f $dir/pids ]]; then
  while read -r pid name; do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$name" ]] && kill "$pid" && echo "ended $name ($pid) of an earlier demo"
  done <"$dir/pids" || true
fi
rm -rf "$dir"
mkdir -p "$dir/logs"
started() { # name
  pids+=($!)
  echo "$! $1" >>"$dir/pids"
}

total_start=$SECONDS
say "1. A chain: anvil on a free port"
rpc_port=$(free_port)
rpc=http://127.0.0.1:$rpc_port
node_modules/.bin/anvil --host 127.0.0.1 --port "$rpc_port" --chain-id 31337 --hardfork prague --no-mining --quiet \
  >"$dir/logs/anvil.log" 2>&1 &
started anvil
for _ in $(seq 100); do
  curl -sf -o /dev/null -H 'content-type: application/json' \
    -d '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}' "$rpc" && break
  sleep 0.1
done
rpc_call() { curl -sf -H 'content-type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" "$rpc"; }
rpc_call anvil_mine '["0x1"]' >/dev/null
rpc_call evm_setIntervalMining '[1]' >/dev/null
echo "chain 31337 at $rpc"

say "2. Real transactions of two kinds"
# The first of anvil's well-known development keys: it holds play money on this chain alone.
export LOAD_TEST_PRIVATE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
"$bin" load --rpc-url "$rpc" --kind erc20 --accounts 4 --transactions 3 2>/dev/null | tee "$dir/logs/load.txt"
"$bin" load --rpc-url "$rpc" --kind eth-transfers --accounts 4 --transactions 3 2>/dev/null | tee -a "$dir/logs/load.txt"
first=$(sed -nE 's/.*blocks ([0-9]+) to ([0-9]+).*/\1/p' "$dir/logs/load.txt" | head -1)
last=$(sed -nE 's/.*blocks ([0-9]+) to ([0-9]+).*/\2/p' "$dir/logs/load.txt" | tail -1)

say "3. A cluster, and ${#worker_gb[@]} worker process(es)"
port=$(free_port)
cluster=http://127.0.0.1:$port
"$bin" cluster --data-dir "$dir/data" --listen "127.0.0.1:$port" --controller-headroom 1 >"$dir/logs/cluster.log" 2>&1 &
started "$(basename "$bin")"
for _ in $(seq 100); do "$bin" status --cluster "$cluster" >/dev/null 2>&1 && break; sleep 0.1; done
for index in "${!worker_gb[@]}"; do
  RAYON_NUM_THREADS=${DEMO_THREADS:-1} "$bin" worker --data-dir "$dir/data" --coordinator "$cluster" --prover "$prover" \
    --id "worker-$((index + 1))" --max-weight "${worker_gb[$index]}" --segment-memory "$segment_gb" \
    >"$dir/logs/worker-$((index + 1)).log" 2>&1 &
  started "$(basename "$bin")"
done
sleep 1
"$bin" status --cluster "$cluster"

say "4. Prove blocks $first to $last"
[[ $prover != sp1 ]] || echo "SP1 on a CPU takes its time: a minute to start the prover, then 10 minutes and more"
"$bin" prove --data-dir "$dir/data" --cluster "$cluster" --l2-rpc "$rpc" --start "$first" --end "$last" \
  --prover "$prover" --report "$dir/report.json"

say "5. Verify the file, as a stranger would"
allow=()
[[ $prover != exec ]] || allow=(--allow-exec)
"$bin" verify --chain-id 31337 "${allow[@]}" "$dir/data/31337/proofs/$first-$last.bin"

say "Done in $((SECONDS - total_start)) s"
jq -r '"peak memory of the workers together: \([.workers[].peak_memory_mb] | add) MB"' "$dir/report.json"
echo "the proof    $dir/data/31337/proofs/$first-$last.bin"
echo "the figures  $dir/report.json"
echo "the logs     $dir/logs"
echo "more         README.md: prove a chain of your own, spread over your machines"
