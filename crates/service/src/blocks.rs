//! Hashes of L2 blocks, which a range needs to be split.

use alloy_primitives::B256;
use futures::future::BoxFuture;
use proofmill_chain::{BlockAt, L2};
use std::fmt;

/// Knows the hashes of L2's blocks.
pub trait BlockHashes: fmt::Debug + Send + Sync {
    /// The hash of a block on the branch that L2 is on now; nothing where it is not that long.
    ///
    /// # Errors
    ///
    /// [`Away`] where L2 cannot be read.
    fn hash(&self, number: u64) -> BoxFuture<'_, Result<Option<B256>, Away>>;
}

impl BlockHashes for L2 {
    fn hash(&self, number: u64) -> BoxFuture<'_, Result<Option<B256>, Away>> {
        Box::pin(async move {
            let block = self.block(BlockAt::Number(number)).await.map_err(Away::because)?;
            Ok(block.map(|block| block.hash))
        })
    }
}

/// Something cannot be used now. Nothing is lost: it is asked again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Away {
    /// What is missing, and the remedy.
    pub cause: String,
}

impl Away {
    /// For this reason.
    pub fn because(cause: impl fmt::Display) -> Self {
        Self { cause: cause.to_string() }
    }
}
