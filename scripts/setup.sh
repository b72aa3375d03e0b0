#!/usr/bin/env bash
# Installs what a fresh Debian machine lacks. Does nothing, fast, where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

need_packages=()
need() { # command package
  command -v "$1" >/dev/null 2>&1 || need_packages+=("$2")
}
need protoc protobuf-compiler   # the SP1 crates' build scripts
need cc gcc
need pkg-config pkg-config
need jq jq
need xz xz-utils
need curl curl
need python3 python3
need pgrep procps               # `kill`, which the tests run
need redis-server redis-server  # the tests of artifacts in Redis
need ssh openssh-client         # sessions on servers
install() { # options and packages
  local run=()
  [[ $(id -u) == 0 ]] || run=(sudo)
  "${run[@]}" apt-get update -qq
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}
if ((${#need_packages[@]})); then
  echo "installing ${need_packages[*]}"
  install "${need_packages[@]}"
fi
# For the tests of the ledger, which start servers of their own.
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  echo "installing postgresql"
  install --no-install-recommends postgresql
fi
# For the test of the metrics. Without what is recommended with it, which would be more servers.
if ! command -v prometheus >/dev/null; then
  echo "installing prometheus"
  install --no-install-recommends prometheus
fi
# For the tests of sessions on servers, which start one of their own. Where there is systemd, Debian starts its service too.
if [[ ! -x /usr/sbin/sshd ]]; then
  echo "installing openssh-server"
  install --no-install-recommends openssh-server
fi

if ! command -v cargo >/dev/null; then
  echo "error: cargo is not on this machine: install Rust with rustup (rust-toolchain.toml names the version)" >&2
  exit 1
fi
if ! command -v npm >/dev/null; then
  echo "error: npm is not on this machine: install Node.js 20 or newer" >&2
  exit 1
fi
anvil_runs() { node_modules/.bin/anvil --version >/dev/null 2>&1; }
if [[ package-lock.json -nt node_modules/.package-lock.json ]] || ! anvil_runs; then
  echo "installing anvil from npm"
  # Not `npm ci`: it insists on the packages of other platforms, which the lock file leaves out.
  npm install --no-save --silent --no-audit --no-fund
  # npm leaves out, without a word, what does not fit this Node.js or this machine.
  if ! anvil_runs; then
    echo "error: anvil does not run: it needs Node.js 20 or newer (this is $(node --version)) on Linux on x86-64" >&2
    exit 1
  fi
fi
