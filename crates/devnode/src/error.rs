//! What can go wrong with the node.

use proofmill_stateless::ChainSpecError;
use std::{io, net::SocketAddr};

/// Why a node cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevNodeError {
    /// The port cannot be used.
    #[error("the L2 node cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Such a chain cannot be.
    #[error(transparent)]
    Rules(#[from] ChainSpecError),
}
