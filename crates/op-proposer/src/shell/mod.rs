//! Carries out what the rules decide.
//!
//! One loop owns the plan. It is told what the chains show, every so often, and what comes of the work that it has begun; after each
//! event the plan is written down. Work is tasks: each ends with exactly one event, also where it panics. A task that is of no use any
//! more is told so, and withdraws what it asked the cluster for; when the process ends, tasks are dropped, and the cluster goes on.

mod anchor;
mod games;
mod kept;
mod range;
mod submission;
mod watch;
mod works;

use crate::{
    error::OpProposerError,
    rules::{Action, Attempt, Config, Event, Plan, Problem, RangeView, Seen, Step, StepFailed},
};
use alloy_primitives::{B256, keccak256};
use futures::FutureExt;
use kept::Kept;
use proofmill_chain::{BlockAt, L2, OutputOracle, Sender};
use proofmill_client::ClusterProver;
use proofmill_derivation::RollupConfig;
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use proofmill_witness::{L1Source, Node, RollupNode};
use range::away;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::watch as published,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use works::Works;

pub use anchor::{Anchor, AnchorTag};
pub use games::{GamesOptions, GamesParts, GamesProposer, GamesStatus};

/// So often the plan is asked whether a pause is over.
const TICK: Duration = Duration::from_secs(1);
/// So often it is said what is being waited for, where nothing happens.
const SAY_EVERY: Duration = Duration::from_secs(300);

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the chain is cut.
    pub rules: Config,
    /// How often both chains are looked at.
    pub look_every: Duration,
    /// Up to which block of L1 things are proven.
    pub anchor: Anchor,
    /// The name of the contract's configuration.
    pub config_name: String,
    /// Where the plan and the proofs of this L2 chain are kept.
    pub folder: PathBuf,
}

/// What a proposer stands on.
#[derive(Debug)]
pub struct Parts {
    /// The contract.
    pub oracle: OutputOracle,
    /// Who pays.
    pub sender: Sender,
    /// Attestors, where the contract's verifier counts them.
    pub attestors: Vec<String>,
    /// The chain that is proven.
    pub l2: L2,
    /// The same, for witnesses.
    pub node: Node,
    /// Its rollup node; asked where [`Anchor`] is not the default.
    pub rollup_node: RollupNode,
    /// What the chain is derived by.
    pub rollup: RollupConfig,
    /// What L1 has.
    pub source: L1Source,
    /// What makes proofs.
    pub prover: ClusterProver,
}

/// How far a proposer is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What the chains showed last.
    pub seen: Option<Seen>,
    /// The ranges after the newest output, oldest first.
    pub ranges: Vec<RangeView>,
    /// What is on its way to L1: its blocks, and the next step.
    pub submission: Option<(BlockRange, Step)>,
    /// What keeps a part of it.
    pub problems: Vec<Problem>,
    /// Why the chains are not seen.
    pub blind: Option<String>,
    /// So many outputs came to L1 since the start.
    pub proposed: u64,
}

/// What every task has at hand.
#[derive(Debug)]
struct Shell {
    options: Options,
    parts: Chains,
    works: Works,
    config_name: B256,
}

/// The contract and the chains.
#[derive(Debug)]
struct Chains {
    oracle: OutputOracle,
    sender: Sender,
    l2: L2,
    rollup_node: RollupNode,
}

/// What a task ended with.
enum Done {
    Looked(Result<Seen, String>),
    /// Of the range's task with this number.
    Range(u64, BlockRange, Result<u64, JobError>),
    Happened(Event),
}

/// Proposes outputs of one chain to one contract.
#[derive(Debug)]
pub struct OpProposer {
    shell: Arc<Shell>,
    kept: Kept,
    plan: Plan,
    status: published::Sender<Status>,
    /// The tasks that prove ranges, by their numbers. What comes of one that is withdrawn is nobody's news: its range may be proven
    /// anew by another.
    ranges: BTreeMap<BlockRange, (u64, CancellationToken)>,
    begun: u64,
    steps: BTreeMap<Attempt, CancellationToken>,
    proposed: u64,
}

impl OpProposer {
    /// Compares the contract with what is here, and reads the plan. Takes as long as making the programs' keys.
    ///
    /// # Errors
    /// The contract wants something else, or the folder cannot be used: see [`OpProposerError`].
    pub async fn start(options: Options, parts: Parts) -> Result<Self, OpProposerError> {
        let Parts { oracle, sender, attestors, l2, node, rollup_node, rollup, source, prover } = parts;
        let mut kept = Kept::in_folder(&options.folder, oracle.address());
        let plan = kept.plan(options.rules)?;
        let mut works = Works::start((node, rollup, source, prover), kept.proofs()).await?;
        let verifier = oracle.verifier().await?;
        works.quorum = works::quorum(oracle.l1(), verifier, &attestors).await?;
        let config_name = keccak256(&options.config_name);
        let shell = Shell { options, parts: Chains { oracle, sender, l2, rollup_node }, works, config_name };
        shell.check_config().await?;
        let account = shell.parts.sender.account();
        if !shell.parts.oracle.may_propose(account).await? {
            tracing::warn!(
                %account,
                "the account is no approved proposer: the contract takes its outputs only once nobody has proposed for its \
                 fallback timeout; have the owner call addProposer"
            );
        }
        Ok(Self {
            shell: Arc::new(shell),
            kept,
            plan,
            status: published::Sender::new(Status::default()),
            ranges: BTreeMap::new(),
            begun: 0,
            steps: BTreeMap::new(),
            proposed: 0,
        })
    }

