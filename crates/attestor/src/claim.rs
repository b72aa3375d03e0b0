//! What a proof says, compared with the checkpoints that L1 has.

use crate::AttestError;
use alloy_primitives::{Address, B256};
use proofmill_chain::{ChainError, ProvenTip, Refusal, Rollup, Rules};
use proofmill_primitives::{Checkpoint, CheckpointNumber};
use proofmill_program::{AggregationPublicValues, RangePublicValues};
use std::fmt;

/// What both statements say, and what only an epoch's does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) rollup: Address,
    chain_id: u64,
    config_hash: B256,
    first_block: u64,
    last_block: u64,
    parent_hash: B256,
    last_hash: B256,
    pre_state_root: B256,
    post_state_root: B256,
    last_timestamp: u64,
    /// Before the first checkpoint, and at the last.
    commitments: Option<(B256, B256)>,
}

/// What a stranger's next checkpoint follows on after the proposer's silence, whatever is proposed already.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    chain_id: u64,
    pub(crate) rules: Rules,
    tip: ProvenTip,
}

/// What L1 has of the blocks of a claim.
#[derive(Clone, Debug)]
pub(crate) struct OnL1 {
    chain_id: u64,
    pub(crate) rules: Rules,
    first: Checkpoint,
    last: Checkpoint,
    pre_state_root: B256,
}

macro_rules! claim {
    ($values:expr, $commitments:expr) => {
        Claim {
            rollup: $values.rollup,
            chain_id: $values.chainId,
            config_hash: $values.configHash,
            first_block: $values.firstBlock,
            last_block: $values.lastBlock,
            parent_hash: $values.parentHash,
            last_hash: $values.lastHash,
            pre_state_root: $values.preStateRoot,
            post_state_root: $values.postStateRoot,
            last_timestamp: $values.lastTimestamp,
            commitments: $commitments,
        }
    };
}

impl From<&RangePublicValues> for Claim {
    fn from(values: &RangePublicValues) -> Self {
        claim!(values, None)
    }
}

impl From<&AggregationPublicValues> for Claim {
    fn from(values: &AggregationPublicValues) -> Self {
        claim!(values, Some((values.fromCommitment, values.toCommitment)))
    }
}

impl Next {
    /// Reads it; none where only the proposer may propose.
    pub(crate) async fn find(rollup: &Rollup) -> Result<Option<Self>, ChainError> {
        let time = rollup.l1().head().await?.timestamp;
        if rollup.open_from().await?.is_none_or(|from| from > time) {
            return Ok(None);
        }
        let tip = rollup.proven_tip().await?;
        let rules = rollup.rules_of_next(&tip, time).await?;
        Ok(Some(Self { chain_id: rollup.config().chain_id, rules, tip }))
    }

    /// Errors with the first word of the claim that is not as the contract will want it. Where the blocks end, the proposal says.
    pub(crate) fn check(&self, claim: &Claim) -> Result<(), AttestError> {
        let ProvenTip { last_block, last_hash, state_root, commitment, .. } = self.tip;
        differ("chainId", self.chain_id, claim.chain_id)?;
        differ("configHash", self.rules.config_hash, claim.config_hash)?;
        differ("firstBlock", last_block.saturating_add(1), claim.first_block)?;
        differ("parentHash", last_hash, claim.parent_hash)?;
        differ("preStateRoot", state_root, claim.pre_state_root)?;
        match claim.commitments {
            Some((from, _)) => differ("fromCommitment", commitment, from),
            None => Ok(()),
        }
    }
}

impl OnL1 {
    /// Reads the checkpoints that have the claim's blocks.
    pub(crate) async fn find(rollup: &Rollup, claim: &Claim) -> Result<Self, AttestError> {
        let (first, last) =
            (checkpoint(rollup, claim.first_block).await?, checkpoint(rollup, claim.last_block).await?);
        let before = first.number.before().unwrap_or_default();
        let pre_state_root = match rollup.checkpoint(before).await.map_err(AttestError::L1)? {
            Some(before) => before.state_root,
            None => rollup.config().genesis.state_root,
        };
        let rules = rollup.rules_of(last.number).await.map_err(AttestError::L1)?;
        Ok(Self { chain_id: rollup.config().chain_id, rules, first, last, pre_state_root })
    }

    /// Errors with the first word of the claim that is not as L1 has it.
    pub(crate) fn check(&self, claim: &Claim) -> Result<(), AttestError> {
        let Self { first, last, .. } = self;
        differ("chainId", self.chain_id, claim.chain_id)?;
        differ("configHash", self.rules.config_hash, claim.config_hash)?;
        differ("firstBlock", first.blocks.first(), claim.first_block)?;
        differ("lastBlock", last.blocks.last(), claim.last_block)?;
        differ("parentHash", first.parent_hash, claim.parent_hash)?;
        differ("lastHash", last.last_hash, claim.last_hash)?;
        differ("preStateRoot", self.pre_state_root, claim.pre_state_root)?;
        differ("postStateRoot", last.state_root, claim.post_state_root)?;
        differ("lastTimestamp", last.last_timestamp, claim.last_timestamp)?;
        match claim.commitments {
            Some((from, to)) => {
                differ("fromCommitment", first.parent_commitment, from)?;
                differ("toCommitment", last.commitment, to)
            }
            // A range proof settles one checkpoint.
            None => differ("lastBlock", first.blocks.last(), claim.last_block),
        }
    }
}

