# shellcheck shell=bash
# What guests and their test programs are built with: $rustc and $cargo of Debian, their $sysroot, and $lld, the linker of the
# pinned toolchain. Sourced. Compilers and linkers of other versions give other binaries; GUEST_RUSTC, GUEST_CARGO and GUEST_LLD name others.

lacks() { echo "$(basename "$0"): $*" >&2; exit 1; }
rustc=${GUEST_RUSTC:-/usr/bin/rustc}
cargo=${GUEST_CARGO:-/usr/bin/cargo}
[[ -x $rustc && -x $cargo ]] || lacks "no Rust at $rustc and $cargo: apt-get install rustc-web cargo-web rust-web-src"
sysroot=$("$rustc" --print sysroot)
[[ -d $sysroot/lib/rustlib/src/rust/library ]] || lacks "no standard library sources: apt-get install rust-web-src"
channel=$(sed -nE 's/^channel *= *"(.*)"$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../rust-toolchain.toml")
toolchains=${RUSTUP_HOME:-$HOME/.rustup}/toolchains
lld=${GUEST_LLD:-$(find -L "$toolchains" -maxdepth 6 -path "$toolchains/$channel-*/bin/rust-lld" -print -quit 2>/dev/null || true)}
[[ -x $lld ]] || lacks "no rust-lld of Rust $channel under $toolchains: rustup toolchain install $channel"
