//! Wrong claims of dispute games are challenged; what is won is resolved and claimed. Nothing is written down: all of it is on L1.

mod look;

use super::{
    AnchorTag,
    roots::Roots,
    settle::{self, there},
    tasks::{self, Mode, Tasks, caught},
    works::{from_l1, not_now},
};
use crate::{
    challenges::{ChallengesAction, ChallengesConfig, ChallengesEvent, ChallengesPlan, ChallengesSeen},
    error::OpProposerError,
    games::{GameId, GamesProblem},
    rules::StepFailed,
};
use futures::future::BoxFuture;
use proofmill_chain::{ChainError, Game, Games, Included, L2, Sender, patiently};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is not known of a claim is a problem in the last of so many parts of the time in which it can be challenged.
const URGENT: u64 = 2;
/// The same where no new games say how long that is, in seconds.
const URGENT_SECONDS: u64 = 12 * 60 * 60;

/// What an operator decides.
#[derive(Clone, Copy, Debug)]
pub struct ChallengerOptions {
    /// How often both chains are looked at.
    pub look_every: Duration,
    /// Games are read so many blocks before L1's newest.
    pub confirmations: u64,
    /// Up to which block of L2 claims are judged.
    pub l2_tag: AnchorTag,
}

/// How far a challenger is.
#[derive(Clone, Debug, Default)]
pub struct ChallengerStatus {
    /// What the chains showed last.
    pub seen: Option<ChallengesSeen>,
    /// What keeps a part of it.
    pub problems: Vec<GamesProblem>,
    /// Why the chains are not seen.
    pub blind: Option<String>,
}

/// What every task has at hand.
#[derive(Debug)]
struct Shell {
    options: ChallengerOptions,
    games: Games,
    sender: Sender,
    l2: L2,
    roots: Roots,
}

/// Challenges the wrong claims of one chain's dispute games.
#[derive(Debug)]
pub struct Challenger {
    shell: Arc<Shell>,
    plan: ChallengesPlan,
    status: watch::Sender<ChallengerStatus>,
}

impl Challenger {
    /// Reads what games have in common. `sender` pays the bonds; `l2` is the node by which claims are judged.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn start(
        options: ChallengerOptions,
        games: Games,
        sender: Sender,
        l2: L2,
    ) -> Result<Self, OpProposerError> {
        let account = sender.account();
        let shell = Shell { options, games, sender, l2, roots: Roots::default() };
        let what = "the dispute games on L1";
        let urgent_seconds = match patiently(what, || shell.games.settings()).await {
            Ok(settings) => settings.challenge_seconds / URGENT,
            Err(cause @ ChainError::NoGames { .. }) => {
                tracing::warn!(%cause, "there can be no new games: those that are there are watched");
                URGENT_SECONDS
            }
            Err(error) => return Err(error.into()),
        };
        if patiently(what, || shell.new_games()).await?.is_some_and(|new| !new.may_challenge) {
            tracing::warn!(
                %account,
                "the account is no allowed challenger: it challenges no games; have the access manager's owner call setChallenger"
            );
        }
        // What cannot be read now is told with each look.
        if let Ok(view) = shell.games.view(account, options.confirmations).await {
            settle::tell_left_alone(&shell.games, &view);
        }
        let plan = ChallengesPlan::new(ChallengesConfig { account, urgent_seconds });
        Ok(Self { shell: Arc::new(shell), plan, status: watch::Sender::new(ChallengerStatus::default()) })
    }

    /// How far it is, from now on.
    pub fn status(&self) -> watch::Receiver<ChallengerStatus> {
        self.status.subscribe()
    }

    /// Goes on until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let look_every = self.shell.options.look_every;
        tasks::run(self, look_every, stop).await;
    }

    /// A game, as it was seen last.
    fn game(&self, id: GameId) -> Option<Game> {
        let mut games = self.plan.seen()?.games.iter();
        games.find(|accused| accused.id() == id).map(|accused| accused.game.clone())
    }

    fn begin(&self, action: ChallengesAction, tasks: &mut Tasks<Self>) {
        let shell = Arc::clone(&self.shell);
        let (ChallengesAction::Challenge { attempt, game }
        | ChallengesAction::Resolve { attempt, game }
        | ChallengesAction::Claim { attempt, game }) = action;
        let game = self.game(game);
        tasks.step(attempt, |cancel| async move {
            let carrying = async {
                let (game, games, sender) = (there(game)?, &shell.games, &shell.sender);
                match action {
                    ChallengesAction::Challenge { .. } => shell.challenge(&game).await,
                    ChallengesAction::Resolve { .. } => settle::resolve(games, sender, &game).await,
                    ChallengesAction::Claim { .. } => settle::claim(games, sender, &game).await,
                }
            };
            ChallengesEvent::Sent(attempt, caught(&cancel, carrying).await)
        });
    }
}

impl Mode for Challenger {
    type Seen = ChallengesSeen;
    type Event = ChallengesEvent;
    type Range = ();
    const STEPS_OF: &str = "challenge";

    fn look(&self) -> BoxFuture<'static, Result<ChallengesSeen, String>> {
        let shell = Arc::clone(&self.shell);
        Box::pin(async move { shell.look().await })
    }

    fn seen(seen: ChallengesSeen) -> ChallengesEvent {
        ChallengesEvent::Seen(seen)
    }

    fn tick() -> ChallengesEvent {
        ChallengesEvent::Tick
    }

    fn handle(&mut self, event: ChallengesEvent, tasks: &mut Tasks<Self>) {
        if let ChallengesEvent::Sent(attempt, came) = &event {
            tasks.ended(*attempt, came.as_ref().err());
        }
        for action in self.plan.handle(tasks.now_ms(), event) {
            self.begin(action, tasks);
        }
        let problems = self.plan.problems();
        let known =
            |problem: &GamesProblem, of: &[GamesProblem]| of.iter().any(|one| one.what == problem.what);
        let before = self.status.borrow().problems.clone();
        for GamesProblem { what, cause } in problems.iter().filter(|problem| !known(problem, &before)) {
            tracing::warn!(what, cause, "something keeps the challenger");
        }
        for GamesProblem { what, .. } in before.iter().filter(|problem| !known(problem, &problems)) {
            tracing::info!(what, "nothing keeps the challenger from this any more");
        }
        self.status.send_replace(ChallengerStatus {
            seen: self.plan.seen().cloned(),
            problems,
            blind: tasks.blind.clone(),
        });
    }

    fn say(&self, _: usize) {
        let Some(ChallengesSeen { anchor, l2_finalized, games, .. }) = self.plan.seen() else { return };
        let wrong = games.iter().filter(|accused| accused.claim == Some(false)).count();
        let unknown = games.iter().filter(|accused| accused.claim.is_none()).count();
        tracing::info!(anchor, l2_finalized, games = games.len(), wrong, unknown, "claims");
    }
}

impl Shell {
    /// The number of the L1 block that has the challenge.
    async fn challenge(&self, game: &Game) -> Result<u64, StepFailed> {
        // Nothing in the call names the claim.
        if !self.games.is_there(game).await.map_err(from_l1)? {
            return Err(not_now("another game is at its address now: L1 was reorganised"));
        }
        let sent = self.games.challenge(&self.sender, game.address).await.map_err(from_l1)?;
        let Included { transaction, gas_used: gas, block, .. } = sent;
        let (block_of_l2, claim, fee_wei) = (game.claim.block, game.claim.root, sent.fee());
        tracing::info!(
            event = "game_challenged", game = game.index, address = %game.address, block_of_l2, %claim, %transaction, gas, fee_wei,
            "game challenged"
        );
        Ok(block)
    }
}
