#!/usr/bin/env bash
# The main job for a chain of the OP Stack, from nothing: L1 and L2, a deposit and transactions, range proofs that are derived from L1,
# their aggregation, and its output on L1 in a contract of OP Succinct's interface. demo-op.sh BINARY PROVER
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
prover=$2
dir=$PWD/.demo
data=$dir/data
export PROOFMILL_LOG=${PROOFMILL_LOG:-warn,proofmill_op_proposer=info,proofmill::commands=info}
if [[ -n ${SNARK:-}${EPOCHS:-} ]]; then
  echo "error: SNARK and EPOCHS are not for STACK=op: its demo settles one output by attestors" >&2
  exit 2
fi
case $prover in
  openvm | sp1) interval=6 range=6 every=2 ;;
  exec) interval=12 range=6 every=1 ;;
  *) echo "error: the OP Stack's demo is proven by one of openvm, sp1 and exec" >&2 && exit 2 ;;
esac

pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap cleanup EXIT
lock=$data/localnet.lock
if [[ -f $lock ]] && ! flock -n "$lock" true; then
  echo "error: chains run in $dir (process $(cat "$lock")): wait for that demo, or end it" >&2
  exit 1
fi
rm -rf "$dir"
mkdir -p "$dir/logs"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
started() { pids+=($!); }
field() { jq -r ".$1" "$data/localnet.json"; }
rpc() { curl -sf -H 'content-type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":$3}" "$1"; }

say "L1, a chain of the OP Stack with its batcher, and the contract of its outputs"
case $prover in
  openvm) echo "a range and its aggregation are proven with OpenVM: about 25 minutes on 2 cores, 9 GB" ;;
  sp1) echo "SP1 on a CPU takes its time: about 40 minutes on 2 free cores, and 17 GB" ;;
esac
setsid "$bin" localnet --stack op --prover "$prover" --data-dir "$data" --l2-block-time "$every" --op-interval "$interval" \
  --attestors 2 --threshold 2 >"$dir/logs/localnet.log" 2>&1 &
started
for _ in $(seq 1200); do
  [[ -f $data/localnet.json ]] && break
  kill -0 "${pids[0]}" 2>/dev/null || { cat "$dir/logs/localnet.log" >&2 && exit 1; }
  sleep 0.2
done
cat "$dir/logs/localnet.log"
export L1_RPC L1_BEACON_RPC L2_RPC L2_NODE_RPC L2OO_ADDRESS
L1_RPC=$(field l1_rpc) L1_BEACON_RPC=$(field l1_beacon_rpc) L2_RPC=$(field l2_rpc) L2_NODE_RPC=$(field l2_node_rpc)
L2OO_ADDRESS=$(field oracle)

# Anvil's well-known development keys: they hold play money on these chains alone.
proposer=0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6
attestors=(0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a 0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba)
sender=0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97
urls=()
if [[ $prover != exec ]]; then
  say "Two attestors, who verify what L1 cannot"
  port=50071
  for key in "${attestors[@]}"; do
    PROOFMILL_ATTESTOR_KEY=$key setsid "$bin" attestor --data-dir "$dir/attestor-$port" --listen "127.0.0.1:$port" \
      >"$dir/logs/attestor-$port.log" 2>&1 &
    started
    urls+=("http://127.0.0.1:$port")
    port=$((port + 1))
  done
fi

say "Transactions on L2; a deposit was made on L1 at the start"
LOAD_TEST_PRIVATE_KEY=$sender "$bin" load --rpc-url "$L2_RPC" --accounts 1 --transactions 3 2>"$dir/logs/load.log" ||
  { cat "$dir/logs/load.log" >&2 && exit 1; }

say "Ranges follow from L1 and are proven; their aggregation becomes an output on L1"
start=$SECONDS
attest=()
[[ $prover == exec ]] || attest=(--attestor "$(IFS=, && echo "${urls[*]}")")
PRIVATE_KEY=$proposer setsid "$bin" op-proposer --data-dir "$data" --prover "$prover" --range-interval "$range" \
  --submission-interval "$interval" \
  --loop-interval 2 --until-proposed 1 "${attest[@]}" &
started
wait "${pids[-1]}"
unset 'pids[-1]'
echo "after $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"

say "What L1 has, and what the chain says"
# latestBlockNumber(), and getL2Output(uint256) of the newest.
call() { rpc "$L1_RPC" eth_call "[{\"to\":\"$L2OO_ADDRESS\",\"data\":\"$1\"},\"latest\"]" | jq -r .result; }
block=$(($(call 0x4599c788)))
index=$(call 0x69f16eec)
root=$(call "0xa25ae557${index#0x}" | cut -c1-66)
there=$(rpc "$L2_NODE_RPC" optimism_outputAtBlock "[\"$(printf '0x%x' "$block")\"]" | jq -r .result.outputRoot)
echo "block $block on L1  $root"
echo "block $block on L2  $there"
[[ $root == "$there" ]] || { echo "error: they differ" >&2 && exit 1; }

say "Verify the proof, as a stranger would"
allow=()
[[ $prover != exec ]] || allow=(--allow-exec)
proof=$(ls "$data"/*/proofs/aggregation-*.bin | head -1)
"$bin" verify "${allow[@]}" "$proof"
say "Done"
echo "the proofs   ${proof%/*}"
echo "the logs     $dir/logs"
echo "more         README.md: how to point the same binary at a real chain of the OP Stack"
