#!/usr/bin/env bash
# Two epochs whose SNARKs L1 verifies: `make demo SNARK=1`, twice as long. In the second one the worker is killed with -9 in the middle
# of each step of the SNARK; what was finished is not made again, and the keys are those of the first. About two hours on 2 cores, 12 GB:
# all processes together get 16 GB and no more, where this user may make a cgroup with such a limit (root).
# It says what each step took, for benches/snark.md. snark.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
epochs=2
log=.demo/data/logs/worker-1.log
# Long enough after a step has begun to be in the middle of it: its key is read then, and its traces are made.
kill_after=90
# The goal for verification and settlement together, by the prices of Osaka.
gas_most=420000
memory_most=16000000000

dir=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  [[ -z $group ]] || for _ in $(seq 50); do rmdir "$group" 2>/dev/null && break; sleep 0.1; done
  rm -rf "$dir"
}
if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
  group=/sys/fs/cgroup/proofmill-$$ limit=memory.max
else
  group=/sys/fs/cgroup/memory/proofmill-$$ limit=memory.limit_in_bytes
fi
if mkdir "$group" 2>/dev/null && echo "$memory_most" 2>/dev/null >"$group/$limit"; then
  limited="with no more than $((memory_most / 1000000000)) GB for all processes together"
else
  rmdir "$group" 2>/dev/null || true
  group=
  limited="with as much memory as there is: this user may not make a cgroup with a limit"
fi
trap cleanup EXIT
fail() {
  echo "FAILED: $*" >&2
  tail -n 20 "$log" >&2 || true
  exit 1
}
worker() { pgrep -f -- "worker --data-dir=$PWD/.demo/data .*--id=worker-1" | head -1; }
# Seconds of CPU of all threads so far, and the most memory since it was forgotten, in MB.
cpu() { awk '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) / 100 }' "/proc/$1/stat" 2>/dev/null || echo 0; }
peak() { awk '/VmHWM/ { printf "%d", $2 / 1024 }' "/proc/$1/status" 2>/dev/null || echo 0; }

if [[ -f .demo/data/LOCK ]] && ! flock -n .demo/data/LOCK true; then
  echo "error: a demo runs already: wait for it, or end it" >&2
  exit 1
fi
# What an earlier run said is not of this one.
rm -f "$log"
: >"$dir/demo.log" # There before what shows it.
export PROOFMILL_LOG=warn,proofmill::dev=info,proofmill_worker=info,proofmill_backends=info PROOFMILL_LOG_FORMAT=json
(
  [[ -z $group ]] || echo "$BASHPID" >"$group/cgroup.procs"
  SNARK=1 EPOCHS=$epochs exec scripts/demo.sh "$bin" openvm
) >"$dir/demo.log" 2>&1 &
demo=$!
pids+=("$demo")
tail -n +1 -f "$dir/demo.log" &
pids+=($!)

# The steps, as the worker's log tells of them. The last step of every proof is a ShrinkWrap too, a lighter one than the root.
declare -A began cpu_then name number count finished
while kill -0 "$demo" 2>/dev/null && [[ ! -f $log ]]; do sleep 1; done
while IFS=$'\t' read -r what task kind weight; do
  pid=$(worker) || true
  case $what in
    started)
      case $kind/$weight in
        ShrinkWrap/3*) step=root ;;
        PlonkWrap/11*) step=static-verifier ;;
        PlonkWrap/*) step=wrapper ;;
        *) continue ;;
      esac
      # One that is begun again is the same. The steps of two SNARKs may overlap.
      if [[ -z ${number[$task]:-} ]]; then
        count[$step]=$((${count[$step]:-0} + 1))
        number[$task]=${count[$step]}
      fi
      name[$task]=$step began[$task]=$SECONDS cpu_then[$task]=$(cpu "$pid")
      echo 5 >"/proc/$pid/clear_refs" || true
      if [[ ${number[$task]} == "$epochs" && ! -e $dir/chosen-$step ]]; then
        touch "$dir/chosen-$step"
        (
          sleep "$kill_after"
          [[ ! -e $dir/ended-$task ]] && kill -9 "$pid" && touch "$dir/killed-$step" && echo "killed the worker in the middle of: $step"
        ) &
        pids+=($!)
      fi
      ;;
    done)
      step=${name[$task]:-}
      [[ -n $step ]] || continue
      touch "$dir/ended-$task"
      finished[$step]=$((${finished[$step]:-0} + 1))
      printf 'step: %s of SNARK %d: %d s, %d s of CPU, at most %d MB in the worker\n' "$step" "${number[$task]}" \
        $((SECONDS - began[$task])) $(($(cpu "$pid") - cpu_then[$task])) "$(peak "$pid")" | tee -a "$dir/steps"
      unset "name[$task]"
      ;;
  esac
done < <(tail -n +1 -F --pid="$demo" "$log" 2>/dev/null |
  jq --unbuffered -rR 'fromjson? | select(.fields.message == "started" or .fields.message == "done") | .fields
    | [.message, .task, .kind // "", .weight // ""] | @tsv')

wait "$demo" || fail "the demo did not end well"
echo "ok: two epochs were settled $limited"
for step in root static-verifier wrapper; do
  [[ -e $dir/killed-$step ]] || fail "the worker was not killed in the middle of the step: $step"
done
echo "ok: the worker was killed in the middle of the root and of both Halo2 proofs"
[[ $(wc -l <"$dir/steps") == $((3 * epochs)) ]] || fail "a step was finished more or less than once for each epoch"
echo "ok: nothing that was finished was made twice"
made=$(grep -c "a key of the SNARK was made" "$log" || true)
[[ $made -le 2 ]] || fail "keys were made $made times"
grep -q "a key of the SNARK was read" "$log" || fail "the second epoch did not read the keys"
echo "ok: $made keys were made, and read ever after"
report=.demo/report.json
[[ $(jq '.epochs | length' "$report") == "$epochs" ]] || fail "not every epoch was settled"
jq -r '.epochs[] | "ok: epoch \(.epoch) was settled by \(.l1_transaction) for \(.l1_gas) gas"' "$report"
# What verifies no SNARK is far cheaper.
jq -e --argjson most $gas_most 'all(.epochs[]; .l1_gas != null and .l1_gas > 300000 and .l1_gas <= $most)' "$report" >/dev/null ||
  fail "not the gas of a settlement by SNARK, or more than $gas_most"