/// The checkpoint that has a block.
async fn checkpoint(rollup: &Rollup, block: u64) -> Result<Checkpoint, AttestError> {
    let number = match rollup.checkpoint_of(block).await {
        // Nothing proves the genesis.
        Ok(CheckpointNumber(0)) => return Err(AttestError::NotOnL1 { block }),
        Ok(number) => number,
        Err(ChainError::Reverted(refusal)) if matches!(*refusal, Refusal::UnknownBlock { .. }) => {
            return Err(AttestError::NotOnL1 { block });
        }
        Err(error) => return Err(AttestError::L1(error)),
    };
    rollup.checkpoint(number).await.map_err(AttestError::L1)?.ok_or(AttestError::NotOnL1 { block })
}

fn differ<T: PartialEq + fmt::Display>(field: &'static str, l1: T, proof: T) -> Result<(), AttestError> {
    if l1 == proof {
        return Ok(());
    }
    Err(AttestError::NotAsOnL1 { field, l1: l1.to_string(), proof: proof.to_string() })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_primitives::{BlockRange, Slot};

    fn checkpoint(number: u64) -> Checkpoint {
        let byte = |offset: u64| B256::repeat_byte((10 * number + offset) as u8);
        Checkpoint {
            number: CheckpointNumber(number),
            slot: Slot(number),
            blocks: BlockRange::new(10 * number, 10 * number + 9).unwrap(),
            parent_hash: byte(0),
            last_hash: byte(10),
            state_root: byte(11),
            last_timestamp: 100 * number,
            parent_commitment: byte(3),
            commitment: byte(13),
        }
    }

    fn on_l1() -> OnL1 {
        let rules =
            Rules { config_hash: B256::repeat_byte(200), proposer: Address::ZERO, proof_types: Vec::new() };
        OnL1 {
            chain_id: 7,
            rules,
            first: checkpoint(1),
            last: checkpoint(3),
            pre_state_root: B256::repeat_byte(9),
        }
    }

    fn epoch() -> AggregationPublicValues {
        let OnL1 { rules, first, last, pre_state_root, .. } = on_l1();
        AggregationPublicValues {
            chainId: 7,
            configHash: rules.config_hash,
            firstBlock: first.blocks.first(),
            lastBlock: last.blocks.last(),
            parentHash: first.parent_hash,
            lastHash: last.last_hash,
            preStateRoot: pre_state_root,
            postStateRoot: last.state_root,
            lastTimestamp: last.last_timestamp,
            fromCommitment: first.parent_commitment,
            toCommitment: last.commitment,
            ..Default::default()
        }
    }

    #[test]
    fn every_word_is_compared_with_l1() {
        type Change = fn(&mut AggregationPublicValues);
        let changes: [(&str, Change); 11] = [
            ("chainId", |said| said.chainId += 1),
            ("configHash", |said| said.configHash = B256::ZERO),
            ("firstBlock", |said| said.firstBlock += 1),
            ("lastBlock", |said| said.lastBlock -= 1),
            ("parentHash", |said| said.parentHash = B256::ZERO),
            ("lastHash", |said| said.lastHash = B256::ZERO),
            ("preStateRoot", |said| said.preStateRoot = B256::ZERO),
            ("postStateRoot", |said| said.postStateRoot = B256::ZERO),
            ("lastTimestamp", |said| said.lastTimestamp += 1),
            ("fromCommitment", |said| said.fromCommitment = B256::ZERO),
            // What a lying checkpoint in the middle comes to.
            ("toCommitment", |said| said.toCommitment = B256::ZERO),
        ];
        on_l1().check(&Claim::from(&epoch())).unwrap();
        for (name, change) in changes {
            let mut said = epoch();
            change(&mut said);
            let error = on_l1().check(&Claim::from(&said)).unwrap_err();
            assert!(
                matches!(error, AttestError::NotAsOnL1 { field, .. } if field == name),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn what_is_to_be_proposed_follows_on_the_proven_tip() {
        let OnL1 { chain_id, rules, first, pre_state_root, .. } = on_l1();
        let tip = ProvenTip {
            number: CheckpointNumber(0),
            slot: Slot(0),
            last_block: first.blocks.first() - 1,
            last_hash: first.parent_hash,
            state_root: pre_state_root,
            last_timestamp: 0,
            commitment: first.parent_commitment,
        };
        let next = Next { chain_id, rules, tip };
        // However far it goes.
        let mut good = epoch();
        (good.lastBlock, good.lastHash, good.toCommitment) = (1_000, B256::ZERO, B256::ZERO);
        next.check(&Claim::from(&good)).unwrap();
        type Change = fn(&mut AggregationPublicValues);
        let changes: [(&str, Change); 6] = [
            ("chainId", |said| said.chainId += 1),
            ("configHash", |said| said.configHash = B256::ZERO),
            ("firstBlock", |said| said.firstBlock += 1),
            ("parentHash", |said| said.parentHash = B256::ZERO),
            ("preStateRoot", |said| said.preStateRoot = B256::ZERO),
            ("fromCommitment", |said| said.fromCommitment = B256::ZERO),
        ];
        for (name, change) in changes {
            let mut said = good.clone();
            change(&mut said);
            let error = next.check(&Claim::from(&said)).unwrap_err();
            assert!(
                matches!(error, AttestError::NotAsOnL1 { field, .. } if field == name),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn a_range_proof_is_of_one_checkpoint() {
        let claim = Claim { commitments: None, ..Claim::from(&epoch()) };
        let error = on_l1().check(&claim).unwrap_err();
        assert!(matches!(error, AttestError::NotAsOnL1 { field: "lastBlock", .. }), "{error}");
        let one = OnL1 { first: checkpoint(3), last: checkpoint(3), ..on_l1() };
        let claim = Claim { first_block: 30, parent_hash: checkpoint(3).parent_hash, ..claim };
        one.check(&claim).unwrap();
    }
}
