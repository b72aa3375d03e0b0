#!/usr/bin/env bash
# The input of the Fibonacci fixture for OpenVM: the number of steps as 8 little-endian bytes, in the JSON of OpenVM's
# own command line (01 says that bytes follow).
set -euo pipefail
printf '{"input": ["0x01%s"]}\n' "$(printf '%016x' "$1" | fold -w2 | tac | tr -d '\n')"
