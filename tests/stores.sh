#!/usr/bin/env bash
# The same OpenVM proof through a folder, through Redis and through S3, with a worker that has no folder in common with the
# cluster for the latter two: equal public values, valid, and what the worker read from each store and wrote to it for each segment:
# unpacked, by its metrics, without what its cache answered. For Redis also what went over the wire, packed. stores.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
# shellcheck source=house.sh
source tests/house.sh
cargo build --quiet -p proofmill-localstore --example s3
target=$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)

elf=crates/backends/tests/fixtures/fibonacci-openvm.elf
tests/fibonacci-input.sh 4000 >"$dir/stdin.json"

# What the worker's metrics say of the bytes of all kinds of artifacts: get or put, and the page.
bytes() {
  awk -v of="operation=\"$1\"" 'index($0, "proofmill_artifact_bytes_total{") == 1 && index($0, of) { sum += $NF } END { printf "%.0f", sum }' "$2"
}

# Proves through the store that the environment names.
through() {
  local name=$1 port metrics began cluster_pid worker_pid segments
  port=$(free_port)
  metrics=$(free_port)
  "$bin" cluster --data-dir "$dir/$name-cluster" --listen "127.0.0.1:$port" --controller-headroom 1 >"$dir/$name-cluster.log" 2>&1 &
  cluster_pid=$!
  local folder=$dir/$name-worker client=$dir/$name-client
  if [[ $name == folder ]]; then folder=$dir/$name-cluster client=$dir/$name-cluster; fi
  "$bin" worker --data-dir "$folder" --coordinator "http://127.0.0.1:$port" --prover openvm --id "$name" --max-weight 7 \
    --segment-memory 2 --metrics-listen "127.0.0.1:$metrics" >"$dir/$name-worker.log" 2>&1 &
  worker_pid=$!
  pids+=("$cluster_pid" "$worker_pid")
  began=$(date +%s)
  "$bin" prove --cluster "http://127.0.0.1:$port" --data-dir "$client" --elf "$elf" --stdin "$dir/stdin.json" \
    --output "$dir/$name.proof" --report "$dir/$name.json" >"$dir/$name-prove.log" 2>&1 || fail "no proof through $name"
  "$bin" verify --elf "$elf" "$dir/$name.proof" >"$dir/$name-verify.log" || fail "the proof through $name is not valid"
  segments=$(jq .tasks.ProveShard.count "$dir/$name.json")
  echo "ok: $name: $(($(date +%s) - began)) s, $segments segments, $(head -1 "$dir/$name-verify.log")"
  curl --silent --fail --noproxy '*' "http://127.0.0.1:$metrics/metrics" >"$dir/$name.metrics" || fail "no metrics of the worker of $name"
  for operation in get put; do
    (($(bytes $operation "$dir/$name.metrics") > 0)) || fail "the metrics of the worker of $name have no bytes for $operation"
  done
  echo "    the worker read $(($(bytes get "$dir/$name.metrics") / segments)) bytes for each segment, and wrote" \
    "$(($(bytes put "$dir/$name.metrics") / segments))"
  kill "$worker_pid" "$cluster_pid"
  wait "$worker_pid" "$cluster_pid" || true
}

through folder

redis=$(free_port)
redis-server --port "$redis" --bind 127.0.0.1 --save '' --maxmemory 2gb --maxmemory-policy noeviction >"$dir/redis.log" 2>&1 &
pids+=($!)
until redis-cli -p "$redis" ping >/dev/null 2>&1; do sleep 0.1; done
CLI_REDIS_NODES=redis://127.0.0.1:$redis through redis
echo "    over the wire, in all: Redis sent $(redis-cli -p "$redis" info stats | sed -nE 's/^total_net_output_bytes:([0-9]+).*/\1/p') bytes," \
  "received $(redis-cli -p "$redis" info stats | sed -nE 's/^total_net_input_bytes:([0-9]+).*/\1/p')"

mkfifo "$dir/open"
"$target/debug/examples/s3" <"$dir/open" >"$dir/s3.env" &
pids+=($!)
exec 8>"$dir/open"
until grep -q REGION "$dir/s3.env"; do sleep 0.1; done
set -a
# shellcheck disable=SC1091
source "$dir/s3.env"
set +a
through s3

public_values() { grep -i '^public values' "$dir/$1-verify.log"; }
for name in redis s3; do
  [[ $(public_values "$name") == "$(public_values folder)" ]] || fail "other public values through $name"
done
echo "ok: equal public values through all three"
