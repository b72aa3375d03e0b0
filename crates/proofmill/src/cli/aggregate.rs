//! The settings of `proofmill aggregate`.

use super::{Site, node_url};
use clap::Args;
use std::path::PathBuf;
use url::Url;

#[derive(Debug, Args)]
pub(crate) struct Aggregate {
    /// Files of range proofs that follow on each other, oldest first, as `prove --l1-rpc` saves them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) proofs: Vec<PathBuf>,
    /// JSON-RPC node of L1
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
    /// Number of the L1 block whose hash the contract keeps [default: the newest up to which a range was derived]
    #[arg(long, value_name = "BLOCK")]
    pub(crate) l1_head: Option<u64>,
    /// Whom the proof names as its prover: who shows it to the contract
    #[arg(long, env = "PROOFMILL_PROVER_ID", value_name = "ADDRESS")]
    pub(crate) prover_id: alloy_primitives::Address,
    #[command(flatten)]
    pub(crate) site: Site,
    /// Where to save the proof [default: DATA_DIR/op-proofs/LAST_BLOCK.bin]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
