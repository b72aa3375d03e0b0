#!/usr/bin/env bash
# Format, clippy, unused and forbidden dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
for tool in deny machete; do
  command -v "cargo-$tool" >/dev/null || echo "skipped cargo $tool: not on this machine (cargo install cargo-$tool)"
done
# The guests' crates are used by what their macros expand to, which machete does not see.
if command -v cargo-machete >/dev/null; then cargo machete crates; fi
if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; fi
