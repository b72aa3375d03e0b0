//! Why a contract refused a call: its custom errors, with their values.

mod decode;
mod sp1;

use crate::{GameRefusal, SnarkRefusal, contracts::Rollup::RollupErrors};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{ContractError, SolInterface};
use proofmill_primitives::{CheckpointNumber, Epoch, Slot};

pub(crate) use decode::text;

/// The custom error of a contract. Numbers are as the contract gives them; times are in Unix seconds of L1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A constant or a rule of a rollup makes no sense.
    #[error("the rollup's setting `{field}` makes no sense: {}", wanted(field))]
    InvalidConfig {
        /// Its name.
        field: String,
    },
    /// Only the proposer may propose, until it was silent for long.
    #[error("{sender} is not the proposer, {proposer} is; {}", opens(open_from))]
    WrongProposer {
        /// Who may.
        proposer: Address,
        /// Who tried.
        sender: Address,
        /// From when on anybody may; the highest number if never.
        open_from: U256,
    },
    /// Slot 0 has not begun.
    #[error("slot 0 begins at {genesis_time}, and L1 is at {timestamp}")]
    BeforeGenesis {
        /// When slot 0 begins.
        genesis_time: U256,
        /// L1's time.
        timestamp: U256,
    },
    /// The slot is not after that of the last checkpoint.
    #[error("slot {slot} is not after slot {last} of the last checkpoint: wait for the next slot")]
    SlotTaken {
        /// That of the last checkpoint.
        last: Slot,
        /// The present one.
        slot: Slot,
    },
    /// The first block is not the one after the last checkpoint: a checkpoint was skipped or repeated.
    #[error("the checkpoint begins with block {got}, but block {expected} is next")]
    NotNextBlock {
        /// The block after the last checkpoint.
        expected: u64,
        /// The proposal's first.
        got: u64,
    },
    /// A checkpoint without blocks.
    #[error("the checkpoint ends with block {last}, before its first block {first}")]
    EmptyCheckpoint {
        /// Its first block.
        first: u64,
        /// Its last block.
        last: u64,
    },
    /// The blocks do not follow on the last checkpoint.
    #[error("the blocks follow on {got}, but the last checkpoint ends with {expected}: another branch of L2")]
    ParentMismatch {
        /// The last checkpoint's last block.
        expected: B256,
        /// The proposal's parent.
        got: B256,
    },
    /// The last block is not after that of the checkpoint before.
    #[error("the last block's time is {got}, which is not after {before}, that of the checkpoint before")]
    TimestampNotAfter {
        /// That of the checkpoint before.
        before: u64,
        /// The proposal's.
        got: u64,
    },
    /// The last block is ahead of L1's time.
    #[error(
        "the last block's time is {got}, and L1 is at {timestamp}: wait, or end the checkpoint with an older block"
    )]
    TimestampAhead {
        /// L1's time.
        timestamp: U256,
        /// The proposal's.
        got: u64,
    },
    /// The last block is too far behind L1's time.
    #[error("the last block's time is {got}, before {oldest}: end the checkpoint with a newer block")]
    TimestampStalled {
        /// The oldest that is taken.
        oldest: U256,
        /// The proposal's.
        got: u64,
    },
    /// There is nothing to prune.
    #[error("nothing unproven has passed its deadline, and the proposer was not silent for long")]
    NothingToPrune,
    /// No such checkpoints.
    #[error("there are no checkpoints {first}-{last}: the last is {pending}")]
    UnknownCheckpoints {
        /// The first of those that were named.
        first: CheckpointNumber,
        /// The last of them.
        last: CheckpointNumber,
        /// The last that there is.
        pending: CheckpointNumber,
    },
    /// No checkpoint has this L2 block.
    #[error("no checkpoint has block {number}: they begin after block {genesis} and end with block {last}")]
    UnknownBlock {
        /// The block.
        number: u64,
        /// The block that the first checkpoint follows on.
        genesis: u64,
        /// The last block of the last checkpoint.
        last: u64,
    },
    /// The checkpoint is not proven.
    #[error("checkpoint {checkpoint} is not proven: proofs reach checkpoint {proven}")]
    NotProven {
        /// The one that was asked for.
        checkpoint: CheckpointNumber,
        /// The last that is.
        proven: CheckpointNumber,
    },
    /// An epoch proof must begin with the first checkpoint of its epoch.
    #[error("checkpoint {checkpoint} is not the first of its epoch")]
    NotAnEpochStart {
        /// Where the proof begins.
        checkpoint: CheckpointNumber,
    },
    /// An epoch proof must end in the epoch that it begins in.
    #[error("the proof begins in epoch {first} and ends in epoch {last}")]
    NotOneEpoch {
        /// Where it begins.
        first: Epoch,
        /// Where it ends.
        last: Epoch,
    },
    /// Checkpoints before the proof are not proven.
    #[error("checkpoint {expected} must be proven before those from {got} on")]
    UnprovenBefore {
        /// The first that is not proven.
        expected: CheckpointNumber,
        /// Where the proof begins.
        got: CheckpointNumber,
    },
    /// The first batch is not the one after the proven tip.
    #[error("checkpoint {expected} is to be verified next, not {got}")]
    NotNextBatch {
        /// The first that is not proven.
        expected: CheckpointNumber,
        /// Where the batches begin.
        got: CheckpointNumber,
    },
    /// There is no batch to verify.
    #[error("there is no batch to verify")]
    NoBatches,
    /// The proof submission window of the epoch has closed.
    #[error("the proof submission window closed at {deadline}, and L1 is at {timestamp}")]
    WindowClosed {
        /// When it closed.
        deadline: U256,
        /// L1's time.
        timestamp: U256,
    },
    /// This prover has proven as much of the epoch already.
    #[error("{prover} has proven epoch {epoch} up to checkpoint {last} already")]
    AlreadySubmitted {
        /// The epoch.
        epoch: Epoch,
        /// Who proved it.
        prover: Address,
        /// How far.
        last: CheckpointNumber,
    },
    /// There must be one proof for each type.
    #[error("{got} proofs were given, but the contract wants {expected}, one of each type")]
    WrongProofCount {
        /// How many types there are.
        expected: U256,
        /// How many proofs.
        got: U256,
    },
    /// The public values have another length.
    #[error("the {proof_type} proof has {got} bytes of public values instead of {expected}")]
    WrongPublicValuesLength {
        /// The proof's type.
        proof_type: String,
        /// How many bytes there should be.
        expected: U256,
        /// How many there are.
        got: U256,
    },
    /// The proof says something else than the checkpoints.
    #[error("the {proof_type} proof up to checkpoint {checkpoint} is of something else: its {field} differs")]
    StatementMismatch {
        /// The proof's type.
        proof_type: String,
        /// The last checkpoint that it is given for.
        checkpoint: CheckpointNumber,
        /// The first field of the public values that differs.
        field: String,
    },
    /// The verifier rejected the proof.
    #[error("the {proof_type} proof up to checkpoint {checkpoint} is not valid: {reason}")]
    ProofRejected {
        /// The proof's type.
        proof_type: String,
        /// The last checkpoint that it is given for.
        checkpoint: CheckpointNumber,
        /// What the verifier said.
        reason: Box<Self>,
    },
    /// There are no such rules.
    #[error("there are no rules {index}: those that are or were in force end with {last}")]
    UnknownRules {
        /// Their number.
        index: u64,
        /// The last number that there is.
        last: u64,
    },
    /// Rules are scheduled already.
    #[error("rules {index} are scheduled already: cancel them first")]
    AlreadyScheduled {
        /// Their number.
        index: u64,
    },
    /// The rules could not be kept.
    #[error(
        "rules of {length} bytes could not be kept: the code of an account has 24,575 at the most, and takes 200 gas for each; \
         name fewer proof types, or give the transaction more gas"
    )]
    RulesNotStored {
        /// How long they are, encoded.
        length: U256,
    },
    /// No rules are scheduled.
    #[error("no rules are scheduled")]
    NothingScheduled,
    /// Live checkpoints were proposed under other rules.
    #[error(
        "rules from checkpoint {from_checkpoint} on would orphan checkpoints that were proposed under others: the first that \
         can have new rules is {}",
        pending.next()
    )]
    WouldOrphanCheckpoints {
        /// From where the rules were to be in force.
        from_checkpoint: CheckpointNumber,
        /// The last checkpoint that was proposed.
        pending: CheckpointNumber,
    },
    /// The contract is paused.
    #[error("the contract is paused until {until} at the latest: the owner can resume it before")]
    ContractPaused {
        /// When the pause ends by itself.
        until: u64,
    },
    /// There is no pause to end.
    #[error("the contract is not paused")]
    NotPaused,
    /// Only the guardian may pause.
    #[error("{sender} is not the guardian, {} is", nobody(guardian))]
    NotTheGuardian {
        /// Who may; zero: nobody.
        guardian: Address,
        /// Who tried.
        sender: Address,
    },
    /// The last pause is not over for as long as it lasted.
    #[error("the last pause is not over for as long as it lasted: the next may begin at {from}")]
    PausedTooRecently {
        /// When.
        from: u64,
    },
    /// Only the owner may do that.
    #[error(
        "{sender} is not the owner of the contract: the owner sends it, or a timelock or multisig on its behalf"
    )]
    NotTheOwner {
        /// Who tried.
        sender: Address,
    },
    /// There are no attestors, or the threshold is zero or above their number.
    #[error("a threshold of {threshold} of {attestors} attestors cannot be")]
    InvalidThreshold {
        /// How many must sign.
        threshold: U256,
        /// How many there are.
        attestors: U256,
    },
    /// Attestors are not in the order of their addresses, or one is there twice.
    #[error("attestor {next} is given after {previous}: the order is that of the addresses, each once")]
    NotAscending {
        /// The one before.
        previous: Address,
        /// The one that is wrong there.
        next: Address,
    },
    /// Fewer attestors signed than must.
    #[error("{given} attestors signed, {required} must")]
    TooFewSignatures {
        /// How many must.
        required: U256,
        /// How many did.
        given: U256,
    },
    /// The proof bytes are not in the one encoding that is accepted.
    #[error("the signatures or proofs are not in their canonical encoding")]
    NotCanonical,
    /// A signature has not the canonical form.
    #[error("the attestor signature at position {index} is malformed")]
    MalformedSignature {
        /// Its position, from 0.
        index: U256,
    },
    /// The signer is none of the attestors, or signed something else.
    #[error("{signer} is not an attestor, or an attestor signed something else")]
    NotAnAttestor {
        /// The address that the signature gives.
        signer: Address,
    },
    /// The verifier that accepts anything is for development chains only.
    #[error(
        "chain {chain_id} is not the development chain 31337: the verifier that accepts anything is not for it"
    )]
    NotADevelopmentChain {
        /// EIP-155 chain id of L1.
        chain_id: U256,
    },
    /// The hash of an L1 block that is no longer among the last 256.
    #[error("the hash of that L1 block is not available any more: only of the last 256 it is")]
    L1BlockHashNotAvailable,
    /// The hash of an L1 block that is not kept.
    #[error(
        "the contract keeps no hash of the L1 block at which the proof ends: checkpointBlockHash comes first"
    )]
    L1BlockHashNotCheckpointed,
    /// A dispute game, or the factory of games.
    #[error(transparent)]
    Game(#[from] GameRefusal),
    /// A verifier of SNARKs, or one that asks several verifiers.
    #[error(transparent)]
    Snark(#[from] SnarkRefusal),
    /// Another error, as a contract that this code does not know (a verifier gateway) or the EVM gives it.
    #[error("it reverted {}", shown(data))]
    Other {
        /// What it returned.
        data: Bytes,
    },
}

/// What a setting of a rollup must be.
fn wanted(field: &str) -> &'static str {
    match field {
        "maxLag" => "it must be a slot at least, and 100 years at the most",
        "silence" => {
            "it must be the proof submission window and an epoch at least, and 100 years at the most, or zero for never"
        }
        "changeDelay" => {
            "it must be the proof submission window and an epoch at least, and 100 years at the most"
        }
        "maxPause" => {
            "it must be 100 years at the most, and not zero if there is a guardian; where no owner can end a pause, `changeDelay` at the \
             most"
        }
        "genesisTimestamp" => "the genesis block is ahead of L1's time",
        "verifier" => "there is no contract at its address, or an account that delegates (EIP-7702)",
        "name" => "each prover type is named once",
        _ => "it must not be zero or empty",
    }
}

