//! The settings of `proofmill attestor`.

use super::{L1, Observing};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Attestor {
    #[command(flatten)]
    pub(crate) l1: L1,
    /// The rollup's contract on L1, whose proofs are attested; this or --oracle
    #[arg(long, env = "PROOFMILL_ROLLUP", conflicts_with = "oracle", value_name = "ADDRESS")]
    pub(crate) rollup: Option<alloy_primitives::Address>,
    /// OP Succinct's OPSuccinctL2OutputOracle on L1, for whose verifier aggregations of an OP Stack chain are attested
    #[arg(long, env = "L2OO_ADDRESS", value_name = "ADDRESS")]
    pub(crate) oracle: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Where to listen
    #[arg(
        long,
        env = "PROOFMILL_ATTESTOR_LISTEN",
        default_value = "127.0.0.1:50061",
        value_name = "HOST:PORT"
    )]
    pub(crate) listen: String,
    /// File with the private key that signs; without one, the environment variable PROOFMILL_ATTESTOR_KEY holds the key
    #[arg(long, env = "PROOFMILL_ATTESTOR_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}
