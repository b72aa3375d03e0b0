//! A rollup on an L1 of its own, whose time is tokio's.

use alloy_primitives::{Address, B256, keccak256};
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use proofmill_chain::{ChainEvent, PruneCause};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, SlotClock};
use proofmill_program::{AggregationPublicValues, RangePublicValues};
use proofmill_prover_node::{
    parts::{Away, BlockHashes, ChainSource, EpochProof, EpochSubmission, Settlement, Statement},
    rules::{EpochSpec, L1Time, L1View, PruneOutcome, PublishOutcome, RangeSpec, Receipt},
};
use std::{
    collections::VecDeque,
    num::NonZeroU64,
    sync::{Arc, LazyLock, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

pub(crate) const SLOT: u64 = 12;

/// L1 begins when the test does.
static GENESIS: LazyLock<u64> =
    LazyLock::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());

pub(crate) fn clock() -> SlotClock {
    let some = |number| NonZeroU64::new(number).unwrap();
    SlotClock { genesis: *GENESIS, slot_seconds: some(SLOT), epoch_slots: some(4), window_epochs: some(3) }
}

pub(crate) fn statement() -> Statement {
    Statement {
        chain_id: 77,
        config_hash: B256::repeat_byte(5),
        rollup: Address::repeat_byte(6),
        prover: Address::repeat_byte(7),
    }
}

/// Blocks of a branch: the branch shows in the blocks from `fork` on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Branch {
    pub(crate) fork: u64,
    pub(crate) name: u64,
}

impl Branch {
    pub(crate) fn hash(&self, number: u64) -> B256 {
        let name = if number >= self.fork { self.name } else { 0 };
        keccak256([number.to_le_bytes(), name.to_le_bytes()].concat())
    }

    pub(crate) fn values(&self, blocks: BlockRange) -> RangePublicValues {
        let Statement { chain_id, config_hash, rollup, prover } = statement();
        RangePublicValues {
            chainId: chain_id,
            configHash: config_hash,
            rollup,
            prover,
            firstBlock: blocks.first(),
            lastBlock: blocks.last(),
            parentHash: self.hash(blocks.first() - 1),
            lastHash: self.hash(blocks.last()),
            preStateRoot: !self.hash(blocks.first() - 1),
            postStateRoot: !self.hash(blocks.last()),
            lastTimestamp: blocks.last(),
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) proven: CheckpointNumber,
    pub(crate) branch: Branch,
    /// What L1 accepted, in order.
    pub(crate) submissions: Vec<EpochSubmission>,
    /// What the next submissions come to instead.
    pub(crate) mishaps: VecDeque<PublishOutcome>,
    /// Why L1 cannot be read.
    pub(crate) away: Option<String>,
    /// Why L2 cannot be read: no checkpoint is told.
    pub(crate) l2_away: Option<String>,
    pub(crate) submitting_takes: Duration,
    /// How often what was not proven was given up.
    pub(crate) prunes: u64,
    /// Why that cannot be done.
    pub(crate) cannot_prune: Option<String>,
}

impl State {
    /// When the window of the oldest checkpoint closes that is not proven.
    fn closes(&self) -> Option<u64> {
        let oldest = self.checkpoints.get(self.proven.0 as usize)?;
        Some(clock().deadline(clock().epoch_of(oldest.slot)))
    }
}

/// L1's time, in seconds of tokio's clock.
struct Passed {
    before: Duration,
    since: Option<Instant>,
}

/// The chains. A clone is the same.
#[derive(Clone)]
pub(crate) struct Chains {
    time: Arc<Mutex<Passed>>,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Chains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chains")
    }
}

impl Chains {
    pub(crate) fn new() -> Self {
        let time = Passed { before: Duration::ZERO, since: Some(Instant::now()) };
        Self { time: Arc::new(Mutex::new(time)), state: Arc::default() }
    }