fn opens(from: &U256) -> String {
    if *from == U256::MAX { "nobody else ever may".to_owned() } else { format!("anybody may from {from} on") }
}

fn nobody(address: &Address) -> String {
    if address.is_zero() { "nobody".to_owned() } else { address.to_string() }
}

fn shown(data: &Bytes) -> String {
    if let Some(cause) = sp1::cause(data) {
        return format!("with {cause}");
    }
    match ContractError::<RollupErrors>::abi_decode(data) {
        Ok(ContractError::Revert(revert)) => format!("with the message `{}`", revert.reason),
        Ok(ContractError::Panic(panic)) => format!("with {panic}"),
        _ if data.is_empty() => "without a reason".to_owned(),
        _ => format!("with {data}"),
    }
}

impl Refusal {
    /// Whether the proof itself is at fault: it is of something else, or not valid. It should be made again.
    pub const fn is_invalid_proof(&self) -> bool {
        matches!(
            self,
            Self::WrongPublicValuesLength { .. }
                | Self::StatementMismatch { .. }
                | Self::ProofRejected { .. }
        )
    }

    /// The type of the proof that is [at fault](Self::is_invalid_proof). Nothing where the proof was not even looked at: what
    /// stands for it, the signatures of attestors, was not taken.
    pub fn invalid_proof(&self) -> Option<&str> {
        match self {
            Self::ProofRejected { reason, .. } if reason.is_of_attestors() => None,
            Self::WrongPublicValuesLength { proof_type, .. }
            | Self::StatementMismatch { proof_type, .. }
            | Self::ProofRejected { proof_type, .. } => Some(proof_type),
            _ => None,
        }
    }

