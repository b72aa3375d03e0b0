//! Why there is nothing to propose with.

use crate::AnchorTag;
use alloy_primitives::{Address, B256};
use proofmill_attestor::AttestError;
use proofmill_backends::BackendError;
use proofmill_chain::{ChainError, OtherSnark};
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_witness::BuildError;
use std::{io, path::PathBuf};

/// Why a proposer does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpProposerError {
    /// L1 cannot be read, or the contract is another one.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The keys of the programs cannot be made.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The contract wants proofs of something else.
    #[error(
        "the contract's configuration `{name}` has the {what} {contract}, here it is {here}: have the contract's owner add a \
         configuration with addOpSuccinctConfig, and name it here (OP_SUCCINCT_CONFIG_NAME)"
    )]
    OtherConfig {
        /// The configuration's name.
        name: String,
        /// What differs.
        what: &'static str,
        /// What the contract has.
        contract: B256,
        /// What this release, or this chain, has.
        here: B256,
    },
    /// New games want proofs of something else.
    #[error(
        "games of the factory {factory} have the {what} {contract}, here it is {here}: have the factory's owner set an implementation \
         of what is here, or use the release and the chain that it is of"
    )]
    OtherGames {
        /// The factory.
        factory: Address,
        /// What differs.
        what: &'static str,
        /// What games have.
        contract: B256,
        /// What this release, or this chain, has.
        here: B256,
    },
    /// What the contract has newest is of before Isthmus.
    #[error(
        "nothing that follows on the newest output of the contract can be proven: {source}. Have the contract, or the anchor of games, \
         begin with the output of a block of Isthmus or later"
    )]
    BeforeIsthmus {
        /// The block, and when Isthmus begins.
        source: Box<BuildError>,
    },
    /// The contract can never keep the hash of the L1 block that counts.
    #[error(
        "the L1 block that counts is {confirmations} blocks before the {tag} one (L1_CONFIRMATIONS), and checkpointBlockHash of the contract \
         sees the hashes of the last {hashes} blocks of L1 alone: set --l1-confirmations (L1_CONFIRMATIONS) to {most} or less"
    )]
    TooFarBack {
        /// From which block it is counted.
        tag: AnchorTag,
        /// How far back.
        confirmations: u64,
        /// So many blocks back a contract sees hashes.
        hashes: u64,
        /// What can work at the most.
        most: u64,
    },
    /// Too few attestors for the contract's verifier.
    #[error("the contract's verifier {verifier} counts signatures of attestors: {source}")]
    Attestors {
        /// The verifier.
        verifier: Address,
        /// What is missing.
        source: Box<AttestError>,
    },
    /// The contract's verifier takes SNARKs, and none are made.
    #[error(
        "the contract's verifier {verifier} takes SNARKs, and aggregations are carried to `{mode}` (AGG_PROOF_MODE): set it to plonk, with \
         OpenVM and --snark; or have the contract name a verifier that takes what attestors sign (`proofmill contracts deploy-verifier`, \
         `proofmill attestor`)"
    )]
    WantsSnark {
        /// The verifier.
        verifier: Address,
        /// How far aggregations are carried.
        mode: ProofMode,
    },
    /// The contract's verifier takes other SNARKs: on another setup, or of another circuit.
    #[error("SNARKs are not made for the contract's verifier {verifier}: {source}")]
    OtherSnark {
        /// The verifier.
        verifier: Address,
        /// What does not fit.
        source: OtherSnark,
    },
    /// Aggregations are wanted in a form that is not made.
    #[error(
        "the aggregation cannot be carried to `{mode}` (AGG_PROOF_MODE) with {prover}: {cause}. Set it to compressed, and have the contract \
         name a verifier that takes what attestors sign of such proofs (`proofmill contracts deploy-verifier`, `proofmill attestor`)"
    )]
    AggregationMode {
        /// The mode.
        mode: ProofMode,
        /// What makes the proofs.
        prover: ProverType,
        /// Why it is not made.
        cause: String,
    },
    /// The folder cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A plan that this release did not write.
    #[error(
        "{} is no plan of this release: {reason}. Move it away; proofs that are in the folder are found again",
        .path.display()
    )]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A thread broke off.
    #[error("making the programs' keys broke off; please report it")]
    BrokeOff,
}