    /// Since slot 0 began.
    fn elapsed(&self) -> Duration {
        let time = self.time.lock().unwrap();
        time.before + time.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Time stands still until it goes on in another runtime, which has another clock.
    pub(crate) fn pause(&self) {
        let before = self.elapsed();
        *self.time.lock().unwrap() = Passed { before, since: None };
    }

    pub(crate) fn go_on(&self) {
        self.time.lock().unwrap().since = Some(Instant::now());
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn time(&self) -> u64 {
        clock().genesis + self.elapsed().as_secs()
    }

    /// Waits until a slot begins.
    pub(crate) async fn slot(&self, slot: u64) {
        sleep(Duration::from_secs(slot * SLOT).saturating_sub(self.elapsed())).await;
    }

    /// Waits until a slot begins, and proposes so many blocks in it.
    pub(crate) async fn propose_in(&self, slot: u64, blocks: u64) -> Checkpoint {
        self.slot(slot).await;
        self.propose(blocks)
    }

    /// Proposes so many blocks in the present slot.
    pub(crate) fn propose(&self, blocks: u64) -> Checkpoint {
        let slot = clock().slot_at(self.time());
        let mut state = self.state();
        let first = state.checkpoints.last().map_or(1, |last| last.blocks.last() + 1);
        let blocks = BlockRange::new(first, first + blocks - 1).unwrap();
        let values = state.branch.values(blocks);
        assert!(state.checkpoints.last().is_none_or(|last| last.slot < slot), "the slot is taken");
        let parent_commitment = state.checkpoints.last().map_or(B256::ZERO, |last| last.commitment);
        let checkpoint = Checkpoint {
            number: CheckpointNumber(state.checkpoints.len() as u64 + 1),
            slot,
            blocks,
            parent_hash: values.parentHash,
            last_hash: values.lastHash,
            state_root: values.postStateRoot,
            last_timestamp: values.lastTimestamp,
            parent_commitment,
            commitment: values.boundary().commit(parent_commitment),
        };
        state.checkpoints.push(checkpoint);
        checkpoint
    }

    /// Takes the newest checkpoints away.
    pub(crate) fn drop_above(&self, number: u64) {
        self.state().checkpoints.truncate(number as usize);
    }

    pub(crate) fn proven(&self) -> u64 {
        self.state().proven.0
    }

    pub(crate) async fn until_proven(&self, number: u64) {
        while self.proven() < number {
            sleep(Duration::from_millis(100)).await;
            assert!(self.elapsed() < Duration::from_secs(3_000), "proven up to {}", self.proven());
        }
    }

    fn objection(state: &State, submission: &EpochSubmission) -> Option<PublishOutcome> {
        let stale = |cause: &str| Some(PublishOutcome::Stale { cause: cause.into() });
        let get = |number: CheckpointNumber| state.checkpoints.get(number.0 as usize - 1);
        let (Some(first), Some(last)) = (get(submission.first), get(submission.last)) else {
            return stale("no such checkpoints");
        };
        if submission.first > state.proven.next() {
            return stale("what is before is not proven");
        }
        let span = EpochSpec::spanning(first, last).unwrap();
        for EpochProof { values, proof, .. } in submission.proofs.values() {
            let AggregationPublicValues { firstBlock, lastBlock, parentHash, lastHash, prover, .. } = values;
            let says = EpochSpec {
                range: RangeSpec {
                    blocks: BlockRange::new(*firstBlock, *lastBlock).unwrap(),
                    parent_hash: *parentHash,
                    last_hash: *lastHash,
                },
                from_commitment: values.fromCommitment,
                to_commitment: values.toCommitment,
            };
            assert_eq!((says, *prover), (span, submission.prover), "a proof of something else was submitted");
            assert!(proof.starts_with(b"epoch"));
        }
        None
    }
}

impl Settlement for Chains {
    fn view(&self) -> BoxFuture<'_, Result<L1View, Away>> {
        Box::pin(async {
            let time = L1Time(self.time());
            let state = self.state();
            if let Some(cause) = &state.away {
                return Err(Away::because(cause));
            }
            let pending = CheckpointNumber(state.checkpoints.len() as u64);
            let closes = state.closes().map(L1Time);
            Ok(L1View { time, pending, proven: state.proven, paused: 0, closes })
        })
    }

    fn submit(&self, submission: EpochSubmission) -> BoxFuture<'_, PublishOutcome> {
        Box::pin(async move {
            let takes = self.state().submitting_takes;
            sleep(takes).await;
            let mut state = self.state();
            if let Some(mishap) = state.mishaps.pop_front() {
                return mishap;
            }
            if let Some(objection) = Self::objection(&state, &submission) {
                return objection;
            }
            state.proven = state.proven.max(submission.last);
            let transaction = keccak256(submission.epoch.0.to_le_bytes());
            let block = state.submissions.len() as u64;
            state.submissions.push(submission);
            PublishOutcome::Published(Receipt { transaction, block, gas_used: 100_000, fee: 1 })
        })
    }

