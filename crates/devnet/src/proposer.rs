//! Groups L2 blocks into checkpoints, one per slot, and posts them.

use crate::range::{Choice, Times, choose};
use proofmill_chain::{BlockAt, ChainError, ContractTips, L2, Proposal, Rollup, Sender};
use proofmill_primitives::{BlockRange, Checkpoint, Slot, SlotClock};
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often it looks whether a slot is ending and blocks were made.
const BEAT: Duration = Duration::from_millis(500);

/// Commits on L1 to the blocks of L2, once in each slot in which there are new ones.
#[derive(Debug)]
pub struct Proposer {
    rollup: Rollup,
    l2: L2,
    sender: Sender,
    up_to: BlockAt,
    l1_block_time: Duration,
    max_blocks: NonZeroU64,
    /// Last block by first block of what the contract gave up. It is proposed anew in the same ranges, so that the range
    /// proofs made meanwhile still count.
    given_up: BTreeMap<u64, u64>,
}

/// Why nothing is proposed although a slot is ending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Held {
    #[error("the L2 node has no block {0}; waiting for it")]
    Behind(u64),
    #[error(
        "L2 was replaced at block {0} or below it, after a checkpoint with that block was put on L1; it is given up when its \
         window closes, and the new blocks are proposed then"
    )]
    Replaced(u64),
    #[error(
        "L2 was replaced at block {0} or below it, and a checkpoint with that block is proven on L1: no other can follow on \
         it until the L2 node is back on the chain that was proven"
    )]
    ReplacedProven(u64),
    #[error("the L2 node says of no block that it is final; --latest proposes blocks before they are")]
    NothingFinal,
    #[error("L2's block {block} is of {time}, and L1 is at {l1}: waiting until L1 is as far")]
    Ahead { block: u64, time: u64, l1: u64 },
    #[error(
        "the newest L2 block that can be proposed, {block}, is of {time}, and the contract takes no checkpoint that ends before \
         {oldest}: waiting for a newer block; a transaction on L2 makes one"
    )]
    Stalled { block: u64, time: u64, oldest: u64 },
    #[error("the contract is paused until {0} at the latest")]
    Paused(u64),
    #[error(
        "the rollup's proposer was silent for long, and the checkpoint up to block {0} is not proven yet: until it is, the next one would \
         take its place"
    )]
    Unproven(u64),
}

/// What came of looking.
enum Turn {
    Proposed(BlockRange),
    Nothing,
    Held(Held),
}

impl Proposer {
    /// Proposes the newest blocks, at most 1,000 in one checkpoint, on an L1 with a block at least every two seconds. The
    /// rollup's contract takes checkpoints from its proposer alone, until that was silent for long: then from any account.
    pub const fn new(rollup: Rollup, l2: L2, sender: Sender) -> Self {
        let max_blocks = NonZeroU64::MIN.saturating_add(999);
        let (up_to, l1_block_time) = (BlockAt::Latest, Duration::from_secs(2));
        Self { rollup, l2, sender, up_to, l1_block_time, max_blocks, given_up: BTreeMap::new() }
    }

    /// Proposes blocks up to this one.
    #[must_use]
    pub const fn up_to(mut self, block: BlockAt) -> Self {
        self.up_to = block;
        self
    }

    /// The most time between two L1 blocks. A checkpoint is proposed so long before the last block of its slot, so that it
    /// lands in that one at the latest.
    #[must_use]
    pub const fn l1_block_time(mut self, time: Duration) -> Self {
        self.l1_block_time = time;
        self
    }

    /// The most blocks in one checkpoint: what is left waits for the next slot. There are more where the contract would refuse
    /// these as too old.
    #[must_use]
    pub const fn max_blocks(mut self, blocks: NonZeroU64) -> Self {
        self.max_blocks = blocks;
        self
    }

