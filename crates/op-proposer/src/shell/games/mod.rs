//! Fault proofs: dispute games that are created, proven where they are challenged, resolved and paid out. Nothing is written down but
//! proofs: the rest is on L1.

mod carry;
mod look;

use super::{
    Anchor, Parts, at_start,
    kept::Proofs,
    roots::Roots,
    settle,
    tasks::{self, Mode, Tasks},
    works::Works,
};
use crate::{
    error::OpProposerError,
    games::{GameId, GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesProblem, GamesSeen},
    rules::RangeView,
};
use alloy_primitives::Address;
use futures::future::BoxFuture;
use proofmill_chain::{Game, GameStatus, Games, patiently};
use proofmill_primitives::BlockRange;
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
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
    works: Works,
    roots: Roots,
}

/// Creates, proves and settles the dispute games of one chain.
#[derive(Debug)]
pub struct GamesProposer {
    shell: Arc<Shell>,
    plan: GamesPlan,
    status: watch::Sender<GamesStatus>,
}

impl GamesProposer {
    /// Compares the contracts with what is here. Takes as long as making the programs' keys.
    ///
    /// # Errors
    /// New games want proofs of something else, or attestors are missing, and no game is there that can be proven here: see
    /// [`OpProposerError`].
    pub async fn start(options: GamesOptions, games: Games, parts: Parts) -> Result<Self, OpProposerError> {
        let proofs = Proofs::in_folder(&options.folder, parts.prover.prover_type());
        let works = Works::start(parts, proofs).await?;
        let account = works.sender.account();
        let what = "the dispute games on L1";
        let view = patiently(what, || games.view(account, options.confirmations)).await?;
        settle::tell_left_alone(&games, &view);
        if let Some(cause) = at_start(what, || held(&works, &games)).await? {
            // What is there is brought to its end, whatever new games want.
            if !has_to_end(&works, &view.games).await {
                return Err(cause);
            }
            tracing::warn!(%cause, "no games are created: those that are there are brought to their end");
        } else if !patiently(what, || games.may_propose(account)).await? {
            tracing::warn!(
                %account,
                "the account is no allowed proposer: it creates no games; have the access manager's owner call setProposer"
            );
        }
        let claims = view.games.iter().map(|game| (game.claim.block, game.status));
        works.check_begins(newest_claim(view.anchor.block, claims)).await?;
        let plan = GamesPlan::new(GamesConfig { account, ..options.rules });
        let shell = Arc::new(Shell { options, games, works, roots: Roots::default() });
        Ok(Self { shell, plan, status: watch::Sender::new(GamesStatus::default()) })
    }

    /// How far it is, from now on.
    pub fn status(&self) -> watch::Receiver<GamesStatus> {
        self.status.subscribe()
    }

    /// Goes on until it is told to stop. What is under way then is begun again at the next start.
    pub async fn run(self, stop: CancellationToken) {
        let look_every = self.shell.options.look_every;
        tasks::run(self, look_every, stop).await;
    }

    /// A game, as it was seen last.
    fn game(&self, id: GameId) -> Option<Game> {
        let mut games = self.plan.seen()?.games.iter();
        games.find(|judged| judged.id() == id).map(|judged| judged.game.clone())
    }

    fn begin(&self, action: GamesAction, tasks: &mut Tasks<Self>) {
        let shell = Arc::clone(&self.shell);
        match action {
            GamesAction::ProveRange { game: id, blocks } => {
                let game = self.game(id);
                tasks.prove((id, blocks), |cancel| async move {
                    GamesEvent::Range(id, blocks, shell.prove_range(game, blocks, &cancel).await)
                });
            }
            GamesAction::Withdraw { game, blocks } => tasks.withdraw((game, blocks)),
            GamesAction::Aggregate { attempt, game, ranges, anew } => {
                let game = self.game(game);
                tasks.step(attempt, |cancel| async move {
                    GamesEvent::Aggregated(attempt, shell.aggregate(game, &ranges, anew, &cancel).await)
                });
            }
            GamesAction::Create { attempt, block, parent } => {
                let parent = parent.map(|parent| self.game(parent));
                tasks.step(attempt, |cancel| async move {
                    GamesEvent::Sent(attempt, shell.create(block, parent, &cancel).await)
                });
            }
            GamesAction::Prove { attempt, game, ranges } => {
                let game = self.game(game);
                tasks.step(attempt, |cancel| async move {
                    GamesEvent::Sent(attempt, shell.prove(game, &ranges, &cancel).await)
                });
            }
            GamesAction::Resolve { attempt, game } => {
                let game = self.game(game);
                tasks.step(attempt, |cancel| async move {
                    GamesEvent::Sent(attempt, shell.resolve(game, &cancel).await)
                });
            }
            GamesAction::Claim { attempt, game } => {
                let game = self.game(game);
                tasks.step(attempt, |cancel| async move {
                    GamesEvent::Sent(attempt, shell.claim(game, &cancel).await)
                });
            }
            GamesAction::Abandon(attempt) => tasks.abandon(attempt),
        }
    }
}

