//! The plan: ranges, the submission, and what follows from what happens.

use super::{
    ranges::{BlockGas, Cut, RangeState, RangeView, Ranges},
    submission::{Attempt, L1Block, Step, Submission},
};
use crate::steps::pause_is_over;
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest pause between two tries of a step.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// After so many refusals a submission begins again, which costs a transaction; and then each time after twice as many.
const REFUSALS: u32 = 6;

/// How the chain is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Blocks of a range; 1 at least.
    pub range_blocks: u64,
    /// Gas of a range at the most, where it has more than one block: `RANGE_PROOF_EVM_GAS_LIMIT`.
    pub range_gas: Option<u64>,
    /// An output is proposed for so many blocks at the least, and for no fewer than the contract wants.
    pub submission_blocks: u64,
    /// So many proofs are made at a time: ranges, and an aggregation, which begins in any case.
    pub at_once: usize,
}

/// What the chains show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The block of L1 at which it was looked at.
    pub l1_block: u64,
    /// The block of the newest output on L1.
    pub l2_output: u64,
    /// The first block of which the contract takes the next output.
    pub next_output: u64,
    /// The newest block that L2 has finalized.
    pub l2_finalized: u64,
}

/// Why a step of a submission came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepFailed {
    /// L1 refuses it. What was made for it may be good nevertheless.
    Refused {
        /// What it says.
        cause: String,
    },
    /// What was made for it does not fit any more: L1, its contract's configuration or its newest output is another one.
    Stale {
        /// What is another one.
        cause: String,
    },
    /// It could not be done now.
    NotNow {
        /// What is missing.
        cause: String,
    },
    /// Proofs of ranges are not there any more, or do not fit: they are to be made again.
    RangesLost(Vec<Problem>),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The chains were looked at. The gas of the blocks after the newest output counts only where ranges are cut by it; they are cut
    /// as far as it is known.
    Seen(Seen, BlockGas),
    /// Time has passed.
    Tick,
    /// A range was proven: the L1 block up to which it was derived; or it was not.
    Range(BlockRange, Result<u64, JobError>),
    /// The contract keeps the hash of a block of L1; or does not.
    Checkpointed(Attempt, Result<L1Block, StepFailed>),
    /// The ranges are aggregated; or are not.
    Aggregated(Attempt, Result<(), StepFailed>),
    /// The output is on L1, in this block at the latest; or is not.
    Proposed(Attempt, Result<u64, StepFailed>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Prove a range, and keep the proof.
    ProveRange(BlockRange),
    /// A range that is being proven is of no use any more.
    Withdraw(BlockRange),
    /// Have the contract keep the hash of an L1 block that is not before this one.
    Checkpoint {
        /// Which try it is.
        attempt: Attempt,
        /// The newest block up to which a range was derived.
        not_before: u64,
    },
    /// Aggregate these ranges up to that L1 block.
    Aggregate {
        /// Which try it is.
        attempt: Attempt,
        /// The ranges, oldest first.
        ranges: Vec<BlockRange>,
        /// Where the proof ends on L1.
        l1: L1Block,
        /// Whether a proof that is kept is not taken: L1, or attestors, refused it.
        anew: bool,
    },
    /// Propose the output of a block, with the proof that ends at that L1 block.
    Propose {
        /// Which try it is.
        attempt: Attempt,
        /// The ranges that were aggregated.
        ranges: Vec<BlockRange>,
        /// Where the proof ends on L1.
        l1: L1Block,
    },
    /// What comes of an aggregation is of no use any more. What is sent cannot be taken back, and ends by itself.
    Abandon(Attempt),
}

/// What keeps a part of it, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The blocks.
    pub blocks: BlockRange,
    /// Why.
    pub cause: String,
}

/// All there is to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    config: Config,
    #[serde(skip)]
    seen: Option<Seen>,
    ranges: Ranges,
    submission: Option<Submission>,
    /// The newest block of L1 whose hash the contract keeps for this plan: who comes to aggregate again needs no other, unless ranges
    /// were derived later.
    #[serde(default)]
    kept: Option<L1Block>,
    /// A hash is about to be kept for a submission that is not there any more.
    #[serde(skip)]
    checkpointing: Option<Attempt>,
    /// The block of L1 with the output that was proposed last, until a look shows it.
    #[serde(skip)]
    included: Option<u64>,
    /// So many tries were made in this process.
    #[serde(skip)]
    attempts: u64,
}

