//! What a transaction of ours does.

use std::fmt;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallName {
    /// Commits to a checkpoint.
    Propose,
    /// Commits to a checkpoint, and proves it.
    ProposeProven,
    /// Proves an epoch.
    SubmitEpochProof,
    /// Proves checkpoints one by one.
    VerifyBatches,
    /// Gives up what was not proven in time.
    Prune,
    /// Schedules rules.
    ScheduleRules,
    /// Takes back what is scheduled.
    CancelScheduledRules,
    /// Names another guardian.
    SetGuardian,
    /// Names the next owner.
    TransferOwnership,
    /// Becomes the owner.
    AcceptOwnership,
    /// Stops everything.
    Pause,
    /// Ends a pause.
    Resume,
    /// Has OP Succinct's contract keep the hash of a block of L1.
    CheckpointBlockHash,
    /// Adds an output to OP Succinct's contract.
    ProposeL2Output,
    /// The same, through a dispute game.
    DgfProposeL2Output,
    /// Has OP Succinct's contract take outputs from another account, too.
    AddProposer,
    /// Creates a dispute game.
    CreateGame,
    /// Challenges a dispute game.
    ChallengeGame,
    /// Proves the claim of a dispute game.
    ProveGame,
    /// Resolves a dispute game.
    ResolveGame,
    /// Claims what an account has in a dispute game.
    ClaimCredit,
    /// Names the code of a type of dispute games.
    SetImplementation,
    /// Sets the bond of a type of dispute games.
    SetInitBond,
    /// Deploys the contract with this name.
    Deploy(&'static str),
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Propose => f.write_str("propose"),
            Self::ProposeProven => f.write_str("multicall"),
            Self::SubmitEpochProof => f.write_str("submitEpochProof"),
            Self::VerifyBatches => f.write_str("verifyBatches"),
            Self::Prune => f.write_str("prune"),
            Self::ScheduleRules => f.write_str("scheduleRules"),
            Self::CancelScheduledRules => f.write_str("cancelScheduledRules"),
            Self::SetGuardian => f.write_str("setGuardian"),
            Self::TransferOwnership => f.write_str("transferOwnership"),
            Self::AcceptOwnership => f.write_str("acceptOwnership"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::CheckpointBlockHash => f.write_str("checkpointBlockHash"),
            Self::ProposeL2Output => f.write_str("proposeL2Output"),
            Self::DgfProposeL2Output => f.write_str("dgfProposeL2Output"),
            Self::AddProposer => f.write_str("addProposer"),
            Self::CreateGame => f.write_str("create"),
            Self::ChallengeGame => f.write_str("challenge"),
            Self::ProveGame => f.write_str("prove"),
            Self::ResolveGame => f.write_str("resolve"),
            Self::ClaimCredit => f.write_str("claimCredit"),
            Self::SetImplementation => f.write_str("setImplementation"),
            Self::SetInitBond => f.write_str("setInitBond"),
            Self::Deploy(contract) => write!(f, "deploying {contract}"),
        }
    }
}