    /// How far it is, from now on.
    pub fn status(&self) -> published::Receiver<Status> {
        self.status.subscribe()
    }

    /// Proposes until it is told to stop. What is under way then is begun again at the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut tick = interval(TICK);
        let mut look = interval(self.shell.options.look_every);
        let mut say = interval(SAY_EVERY);
        for each in [&mut tick, &mut look, &mut say] {
            each.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut looking = false;
        let mut blind: Option<String> = None;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick(), if !looking => {
                    looking = true;
                    let shell = Arc::clone(&self.shell);
                    tasks.spawn(async move { Done::Looked(shell.look().await) });
                    continue;
                }
                _ = tick.tick() => Event::Tick,
                _ = say.tick() => {
                    self.say();
                    continue;
                }
                Some(done) = tasks.join_next() => match done {
                    Ok(Done::Happened(event)) => event,
                    Ok(Done::Range(number, blocks, came)) => {
                        match self.ranges.get(&blocks) {
                            Some((of, _)) if *of == number => self.ranges.remove(&blocks),
                            _ => continue,
                        };
                        Event::Range(blocks, came)
                    }
                    Ok(Done::Looked(looked)) => {
                        looking = false;
                        let cause = looked.as_ref().err().cloned();
                        if let Some(cause) = cause.as_ref().filter(|cause| blind.as_ref() != Some(cause)) {
                            tracing::warn!(cause, "the chains cannot be seen");
                        }
                        blind = cause;
                        match looked {
                            Ok(seen) => Event::Seen(seen),
                            Err(_) => Event::Tick,
                        }
                    }
                    Err(error) => {
                        // Tasks catch their panics, and nobody aborts them.
                        tracing::error!(%error, "a task ended by itself; please report it");
                        looking = false;
                        continue;
                    }
                },
            };
            self.handle(event, &mut tasks, blind.clone());
        }
        tasks.shutdown().await;
    }

    fn handle(&mut self, event: Event, tasks: &mut JoinSet<Done>, blind: Option<String>) {
        match &event {
            Event::Range(blocks, Err(error)) => tracing::warn!(%blocks, %error, "range not proven"),
            Event::Range(_, Ok(_)) => {}
            Event::Checkpointed(attempt, came) => self.ended(*attempt, came.as_ref().err()),
            Event::Aggregated(attempt, came) | Event::Proposed(attempt, came) => {
                self.ended(*attempt, came.as_ref().err());
            }
            Event::Seen(_) | Event::Tick => {}
        }
        let before = self.plan.seen();
        for action in self.plan.handle(now_ms(), event) {
            self.carry_out(action, tasks);
        }
        // L1 may show an output before the receipt of its transaction is there.
        if let (Some(before), Some(now)) = (before, self.plan.seen())
            && now.l2_output > before.l2_output
        {
            self.proposed += 1;
            tracing::info!(block = now.l2_output, "an output is on L1");
        }
        if let Err(error) = self.kept.write(&self.plan) {
            tracing::error!(%error, "the plan cannot be written down: after a restart some of it is done again");
        }
        let submission = self.plan.submission().and_then(|submission| {
            let blocks = BlockRange::new(submission.after() + 1, submission.last()).ok()?;
            Some((blocks, submission.step()))
        });
        self.status.send_replace(Status {
            seen: self.plan.seen(),
            ranges: self.plan.ranges().collect(),
            submission,
            problems: self.plan.problems(),
            blind,
            proposed: self.proposed,
        });
    }

    fn ended(&mut self, attempt: Attempt, failed: Option<&StepFailed>) {
        if self.steps.remove(&attempt).is_none() {
            // It was of no use any more.
            return;
        }
        match failed {
            None => {}
            Some(StepFailed::Refused { cause }) => {
                tracing::warn!(cause, "a step of the submission is refused");
            }
            Some(StepFailed::Stale { cause }) => {
                tracing::warn!(cause, "the submission begins again");
            }
            Some(StepFailed::NotNow { cause }) => {
                tracing::warn!(cause, "a step of the submission is not possible now");
            }
            // The plan says it.
            Some(StepFailed::RangesLost(_)) => {}
        }
    }

    fn carry_out(&mut self, action: Action, tasks: &mut JoinSet<Done>) {
        let shell = Arc::clone(&self.shell);
        let cancel = CancellationToken::new();
        match action {
            Action::ProveRange(blocks) => {
                self.begun += 1;
                let number = self.begun;
                self.ranges.insert(blocks, (number, cancel.clone()));
                tasks.spawn(async move {
                    let caught = AssertUnwindSafe(shell.prove_range(blocks, &cancel)).catch_unwind().await;
                    let broke = || JobError::Failed { cause: "its task panicked; please report it".into() };
                    Done::Range(number, blocks, caught.unwrap_or_else(|_| Err(broke())))
                });
            }
            Action::Withdraw(blocks) => {
                if let Some((_, cancel)) = self.ranges.remove(&blocks) {
                    cancel.cancel();
                }
            }
            Action::Checkpoint { attempt, not_before } => {
                self.steps.insert(attempt, cancel.clone());
                tasks.spawn(async move {
                    let caught = caught(&cancel, shell.checkpoint(not_before)).await;
                    Done::Happened(Event::Checkpointed(attempt, caught))
                });
            }
            Action::Aggregate { attempt, ranges, l1 } => {
                self.steps.insert(attempt, cancel.clone());
                tasks.spawn(async move {
                    // It withdraws what it asked for by itself.
                    let caught =
                        caught(&CancellationToken::new(), shell.aggregate(&ranges, l1, &cancel)).await;
                    Done::Happened(Event::Aggregated(attempt, caught))
                });
            }
            Action::Propose { attempt, ranges, l1 } => {
                self.steps.insert(attempt, cancel.clone());
                tasks.spawn(async move {
                    let caught = caught(&cancel, shell.propose(&ranges, l1)).await;
                    Done::Happened(Event::Proposed(attempt, caught))
                });
            }
            Action::Abandon(attempt) => {
                if let Some(cancel) = self.steps.remove(&attempt) {
                    cancel.cancel();
                }
            }
        }
    }

    /// Says where things are.
    fn say(&self) {
        let Some(Seen { l2_output, next_output, l2_finalized }) = self.plan.seen() else { return };
        let (proving, ranges) = (self.ranges.len(), self.plan.ranges().count());
        tracing::info!(l2_output, next_output, l2_finalized, ranges, proving, "outputs");
    }
}

