//! The rollup's contract.

use crate::{
    CallName, ChainError, Estimate, Included, L1, Refusal, RoleCall, RollupConfig, Rules, Sender,
    contracts::{
        Rollup::{
            BatchProof, Checkpoint as StoredCheckpoint, Proof, Proposal as AbiProposal, checkpointOfCall,
            checkpointsCall, constantsCall, currentRulesCall, longestProofCall, proposeCall,
            provenCheckpointCall, pruneCall, submitEpochProofCall, tipsCall, verifyBatchesCall, versionCall,
        },
        VERSION,
    },
};
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch, ProverType, Slot, SlotClock};
use std::{collections::BTreeMap, sync::Arc};

/// How many checkpoints are read in one call.
const CHECKPOINTS_PER_CALL: u64 = 500;

/// A rollup's contract on L1: the client of proposers and provers.
#[derive(Clone, Debug)]
pub struct Rollup {
    pub(crate) l1: L1,
    pub(crate) address: Address,
    config: Arc<RollupConfig>,
}

/// How far the contract is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContractTips {
    /// The last checkpoint that is proven; 0 when none is.
    pub proven: CheckpointNumber,
    /// The last checkpoint; 0 when there is none.
    pub pending: CheckpointNumber,
}

/// What one block of L1 shows of a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupView {
    /// The block's timestamp, in Unix seconds.
    pub time: u64,
    /// How far the contract is there.
    pub tips: ContractTips,
    /// Seconds by which pauses make the window of the oldest unproven epoch close later.
    pub paused: u64,
    /// When that window closes, pauses included, in Unix seconds; none where everything is proven.
    pub closes: Option<u64>,
}

/// The blocks that a proposer commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The blocks after those of the last checkpoint.
    pub blocks: BlockRange,
    /// Hash of the block before them.
    pub parent_hash: B256,
    /// Hash of the last.
    pub last_hash: B256,
    /// State root after the last.
    pub state_root: B256,
    /// Time of the last, in Unix seconds.
    pub last_timestamp: u64,
}

/// A proof, as the verifier of its type takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedProof {
    /// What the program made public, ABI-encoded.
    pub public_values: Bytes,
    /// The proof, in the encoding of its verifier.
    pub proof: Bytes,
}

/// Where a proven checkpoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenCheckpoint {
    /// Number of its last block.
    pub last_block: u64,
    /// Hash of that block.
    pub last_hash: B256,
    /// State root after that block.
    pub state_root: B256,
    /// Time of that block, in Unix seconds.
    pub last_timestamp: u64,
}

/// One proof of each type.
pub type ProofSet = BTreeMap<ProverType, SubmittedProof>;

/// The proofs of an epoch, or of its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochSubmission {
    /// The first checkpoint of the epoch.
    pub first: CheckpointNumber,
    /// The last checkpoint that is proven.
    pub last: CheckpointNumber,
    /// Whom the proofs name as their prover.
    pub prover: Address,
    /// An epoch proof of each type.
    pub proofs: ProofSet,
}

impl Proposal {
    pub(crate) const fn to_abi(self) -> AbiProposal {
        let Self { blocks, parent_hash, last_hash, state_root, last_timestamp } = self;
        AbiProposal {
            firstBlock: blocks.first(),
            lastBlock: blocks.last(),
            parentHash: parent_hash,
            lastHash: last_hash,
            stateRoot: state_root,
            lastTimestamp: last_timestamp,
        }
    }
}

impl Rollup {
    /// Finds the contract and reads its constants and the rules in force. Errors when there is none, when it is another contract, or one of
    /// another version.
    pub async fn connect(l1: L1, address: Address) -> Result<Self, ChainError> {
        if !l1.has_code(address).await? {
            return Err(l1.no_contract(address).await);
        }
        let is_another = |error| match error {
            ChainError::Reverted(refusal) => ChainError::NotARollup { address, reason: refusal.to_string() },
            ChainError::OtherAnswer { reason, .. } => ChainError::NotARollup { address, reason },
            error => error,
        };
        let got = l1.read(address, &versionCall {}, None).await.map_err(is_another)?;
        if got != VERSION {
            return Err(ChainError::WrongVersion { address, expected: VERSION, got });
        }
        // Another contract may have the same number for its version.
        let constants = l1.read(address, &constantsCall {}, None).await.map_err(is_another)?;
        let rules = l1.read(address, &currentRulesCall {}, None).await.map_err(is_another)?.current;
        let rules = Rules::from_abi(address, rules)?;
        let config = Arc::new(RollupConfig::from_abi(address, constants, rules)?);
        Ok(Self { l1, address, config })
    }

    /// Where it is.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The chain that it is on.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// Its constants, and the rules that were in force when it was connected to, or those that it was put [`under`](Self::under):
    /// [`current_rules`](Self::current_rules) reads those that are now, and [`rules_of`](Self::rules_of) those of a checkpoint.
    pub fn config(&self) -> &RollupConfig {
        &self.config
    }

