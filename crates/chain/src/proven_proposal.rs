//! A checkpoint that is proposed and proven in one transaction.

use crate::{
    CallName, ChainError, Estimate, Included, ProofSet, Proposal, Rollup, Rules, Sender,
    config::seconds,
    contracts::Rollup::{
        BatchProof, checkpointsCall, multicallCall, proposeCall, scheduledRulesCall, submitEpochProofCall,
        verifyBatchesCall,
    },
    rollup::in_order,
};
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use proofmill_primitives::{CheckpointNumber, Slot};

/// A checkpoint after the proven tip, and what proves it. After the proposer's silence nobody can come between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenProposal {
    /// The number that it will have.
    pub number: CheckpointNumber,
    /// The rules that it will be proven under: see [`Rollup::rules_of_next`].
    pub rules: Rules,
    /// Its blocks.
    pub proposal: Proposal,
    /// Whom the proofs name as their prover.
    pub prover: Address,
    /// Whether by epoch proofs of this one checkpoint, or by range proofs.
    pub aggregated: bool,
    /// A proof of each type.
    pub proofs: ProofSet,
}

/// Where the last proven checkpoint ends, or the genesis: what a checkpoint follows on that is proposed and proven at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenTip {
    /// Its number; 0 for the genesis.
    pub number: CheckpointNumber,
    /// The slot that it landed in.
    pub slot: Slot,
    /// Number of its last block.
    pub last_block: u64,
    /// Hash of that block.
    pub last_hash: B256,
    /// State root after that block.
    pub state_root: B256,
    /// Time of that block, in Unix seconds.
    pub last_timestamp: u64,
    /// The rollup's commitment to all checkpoints up to it.
    pub commitment: B256,
}

impl ProvenProposal {
    fn calldata(&self) -> Result<Bytes, ChainError> {
        let (number, prover) = (self.number.0, self.prover);
        let propose = proposeCall { proposal: self.proposal.to_abi() }.abi_encode();
        let proofs = in_order(&self.rules, self.proofs.clone())?;
        let prove = match self.aggregated {
            true => submitEpochProofCall { first: number, last: number, prover, proofs }.abi_encode(),
            false => {
                verifyBatchesCall { first: number, prover, batches: vec![BatchProof { proofs }] }.abi_encode()
            }
        };
        Ok(multicallCall { calls: vec![propose.into(), prove.into()] }.abi_encode().into())
    }
}

impl Rollup {
    /// Commits to a checkpoint and proves it: both, or neither.
    ///
    /// # Errors
    /// A proof is missing, or the contract refuses one of both.
    pub async fn propose_proven(
        &self,
        sender: &Sender,
        proven: &ProvenProposal,
    ) -> Result<Included, ChainError> {
        sender.send(CallName::ProposeProven, Some(self.address), proven.calldata()?).await
    }

    /// What it would take to [propose and prove it](Self::propose_proven) now. Nothing is sent.
    ///
    /// # Errors
    /// The same.
    pub async fn estimate_proven(
        &self,
        sender: &Sender,
        proven: &ProvenProposal,
    ) -> Result<Estimate, ChainError> {
        sender.price(self.address, &proven.calldata()?).await
    }

    /// The proven tip, in the newest block.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn proven_tip(&self) -> Result<ProvenTip, ChainError> {
        let number = self.tips().await?.proven;
        let call = checkpointsCall { first: number.0, last: number.0 };
        let stored = self.l1.read(self.address, &call, None).await?.pop();
        let stored = stored.ok_or_else(|| ChainError::OtherAnswer {
            address: self.address,
            function: checkpointsCall::SIGNATURE,
            reason: format!("checkpoint {number} is not there"),
        })?;
        Ok(ProvenTip {
            number,
            slot: Slot(stored.slot),
            last_block: stored.lastBlock,
            last_hash: stored.lastHash,
            state_root: stored.stateRoot,
            last_timestamp: stored.lastTimestamp,
            commitment: stored.commitment,
        })
    }

    /// The rules of a checkpoint that is proposed behind the proven tip at a time, in Unix seconds of L1: the scheduled ones, if it is
    /// time for them, else those in force.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn rules_of_next(&self, tip: &ProvenTip, time: u64) -> Result<Rules, ChainError> {
        let begins_epoch = !self.is_in_epoch_of(tip, time);
        let scheduled = self.l1.read(self.address, &scheduledRulesCall {}, None).await?;
        let is_time = begins_epoch
            && scheduled.index != 0
            && scheduled.fromCheckpoint <= tip.number.next().0
            && seconds(scheduled.notBefore) <= time;
        // Before their time they may be such as only another release knows.
        match is_time {
            true => Rules::from_abi(self.address, scheduled.rules),
            false => Ok(self.current_rules().await?.rules),
        }
    }

    /// Whether a time, in Unix seconds of L1, is in the epoch in which the proven tip landed. The genesis landed in none.
    pub fn is_in_epoch_of(&self, tip: &ProvenTip, time: u64) -> bool {
        let clock = self.clock();
        tip.number.0 != 0 && clock.epoch_of(tip.slot) == clock.epoch_of(clock.slot_at(time))
    }
}