impl Shell {
    async fn look(&self) -> Result<Seen, String> {
        let view = self.parts.oracle.view().await.map_err(|error| error.to_string())?;
        Ok(Seen {
            l2_output: view.newest.block,
            next_output: view.next_block,
            l2_finalized: self.provable().await?,
        })
    }

    /// The newest block of L2 that follows from the anchor.
    async fn provable(&self) -> Result<u64, String> {
        let Chains { oracle, l2, rollup_node, .. } = &self.parts;
        let anchor = self.options.anchor;
        if anchor.is_default() {
            let finalized = l2.block(BlockAt::Finalized).await.map_err(|error| error.to_string())?;
            return Ok(finalized.map_or(0, |block| block.number));
        }
        let Some(number) = anchor.number(oracle.l1()).await.map_err(|error| error.to_string())? else {
            return Err(format!("L1 has no {} block yet", anchor.tag));
        };
        rollup_node.safe_head(number).await.map_err(|error| error.to_string())
    }

    /// Errors where the contract wants proofs of something else.
    async fn check_config(&self) -> Result<(), OpProposerError> {
        let wanted = self.parts.oracle.config(self.config_name).await?;
        match self.works.difference(wanted) {
            None => Ok(()),
            Some((what, contract, here)) => {
                let name = self.options.config_name.clone();
                Err(OpProposerError::OtherConfig { name, what, contract, here })
            }
        }
    }

    /// Proves a range up to the anchor at the latest.
    async fn prove_range(&self, blocks: BlockRange, cancel: &CancellationToken) -> Result<u64, JobError> {
        let anchor = self.options.anchor;
        match anchor.number(self.parts.oracle.l1()).await {
            Ok(Some(number)) => self.works.prove_range(blocks, number, cancel).await,
            Ok(None) => Err(away(format!("L1 has no {} block yet", anchor.tag))),
            Err(error) => Err(away(error)),
        }
    }
}

/// What comes of a step; also where it panics, or is of no use any more.
async fn caught<T>(
    cancel: &CancellationToken,
    step: impl Future<Output = Result<T, StepFailed>>,
) -> Result<T, StepFailed> {
    let not_now = |cause: &str| Err(StepFailed::NotNow { cause: cause.to_owned() });
    tokio::select! {
        came = AssertUnwindSafe(step).catch_unwind() => {
            came.unwrap_or_else(|_| not_now("its task panicked; please report it"))
        }
        () = cancel.cancelled() => not_now("it is of no use any more"),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
