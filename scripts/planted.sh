#!/usr/bin/env bash
# Plants bugs in a copy of the scheduler, one at a time, and shows that its simulation finds each: a simulation that finds
# nothing may be one that looks at nothing.
#
#   scripts/planted.sh [SEEDS]      of each policy; 1,000 where nothing is said
#   scripts/planted.sh --check      only plants them, and builds nothing: `make test` sees that each still has its place
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-1000}
metadata=$(cargo metadata --format-version 1 --no-deps --offline)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The workspace is cut down to the scheduler and what it needs of it, for its tests too.
needed=$(jq -r '
  (.packages | INDEX(.manifest_path | rtrimstr("/Cargo.toml"))) as $crates
  | def closed:
      (. + [.[] as $crate | $crates[$crate].dependencies[]?.path | values] | unique) as $more
      | if $more == . then . else $more | closed end;
  .workspace_root as $root
  | [$root + "/crates/scheduler"] | closed[] | ltrimstr($root + "/")
' <<<"$metadata")
for crate in $needed; do
  mkdir -p "$work/$(dirname "$crate")"
  cp -r "$crate" "$work/$crate"
done
cp Cargo.toml Cargo.lock rust-toolchain.toml clippy.toml "$work/"
CARGO_TARGET_DIR=$(jq -r .target_directory <<<"$metadata")/planted
export CARGO_TARGET_DIR SIMULATION_COUNT=$seeds

simulate() { (cd "$work" && cargo test --quiet -p proofmill-scheduler --test simulation >"$work/log" 2>&1); }

# Name, file, the text that is there, what is planted instead.
plant() {
  local name=$1 file=$work/crates/scheduler/src/$2
  cp "$file" "$work/kept"
  WAS=$3 IS=$4 perl -0pi -e 's/\Q$ENV{WAS}\E/$ENV{IS}/ or exit 3' "$file" || { echo "error: $2 has no such text any more: $3" >&2; exit 1; }
  if [[ $seeds == --check ]]; then
    echo "has its place: $name"
    cp "$work/kept" "$file"
    return
  fi
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

if [[ $seeds != --check ]]; then
  simulate || { cat "$work/log" >&2; echo "error: the simulation fails without a planted bug" >&2; exit 1; }
  echo "no bug planted: $seeds seeds of each policy pass"
fi
plant "memory of a controller that ended is never given back" memory.rs \
  '*self.of(lane) -= weight;' 'if matches!(lane, Lane::Work) { *self.of(lane) -= weight; }'
plant "a task that never arrived stays with its worker for good" fleet.rs \
  'self.give_back(now, id, Fault::new(Code::NotDelivered, text), actions);' 'drop(text);'
plant "controllers that block each other do so for good" reserve.rs \
  'let yields = other && (!goes_on || younger && lane != Lane::Controller);' 'let yields = other && !goes_on && younger;'
plant "the stall of the coordinator is held against a worker" fleet.rs \
  'received.since(task.confirmed) <=' 'now.since(task.confirmed) <='
plant "what a worker that stops unheard hands back it is given again" scheduler.rs \
  'Code::PutBack | Code::Stopping => Code::Withdrawn,' 'Code::PutBack => Code::Withdrawn,'
plant "a build's word counts before the others are back" scheduler.rs \
  'self.is_gathering(now) || self.has_another_build(id, worker)' 'self.has_another_build(id, worker)'
plant "work that was killed together meets again" worker.rs \
  'want.apart && !load.lane.waits()).count()' 'want.apart && !load.lane.waits()).count() / 2'
plant "a restart of the coordinator forgets which work was killed together" scheduler.rs \
  'task.history = history.clone();' \
  'task.history = if history.is_suspected() { History::of_tries(history.tries()) } else { history.clone() };'