    /// Runs until told to stop. What fails or is in the way is said, and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Said once, and again when something else is wrong.
        let mut said = String::new();
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            let reason = match self.turn().await {
                Ok(Turn::Proposed(blocks)) => {
                    said.clear();
                    tracing::info!(%blocks, "proposed a checkpoint");
                    continue;
                }
                Ok(Turn::Nothing) => continue,
                Ok(Turn::Held(held)) => held.to_string(),
                Err(error) => error.to_string(),
            };
            if reason != said {
                tracing::warn!(reason, "no checkpoint could be proposed; trying again");
                said = reason;
            }
        }
    }

    /// Proposes what there is, if a new slot has begun.
    async fn turn(&mut self) -> Result<Turn, ChainError> {
        let l1 = self.rollup.l1().head().await?;
        let tips = self.rollup.tips().await?;
        if let Some(until) = self.rollup.paused_until().await? {
            return Ok(Turn::Held(Held::Paused(until)));
        }
        // A proposal would have to follow on what the contract is about to give up.
        if self.window_closed(tips, l1.timestamp).await? {
            self.remember(tips).await?;
            self.rollup.prune(&self.sender).await?;
            return Ok(Turn::Nothing);
        }
        // What is unproven then makes way for the next proposal, which follows on what is proven.
        let makes_way = tips.proven < tips.pending && self.is_open(l1.timestamp).await?;
        if makes_way && let Some(block) = self.true_end(tips).await? {
            let lands = l1.timestamp.saturating_add(self.l1_block_time.as_secs());
            if !self.is_the_proposer(lands).await? {
                return Ok(Turn::Held(Held::Unproven(block)));
            }
            self.remember(tips).await?;
        }
        let follows = if makes_way { tips.proven } else { tips.pending };
        let last = self.rollup.checkpoint(follows).await?;
        let last_slot = last.map_or(Slot(0), |last| last.slot);
        if !is_due(self.rollup.clock(), self.l1_block_time.as_secs(), l1.timestamp, last_slot) {
            return Ok(Turn::Nothing);
        }
        let (last_block, parent_hash) = self.end_of(last);
        let is_proven = follows == tips.proven;
        if let Some(held) = self.held_by(last_block, parent_hash, is_proven).await? {
            return Ok(Turn::Held(held));
        }
        let Some(head) = self.l2.block(self.up_to).await? else { return Ok(Turn::Held(Held::NothingFinal)) };
        let times = Times::new(l1.timestamp, self.rollup.config().limits.max_lag, self.l1_block_time);
        let first = last_block + 1;
        let (blocks, end) =
            match choose(&self.l2, first, head, self.max_blocks, &self.given_up, times).await? {
                Choice::Blocks(blocks, end) => (blocks, end),
                Choice::Nothing => return Ok(Turn::Nothing),
                Choice::Behind(block) => return Ok(Turn::Held(Held::Behind(block))),
                Choice::Ahead(block) => {
                    let (block, time) = (block.number, block.timestamp);
                    return Ok(Turn::Held(Held::Ahead { block, time, l1: l1.timestamp }));
                }
                Choice::Stalled(block) => {
                    let (block, time) = (block.number, block.timestamp);
                    return Ok(Turn::Held(Held::Stalled { block, time, oldest: times.oldest }));
                }
            };
        // L2 may have been replaced between its answers: what does not follow on the last checkpoint can never be proven.
        if let Some(held) = self.held_by(last_block, parent_hash, is_proven).await? {
            return Ok(Turn::Held(held));
        }
        if let Some(proven) = self.rollup.checkpoint(tips.proven).await? {
            self.given_up = self.given_up.split_off(&proven.blocks.last());
        }
        let proposal = Proposal {
            blocks,
            parent_hash,
            last_hash: end.hash,
            state_root: end.state_root,
            last_timestamp: end.timestamp,
        };
        self.rollup.propose(&self.sender, proposal).await?;
        Ok(Turn::Proposed(blocks))
    }

    /// Why nothing can follow on a block now, unless L2 has it with this hash.
    async fn held_by(
        &self,
        block: u64,
        hash: alloy_primitives::B256,
        is_proven: bool,
    ) -> Result<Option<Held>, ChainError> {
        Ok(match self.l2.block(BlockAt::Number(block)).await? {
            Some(there) if there.hash == hash => None,
            Some(_) if is_proven => Some(Held::ReplacedProven(block)),
            Some(_) => Some(Held::Replaced(block)),
            None => Some(Held::Behind(block)),
        })
    }

    /// Whether the proposer was silent for so long that anybody may propose.
    async fn is_open(&self, now: u64) -> Result<bool, ChainError> {
        Ok(self.rollup.open_from().await?.is_some_and(|from| now >= from))
    }

    /// Whether this account is the proposer of what follows on the proven tip at a time of L1, and not one that stands in for it. New
    /// rules, which may name it, come into force with its proposal.
    async fn is_the_proposer(&self, time: u64) -> Result<bool, ChainError> {
        let tip = self.rollup.proven_tip().await?;
        Ok(self.rollup.rules_of_next(&tip, time).await?.proposer == self.sender.account())
    }

    /// The last block of the last checkpoint, if that ends as L2 does there: it can be proven.
    async fn true_end(&self, tips: ContractTips) -> Result<Option<u64>, ChainError> {
        let Some(last) = self.rollup.checkpoint(tips.pending).await? else { return Ok(None) };
        let Some(block) = self.l2.block(BlockAt::Number(last.blocks.last())).await? else { return Ok(None) };
        let same = (block.hash, block.state_root, block.timestamp)
            == (last.last_hash, last.state_root, last.last_timestamp);
        Ok(same.then_some(block.number))
    }

    /// Whether something can no longer be proven, because its window closed.
    async fn window_closed(&self, tips: ContractTips, now: u64) -> Result<bool, ChainError> {
        if tips.proven >= tips.pending {
            return Ok(false);
        }
        let Some(unproven) = self.rollup.checkpoint(tips.proven.next()).await? else { return Ok(false) };
        let epoch = self.rollup.clock().epoch_of(unproven.slot);
        Ok(now >= self.rollup.deadline(epoch).await?)
    }

    /// Reads the ranges that the contract is about to give up. Another process may have proposed them.
    async fn remember(&mut self, tips: ContractTips) -> Result<(), ChainError> {
        let mut number = tips.proven.next();
        while number <= tips.pending {
            if let Some(checkpoint) = self.rollup.checkpoint(number).await? {
                self.given_up.insert(checkpoint.blocks.first(), checkpoint.blocks.last());
            }
            number = number.next();
        }
        Ok(())
    }

    /// The block that the next checkpoint follows on.
    fn end_of(&self, last: Option<Checkpoint>) -> (u64, alloy_primitives::B256) {
        match last {
            Some(last) => (last.blocks.last(), last.last_hash),
            None => (self.rollup.config().genesis.number, self.rollup.config().genesis.hash),
        }
    }
}

