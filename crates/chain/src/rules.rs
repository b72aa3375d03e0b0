//! What may change of a rollup's contract: its rules, who has a role, and whether it is paused.

use crate::{
    ChainError, Roles, Rollup, Rules, RulesInForce, ScheduledRules,
    config::{seconds, somebody},
    contracts::Rollup::{
        currentRulesCall, deadlineCall, guardianCall, openFromCall, ownerCall, pausedUntilCall,
        pendingOwnerCall, rulesCall, rulesOfCall, scheduledRulesCall,
    },
};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use proofmill_primitives::{CheckpointNumber, Epoch};

impl Rollup {
    /// The rules that are in force now.
    pub async fn current_rules(&self) -> Result<RulesInForce, ChainError> {
        let read = self.ask(&currentRulesCall {}).await?;
        Ok(RulesInForce { index: read.index, rules: Rules::from_abi(self.address, read.current)? })
    }

    /// The rules with this number, which are in force or were.
    ///
    /// # Errors
    /// [`Refusal::UnknownRules`](crate::Refusal::UnknownRules) for others.
    pub async fn rules(&self, index: u64) -> Result<Rules, ChainError> {
        Rules::from_abi(self.address, self.ask(&rulesCall { index }).await?)
    }

    /// The rules that a checkpoint was proposed under, and is proven under.
    ///
    /// # Errors
    /// [`Refusal::UnknownCheckpoints`](crate::Refusal::UnknownCheckpoints) if there is no such checkpoint.
    pub async fn rules_of(&self, checkpoint: CheckpointNumber) -> Result<Rules, ChainError> {
        Rules::from_abi(self.address, self.ask(&rulesOfCall { checkpoint: checkpoint.0 }).await?)
    }

    /// The rules that are to be in force next, if any are scheduled.
    pub async fn scheduled(&self) -> Result<Option<ScheduledRules>, ChainError> {
        ScheduledRules::from_abi(self.address, self.ask(&scheduledRulesCall {}).await?)
    }

    /// Who may do more than anybody.
    pub async fn roles(&self) -> Result<Roles, ChainError> {
        Ok(Roles {
            owner: somebody(self.ask(&ownerCall {}).await?),
            guardian: somebody(self.ask(&guardianCall {}).await?),
        })
    }

    /// Who was named as the next owner and has not accepted yet.
    pub async fn pending_owner(&self) -> Result<Option<Address>, ChainError> {
        Ok(somebody(self.ask(&pendingOwnerCall {}).await?))
    }

    /// When the pause ends at the latest, in Unix seconds of L1; none if there is no pause.
    pub async fn paused_until(&self) -> Result<Option<u64>, ChainError> {
        let until = self.ask(&pausedUntilCall {}).await?;
        Ok((until != 0).then_some(until))
    }

    /// From when on anybody may propose, in Unix seconds of L1, if the proposer does not until then; none if never. What is
    /// unproven then is given up by the next proposal.
    pub async fn open_from(&self) -> Result<Option<u64>, ChainError> {
        let from = self.ask(&openFromCall {}).await?;
        Ok((from != alloy_primitives::U256::MAX).then(|| seconds(from)))
    }

    /// When the proof submission window of an epoch closes, in Unix seconds of L1. It is later than
    /// [`SlotClock::deadline`](proofmill_primitives::SlotClock::deadline) by every pause since the epoch began.
    pub async fn deadline(&self, epoch: Epoch) -> Result<u64, ChainError> {
        self.deadline_at(epoch, None).await
    }

    /// The same, in the block with this hash or in the newest.
    pub(crate) async fn deadline_at(&self, epoch: Epoch, at: Option<B256>) -> Result<u64, ChainError> {
        Ok(seconds(self.l1.read(self.address, &deadlineCall { epoch: epoch.0 }, at).await?))
    }

    async fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        self.l1.read(self.address, call, None).await
    }
}
