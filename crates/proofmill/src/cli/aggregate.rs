//! The settings of `proofmill aggregate`.

use super::{Site, node_url};
use clap::Args;
use std::path::PathBuf;
use url::Url;

#[derive(Debug, Args)]
pub(crate) struct Aggregate {
    /// Files of range proofs that follow on each other, oldest first: of an OP Stack chain, as `prove --l1-rpc` saves them; or of the blocks
    /// behind those that are proven of another rollup, to be proposed as one checkpoint (`submit --propose`)
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
    /// Of an OP Stack chain: number of the L1 block whose hash the contract keeps [default: the newest up to which a range was derived]
    #[arg(long, value_name = "BLOCK")]
    pub(crate) l1_head: Option<u64>,
    /// Of an OP Stack chain: whom the proof names as its prover, who shows it to the contract. Elsewhere the range proofs name one
    #[arg(long, env = "PROOFMILL_PROVER_ID", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) prover_id: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) site: Site,
    /// Where to save the proof [default: DATA_DIR/op-proofs/LAST_BLOCK.bin, or DATA_DIR/CHAIN_ID/proofs/joined-START-END.bin; beside another proof there]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
