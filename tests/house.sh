# shellcheck shell=bash
# What the end-to-end scripts share: a folder, processes that end with the script, free ports. Sourced from the repository's root.

dir=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap cleanup EXIT
fail() {
  echo "FAILED: $*" >&2
  tail -n 30 "$dir"/*.log >&2
  exit 1
}
# Below those that the system gives to whoever connects, or asks for any: between two servers on it nobody is given it.
free_port() {
  python3 -c '
import random, socket
while True:
    port = random.randrange(10_000, 20_000)
    with socket.socket() as tried:
        if tried.connect_ex(("127.0.0.1", port)):
            print(port)
            break
'
}
# Waits until a cluster answers.
answers() {
  for _ in $(seq 1200); do "$bin" status --cluster "$1" >/dev/null 2>&1 && return; sleep 0.1; done
  fail "the cluster does not answer"
}
