//! The settings of `proofmill op-proposer`.

use super::{L2, Observing, Paying, Sending, Site, node_url};
use clap::{Args, builder::BoolishValueParser};
use proofmill_backends::prover_type;
use proofmill_chain::OutputOracle;
use proofmill_op_proposer::AnchorTag;
use proofmill_primitives::ProverType;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};
use url::Url;

/// Fault proofs: dispute games, in place of an output oracle.
#[derive(Debug, Args)]
pub(crate) struct OpGames {
    /// Fault proofs: the DisputeGameFactory on L1
    #[arg(long, env = "FACTORY_ADDRESS", value_name = "ADDRESS")]
    pub(crate) factory: Option<alloy_primitives::Address>,
    /// Fault proofs: the type of OP Succinct's games there
    #[arg(long, env = "GAME_TYPE", default_value_t = 42, value_name = "TYPE")]
    pub(crate) game_type: u32,
    /// Fault proofs: blocks of L2 between two games
    #[arg(long, env = "PROPOSAL_INTERVAL_IN_BLOCKS", default_value_t = 1800, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) game_interval: u64,
    /// Fault proofs: challenged games that are proven at the same time
    #[arg(long, env = "MAX_CONCURRENT_DEFENSE_TASKS", default_value = "8", value_name = "NUMBER")]
    pub(crate) max_defenses: NonZeroUsize,
    /// Fault proofs: prove the account's own games before anybody challenges them
    #[arg(long, env = "FAST_FINALITY_MODE", value_parser = BoolishValueParser::new())]
    pub(crate) fast_finality: bool,
    /// Fault proofs: so many of them at the same time
    #[arg(long, env = "FAST_FINALITY_PROVING_LIMIT", default_value = "1", value_name = "NUMBER")]
    pub(crate) fast_finality_limit: NonZeroUsize,
    /// Fault proofs: ranges in which a game is proven
    #[arg(long, env = "RANGE_SPLIT_COUNT", default_value = "1", value_name = "NUMBER")]
    pub(crate) range_splits: NonZeroU64,
}

#[derive(Debug, Args)]
pub(crate) struct OpProposer {
    /// JSON-RPC node of L1. With several, the newest head among them is followed, and each is asked what the others lack
    #[arg(
        long,
        env = "L1_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        required = true,
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l1_rpc: Vec<Url>,
    /// Beacon node of L1, for batches in blobs
    #[arg(long, env = "L1_BEACON_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l1_beacon_rpc: Option<Url>,
    /// Chain id that L1 must have
    #[arg(long, env = "PROOFMILL_L1_CHAIN_ID", value_name = "ID")]
    pub(crate) l1_chain_id: Option<u64>,
    #[command(flatten)]
    pub(crate) l2: L2,
    /// Rollup node (op-node) of the chain: for its configuration, and for what is safe where --l1-block-tag is not `finalized`
    #[arg(long, env = "L2_NODE_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l2_node_rpc: Url,
    /// The chain's rollup.json, where it is not to be asked of the rollup node
    #[arg(long, env = "PROOFMILL_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Validity: the OPSuccinctL2OutputOracle on L1
    #[arg(long, env = "L2OO_ADDRESS", conflicts_with = "factory", value_name = "ADDRESS")]
    pub(crate) oracle: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) games: OpGames,
    /// Name of the contract's configuration that is proven by
    #[arg(long, env = "OP_SUCCINCT_CONFIG_NAME", default_value = OutputOracle::FIRST_CONFIG, value_name = "NAME")]
    pub(crate) config_name: String,
    /// Blocks of L2 in each range proof
    #[arg(long, env = "RANGE_PROOF_INTERVAL", default_value_t = 1800, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) range_interval: u64,
    /// Blocks of L2 that must be proven before an output is proposed; the contract may want more
    #[arg(long, env = "SUBMISSION_INTERVAL", default_value_t = 1800, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) submission_interval: u64,
    /// Proofs that are made at the same time: ranges, and the aggregation of those before; of each game, with --factory, ranges
    #[arg(long, env = "MAX_CONCURRENT_PROOF_REQUESTS", default_value = "1", value_name = "NUMBER")]
    pub(crate) max_ranges: NonZeroUsize,
    /// Seconds between two looks at both chains
    #[arg(long, env = "LOOP_INTERVAL", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) loop_interval: u64,
    /// Up to which block of L1 things are proven: finalized, safe or latest
    #[arg(long, env = "L1_BLOCK_TAG", default_value_t = AnchorTag::Finalized, value_name = "TAG")]
    pub(crate) l1_block_tag: AnchorTag,
    /// So many blocks before that one
    #[arg(long, env = "L1_CONFIRMATIONS", default_value_t = 0, value_name = "BLOCKS")]
    pub(crate) l1_confirmations: u64,
    #[command(flatten)]
    pub(crate) paying: Paying,
    /// Web3Signer that signs for --signer-address; goes before the other accounts
    #[arg(long, env = "SIGNER_URL", hide_env_values = true, value_parser = node_url, requires = "signer_address", value_name = "URL")]
    pub(crate) signer_url: Option<Url>,
    /// Account whose key --signer-url has
    #[arg(long, env = "SIGNER_ADDRESS", requires = "signer_url", value_name = "ADDRESS")]
    pub(crate) signer_address: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Attestors that verify the proofs for L1, where the contract's verifier counts their signatures
    #[arg(long, env = "PROOFMILL_ATTESTORS", value_delimiter = ',', value_name = "URL")]
    pub(crate) attestor: Vec<String>,
    /// What makes the proofs: openvm, sp1, or exec (runs the program natively and proves nothing)
    #[arg(long, env = "PROOFMILL_PROVER_TYPE", default_value_t = ProverType::OpenVm, value_parser = prover_type)]
    pub(crate) prover: ProverType,
    /// End after so many outputs came to L1, by whomever
    #[arg(long, value_name = "NUMBER", conflicts_with = "factory", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) until_proposed: Option<u64>,
    #[command(flatten)]
    pub(crate) site: Site,
    #[command(flatten)]
    pub(crate) observing: Observing,
}
