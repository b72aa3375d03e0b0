#!/usr/bin/env bash
# The main job, from nothing: L1 and L2, real transactions, range proofs of their checkpoints by two worker processes, the
# epoch's proof, attested and settled on L1. demo.sh BINARY PROVER
# With SNARK=1 in the environment L1 verifies the epoch's proof itself: no attestors, a SNARK on a setup for development.
# EPOCHS=N settles N epochs with OpenVM or SP1, where it is one by default.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
prover=$2
dir=$PWD/.demo
export PROOFMILL_LOG=${PROOFMILL_LOG:-warn}
# What each worker may use (a task and a controller), and what one segment may take; how long slots and epochs are, and how many epochs to settle.
# How many accounts send in each burst, and how many transactions each: as much as a small machine proves while one waits. What
# they do follows from the seed; another one may draw a precompile that is dear to prove.
accounts=1 each=5 seed=2
case $prover in
  # Each type has the binary that can prove it: exec is in both.
  openvm,sp1) workers=openvm=6,sp1=18 segment=4 slot=15 epoch_slots=8 epochs=1 bursts=2 ;;
  openvm,exec) workers=7,4 segment=4 slot=15 epoch_slots=8 epochs=1 bursts=2 ;;
  openvm) workers=7,4 segment=4 slot=15 epoch_slots=8 epochs=1 bursts=2 ;;
  sp1) workers=20 segment=16 slot=15 epoch_slots=8 epochs=1 bursts=2 ;;
  *,*)
    echo "error: the demo knows these pairs of prover types: openvm,sp1 and openvm,exec" >&2
    exit 2
    ;;
  *) workers=2,2 segment=1 slot=5 epoch_slots=3 epochs=3 bursts=8 accounts=4 each=5 ;;
esac

snark=()
if [[ -n ${SNARK:-} ]]; then
  if [[ $SNARK != 1 ]]; then
    echo "error: SNARK=$SNARK: say SNARK=1, or leave it out" >&2
    exit 2
  fi
  if [[ $prover != openvm ]]; then
    echo "error: SNARK=1 is for PROVER=openvm alone: nothing else here makes SNARKs" >&2
    exit 2
  fi
  # Outside of what a run leaves behind: the setup and the keys, 7 GB, are the same for every run.
  keys=$PWD/.snark
  snark=(--snark insecure-development-small --snark-dir "$keys" --l1-verifier snark)
  # The static verifier takes 11 of them, beside a controller.
  workers=12
fi
# Each epoch more has one checkpoint, of one burst.
more=0
if [[ -n ${EPOCHS:-} ]]; then
  if [[ ! $EPOCHS =~ ^[1-9][0-9]?$ || $prover == exec ]]; then
    echo "error: EPOCHS=$EPOCHS: it is a number from 1 to 99, and not for PROVER=exec" >&2
    exit 2
  fi
  more=$((EPOCHS - epochs))
  epochs=$EPOCHS
fi
last=$((bursts - 1 + more))

dev_pid=
cleanup() {
  if [[ -n $dev_pid ]]; then
    kill "$dev_pid" 2>/dev/null || true
    wait "$dev_pid" 2>/dev/null || true
  fi
}
trap cleanup EXIT
if [[ -f $dir/data/LOCK ]] && ! flock -n "$dir/data/LOCK" true; then
  echo "error: a demo runs in $dir (process $(cat "$dir/data/LOCK")): wait for it, or end it" >&2
  trap - EXIT
  exit 1
fi
# Chains that an interrupted demo left behind: they hold their lock until they have ended.
lock=$dir/data/localnet.lock
if [[ -f $lock ]] && ! flock -n "$lock" true; then
  pid=$(cat "$lock")
  kill "$pid" && echo "ended the chains ($pid) of an earlier demo"
  if ! flock -w 30 "$lock" true; then
    echo "error: the chains of an earlier demo (process $pid) do not end" >&2
    trap - EXIT
    exit 1
  fi
