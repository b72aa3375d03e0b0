//! Validity: outputs of ranges that are proven, in an output oracle. After each event the plan is written down.

mod submission;

use super::{
    Anchor, Parts, at_start,
    kept::Kept,
    tasks::{self, Mode, Tasks, caught, proven},
    works::{Works, away},
};
use crate::{
    error::OpProposerError,
    rules::{Action, BlockGas, Config, Event, Plan, Problem, RangeView, Seen, Step},
};
use alloy_primitives::{B256, keccak256};
use futures::future::BoxFuture;
use proofmill_chain::{OutputOracle, patiently};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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
    oracle: OutputOracle,
    works: Works,
    config_name: B256,
}

/// Proposes outputs of one chain to one contract.
#[derive(Debug)]
pub struct OpProposer {
    shell: Arc<Shell>,
    kept: Kept,
    plan: Plan,
    status: watch::Sender<Status>,
    proposed: u64,
}

impl OpProposer {
    /// Compares the contract with what is here, and reads the plan. Takes as long as making the programs' keys.
    ///
    /// # Errors
    /// The contract wants something else, or the folder cannot be used: see [`OpProposerError`].
    pub async fn start(
        options: Options,
        oracle: OutputOracle,
        parts: Parts,
    ) -> Result<Self, OpProposerError> {
        submission::check_anchor(options.anchor, oracle.l1()).await?;
        let mut kept = Kept::in_folder(&options.folder, oracle.address(), parts.prover.prover_type());
        let plan = kept.plan(options.rules)?;
        let works = Works::start(parts, kept.proofs()).await?;
        let what = "the verifier on L1";
        let verifier = patiently(what, || oracle.verifier()).await?;
        at_start(what, || works.verifier(verifier)).await?;
        let config_name = keccak256(&options.config_name);
        let shell = Shell { options, oracle, works, config_name };
        let what = "the output oracle on L1";
        at_start(what, || shell.check_config()).await?;
        let view = patiently(what, || shell.oracle.view()).await?;
        shell.works.check_begins(view.newest.block).await?;
        let account = shell.works.sender.account();
        if !patiently(what, || shell.oracle.may_propose(account)).await? {
            tracing::warn!(
                %account,
                "the account is no approved proposer: the contract takes its outputs only once nobody has proposed for its \
                 fallback timeout; have the owner call addProposer"
            );
        }
        let status = watch::Sender::new(Status::default());
        Ok(Self { shell: Arc::new(shell), kept, plan, status, proposed: 0 })
    }

    /// How far it is, from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Proposes until it is told to stop. What is under way then is begun again at the next start.
    pub async fn run(self, stop: CancellationToken) {
        let look_every = self.shell.options.look_every;
        tasks::run(self, look_every, stop).await;
    }

    fn begin(&self, action: Action, tasks: &mut Tasks<Self>) {
        let shell = Arc::clone(&self.shell);
        match action {
            Action::ProveRange(blocks) => {
                let up_to = self.plan.up_to(blocks);
                tasks.prove(blocks, |cancel| async move {
                    Event::Range(blocks, proven(shell.prove_range(blocks, up_to, &cancel)).await)
                });
            }
            Action::Withdraw(blocks) => tasks.withdraw(blocks),
            Action::Checkpoint { attempt, not_before } => tasks.step(attempt, |cancel| async move {
                Event::Checkpointed(attempt, caught(&cancel, shell.checkpoint(not_before)).await)
            }),
            Action::Aggregate { attempt, ranges, l1, anew } => tasks.step(attempt, |cancel| async move {
                // It withdraws what it asked for by itself.
                let aggregating = shell.aggregate(&ranges, l1, anew, &cancel);
                Event::Aggregated(attempt, caught(&CancellationToken::new(), aggregating).await)
            }),
            Action::Propose { attempt, ranges, l1 } => tasks.step(attempt, |cancel| async move {
                Event::Proposed(attempt, caught(&cancel, shell.propose(&ranges, l1)).await)
            }),
            Action::Abandon(attempt) => tasks.abandon(attempt),
        }
    }
}