impl Mode for GamesProposer {
    type Seen = GamesSeen;
    type Event = GamesEvent;
    type Range = (GameId, BlockRange);
    const STEPS_OF: &str = "game";

    fn look(&self) -> BoxFuture<'static, Result<GamesSeen, String>> {
        let shell = Arc::clone(&self.shell);
        Box::pin(async move { shell.look().await })
    }

    fn seen(seen: GamesSeen) -> GamesEvent {
        GamesEvent::Seen(seen)
    }

    fn tick() -> GamesEvent {
        GamesEvent::Tick
    }

    fn handle(&mut self, event: GamesEvent, tasks: &mut Tasks<Self>) {
        match &event {
            GamesEvent::Range(game, blocks, Err(error)) => {
                tracing::warn!(event = "proof_failed", %game, %blocks, cause = %error, "range not proven");
            }
            GamesEvent::Aggregated(attempt, came) => tasks.ended(*attempt, came.as_ref().err()),
            GamesEvent::Sent(attempt, came) => tasks.ended(*attempt, came.as_ref().err()),
            GamesEvent::Range(..) | GamesEvent::Seen(_) | GamesEvent::Tick => {}
        }
        let (before, undefended) = (self.plan.head(), self.plan.undefended());
        for action in self.plan.handle(tasks.now_ms(), event) {
            self.begin(action, tasks);
        }
        let head = self.plan.head();
        if let Some((game, block)) = head.filter(|_| head != before) {
            tracing::info!(%game, block, "the newest game that stands is another one");
        }
        let is_new = |one: &&GamesProblem| undefended.iter().all(|before| before.what != one.what);
        for GamesProblem { what, cause } in self.plan.undefended().iter().filter(is_new) {
            tracing::warn!(what, cause, "a challenged game is not proven");
        }
        self.status.send_replace(GamesStatus {
            seen: self.plan.seen().cloned(),
            head,
            proofs: self.plan.proofs().collect(),
            problems: self.plan.problems(),
            blind: tasks.blind.clone(),
        });
    }

    fn say(&self, proving: usize) {
        let Some(GamesSeen { anchor, l2_finalized, games, .. }) = self.plan.seen() else { return };
        let head = self.plan.head().map_or(*anchor, |(_, block)| block);
        tracing::info!(anchor, head, l2_finalized, games = games.len(), proving, "dispute games");
    }
}

/// Why new games cannot be proven here, where they cannot. Errors where L1 does not tell.
async fn held(works: &Works, games: &Games) -> Result<Option<OpProposerError>, OpProposerError> {
    match works.held(games).await? {
        Some(OpProposerError::Chain(error)) if error.wait().is_some() => Err(error.into()),
        held => Ok(held),
    }
}

/// Whether there is a game that can be proven here, and is not decided or owes the account something.
async fn has_to_end(works: &Works, games: &[Game]) -> bool {
    let here = works.config();
    let is_open = |game: &&Game| game.status == GameStatus::InProgress || !game.credit.is_zero();
    let provable = games.iter().filter(|game| game.config == here).filter(is_open);
    let verifiers: BTreeSet<Address> = provable.map(|game| game.verifier).collect();
    for verifier in verifiers {
        if works.verifier(verifier).await.is_ok() {
            return true;
        }
    }
    false
}

/// The newest block that is claimed and not lost. Games that are not challenged lead from an anchor that no proof can begin with to blocks
/// that can be proven.
fn newest_claim(anchor: u64, claims: impl Iterator<Item = (u64, GameStatus)>) -> u64 {
    let kept = claims.filter(|(_, status)| *status != GameStatus::ChallengerWins);
    kept.fold(anchor, |newest, (block, _)| newest.max(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_counts_as_long_as_it_is_not_lost() {
        use GameStatus::{ChallengerWins, DefenderWins, InProgress};
        let newest = |claims: &[(u64, GameStatus)]| newest_claim(7, claims.iter().copied());
        assert_eq!(newest(&[]), 7);
        assert_eq!(newest(&[(5, DefenderWins)]), 7);
        assert_eq!(newest(&[(8, DefenderWins), (9, InProgress), (12, ChallengerWins)]), 9);
    }
}
