//! Carries out what the rules of dispute games decide.
//!
//! One loop owns the plan. It is told what the chains show, every so often, and what comes of the work that it has begun. Nothing is
//! written down but proofs: the rest is on L1.

mod carry;
mod look;

use super::{
    Anchor, SAY_EVERY, TICK,
    kept::Proofs,
    now_ms,
    works::{self, Works},
};
use crate::{
    error::OpProposerError,
    games::{GameId, GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesProblem, GamesSeen},
    rules::{Attempt, Problem, RangeView, StepFailed},
};
use alloy_primitives::B256;
use proofmill_chain::{Games, L2, Sender};
use proofmill_client::ClusterProver;
use proofmill_derivation::RollupConfig;
use proofmill_primitives::BlockRange;
use proofmill_witness::{L1Source, Node, RollupNode};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::watch as published,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct GamesOptions {
    /// The rules; their account is that of the sender.
    pub rules: GamesConfig,
    /// How often both chains are looked at.
    pub look_every: Duration,
    /// Games are read so many blocks before L1's newest.
    pub confirmations: u64,
    /// Up to which block of L1 L2's outputs are claimed.
    pub anchor: Anchor,
    /// Where the proofs of this L2 chain are kept.
    pub folder: PathBuf,
}

/// What a proposer of games stands on.
#[derive(Debug)]
pub struct GamesParts {
    /// The contracts.
    pub games: Games,
    /// Who pays.
    pub sender: Sender,
    /// Attestors, where the games' verifier counts them.
    pub attestors: Vec<String>,
    /// The chain that is proven.
    pub l2: L2,
    /// The same, for witnesses.
    pub node: Node,
    /// Its rollup node: it tells the outputs that are claimed, and what is compared with claims.
    pub rollup_node: RollupNode,
    /// What the chain is derived by.
    pub rollup: RollupConfig,
    /// What L1 has.
    pub source: L1Source,
    /// What makes proofs.
    pub prover: ClusterProver,
}

/// How far a proposer of games is.
#[derive(Clone, Debug, Default)]
pub struct GamesStatus {
    /// What the chains showed last.
    pub seen: Option<GamesSeen>,
    /// The newest game that stands, and its block.
    pub head: Option<(GameId, u64)>,
    /// The games that are being proven, or are to be.
    pub proofs: Vec<(GameId, Vec<RangeView>)>,
    /// What keeps a part of it.
    pub problems: Vec<GamesProblem>,
    /// Why the chains are not seen.
    pub blind: Option<String>,
}

/// What every task has at hand.
#[derive(Debug)]
struct Shell {
    options: GamesOptions,
    games: Games,
    sender: Sender,
    l2: L2,
    rollup_node: RollupNode,
    works: Works,
    /// Output roots of blocks that L2 has finalized.
    outputs: Mutex<BTreeMap<u64, B256>>,
}

/// What a task ended with.
enum Done {
    Looked(Result<GamesSeen, String>),
    /// Of the range's task with this number.
    Range(u64, GamesEvent),
    Happened(GamesEvent),
}

/// Creates, proves and settles the dispute games of one chain.
#[derive(Debug)]
pub struct GamesProposer {
    shell: Arc<Shell>,
    plan: GamesPlan,
    status: published::Sender<GamesStatus>,
    /// The tasks that prove ranges, by their numbers. What comes of one that is withdrawn is nobody's news: its range may be proven
    /// anew by another.
    ranges: BTreeMap<(GameId, BlockRange), (u64, CancellationToken)>,
    begun: u64,
    steps: BTreeMap<Attempt, CancellationToken>,
}

impl GamesProposer {
    /// Compares the contracts with what is here. Takes as long as making the programs' keys.
    ///
    /// # Errors
    /// New games want proofs of something else, or attestors are missing: see [`OpProposerError`].
    pub async fn start(options: GamesOptions, parts: GamesParts) -> Result<Self, OpProposerError> {
        let GamesParts { games, sender, attestors, l2, node, rollup_node, rollup, source, prover } = parts;
        let proofs = Proofs::in_folder(&options.folder);
        let mut works = Works::start((node, rollup, source, prover), proofs).await?;
        let settings = games.settings().await?;
        if let Some((what, contract, here)) = works.difference(settings.config) {
            return Err(OpProposerError::OtherGames { factory: games.factory(), what, contract, here });
        }
        works.quorum = works::quorum(games.l1(), settings.verifier, &attestors).await?;
        let account = sender.account();
        if !games.may_propose(account).await? {
            tracing::warn!(
                %account,
                "the account is no allowed proposer: it creates no games; have the access manager's owner call setProposer"
            );
        }
        let plan = GamesPlan::new(GamesConfig { account, ..options.rules });
        let outputs = Mutex::default();
        let shell = Shell { options, games, sender, l2, rollup_node, works, outputs };
        Ok(Self {
            shell: Arc::new(shell),
            plan,
            status: published::Sender::new(GamesStatus::default()),
            ranges: BTreeMap::new(),
            begun: 0,
            steps: BTreeMap::new(),
        })
    }

    /// How far it is, from now on.
    pub fn status(&self) -> published::Receiver<GamesStatus> {
        self.status.subscribe()
    }