impl Mode for OpProposer {
    type Seen = (Seen, BlockGas);
    type Event = Event;
    type Range = BlockRange;
    const STEPS_OF: &str = "submission";

    fn look(&self) -> BoxFuture<'static, Result<(Seen, BlockGas), String>> {
        let shell = Arc::clone(&self.shell);
        Box::pin(async move { shell.look().await })
    }

    fn seen((seen, gas): (Seen, BlockGas)) -> Event {
        Event::Seen(seen, gas)
    }

    fn tick() -> Event {
        Event::Tick
    }

    fn handle(&mut self, event: Event, tasks: &mut Tasks<Self>) {
        match &event {
            Event::Range(blocks, Err(error)) => {
                tracing::warn!(event = "proof_failed", %blocks, cause = %error, "range not proven");
            }
            Event::Checkpointed(attempt, came) => tasks.ended(*attempt, came.as_ref().err()),
            Event::Aggregated(attempt, came) => tasks.ended(*attempt, came.as_ref().err()),
            Event::Proposed(attempt, came) => tasks.ended(*attempt, came.as_ref().err()),
            Event::Range(_, Ok(_)) | Event::Seen(..) | Event::Tick => {}
        }
        let before = self.plan.seen();
        for action in self.plan.handle(tasks.now_ms(), event) {
            self.begin(action, tasks);
        }
        // L1 may show an output before the receipt of its transaction is there.
        if let (Some(before), Some(now)) = (before, self.plan.seen())
            && now.l2_output > before.l2_output
        {
            self.proposed += 1;
            tracing::info!(event = "output_settled", block = now.l2_output, "an output is on L1");
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
            blind: tasks.blind.clone(),
            proposed: self.proposed,
        });
    }

    fn say(&self, proving: usize) {
        let Some(Seen { l2_output, next_output, l2_finalized, .. }) = self.plan.seen() else { return };
        let ranges = self.plan.ranges().count();
        tracing::info!(l2_output, next_output, l2_finalized, ranges, proving, "outputs");
    }
}

impl Shell {
    async fn look(&self) -> Result<(Seen, BlockGas), String> {
        let view = self.oracle.view().await.map_err(|error| error.to_string())?;
        let l2_finalized = self.works.provable(self.options.anchor).await?;
        self.works.agrees(view.newest, l2_finalized).await?;
        let after = view.newest.block.saturating_add(1);
        let gas = match (self.options.rules.range_gas, BlockRange::new(after, l2_finalized)) {
            (Some(_), Ok(blocks)) => {
                self.works.forget_gas(after);
                self.works.gas(blocks).await?
            }
            _ => BlockGas::default(),
        };
        let (l1_block, l2_output, next_output) = (view.at.number, view.newest.block, view.next_block);
        Ok((Seen { l1_block, l2_output, next_output, l2_finalized }, gas))
    }

    /// Errors where the contract wants proofs of something else.
    async fn check_config(&self) -> Result<(), OpProposerError> {
        let wanted = self.oracle.config(self.config_name).await?;
        match self.works.difference(wanted) {
            None => Ok(()),
            Some((what, contract, here)) => {
                let name = self.options.config_name.clone();
                Err(OpProposerError::OtherConfig { name, what, contract, here })
            }
        }
    }

    /// Proves a range up to the anchor at the latest, or up to a block before it.
    async fn prove_range(
        &self,
        blocks: BlockRange,
        before: Option<u64>,
        cancel: &CancellationToken,
    ) -> Result<u64, JobError> {
        let anchor = self.options.anchor.there(self.works.sender.l1()).await.map_err(away)?;
        let up_to = before.map_or(anchor, |before| before.min(anchor));
        // A proof that is there may reach further than the anchor does, which another node of L1, or other settings, put further back: the
        // hash that is kept for it has to wait then, and no proof is made for that.
        self.works.prove_range(blocks, (up_to, before.unwrap_or(u64::MAX)), cancel).await
    }
}