    /// The same contract, with others of its rules in [`config`](Self::config): for whoever goes by those.
    #[must_use]
    pub fn under(&self, rules: Rules) -> Self {
        let Rules { config_hash, proposer, proof_types } = rules;
        let config = RollupConfig { config_hash, proposer, proof_types, ..RollupConfig::clone(&self.config) };
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// How its slots and epochs follow from L1's time.
    pub fn clock(&self) -> &SlotClock {
        &self.config.clock
    }

    /// How far it is, in the newest block.
    pub async fn tips(&self) -> Result<ContractTips, ChainError> {
        self.tips_at(None).await
    }

    /// How far it is, in the block with this hash or in the newest.
    pub(crate) async fn tips_at(&self, at: Option<B256>) -> Result<ContractTips, ChainError> {
        let tips = self.l1.read(self.address, &tipsCall {}, at).await?;
        Ok(ContractTips { proven: CheckpointNumber(tips.proven), pending: CheckpointNumber(tips.pending) })
    }

    /// What L1's newest block shows. All of it is read in that block, whichever endpoint answers: one that has not come to it
    /// is asked no further.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn view(&self) -> Result<RollupView, ChainError> {
        let head = self.l1.head().await?;
        let at = Some(head.hash);
        let tips = self.tips_at(at).await?;
        let (time, oldest) = (head.timestamp, tips.proven.next());
        let oldest = match oldest <= tips.pending {
            true => self.checkpoints_at(oldest, oldest, at).await?.pop(),
            false => None,
        };
        let Some(oldest) = oldest else { return Ok(RollupView { time, tips, paused: 0, closes: None }) };
        let epoch = self.clock().epoch_of(oldest.slot);
        let without_pauses = self.clock().deadline(epoch);
        let closes = match self.config.limits.max_pause {
            Some(_) => self.deadline_at(epoch, at).await?,
            None => without_pauses,
        };
        let paused = closes.saturating_sub(without_pauses);
        Ok(RollupView { time, tips, paused, closes: Some(closes) })
    }

    /// A checkpoint in the newest block; none if there is none with this number, and none for the genesis.
    pub async fn checkpoint(&self, number: CheckpointNumber) -> Result<Option<Checkpoint>, ChainError> {
        if number.0 == 0 || number > self.tips().await?.pending {
            return Ok(None);
        }
        Ok(self.checkpoints_at(number, number, None).await?.pop())
    }

    /// Checkpoints `first` to `last`, both included and both there, in the block with this hash or in the newest.
    pub(crate) async fn checkpoints_at(
        &self,
        first: CheckpointNumber,
        last: CheckpointNumber,
        at: Option<B256>,
    ) -> Result<Vec<Checkpoint>, ChainError> {
        let mut list = Vec::new();
        let mut next = first.0.max(1);
        while next <= last.0 {
            let end = last.0.min(next + CHECKPOINTS_PER_CALL - 1);
            // Each is told by the one before it too.
            let call = checkpointsCall { first: next - 1, last: end };
            let stored = self.l1.read(self.address, &call, at).await?;
            for (number, pair) in (next..).zip(stored.windows(2)) {
                let [before, checkpoint] = pair else { continue };
                list.push(from_stored(self.address, number, before, checkpoint)?);
            }
            next = end + 1;
        }
        Ok(list)
    }

    /// The number of the checkpoint that has an L2 block, proven or not; 0 for the genesis block.
    ///
    /// # Errors
    /// [`Refusal::UnknownBlock`](crate::Refusal::UnknownBlock) if no checkpoint has it.
    pub async fn checkpoint_of(&self, block: u64) -> Result<CheckpointNumber, ChainError> {
        let call = checkpointOfCall { number: block };
        Ok(CheckpointNumber(self.l1.read(self.address, &call, None).await?))
    }

    /// A checkpoint that a bridge may rely on: it is proven.
    ///
    /// # Errors
    /// [`Refusal::NotProven`](crate::Refusal::NotProven) if it is not.
    pub async fn proven_checkpoint(&self, number: CheckpointNumber) -> Result<ProvenCheckpoint, ChainError> {
        let call = provenCheckpointCall { number: number.0 };
        let stored = self.l1.read(self.address, &call, None).await?;
        Ok(ProvenCheckpoint {
            last_block: stored.lastBlock,
            last_hash: stored.lastHash,
            state_root: stored.stateRoot,
            last_timestamp: stored.lastTimestamp,
        })
    }

    /// The last checkpoint of an epoch that a prover has proven it up to; none if it has proven nothing of it.
    pub async fn longest_proof(
        &self,
        epoch: Epoch,
        prover: Address,
    ) -> Result<Option<CheckpointNumber>, ChainError> {
        let call = longestProofCall { epoch: epoch.0, prover };
        let last = self.l1.read(self.address, &call, None).await?;
        Ok((last != 0).then_some(CheckpointNumber(last)))
    }

    /// Commits to a checkpoint. The sender must be the proposer, or the proposer must have been silent for long.
    pub async fn propose(&self, sender: &Sender, proposal: Proposal) -> Result<Included, ChainError> {
        self.send(sender, CallName::Propose, &proposeCall { proposal: proposal.to_abi() }).await
    }

