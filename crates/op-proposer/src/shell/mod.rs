//! Carries out what the rules decide: a loop and its tasks, what proves, and one folder for each of OP Succinct's modes and roles.

mod anchor;
mod challenger;
mod games;
mod kept;
mod outputs;
mod roots;
mod settle;
mod tasks;
mod watch;
mod works;

use crate::error::OpProposerError;
use proofmill_backends::{Backend, BackendError};
use proofmill_chain::{L2, Sender, until_there};
use proofmill_client::ClusterProver;
use proofmill_derivation::RollupConfig;
use proofmill_primitives::ProofMode;
use proofmill_witness::{L1Source, Node, RollupNode};

pub use anchor::{Anchor, AnchorTag};
pub use challenger::{Challenger, ChallengerOptions, ChallengerStatus};
pub use games::{GamesOptions, GamesProposer, GamesStatus};
pub use outputs::{OpProposer, Options, Status};

/// What a proposer stands on, in every mode, beside the contract.
#[derive(Debug)]
pub struct Parts {
    /// Who pays, on the chain of the contract.
    pub sender: Sender,
    /// Attestors, for verifiers of contracts that count them.
    pub attestors: Vec<String>,
    /// The chain that is proven.
    pub l2: L2,
    /// The same, for witnesses.
    pub node: Node,
    /// Its rollup node: asked what is safe where [`Anchor`] is not the default, and for the outputs that games claim.
    pub rollup_node: RollupNode,
    /// What the chain is derived by.
    pub rollup: RollupConfig,
    /// What L1 has.
    pub source: L1Source,
    /// What makes proofs.
    pub prover: ClusterProver,
}

/// What is read at the start, as [`proofmill_chain::patiently`] does, where something else than L1 may keep it, too.
async fn at_start<T, Fut>(what: &str, read: impl Fn() -> Fut) -> Result<T, OpProposerError>
where
    Fut: Future<Output = Result<T, OpProposerError>>,
{
    let wait = |error: &OpProposerError| match error {
        OpProposerError::Chain(error) => error.wait(),
        _ => None,
    };
    let say = |error: &OpProposerError| tracing::warn!(%error, what, "waiting for an endpoint to answer");
    until_there(wait, say, read).await
}

/// Whether aggregations can be made in a mode: what a contract takes without attestors is a SNARK.
///
/// # Errors
/// It is not made; the error names what is to be done.
pub fn aggregation_mode(mode: ProofMode, backend: &dyn Backend) -> Result<(), OpProposerError> {
    let cause = match mode {
        ProofMode::Compressed => return Ok(()),
        mode => match backend.check_mode(mode) {
            Ok(()) => return Ok(()),
            Err(BackendError::UnsupportedMode { cause, .. }) => cause,
            Err(error) => error.to_string(),
        },
    };
    Err(OpProposerError::AggregationMode { mode, prover: backend.prover_type(), cause })
}
