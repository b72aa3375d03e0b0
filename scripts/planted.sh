#!/usr/bin/env bash
# Plants bugs in a copy of the scheduler, one at a time, and shows that its simulation finds each: a simulation that finds
# nothing may be one that looks at nothing.
#
#   scripts/planted.sh [SEEDS]      of each policy; 1,000 where nothing is said
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-1000}
target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/planted
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One member is enough: the workspace is cut down to it and what it needs.
mkdir -p "$work/crates"
cp -r crates/scheduler crates/fault crates/primitives "$work/crates/"
cp Cargo.lock rust-toolchain.toml clippy.toml "$work/"
cp Cargo.toml "$work/"
export CARGO_TARGET_DIR=$target SIMULATION_COUNT=$seeds

simulate() { (cd "$work" && cargo test --quiet -p proofmill-scheduler --test simulation >"$work/log" 2>&1); }

# Name, file, the text that is there, what is planted instead.
plant() {
  local name=$1 file=$work/crates/scheduler/src/$2
  cp "$file" "$work/kept"
  WAS=$3 IS=$4 perl -0pi -e 's/\Q$ENV{WAS}\E/$ENV{IS}/ or exit 3' "$file" || { echo "error: $2 has no such text any more: $3" >&2; exit 1; }
  if simulate; then
    echo "error: not found: $name" >&2
    exit 1
  fi
  if grep -q '^error' "$work/log" && ! grep -q 'replay with' "$work/log"; then
    cat "$work/log" >&2
    echo "error: does not compile: $name" >&2
    exit 1
  fi
  printf '%-62s found: %s\n' "$name" "$(grep -m1 -oE 'policy [a-z]+, replay with SIMULATION_SEED=[0-9]+' "$work/log")"
  cp "$work/kept" "$file"
}

simulate || { cat "$work/log" >&2; echo "error: the simulation fails without a planted bug" >&2; exit 1; }
echo "no bug planted: $seeds seeds of each policy pass"
plant "memory of a controller that ended is never given back" memory.rs \
  '*self.of(lane) -= weight;' 'if matches!(lane, Lane::Work) { *self.of(lane) -= weight; }'
plant "a task that never arrived stays with its worker for good" fleet.rs \
  'self.give_back(now, id, Fault::new(Code::NotDelivered, text), actions);' 'drop(text);'
plant "controllers that block each other do so for good" reserve.rs \
  'let yields = other && (!goes_on || younger && lane == Lane::Work);' 'let yields = other && !goes_on && younger;'
plant "the stall of the coordinator is held against a worker" fleet.rs \
  'received.since(task.confirmed) <=' 'now.since(task.confirmed) <='
