# The two commands: `make demo` and `make test`. Both set up what is missing.
SHELL := bash
PROVER ?= openvm
# Which chain the demo proves: one by Ethereum's rules, or one of the OP Stack (op).
STACK ?= ethereum

.PHONY: help demo test test-long build setup elf check-elf contracts lint fmt bench cycles

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install what the build, the demo and the tests need (Debian packages, anvil from npm)
	@scripts/setup.sh

build: setup ## Build the binary with the backend PROVER (openvm, sp1 or exec; several with commas between them)
	@scripts/build.sh $(PROVER)

demo: build ## Prove real blocks of a local chain: PROVER=openvm (default), sp1, exec, "openvm,sp1" or "openvm,exec"; STACK=op for the OP Stack
	@scripts/demo$(if $(filter op,$(STACK)),-op).sh "$$(scripts/binary.sh $(PROVER))" $(PROVER)

test: setup ## Every test that fits a 2-core machine
	@scripts/test.sh

test-long: setup ## The long proofs and all of the Ethereum Foundation's tests
	@scripts/test-long.sh

# First the sources: their folder is mapped out of what is built, and must be there to be seen.
elf: setup ## Build the zkVM guests with Debian's Rust and write their hashes
	@for machine in openvm sp1; do cargo fetch --quiet --locked --manifest-path programs/$$machine/Cargo.toml || exit 1; done
	@programs/build.sh all

check-elf: ## Check that the committed ELFs are those of the committed sources
	@programs/check.sh

contracts: setup ## Compile the contracts and write their artifacts and hashes
	@contracts/build.sh

lint: setup ## Format, clippy, unused and forbidden dependencies
	@scripts/lint.sh

fmt: ## Format everything
	@cargo fmt --all

bench: setup ## Wall time and memory: one worker, two workers, OpenVM's own prover
	@benches/workers.sh

cycles: setup ## Instructions by kind of block: benches/cycles.md
	@benches/cycles.sh