fi
rm -rf "$dir"
mkdir -p "$dir"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [[ -n ${SNARK:-} ]]; then
  say "A setup for development, once"
  echo "two checkpoints and their epoch are proven with OpenVM, and a SNARK of that for L1: about an hour on 2 free cores the first time, 12 GB"
  for degree in 22 23; do "$bin" srs dev --degree "$degree" --snark-dir "$keys"; done
fi
say "L1 and L2, contracts, a cluster with its workers, attestors and a prover node"
case $prover in
  openvm,sp1) echo "both systems prove everything on the same cores: an hour on 2 cores, 17 GB of memory at the most" ;;
  openvm,exec) echo "exec claims at once what OpenVM proves in about 12 minutes on 2 free cores, 11 GB; L1 wants both" ;;
  # With a SNARK it was said above.
  openvm) [[ -n ${SNARK:-} ]] || echo "two checkpoints and their epoch are proven with OpenVM: about 12 minutes on 2 free cores, 11 GB" ;;
  sp1) echo "SP1 on a CPU takes its time: about 40 minutes on 2 free cores, and 16 GB" ;;
esac
binaries=()
[[ $prover != *sp1* || $prover == sp1 ]] || binaries=(--binary "sp1=$(scripts/binary.sh sp1)")
# In a session of its own: Ctrl-C reaches this script alone, which then ends it in order.
setsid "$bin" dev "${binaries[@]}" "${snark[@]}" --data-dir "$dir/data" --prover "$prover" --workers "$workers" --segment-memory "$segment" \
  --slot-seconds "$slot" --epoch-slots "$epoch_slots" --until-settled "$epochs" --report "$dir/report.json" &
dev_pid=$!
for _ in $(seq 1500); do
  [[ -f $dir/data/localnet.json ]] && break
  kill -0 "$dev_pid" 2>/dev/null || exit 1
  sleep 0.2
done
rpc=$(jq -r .l2_rpc "$dir/data/localnet.json")

# The first of anvil's well-known development keys: it holds play money on this chain alone.
export LOAD_TEST_PRIVATE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
for burst in $(seq 0 "$last"); do
  kill -0 "$dev_pid" 2>/dev/null || break
  say "$((accounts * each)) transactions of every sort: creations, destructions, precompiles, delegations, reverts"
  if ! "$bin" load --rpc-url "$rpc" --kind mixed --accounts "$accounts" --transactions "$each" --seed "$seed" 2>"$dir/load.log"; then
    # All epochs may be settled already: then the chains are gone, and rightly.
    for _ in $(seq 120); do
      kill -0 "$dev_pid" 2>/dev/null || break 2
      sleep 0.5
    done
    cat "$dir/load.log" >&2
    exit 1
  fi
  # Into another slot, so that the next burst is in another checkpoint. The first checkpoint lands in slot 1.
  [[ $burst == "$last" ]] || sleep $((burst == 0 ? 2 * slot : burst >= bursts - 1 ? epoch_slots * slot : slot))
done
! kill -0 "$dev_pid" 2>/dev/null || say "Range proofs began when the first checkpoint landed; the epoch is settled when it has ended and is proven"
wait "$dev_pid"
dev_pid=
say "Verify the epoch's proof, as a stranger would"
allow=()
[[ $prover != *exec* ]] || allow=(--allow-exec)
[[ -z ${SNARK:-} ]] || allow=(--allow-development --evm)
for epoch_proof in "$dir"/data/*/proofs/epoch-*.bin; do
  "$bin" verify "${binaries[@]}" "${allow[@]}" "$epoch_proof"
  # Where there are two types, each has proven the epoch.
  [[ $more -gt 0 || $prover == *,* ]] || break
done
say "Done"
echo "the figures  $dir/report.json"
echo "the proofs   ${epoch_proof%/*}"
echo "the logs     $dir/data/logs"
echo "more         README.md: what happened here, and how to point the same binary at a real chain"