/// Whether it is time for a checkpoint: sent now, it lands in the next L1 block, which is the last one of its slot and so
/// takes most of the blocks made in it, and no checkpoint has landed in that slot.
fn is_due(clock: &SlotClock, l1_block_time: u64, now: u64, last: Slot) -> bool {
    let lands = now.saturating_add(l1_block_time);
    let slot = clock.slot_at(lands);
    slot > last && clock.slot_at(lands.saturating_add(l1_block_time)) > slot
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};
    use proofmill_chain::{
        GenesisBlock, L1, Limits, PoolOptions, ProofTypeConfig, RoleCall, Roles, RollupConfig, Rules,
        deploy_accepts_anything_verifier, deploy_rollup,
    };
    use proofmill_localnet::{Anvil, AnvilOptions};
    use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
    use proofmill_proxy::{Action, Proxy};
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicUsize, Ordering};

    const START: u64 = 4_000_000_000;

    /// Makes a block of that time.
    async fn mine(node: &Anvil, time: u64) {
        let client = proofmill_http::rpc_client(node.rpc_url().clone());
        client.request::<_, Value>("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
        client.request::<_, Value>("evm_mine", json!([])).await.unwrap();
    }

    /// A rollup of this owner. Slots of 100 s, epochs of two, a window of two: 600 s of silence, and as long until rules change.
    async fn deployed(l2: &L2, owner: &Sender, proposer: Address) -> (Rollup, RollupConfig) {
        let two = NonZeroU64::new(2).unwrap();
        let clock = SlotClock { genesis: START, epoch_slots: two, window_epochs: two, ..clock(100) };
        let genesis = l2.block(BlockAt::Number(0)).await.unwrap().unwrap();
        let config = RollupConfig {
            chain_id: l2.chain_id(),
            clock,
            limits: Limits { silence: NonZeroU64::new(600), ..Limits::of(&clock) },
            genesis: GenesisBlock {
                number: 0,
                hash: genesis.hash,
                state_root: genesis.state_root,
                timestamp: genesis.timestamp,
            },
            config_hash: B256::repeat_byte(1),
            proposer,
            proof_types: vec![ProofTypeConfig {
                prover: ProverType::Exec,
                verifier: deploy_accepts_anything_verifier(owner, B256::ZERO).await.unwrap().address,
                range_key: ProgramVersion(B256::repeat_byte(2)),
                aggregation_key: ProgramVersion(B256::repeat_byte(3)),
            }],
        };
        let roles = Roles { owner: Some(owner.account()), guardian: None };
        let (rollup, _) = deploy_rollup(owner, &config, roles, B256::ZERO).await.unwrap();
        (rollup, config)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_proposer_that_new_rules_name_waits_for_no_stranger() {
        let l2_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l1_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l2 = L2::connect(PoolOptions::new(l2_node.rpc_url().clone()), None).await.unwrap();
        let l1 = L1::connect(PoolOptions::new(l1_node.rpc_url().clone()), None).await.unwrap();
        let sender =
            |at: usize| Sender::new(l1.clone(), l1_node.accounts()[at].private_key.try_into().unwrap());
        let (owner, stranger, newcomer) = (sender(0), sender(1), sender(2));
        // Whose key nobody has.
        let (rollup, config) = deployed(&l2, &owner, Address::repeat_byte(7)).await;
        mine(&l1_node, START + 300).await;
        let rules = Rules { proposer: newcomer.account(), ..config.rules() };
        rollup.act(&owner, &RoleCall::ScheduleRules { rules, from: None }).await.unwrap();

        let proposer = |sender: &Sender| {
            Proposer::new(rollup.clone(), l2.clone(), sender.clone()).l1_block_time(Duration::from_secs(30))
        };
        let blocks = BlockRange::new(1, 1).unwrap();
        mine(&l2_node, START + 700).await;
        mine(&l1_node, START + 750).await;
        let turn = proposer(&stranger).turn().await.unwrap();
        assert!(matches!(turn, Turn::Proposed(of) if of == blocks), "anybody may");
        // Its window is open until 1,200. A stranger leaves it where it is.
        mine(&l1_node, START + 1_050).await;
        let turn = proposer(&stranger).turn().await.unwrap();
        assert!(matches!(turn, Turn::Held(Held::Unproven(1))), "it would take its place");
        let turn = proposer(&newcomer).turn().await.unwrap();
        assert!(matches!(turn, Turn::Proposed(of) if of == blocks), "the same blocks, as its own checkpoint");
        assert_eq!(rollup.current_rules().await.unwrap().index, 1);
        let first = rollup.checkpoint(CheckpointNumber(1)).await.unwrap().unwrap();
        assert_eq!((first.slot, first.blocks), (Slot(10), blocks));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_of_a_chain_that_is_replaced_while_they_are_chosen_are_not_proposed() {
        let l2_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l1_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l1 = L1::connect(PoolOptions::new(l1_node.rpc_url().clone()), None).await.unwrap();
        let l2 = L2::connect(PoolOptions::new(l2_node.rpc_url().clone()), None).await.unwrap();
        let sender = Sender::new(l1, l1_node.accounts()[0].private_key.try_into().unwrap());
        let (rollup, _) = deployed(&l2, &sender, sender.account()).await;
        mine(&l2_node, START + 140).await;
        mine(&l1_node, START + 150).await;
        // The block before those of the next checkpoint is as L1 has it when it is looked at first, and another one from then on.
        let asked = AtomicUsize::new(0);
        let node = Proxy::new(l2_node.rpc_url(), move |request| {
            let of_parent = request.method == "eth_getBlockByNumber" && request.params[0] == "0x0";
            if !of_parent || asked.fetch_add(1, Ordering::SeqCst) == 0 {
                return Action::Forward;
            }
            Action::change(|mut block| {
                block["hash"] = json!(B256::repeat_byte(7));
                block
            })
        })
        .await;
        let l2 = L2::connect(PoolOptions::new(node.url.clone()), None).await.unwrap();
        let mut proposer = Proposer::new(rollup.clone(), l2, sender).l1_block_time(Duration::from_secs(30));
        let turn = proposer.turn().await.unwrap();
        assert!(matches!(turn, Turn::Held(Held::ReplacedProven(0))), "it follows on no checkpoint");
        assert_eq!(rollup.tips().await.unwrap().pending, CheckpointNumber(0));
    }

    fn clock(slot_seconds: u64) -> SlotClock {
        let number = |number: u64| number.try_into().unwrap();
        SlotClock {
            genesis: 100,
            slot_seconds: number(slot_seconds),
            epoch_slots: number(4),
            window_epochs: number(1),
        }
    }

    /// The slots in which checkpoints land, when each lands in the block after the one that it was due at.
    fn landed(slot_seconds: u64, block_time: u64, told: u64) -> Vec<u64> {
        let clock = clock(slot_seconds);
        let (mut last, mut slots) = (Slot(0), Vec::new());
        for now in (100..100 + 40 * slot_seconds).step_by(usize::try_from(block_time).unwrap()) {
            if is_due(&clock, told, now, last) {
                last = clock.slot_at(now + block_time);
                slots.push(last.0);
            }
        }
        slots
    }

    #[test]
    fn every_slot_with_an_l1_block_gets_a_checkpoint() {
        // Seconds of a slot, between two L1 blocks, and what the proposer takes for that.
        for (slot, block, told) in [
            (60, 12, 12),
            (12, 12, 12),
            (24, 12, 12),
            (6, 1, 2),
            (4, 1, 2),
            (3, 1, 1),
            (15, 1, 2),
            (5, 1, 1),
            (2, 1, 1),
        ] {
            let slots = landed(slot, block, told);
            assert_eq!(slots, (1..=slots.len() as u64).collect::<Vec<_>>(), "{slot} {block} {told}");
            assert!(slots.len() >= 38, "{slot} {block} {told}: {slots:?}");
        }
        // No slot can have a checkpoint without an L1 block.
        assert!(landed(6, 12, 12).iter().all(|slot| slot % 2 == 0));
        assert!(landed(6, 12, 12).len() >= 18);
    }

    #[test]
    fn a_checkpoint_lands_near_the_end_of_its_slot() {
        let due = |last: u64| (160..220).step_by(12).find(|now| is_due(&clock(60), 12, *now, Slot(last)));
        // The blocks of slot 1 are at 160, 172, 184, 196 and 208: it lands in the last.
        assert_eq!(due(0), Some(196));
        assert_eq!(due(1), None);
    }
}