    fn prune(&self) -> BoxFuture<'_, PruneOutcome> {
        Box::pin(async { self.give_up() })
    }
}

impl Chains {
    fn give_up(&self) -> PruneOutcome {
        let time = self.time();
        let mut state = self.state();
        if let Some(cause) = state.cannot_prune.clone() {
            return PruneOutcome::Unavailable { cause };
        }
        if state.closes().is_none_or(|closes| time < closes) {
            return PruneOutcome::NothingDue;
        }
        state.prunes += 1;
        let proven = state.proven.0 as usize;
        state.checkpoints.truncate(proven);
        PruneOutcome::Pruned(Receipt { transaction: B256::ZERO, block: 0, gas_used: 30_000, fee: 1 })
    }
}

impl BlockHashes for Chains {
    fn hash(&self, number: u64) -> BoxFuture<'_, Result<Option<B256>, Away>> {
        Box::pin(async move { Ok(Some(self.state().branch.hash(number))) })
    }
}

/// Tells of the chains, as the chain stream does.
pub(crate) struct Stream {
    chains: Chains,
    told: Vec<Checkpoint>,
    before: usize,
    offered: Option<ChainEvent>,
}

impl Stream {
    pub(crate) const fn new(chains: Chains) -> Self {
        Self { chains, told: Vec::new(), before: 0, offered: None }
    }

    fn look(&self) -> Option<ChainEvent> {
        let state = self.chains.state();
        let stand = state.checkpoints.get(self.before..).unwrap_or_default();
        let same = self.told.iter().zip(stand).take_while(|(told, stands)| told == stands).count();
        if same < self.told.len() {
            let to = CheckpointNumber((self.before + same) as u64);
            let given_up = state.prunes > 0 && same == stand.len();
            let cause = if given_up { PruneCause::WindowClosed } else { PruneCause::L1Reorg };
            return Some(ChainEvent::Pruned { to, cause });
        }
        if state.l2_away.is_some() {
            return None;
        }
        stand.get(same).copied().map(ChainEvent::Checkpointed)
    }
}

impl ChainSource for Stream {
    fn begin(&mut self) -> Result<(), Away> {
        let time = self.chains.time();
        let state = self.chains.state();
        let epoch = |checkpoint: &Checkpoint| clock().epoch_of(checkpoint.slot);
        let open = |checkpoint: &Checkpoint| {
            let of = epoch(checkpoint);
            let last = state.checkpoints.iter().rfind(|other| epoch(other) == of).unwrap();
            last.number > state.proven || time < clock().ends_at(of)
        };
        self.before = state.checkpoints.iter().take_while(|checkpoint| !open(checkpoint)).count();
        self.told.clear();
        Ok(())
    }

    fn next(&mut self) -> BoxFuture<'_, ChainEvent> {
        Box::pin(async {
            loop {
                if let Some(event) = self.look() {
                    self.offered = Some(event);
                    return event;
                }
                sleep(Duration::from_millis(200)).await;
            }
        })
    }

    fn troubles(&self) -> BoxStream<'static, Option<String>> {
        let looks = futures::stream::unfold(self.chains.clone(), |chains| async {
            sleep(Duration::from_secs(1)).await;
            let trouble = chains.state().l2_away.clone();
            Some((trouble, chains))
        });
        looks.boxed()
    }

    fn acknowledge(&mut self) {
        match self.offered.take() {
            Some(ChainEvent::Checkpointed(checkpoint)) => self.told.push(checkpoint),
            Some(ChainEvent::Pruned { to, .. }) => self.told.truncate(to.0 as usize - self.before),
            _ => {}
        }
    }
}
