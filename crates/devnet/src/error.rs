//! What can go wrong with a devnet.

use proofmill_chain::ChainError;
use proofmill_devnode::DevNodeError;
use proofmill_localnet::LocalnetError;
use proofmill_primitives::ProverType;
use std::{io, path::PathBuf};

/// Why a devnet cannot be started, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The L1 node does not start.
    #[error(transparent)]
    Node(#[from] LocalnetError),
    /// A contract cannot be deployed, or the nodes do not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The L2 node does not start.
    #[error(transparent)]
    L2(#[from] DevNodeError),
    /// The L2 node has no block 0.
    #[error("the L2 node that was just started has no genesis block: its port may be another program's")]
    NoGenesis,
    /// A prover type that needs attestors, and none.
    #[error(
        "proofs of type {prover} are settled by attestors, of which there must be at least the threshold ({threshold}), not {attestors}"
    )]
    TooFewAttestors {
        /// The type.
        prover: ProverType,
        /// How many signatures the contract will want.
        threshold: u64,
        /// How many attestors there are.
        attestors: usize,
    },
    /// A prover type whose proofs have no SNARK that L1 could verify.
    #[error(
        "L1 verifies SNARKs of openvm proofs alone, and {prover} ones are to be proven, too: have attestors sign (--l1-verifier attestors), or \
         leave {prover} out"
    )]
    NoSnark {
        /// The type.
        prover: ProverType,
    },
    /// No prover type.
    #[error("a rollup needs at least one prover type")]
    NoProofTypes,
    /// More attestors than there are well-known keys.
    #[error("a devnet has keys for {most} attestors, not for {got}")]
    TooManyAttestors {
        /// How many there may be.
        most: usize,
        /// How many were asked for.
        got: usize,
    },
    /// The description cannot be written or read.
    #[error("the description of the devnet {}: {source}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