    /// Whether what stands for a proof was not taken, the signatures of attestors: the proof was not even looked at.
    pub const fn is_not_attested(&self) -> bool {
        matches!(self, Self::ProofRejected { reason, .. } if reason.is_of_attestors())
    }

    /// Whether it is about the signatures of attestors.
    const fn is_of_attestors(&self) -> bool {
        matches!(
            self,
            Self::TooFewSignatures { .. }
                | Self::NotCanonical
                | Self::MalformedSignature { .. }
                | Self::NotAnAttestor { .. }
                | Self::NotAscending { .. }
        )
    }

    /// Whether a verifier may have had too little gas to find out: one of SNARKs says then that they do not hold, others say nothing.
    pub(crate) fn may_be_of_gas(&self) -> bool {
        match self {
            Self::ProofRejected { reason, .. } => match &**reason {
                Self::Other { data } => data.is_empty(),
                reason => reason.may_be_of_gas(),
            },
            Self::Snark(reason) => *reason == SnarkRefusal::ProofDoesNotHold,
            _ => false,
        }
    }

    /// Whether the same call is accepted later, if nothing else happens: it only came too early.
    pub(crate) const fn passes_with_time(&self) -> bool {
        matches!(
            self,
            Self::Game(GameRefusal::NotOver | GameRefusal::NotFinal)
                | Self::SlotTaken { .. }
                | Self::BeforeGenesis { .. }
                | Self::TimestampAhead { .. }
                | Self::NothingToPrune
        )
    }
}
