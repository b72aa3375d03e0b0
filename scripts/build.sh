#!/usr/bin/env bash
# Builds the binary with one backend, or those with several: build.sh openvm|sp1|exec[,...]
# Cargo shows how far it is: the first time takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:?openvm, sp1 or exec, or several with commas between them} == *,* ]]; then
  IFS=, read -ra types <<<"$1"
  for type in "${types[@]}"; do scripts/build.sh "$type"; done
  exit
fi
case $1 in
  openvm)
    [[ -x $(scripts/binary.sh openvm) ]] || echo "building with OpenVM: about 25 minutes the first time on 2 cores"
    cargo build --release -p proofmill -p proofmill-backends --features proofmill/openvm --bin proofmill
    ;;
  exec)
    # The binary with OpenVM has `exec` too: never replace it by a smaller one.
    if compgen -G "$(dirname "$(scripts/binary.sh exec)")/deps/libopenvm_sdk-*" >/dev/null; then
      cargo build --release -p proofmill -p proofmill-backends --features proofmill/openvm --bin proofmill
    else
      echo "building without a zkVM: about 5 minutes the first time on 2 cores"
      cargo build --release -p proofmill
    fi
    ;;
  sp1)
    [[ -x $(scripts/binary.sh sp1) ]] || echo "building with SP1: 15 to 30 minutes the first time on 2 cores"
    cargo build --release --manifest-path sp1/Cargo.toml
    ;;
  *)
    echo "error: unknown prover type '$1': use openvm, sp1 or exec" >&2
    exit 2
    ;;
esac