impl Plan {
    /// Nothing is proven yet.
    pub fn new(config: Config) -> Self {
        let config = Config { range_blocks: config.range_blocks.max(1), ..config };
        Self {
            config,
            seen: None,
            ranges: Ranges::default(),
            submission: None,
            kept: None,
            checkpointing: None,
            included: None,
            attempts: 0,
        }
    }

    /// Goes on from what was written down, with the settings of now.
    #[must_use]
    pub fn resume(mut self, config: Config) -> Self {
        self.config = Config { range_blocks: config.range_blocks.max(1), ..config };
        self.ranges.resume();
        self
    }

    /// Takes in what happened; what is to be done follows.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Seen(seen, gas) => self.see(seen, &gas, &mut actions),
            Event::Tick => {}
            Event::Range(blocks, Ok(l1_head)) => self.ranges.proven(blocks, l1_head),
            Event::Range(blocks, Err(error)) => self.ranges.failed(now_ms, blocks, &error),
            Event::Checkpointed(attempt, came) => {
                self.checkpointing.take_if(|sent| *sent == attempt);
                // It was paid for, whether or not it was for the submission of now.
                self.kept = came.as_ref().ok().copied().or(self.kept);
                self.stepped(now_ms, attempt, came.map(|l1| Some(Step::Aggregate(l1))));
            }
            Event::Aggregated(attempt, came) => {
                let l1 = self.submission.as_ref().and_then(|submission| submission.step.l1());
                self.stepped(now_ms, attempt, came.map(|()| l1.map(Step::Propose)));
            }
            Event::Proposed(attempt, came) => {
                self.included = came.as_ref().ok().copied().or(self.included);
                self.stepped(now_ms, attempt, came.map(|_| None));
            }
        }
        self.go_on(now_ms, &mut actions);
        actions
    }

    fn see(&mut self, seen: Seen, gas: &BlockGas, actions: &mut Vec<Action>) {
        // It began before an output was included: what it shows is over.
        if self.included.is_some_and(|block| seen.l1_block < block) {
            return;
        }
        (self.seen, self.included) = (Some(seen), None);
        actions.extend(self.ranges.forget_to(seen.l2_output).into_iter().map(Action::Withdraw));
        // Somebody proposed, or L1 went back: what was aggregated begins with another output than the contract has. Or its owner wants more
        // blocks between outputs by now: with those that come it is enough.
        let is_over = |one: &mut Submission| one.after() != seen.l2_output || one.last() < seen.next_output;
        if let Some(submission) = self.submission.take_if(is_over) {
            // What is sent cannot be taken back. It ends by itself, and what it took is told: L1 may show an output before its receipt.
            match submission.step {
                Step::Aggregate(_) => actions.extend(submission.under_way.map(Action::Abandon)),
                Step::Checkpoint => self.checkpointing = submission.under_way.or(self.checkpointing),
                Step::Propose(_) => {}
            }
        }
        let Config { range_blocks: blocks, range_gas, .. } = self.config;
        let cut = Cut { blocks, gas: range_gas.map(|limit| (limit, gas)) };
        self.ranges.cover(seen.l2_output, seen.l2_finalized, cut);
    }

    /// What came of a step: the next one, or none where it was the last.
    fn stepped(&mut self, now_ms: u64, attempt: Attempt, came: Result<Option<Step>, StepFailed>) {
        let Some(submission) = self.submission.as_mut().filter(|one| one.under_way == Some(attempt)) else {
            return;
        };
        submission.under_way = None;
        let failed = match came {
            Ok(Some(next)) => return submission.go_on(next),
            Ok(None) => return self.proposed(),
            Err(failed) => failed,
        };
        let (mut failures, before) = (submission.failures, submission.refused);
        let cause = match failed {
            StepFailed::RangesLost(lost) => {
                let up_to = self.kept.map(|kept| kept.number);
                lost.iter().for_each(|lost| self.ranges.lost(lost.blocks, up_to));
                self.submission = None;
                return;
            }
            StepFailed::Stale { cause } => {
                (submission.refused, failures) = (before.saturating_add(1), failures.max(before));
                // Where it is asked for as before, the same comes back.
                (submission.step, submission.anew, self.kept) = (Step::Checkpoint, true, None);
                cause
            }
            // It may be the time or the account. Where nothing changes, the proof may be at fault: it is made again.
            StepFailed::Refused { cause } => {
                (submission.refused, failures) = (before.saturating_add(1), failures.max(before));
                let (times, rest) = (submission.refused / REFUSALS, submission.refused % REFUSALS);
                if rest == 0 && times.is_power_of_two() {
                    (submission.step, submission.anew, self.kept) = (Step::Checkpoint, true, None);
                }
                cause
            }
            StepFailed::NotNow { cause } => cause,
        };
        let pause = Patience::pauses(Duration::from_secs(2), LONGEST_PAUSE)
            .wait(failures, Jitter::of(now_ms ^ attempt.0));
        submission.failures = submission.failures.saturating_add(1);
        submission.until = now_ms.saturating_add(pause.as_millis() as u64);
        submission.cause = Some(cause);
    }

    /// L1 shows it with the next look; until then nothing is proven or proposed again.
    fn proposed(&mut self) {
        let Some(submission) = self.submission.take() else { return };
        self.kept = None;
        if let Some(seen) = &mut self.seen {
            let least = seen.next_output.saturating_sub(seen.l2_output);
            seen.l2_output = submission.last();
            seen.next_output = submission.last().saturating_add(least);
        }
        drop(self.ranges.forget_to(submission.last()));
    }

    fn go_on(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let Some(seen) = self.seen else { return };
        if self.submission.is_none() {
            self.submission = self.submit(seen);
        }
        // An aggregation is a proof too, and what waits for it is nearer to L1 than another range.
        let aggregates = self
            .submission
            .as_ref()
            .is_some_and(|one| one.failures == 0 && !matches!(one.step, Step::Propose(_)));
        let room = self.config.at_once.saturating_sub(usize::from(aggregates));
        actions.extend(self.ranges.start(now_ms, room).into_iter().map(Action::ProveRange));
        let Some(submission) = &mut self.submission else { return };
        if submission.under_way.is_some() || !pause_is_over(submission.until, now_ms, LONGEST_PAUSE) {
            return;
        }
        if submission.step == Step::Checkpoint {
            if self.checkpointing.is_some() {
                return;
            }
            let kept = self.kept.filter(|kept| kept.number >= submission.derived_to);
            submission.step = kept.map_or(Step::Checkpoint, Step::Aggregate);
        }
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        submission.under_way = Some(attempt);
        let ranges = || submission.ranges.clone();
        actions.push(match submission.step {
            Step::Checkpoint => Action::Checkpoint { attempt, not_before: submission.derived_to },
            Step::Aggregate(l1) => Action::Aggregate { attempt, ranges: ranges(), l1, anew: submission.anew },
            Step::Propose(l1) => Action::Propose { attempt, ranges: ranges(), l1 },
        });
    }

    /// All proven ranges that follow on the newest output, if they reach far enough.
    fn submit(&self, seen: Seen) -> Option<Submission> {
        let proven = self.ranges.proven_from(seen.l2_output);
        let last = proven.last()?.0.last();
        let least = seen.next_output.max(seen.l2_output.saturating_add(self.config.submission_blocks));
        let derived_to = proven.iter().map(|(_, l1_head)| *l1_head).max().unwrap_or(0);
        let kept = self.kept.filter(|kept| kept.number >= derived_to);
        (last >= least).then(|| Submission {
            derived_to,
            ranges: proven.into_iter().map(|(blocks, _)| blocks).collect(),
            step: kept.map_or(Step::Checkpoint, Step::Aggregate),
            under_way: None,
            until: 0,
            cause: None,
            failures: 0,
            anew: false,
            refused: 0,
        })
    }

    /// The block of L1 up to which a range is to be derived at the latest: one that is made again, so that the hash that is kept serves
    /// again. None where all of L1 that counts may be used.
    pub fn up_to(&self, blocks: BlockRange) -> Option<u64> {
        let kept = self.kept?.number;
        self.ranges.up_to(blocks).filter(|up_to| *up_to == kept)
    }

    /// The ranges after the newest output, oldest first.
    pub fn ranges(&self) -> impl Iterator<Item = RangeView> + '_ {
        self.ranges.view()
    }

    /// What is on its way to L1.
    pub const fn submission(&self) -> Option<&Submission> {
        self.submission.as_ref()
    }

    /// What the chains showed last.
    pub const fn seen(&self) -> Option<Seen> {
        self.seen
    }

    /// What keeps a part of it.
    pub fn problems(&self) -> Vec<Problem> {
        let ranges = self.ranges.view().filter_map(|range| match range.state {
            RangeState::Waiting { cause: Some(cause), .. } => Some(Problem { blocks: range.blocks, cause }),
            _ => None,
        });
        let submission = self.submission.as_ref().and_then(|submission| {
            let blocks = BlockRange::new(submission.after() + 1, submission.last()).ok()?;
            Some(Problem { blocks, cause: submission.cause.clone()? })
        });
        ranges.chain(submission).collect()
    }
}
