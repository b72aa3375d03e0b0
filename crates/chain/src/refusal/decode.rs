//! From what a reverted call returned to the refusal.

use super::Refusal;
use crate::{
    GameRefusal, SnarkRefusal,
    contracts::{
        AcceptsAnythingVerifier::AcceptsAnythingVerifierErrors as DevelopmentErrors,
        AttestedVerifier::AttestedVerifierErrors as AttestedErrors,
        OpOutputOracle::OpOutputOracleErrors as OracleErrors, Rollup::RollupErrors,
    },
};
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolInterface;
use proofmill_primitives::{CheckpointNumber, Epoch, Slot};

/// Text that a contract keeps as a word with zeros behind.
pub(crate) fn text(word: B256) -> String {
    let end = word.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    String::from_utf8_lossy(&word[..end]).into_owned()
}

impl Refusal {
    /// Reads what a reverted call returned.
    pub fn decode(data: &Bytes) -> Self {
        if let Ok(error) = RollupErrors::abi_decode_validate(data) {
            Self::of_rollup(error)
        } else if let Ok(error) = AttestedErrors::abi_decode_validate(data) {
            Self::of_attested(error, data)
        } else if let Ok(DevelopmentErrors::NotADevelopmentChain(error)) =
            DevelopmentErrors::abi_decode_validate(data)
        {
            Self::NotADevelopmentChain { chain_id: error.chainId }
        } else if let Ok(error) = OracleErrors::abi_decode_validate(data) {
            match error {
                OracleErrors::L1BlockHashNotAvailable(_) => Self::L1BlockHashNotAvailable,
                OracleErrors::L1BlockHashNotCheckpointed(_) => Self::L1BlockHashNotCheckpointed,
            }
        } else if let Some(refusal) = GameRefusal::decode(data) {
            Self::Game(refusal)
        } else if let Some(refusal) = SnarkRefusal::decode(data) {
            Self::Snark(refusal)
        } else {
            Self::Other { data: data.clone() }
        }
    }

    fn of_rollup(error: RollupErrors) -> Self {
        use RollupErrors as E;
        match error {
            E::InvalidConfig(e) => Self::InvalidConfig { field: text(e.field) },
            E::WrongProposer(e) => {
                Self::WrongProposer { proposer: e.proposer, sender: e.sender, open_from: e.openFrom }
            }
            E::BeforeGenesis(e) => {
                Self::BeforeGenesis { genesis_time: e.genesisTime, timestamp: e.timestamp }
            }
            E::SlotTaken(e) => Self::SlotTaken { last: Slot(e.lastSlot), slot: Slot(e.slot) },
            E::NotNextBlock(e) => Self::NotNextBlock { expected: e.expected, got: e.got },
            E::EmptyCheckpoint(e) => Self::EmptyCheckpoint { first: e.firstBlock, last: e.lastBlock },
            E::ParentMismatch(e) => Self::ParentMismatch { expected: e.expected, got: e.got },
            E::TimestampNotAfter(e) => Self::TimestampNotAfter { before: e.before, got: e.got },
            E::TimestampAhead(e) => Self::TimestampAhead { timestamp: e.timestamp, got: e.got },
            E::TimestampStalled(e) => Self::TimestampStalled { oldest: e.oldest, got: e.got },
            E::UnknownBlock(e) => Self::UnknownBlock { number: e.number, genesis: e.genesis, last: e.last },
            E::NotProven(e) => Self::NotProven {
                checkpoint: CheckpointNumber(e.checkpoint),
                proven: CheckpointNumber(e.proven),
            },
            E::UnknownRules(e) => Self::UnknownRules { index: e.index, last: e.last },
            E::AlreadyScheduled(e) => Self::AlreadyScheduled { index: e.index },
            E::NotStored(e) => Self::RulesNotStored { length: e.length },
            E::NothingScheduled(_) => Self::NothingScheduled,
            E::WouldOrphanCheckpoints(e) => Self::WouldOrphanCheckpoints {
                from_checkpoint: CheckpointNumber(e.fromCheckpoint),
                pending: CheckpointNumber(e.pending),
            },
            E::ContractPaused(e) => Self::ContractPaused { until: e.until },
            E::NotPaused(_) => Self::NotPaused,
            E::NotTheGuardian(e) => Self::NotTheGuardian { guardian: e.guardian, sender: e.sender },
            E::PausedTooRecently(e) => Self::PausedTooRecently { from: e.from },
            E::OwnableUnauthorizedAccount(e) => Self::NotTheOwner { sender: e.account },
            // The contract's constructor gives the library no zero owner.
            E::OwnableInvalidOwner(e) => Self::NotTheOwner { sender: e.owner },
            E::NothingToPrune(_) => Self::NothingToPrune,
            E::UnknownCheckpoints(e) => Self::UnknownCheckpoints {
                first: CheckpointNumber(e.first),
                last: CheckpointNumber(e.last),
                pending: CheckpointNumber(e.pending),
            },
            E::NotAnEpochStart(e) => Self::NotAnEpochStart { checkpoint: CheckpointNumber(e.checkpoint) },
            E::NotOneEpoch(e) => Self::NotOneEpoch { first: Epoch(e.firstEpoch), last: Epoch(e.lastEpoch) },
            E::UnprovenBefore(e) => {
                Self::UnprovenBefore { expected: CheckpointNumber(e.expected), got: CheckpointNumber(e.got) }
            }
            E::NotNextBatch(e) => {
                Self::NotNextBatch { expected: CheckpointNumber(e.expected), got: CheckpointNumber(e.got) }
            }
            E::NoBatches(_) => Self::NoBatches,
            E::WindowClosed(e) => Self::WindowClosed { deadline: e.deadline, timestamp: e.timestamp },
            E::AlreadySubmitted(e) => Self::AlreadySubmitted {
                epoch: Epoch(e.epoch),
                prover: e.prover,
                last: CheckpointNumber(e.last),
            },
            E::WrongProofCount(e) => Self::WrongProofCount { expected: e.expected, got: e.got },
            E::WrongPublicValuesLength(e) => Self::WrongPublicValuesLength {
                proof_type: text(e.proofType),
                expected: e.expected,
                got: e.got,
            },
            E::StatementMismatch(e) => Self::StatementMismatch {
                proof_type: text(e.proofType),
                checkpoint: CheckpointNumber(e.checkpoint),
                field: text(e.field),
            },
            E::ProofRejected(e) => Self::ProofRejected {
                proof_type: text(e.proofType),
                checkpoint: CheckpointNumber(e.checkpoint),
                reason: Box::new(Self::decode(&e.reason)),
            },
        }
    }

    fn of_attested(error: AttestedErrors, data: &Bytes) -> Self {
        use AttestedErrors as E;
        match error {
            E::InvalidThreshold(e) => {
                Self::InvalidThreshold { threshold: e.threshold, attestors: e.attestors }
            }
            E::NotAscending(e) => Self::NotAscending { previous: e.previous, next: e.next },
            E::TooFewSignatures(e) => Self::TooFewSignatures { required: e.required, given: e.given },
            E::NotCanonical(_) => Self::NotCanonical,
            E::MalformedSignature(e) => Self::MalformedSignature { index: e.index },
            E::NotAnAttestor(e) => Self::NotAnAttestor { signer: e.signer },
            // Of the library, for names that our contracts do not have.
            E::InvalidShortString(_) | E::StringTooLong(_) => Self::Other { data: data.clone() },
        }
    }
}