    /// Gives up what was not proven in time, and after a silence everything unproven.
    pub async fn prune(&self, sender: &Sender) -> Result<Included, ChainError> {
        self.send(sender, CallName::Prune, &pruneCall {}).await
    }

    /// Proves an epoch.
    pub async fn submit_epoch_proof(
        &self,
        sender: &Sender,
        submission: EpochSubmission,
    ) -> Result<Included, ChainError> {
        let call = self.epoch_call(submission).await?;
        self.send(sender, CallName::SubmitEpochProof, &call).await
    }

    async fn epoch_call(&self, submission: EpochSubmission) -> Result<submitEpochProofCall, ChainError> {
        let EpochSubmission { first, last, prover, proofs } = submission;
        let proofs = in_order(&self.rules_for(last).await?, proofs)?;
        Ok(submitEpochProofCall { first: first.0, last: last.0, prover, proofs })
    }

    /// What it would take to prove an epoch now. Nothing is sent.
    pub async fn estimate_epoch_proof(
        &self,
        sender: &Sender,
        submission: EpochSubmission,
    ) -> Result<Estimate, ChainError> {
        let call = self.epoch_call(submission).await?;
        sender.price(self.address, &call.abi_encode().into()).await
    }

    /// Proves checkpoints one by one, from `first` on: for each, a range proof of each type, which name `prover`.
    pub async fn verify_batches(
        &self,
        sender: &Sender,
        first: CheckpointNumber,
        prover: Address,
        batches: Vec<ProofSet>,
    ) -> Result<Included, ChainError> {
        let call = self.batches_call(first, prover, batches).await?;
        self.send(sender, CallName::VerifyBatches, &call).await
    }

    /// What it would take to [prove them](Self::verify_batches) now. Nothing is sent.
    pub async fn estimate_batches(
        &self,
        sender: &Sender,
        first: CheckpointNumber,
        prover: Address,
        batches: Vec<ProofSet>,
    ) -> Result<Estimate, ChainError> {
        let call = self.batches_call(first, prover, batches).await?;
        sender.price(self.address, &call.abi_encode().into()).await
    }

    async fn batches_call(
        &self,
        first: CheckpointNumber,
        prover: Address,
        batches: Vec<ProofSet>,
    ) -> Result<verifyBatchesCall, ChainError> {
        let mut in_their_order = Vec::new();
        for (number, proofs) in (first.0..).zip(batches) {
            let rules = self.rules_for(CheckpointNumber(number)).await?;
            in_their_order.push(BatchProof { proofs: in_order(&rules, proofs)? });
        }
        Ok(verifyBatchesCall { first: first.0, prover, batches: in_their_order })
    }

    /// Does what only the owner or the guardian may.
    pub async fn act(&self, sender: &Sender, call: &RoleCall) -> Result<Included, ChainError> {
        sender.send(call.name(), Some(self.address), call.calldata()).await
    }

    /// The rules of a checkpoint; where there is none, those in force, so that the contract refuses the proofs by itself.
    async fn rules_for(&self, checkpoint: CheckpointNumber) -> Result<Rules, ChainError> {
        match self.rules_of(checkpoint).await {
            Err(error) if matches!(error.refusal(), Some(Refusal::UnknownCheckpoints { .. })) => {
                Ok(self.current_rules().await?.rules)
            }
            rules => rules,
        }
    }

    async fn send<C: SolCall>(
        &self,
        sender: &Sender,
        name: CallName,
        call: &C,
    ) -> Result<Included, ChainError> {
        sender.send(name, Some(self.address), call.abi_encode().into()).await
    }
}

/// The proofs in the order of the rules. Those of types that they do not ask for are left out.
pub(crate) fn in_order(rules: &Rules, mut proofs: ProofSet) -> Result<Vec<Proof>, ChainError> {
    rules
        .proof_types
        .iter()
        .map(|proof_type| {
            let prover = proof_type.prover;
            let proof = proofs.remove(&prover).ok_or(ChainError::MissingProof { prover })?;
            Ok(Proof { publicValues: proof.public_values, proof: proof.proof })
        })
        .collect()
}

fn from_stored(
    address: Address,
    number: u64,
    before: &StoredCheckpoint,
    stored: &StoredCheckpoint,
) -> Result<Checkpoint, ChainError> {
    let first_block = before.lastBlock.saturating_add(1);
    Ok(Checkpoint {
        number: CheckpointNumber(number),
        slot: Slot(stored.slot),
        blocks: BlockRange::new(first_block, stored.lastBlock).map_err(|error| ChainError::OtherAnswer {
            address,
            function: checkpointsCall::SIGNATURE,
            reason: error.to_string(),
        })?,
        parent_hash: before.lastHash,
        last_hash: stored.lastHash,
        state_root: stored.stateRoot,
        last_timestamp: stored.lastTimestamp,
        parent_commitment: before.commitment,
        commitment: stored.commitment,
    })
}