    /// Goes on until it is told to stop. What is under way then is begun again at the next start.
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
                _ = tick.tick() => GamesEvent::Tick,
                _ = say.tick() => {
                    self.say();
                    continue;
                }
                Some(done) = tasks.join_next() => match done {
                    Ok(Done::Happened(event)) => event,
                    Ok(Done::Range(number, event)) => {
                        let GamesEvent::Range(game, blocks, _) = &event else { continue };
                        let range = (*game, *blocks);
                        match self.ranges.get(&range) {
                            Some((of, _)) if *of == number => self.ranges.remove(&range),
                            _ => continue,
                        };
                        event
                    }
                    Ok(Done::Looked(looked)) => {
                        looking = false;
                        let cause = looked.as_ref().err().cloned();
                        if let Some(cause) = cause.as_ref().filter(|cause| blind.as_ref() != Some(cause)) {
                            tracing::warn!(cause, "the chains cannot be seen");
                        }
                        blind = cause;
                        match looked {
                            Ok(seen) => GamesEvent::Seen(seen),
                            Err(_) => GamesEvent::Tick,
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

    fn handle(&mut self, event: GamesEvent, tasks: &mut JoinSet<Done>, blind: Option<String>) {
        match &event {
            GamesEvent::Range(game, blocks, Err(error)) => {
                tracing::warn!(%game, %blocks, %error, "range not proven");
            }
            GamesEvent::Range(..) => {}
            GamesEvent::Aggregated(attempt, came) => self.ended(*attempt, came.as_ref().err()),
            GamesEvent::Sent(attempt, came) => self.ended(*attempt, came.as_ref().err()),
            GamesEvent::Seen(_) | GamesEvent::Tick => {}
        }
        let before = self.plan.head();
        for action in self.plan.handle(now_ms(), event) {
            self.carry_out(action, tasks);
        }
        let head = self.plan.head();
        if let Some((game, block)) = head.filter(|_| head != before) {
            tracing::info!(%game, block, "the newest game that stands is another one");
        }
        self.status.send_replace(GamesStatus {
            seen: self.plan.seen().cloned(),
            head,
            proofs: self.plan.proofs().collect(),
            problems: self.plan.problems(),
            blind,
        });
    }

    fn ended(&mut self, attempt: Attempt, failed: Option<&StepFailed>) {
        if self.steps.remove(&attempt).is_none() {
            // It was of no use any more.
            return;
        }
        match failed {
            None => {}
            Some(StepFailed::Refused { cause }) => tracing::warn!(cause, "a step of a game is refused"),
            Some(StepFailed::NotNow { cause }) => {
                tracing::warn!(cause, "a step of a game is not possible now");
            }
            Some(StepFailed::Stale { cause }) => tracing::warn!(cause, "a game is aggregated again"),
            Some(StepFailed::RangesLost(lost)) => {
                for Problem { blocks, cause } in lost {
                    tracing::warn!(%blocks, cause, "the proof of a range is made again");
                }
            }
        }
    }

    fn carry_out(&mut self, action: GamesAction, tasks: &mut JoinSet<Done>) {
        let cancel = CancellationToken::new();
        match &action {
            GamesAction::ProveRange { game, blocks } => {
                self.begun += 1;
                self.ranges.insert((*game, *blocks), (self.begun, cancel.clone()));
            }
            GamesAction::Withdraw { game, blocks } => {
                if let Some((_, cancel)) = self.ranges.remove(&(*game, *blocks)) {
                    cancel.cancel();
                }
                return;
            }
            GamesAction::Abandon(attempt) => {
                if let Some(cancel) = self.steps.remove(attempt) {
                    cancel.cancel();
                }
                return;
            }
            GamesAction::Create { attempt, .. }
            | GamesAction::Aggregate { attempt, .. }
            | GamesAction::Prove { attempt, .. }
            | GamesAction::Resolve { attempt, .. }
            | GamesAction::Claim { attempt, .. } => {
                self.steps.insert(*attempt, cancel.clone());
            }
        }
        let shell = Arc::clone(&self.shell);
        let game = |id: &GameId| {
            let seen = self.plan.seen()?;
            seen.games.iter().find(|judged| judged.id() == *id).map(|judged| judged.game.clone())
        };
        let of = match &action {
            GamesAction::ProveRange { game: id, .. }
            | GamesAction::Aggregate { game: id, .. }
            | GamesAction::Prove { game: id, .. }
            | GamesAction::Resolve { game: id, .. }
            | GamesAction::Claim { game: id, .. } => game(id),
            _ => None,
        };
        let number = self.begun;
        tasks.spawn(async move {
            let event = shell.carry_out(action, of, cancel).await;
            match event {
                GamesEvent::Range(..) => Done::Range(number, event),
                event => Done::Happened(event),
            }
        });
    }

    /// Says where things are.
    fn say(&self) {
        let Some(GamesSeen { anchor, l2_finalized, games, .. }) = self.plan.seen() else { return };
        let head = self.plan.head().map_or(*anchor, |(_, block)| block);
        let proving = self.ranges.len();
        tracing::info!(anchor, head, l2_finalized, games = games.len(), proving, "dispute games");
    }
}
