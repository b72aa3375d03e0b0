//! The settings of a local rollup's chains.

use super::{Observing, OpChain, Rules, Stack, node_url};
use clap::Args;
use proofmill_backends::prover_type;
use proofmill_devnet::L1Verifier;
use proofmill_primitives::ProverType;
use std::num::{NonZeroU16, NonZeroUsize};
use url::Url;

#[derive(Clone, Debug, Args)]
pub(crate) struct Localnet {
    /// What must prove the rollup: openvm, sp1 or exec (proves nothing); several are all asked for
    #[arg(
        long,
        env = "PROOFMILL_PROVER",
        value_delimiter = ',',
        default_value = "exec",
        value_name = "TYPE",
        value_parser = prover_type
    )]
    pub(crate) prover: Vec<ProverType>,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Seconds between L2 blocks while there are transactions
    #[arg(long, env = "PROOFMILL_L2_BLOCK_TIME", default_value_t = 1, value_name = "SECONDS")]
    pub(crate) l2_block_time: u64,
    /// What L1 wants to be shown of proofs: attestors (their signatures), snark (one on the setup for development, which it verifies
    /// itself) or both
    #[arg(long, env = "PROOFMILL_L1_VERIFIER", default_value_t = L1Verifier::Attestors)]
    pub(crate) l1_verifier: L1Verifier,
    /// How many attestors there are
    #[arg(long, env = "PROOFMILL_ATTESTOR_COUNT", default_value_t = 3, value_name = "NUMBER")]
    pub(crate) attestors: usize,
    /// How many attestors must sign a proof
    #[arg(long, env = "PROOFMILL_THRESHOLD", default_value_t = 2, value_name = "NUMBER")]
    pub(crate) threshold: u64,
    /// L1 that is there already and stays: an anvil of chain 31337 with its well-known accounts and a block each second
    /// [default: one is started]
    #[arg(long, value_parser = node_url, value_name = "URL")]
    pub(crate) on_l1: Option<Url>,
    /// L2's port [default: a free one]
    #[arg(long, env = "PROOFMILL_L2_PORT", value_name = "PORT")]
    pub(crate) l2_port: Option<NonZeroU16>,
    /// How many transactions may wait on L2 for a block
    #[arg(long, env = "PROOFMILL_L2_MEMPOOL_LIMIT", default_value = "20000", value_name = "NUMBER")]
    pub(crate) l2_mempool_limit: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct LocalnetAlone {
    /// Which chain L2 is: one by Ethereum's rules with Proofmill's own contracts, or one of the OP Stack with OP Succinct's
    /// interface on L1
    #[arg(long, env = "PROOFMILL_STACK", value_enum, default_value_t = Stack::Ethereum)]
    pub(crate) stack: Stack,
    #[command(flatten)]
    pub(crate) op: OpChain,
    #[command(flatten)]
    pub(crate) chains: Localnet,
    #[command(flatten)]
    pub(crate) observing: Observing,
}
