//! The settings of `proofmill prove`, and where it makes its proofs.

use super::{Cost, Store, YEAR, gb, node_url};
use clap::Args;
use proofmill_backends::prover_type;
use proofmill_primitives::{ProofMode, ProverType, Weight};
use std::{num::NonZeroU64, path::PathBuf};
use url::Url;

/// Where the proofs of a command are made: on a cluster, or in its own process.
#[derive(Clone, Debug, Args)]
pub(crate) struct Site {
    /// Give up on a proof after so many seconds
    #[arg(long, env = "PROVING_TIMEOUT", default_value_t = 14_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) timeout: u64,
    /// Cluster to ask; without one, a cluster and a worker are started in this process
    #[arg(long, env = "CLI_CLUSTER_RPC", value_name = "URL")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
    /// The most that the embedded worker's tasks may weigh together, in GB [default: from the machine's memory]
    #[arg(long, env = "WORKER_MAX_WEIGHT_OVERRIDE", value_name = "GB", value_parser = gb)]
    pub(crate) max_weight: Option<Weight>,
    /// Memory that the embedded worker cuts segments for, in GB
    #[arg(long, env = "PROOFMILL_SEGMENT_MEMORY", default_value = "4", value_name = "GB", value_parser = gb)]
    pub(crate) segment_memory: Weight,
}

#[derive(Debug, Args)]
pub(crate) struct Range {
    /// Prove the range, once it is validated
    #[arg(long)]
    pub(crate) prove: bool,
    #[command(flatten)]
    pub(crate) of: Prove,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// Program to prove: an ELF of the prover type's zkVM
    #[arg(long, value_name = "FILE", requires = "stdin", conflicts_with_all = ["start", "end"])]
    pub(crate) elf: Option<PathBuf>,
    /// Input of the program, in the zkVM's own format
    #[arg(long, value_name = "FILE", requires = "elf")]
    pub(crate) stdin: Option<PathBuf>,
    /// JSON-RPC node of the chain whose blocks are to be proven. With several, each is asked what the others lack
    #[arg(
        long,
        env = "L2_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l2_rpc: Vec<Url>,
    /// JSON-RPC node of L1, for chains of the OP Stack: what L1 has of the blocks is proven with them. Without it a proof says only that they
    /// follow on each other
    #[arg(
        long,
        env = "L1_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l1_rpc: Vec<Url>,
    /// Beacon node of L1, for batches in blobs
    #[arg(long, env = "L1_BEACON_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l1_beacon_rpc: Option<Url>,
    /// Genesis file of L1 with its forks, where it is no well-known network: what blobs cost there follows from them
    #[arg(long, env = "PROOFMILL_L1_GENESIS", value_name = "FILE")]
    pub(crate) l1_genesis: Option<PathBuf>,
    /// Rollup node (op-node) of the chain, for its configuration; where --genesis names its rollup.json, it is not asked
    #[arg(long, env = "L2_NODE_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l2_node_rpc: Option<Url>,
    /// First block [default: so that the latest --default-range finalized blocks are proven]
    #[arg(long, value_name = "BLOCK")]
    pub(crate) start: Option<u64>,
    /// Last block [default: the latest finalized one, or --default-range blocks from --start on]
    #[arg(long, value_name = "BLOCK")]
    pub(crate) end: Option<u64>,
    /// How many blocks are proven where only one end of the range is given, or none
    #[arg(long, env = "DEFAULT_RANGE", default_value = "5", value_name = "BLOCKS")]
    pub(crate) default_range: NonZeroU64,
    /// Chain id that the node must have
    #[arg(long, env = "PROOFMILL_CHAIN_ID", value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// Genesis file with the chain's forks, for chains that are not well known; of the OP Stack, genesis.json or rollup.json
    #[arg(long, env = "PROOFMILL_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Rollup contract that the proof is bound to
    #[arg(
        long,
        env = "PROOFMILL_ROLLUP",
        default_value = "0x0000000000000000000000000000000000000000",
        value_name = "ADDRESS"
    )]
    pub(crate) rollup: alloy_primitives::Address,
    /// Whom the proof names as its prover: nobody else can aggregate it
    #[arg(
        long,
        env = "PROOFMILL_PROVER_ID",
        default_value = "0x0000000000000000000000000000000000000000",
        value_name = "ADDRESS"
    )]
    pub(crate) prover_id: alloy_primitives::Address,
    /// What makes the proof: openvm, sp1, or exec (runs the program natively and proves nothing)
    #[arg(long, env = "PROOFMILL_PROVER_TYPE", default_value_t = ProverType::OpenVm, value_parser = prover_type)]
    pub(crate) prover: ProverType,
    /// How far to carry it: core, compressed, plonk or groth16
    #[arg(long, env = "PROOFMILL_MODE", default_value_t = ProofMode::Compressed)]
    pub(crate) mode: ProofMode,
    /// Only run the program and report what a proof would take
    #[arg(long)]
    pub(crate) execute_only: bool,
    /// Only write the program and its input into this folder, as `program.elf` and `stdin`, for another prover
    #[arg(long, value_name = "DIR", conflicts_with_all = ["elf", "execute_only"])]
    pub(crate) export: Option<PathBuf>,
    /// Stop a program that takes more instructions
    #[arg(long, env = "PROOFMILL_CYCLE_LIMIT", value_name = "INSTRUCTIONS")]
    pub(crate) cycle_limit: Option<NonZeroU64>,
    #[command(flatten)]
    pub(crate) cost: Cost,
    #[command(flatten)]
    pub(crate) site: Site,
    /// Where to save the proof [default: DATA_DIR/CHAIN_ID/proofs/START-END.bin, or PROGRAM.proof; beside another proof there]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also write the figures of the run as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

impl Prove {
    /// Whether a SNARK of OpenVM's is to be made. Of blocks there is none.
    pub(crate) fn wants_snark(&self) -> bool {
        let openvm = self.prover == ProverType::OpenVm;
        openvm && self.mode == ProofMode::Plonk && self.elf.is_some() && !self.execute_only
    }
}
