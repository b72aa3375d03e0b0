#!/usr/bin/env bash
# Whether RISC Zero's recursion circuits can be had from the crate registry: fetches the crate as cargo does, looks for the archive
# that its build script wants, and lets that script run. Leaves nothing behind.
set -euo pipefail
version=${1:-4.0.5}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
echo 'fn main() {}' >"$folder/src/main.rs"
cat >"$folder/Cargo.toml" <<TOML
[package]
name = "circuits"
version = "0.0.0"
edition = "2024"
[dependencies]
risc0-circuit-recursion = { version = "=$version", default-features = false, features = ["prove"] }
TOML
cd "$folder"
cargo fetch --quiet
crate=$(cargo metadata --format-version 1 --offline | jq -r '.packages[] | select(.name == "risc0-circuit-recursion").manifest_path')
crate=${crate%/*}
echo "risc0-circuit-recursion $version: $(du -sh "$crate" | cut -f1), archives in it: $(find "$crate" -name '*.zip' | wc -l)"
grep -E 'const (FILENAME|SHA256_HASH|SRC_PATH)|let url' "$crate/build.rs" | sed 's/^ */  /'
echo "building it (some minutes), with RECURSION_SRC_PATH=${RECURSION_SRC_PATH:-not set}"
if CARGO_TARGET_DIR=$folder/target cargo build --quiet -p risc0-circuit-recursion 2>"$folder/log"; then
  echo "it builds: the circuits were there, or the network gave them"
else
  echo "it does not build:"
  grep -E -m4 'Downloading|panicked|Err|error:' "$folder/log" | cut -c1-160 | sed 's/^ */  /'
fi
