//! What an owner and a guardian send.

use crate::{
    CallName, ChainError, Rollup, Rules,
    contracts::Rollup::{
        acceptOwnershipCall, cancelScheduledRulesCall, pauseCall, resumeCall, scheduleRulesCall,
        setGuardianCall, transferOwnershipCall,
    },
};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use proofmill_primitives::CheckpointNumber;
use serde_json::json;

/// A call that only the owner or the guardian of a rollup may make. [`Rollup::act`](crate::Rollup::act) sends it, or its
/// [`calldata`](Self::calldata) goes to the timelock or the multisig that has the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleCall {
    /// The owner schedules rules.
    ScheduleRules {
        /// What they say.
        rules: Rules,
        /// From which checkpoint on: one that is not proposed yet; none: from the next one on.
        from: Option<CheckpointNumber>,
    },
    /// The owner takes back what is scheduled.
    CancelScheduledRules,
    /// The owner names another guardian; none: nobody.
    SetGuardian(Option<Address>),
    /// The owner names the next one, who must accept.
    TransferOwnership(Address),
    /// Who was named as the next owner accepts.
    AcceptOwnership,
    /// The guardian stops everything.
    Pause,
    /// The owner ends the pause.
    Resume,
}

impl RoleCall {
    /// What the contract is called with.
    pub fn calldata(&self) -> Bytes {
        match self {
            Self::ScheduleRules { rules, from } => {
                scheduleRulesCall { next: rules.to_abi(), fromCheckpoint: from.map_or(0, |from| from.0) }
                    .abi_encode()
            }
            Self::CancelScheduledRules => cancelScheduledRulesCall {}.abi_encode(),
            Self::SetGuardian(guardian) => {
                setGuardianCall { guardian_: guardian.unwrap_or_default() }.abi_encode()
            }
            Self::TransferOwnership(next) => transferOwnershipCall { newOwner: *next }.abi_encode(),
            Self::AcceptOwnership => acceptOwnershipCall {}.abi_encode(),
            Self::Pause => pauseCall {}.abi_encode(),
            Self::Resume => resumeCall {}.abi_encode(),
        }
        .into()
    }

    pub(crate) const fn name(&self) -> CallName {
        match self {
            Self::ScheduleRules { .. } => CallName::ScheduleRules,
            Self::CancelScheduledRules => CallName::CancelScheduledRules,
            Self::SetGuardian(_) => CallName::SetGuardian,
            Self::TransferOwnership(_) => CallName::TransferOwnership,
            Self::AcceptOwnership => CallName::AcceptOwnership,
            Self::Pause => CallName::Pause,
            Self::Resume => CallName::Resume,
        }
    }
}

impl Rollup {
    /// Whether the contract would take a call now of who has its role. Nothing is sent, and no key is needed.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] says why it would not; or L1 cannot be read.
    pub async fn try_act(&self, call: &RoleCall) -> Result<(), ChainError> {
        let roles = self.roles().await?;
        let sender = match call {
            RoleCall::Pause => roles.guardian,
            RoleCall::AcceptOwnership => self.pending_owner().await?,
            _ => roles.owner,
        };
        // For the contract nobody is the zero address, which would then be the one that may.
        let sender = sender.unwrap_or(Address::repeat_byte(0xff));
        let call = json!({ "from": sender, "to": self.address, "data": call.calldata() });
        let _: Bytes = self.l1.rpc.ask("eth_call", (call, "latest")).await?;
        Ok(())
    }
}
