//! What can go wrong between a proof and its signatures.

use alloy_primitives::{Address, B256};
use proofmill_backends::BackendError;
use proofmill_chain::ChainError;
use proofmill_client::ProofFileError;
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};

/// Why there is no attestation.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The bytes are not the file of a proof.
    #[error("not the proof of a checkpoint or of an epoch: {0}")]
    NotAProof(#[from] ProofFileError),
    /// The type proves nothing.
    #[error("the proof was made by `{prover}`, which proves nothing: no attestor signs it")]
    ProvesNothing {
        /// The prover type.
        prover: ProverType,
    },
    /// The proof was not carried far enough.
    #[error(
        "it is a {mode} proof, and only compressed proofs and SNARKs of such are signed: ask the prover for one"
    )]
    OtherMode {
        /// How far it was carried.
        mode: ProofMode,
    },
    /// It holds, but proves nothing to anybody.
    #[error("{cause}; on L1 {chain_id} nobody signs that")]
    Insecure {
        /// Why.
        cause: String,
        /// EIP-155 chain id of L1.
        chain_id: u64,
    },
    /// The proof is for another rollup.
    #[error("the proof is for the rollup {got}, this attestor attests for {expected}")]
    OtherRollup {
        /// The attestor's.
        expected: Address,
        /// The proof's.
        got: Address,
    },
    /// The rollup does not ask for proofs of this type.
    #[error("the rollup does not ask for proofs of type {prover}")]
    NotAsked {
        /// The prover type.
        prover: ProverType,
    },
    /// The rollup's programs are those of another release.
    #[error(
        "the rollup wants proofs of the program {wanted}, this release has {ours}: run the release that deployed the rollup"
    )]
    OtherRelease {
        /// What the contract says.
        wanted: ProgramVersion,
        /// What this binary has.
        ours: ProgramVersion,
    },
    /// Its range proofs are of another program.
    #[error("the epoch proof joins proofs of the program {got}, not of the range program {expected}")]
    OtherRangeProgram {
        /// The range program of this attestor's version.
        expected: ProgramVersion,
        /// What the proof says.
        got: ProgramVersion,
    },
    /// Dispute games are of another chain, or of other rules of it.
    #[error(
        "new dispute games want proofs of the rollup configuration {l1}, the proof is of {got}: prove with the rollup.json that \
         they are of, or have the attestor attest for the games of this chain (--factory, --game-type)"
    )]
    OtherConfig {
        /// The hash that games have.
        l1: B256,
        /// The hash that the proof has.
        got: B256,
    },
    /// No checkpoint on L1 has these blocks.
    #[error(
        "no checkpoint on L1 has block {block}: it was given up, or this attestor's L1 node is behind; it is signed once it \
         is there"
    )]
    NotOnL1 {
        /// The first or the last block of the proof.
        block: u64,
    },
    /// The proof says something else than the checkpoints on L1.
    #[error("the proof is not of the checkpoints that L1 has: its {field} is {proof}, there it is {l1}")]
    NotAsOnL1 {
        /// Which public value.
        field: &'static str,
        /// What L1 has.
        l1: String,
        /// What the proof says.
        proof: String,
    },
    /// The verifier on L1 counts nobody's signatures.
    #[error(
        "the verifier {verifier} on L1 counts no attestors, and neither does one that it asks: no signature is needed; leave \
         --attestor (PROOFMILL_ATTESTORS) out where proofs are published, or have L1 name a verifier that counts attestors"
    )]
    NotCounted {
        /// The verifier that the contract names.
        verifier: Address,
    },
    /// Several of the verifiers that are asked count signatures.
    #[error(
        "the verifier {verifier} on L1 asks {several} verifiers that count attestors, and an attestor signs for one: have L1 \
         name a verifier that asks one of them"
    )]
    SeveralCount {
        /// The verifier that the contract names.
        verifier: Address,
        /// How many of those that it asks count attestors.
        several: usize,
    },
    /// L1 cannot be read.
    #[error("what is on L1 cannot be read: {0}")]
    L1(#[source] ChainError),
    /// The proof does not hold, or its prover type is not compiled in.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Signing failed.
    #[error(transparent)]
    Signing(#[from] ChainError),
    /// The check of the proof broke off.
    #[error("the check of the proof broke off; please report it")]
    BrokeOff,
    /// Fewer signatures than the contract wants.
    #[error("{got} of {attestors} attestors signed, the contract wants {threshold}: {causes}")]
    TooFew {
        /// How many signatures are wanted.
        threshold: usize,
        /// How many there are.
        got: usize,
        /// How many were asked.
        attestors: usize,
        /// What the others said.
        causes: String,
    },
    /// So many attestors find the proof at fault that the others cannot be enough.
    #[error(
        "{refused} of {attestors} attestors refuse the proof, the contract wants {threshold} signatures: {causes}"
    )]
    Refused {
        /// How many signatures are wanted.
        threshold: usize,
        /// How many refuse it.
        refused: usize,
        /// How many were asked.
        attestors: usize,
        /// What they said.
        causes: String,
    },
    /// Fewer attestors than the contract wants signatures.
    #[error(
        "{named} attestors are named, the contract wants {threshold} signatures: name more with --attestor \
         (PROOFMILL_ATTESTORS)"
    )]
    TooFewNamed {
        /// How many signatures are wanted.
        threshold: usize,
        /// How many attestors are named.
        named: usize,
    },
    /// The address of an attestor is not one.
    #[error(transparent)]
    BadAddress(#[from] proofmill_wire::BadAddress),
    /// The server ended.
    #[error("the attestor's server ended: {0}")]
    Server(#[from] tonic::transport::Error),
}

impl AttestError {
    /// Whether the proof itself is at fault, and not who attests, its release or its rollup.
    pub const fn is_of_the_proof(&self) -> bool {
        match self {
            // It is of another release.
            Self::NotAProof(error) => !matches!(error, ProofFileError::OtherVersion { .. }),
            Self::OtherMode { .. } | Self::OtherRangeProgram { .. } | Self::Refused { .. } => true,
            Self::Backend(error) => {
                matches!(error, BackendError::InvalidProof { .. } | BackendError::WrongProgram { .. })
            }
            _ => false,
        }
    }

    /// Whether asking again may help although nobody changes anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::TooFew { .. } | Self::BrokeOff)
    }
}
