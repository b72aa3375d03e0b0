//! A checkpoint that is proposed and proven in one transaction.

use crate::{
    CallName, ChainError, Estimate, Included, ProofSet, Proposal, Rollup, Rules, Sender,
    contracts::Rollup::{BatchProof, multicallCall, proposeCall, submitEpochProofCall, verifyBatchesCall},
    rollup::in_order,
};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use proofmill_primitives::{Checkpoint, CheckpointNumber};

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

    /// The rules of a checkpoint that is proposed at a time, in Unix seconds of L1, and follows on this one, or on the genesis: the
    /// scheduled ones, if it is time for them, else those in force.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn rules_of_next(&self, after: Option<&Checkpoint>, time: u64) -> Result<Rules, ChainError> {
        let (clock, number) = (self.clock(), after.map_or(CheckpointNumber(0), |after| after.number).next());
        let epoch = clock.epoch_of(clock.slot_at(time));
        let begins_epoch = after.is_none_or(|after| clock.epoch_of(after.slot) != epoch);
        let scheduled = self.scheduled().await?.filter(|scheduled| {
            begins_epoch && scheduled.from_checkpoint <= number && scheduled.not_before <= time
        });
        match scheduled {
            Some(scheduled) => Ok(scheduled.rules),
            None => Ok(self.current_rules().await?.rules),
        }
    }
}
