//! The plan: what follows from what the chains show, and from what happens.

use super::seen::{ChallengesSeen, Docket};
use crate::{
    games::{GameId, GamesProblem},
    rules::{Attempt, StepFailed},
    steps::{self, Steps},
};
use alloy_primitives::Address;

/// What an operator decides, and what the contracts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengesConfig {
    /// The account that challenges.
    pub account: Address,
    /// So many seconds before a claim cannot be challenged any more, it is a problem that it is not known to be right.
    pub urgent_seconds: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum ChallengesEvent {
    /// The chains were looked at.
    Seen(ChallengesSeen),
    /// Time has passed.
    Tick,
    /// A transaction was included, in this block of L1; or was not.
    Sent(Attempt, Result<u64, StepFailed>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengesAction {
    /// Challenge a game.
    Challenge {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
    },
    /// Resolve a game.
    Resolve {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
    },
    /// Claim what the account has in a game.
    Claim {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
    },
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Challenge(GameId),
    Resolve(GameId),
    Claim(GameId),
}

impl steps::Step for Step {
    fn must_show(&self) -> bool {
        false
    }
}

/// All there is to know.
#[derive(Clone, Debug)]
pub struct ChallengesPlan {
    config: ChallengesConfig,
    seen: Option<ChallengesSeen>,
    steps: Steps<Step>,
    /// So many tries were made.
    attempts: u64,
}

impl ChallengesPlan {
    /// Nothing is known yet.
    pub const fn new(config: ChallengesConfig) -> Self {
        Self { config, seen: None, steps: Steps::new(), attempts: 0 }
    }

    /// Takes in what happened; what is to be done follows.
    pub fn handle(&mut self, now_ms: u64, event: ChallengesEvent) -> Vec<ChallengesAction> {
        match event {
            ChallengesEvent::Seen(seen) => {
                self.steps.seen(seen.l1_block, &wanted_steps(&self.config, &seen).concat());
                self.seen = Some(seen);
            }
            ChallengesEvent::Tick => {}
            ChallengesEvent::Sent(attempt, came) => self.steps.ended(now_ms, attempt, came),
        }
        let mut actions = Vec::new();
        let Some(seen) = &self.seen else { return actions };
        for wanted in wanted_steps(&self.config, seen) {
            let attempt = Attempt(self.attempts + 1);
            if let Some(step) = self.steps.begin(now_ms, attempt, &wanted) {
                self.attempts += 1;
                actions.push(match step {
                    Step::Challenge(game) => ChallengesAction::Challenge { attempt, game },
                    Step::Resolve(game) => ChallengesAction::Resolve { attempt, game },
                    Step::Claim(game) => ChallengesAction::Claim { attempt, game },
                });
            }
        }
        actions
    }

    /// What the chains showed last.
    pub const fn seen(&self) -> Option<&ChallengesSeen> {
        self.seen.as_ref()
    }

    /// What keeps a part of it.
    pub fn problems(&self) -> Vec<GamesProblem> {
        let Some(seen) = &self.seen else { return Vec::new() };
        let mut problems: Vec<_> = conditions(seen)
            .map(|cause| GamesProblem { what: "challenging".to_owned(), cause })
            .into_iter()
            .collect();
        problems.extend(seen.short_of.map(|(has, bond)| GamesProblem {
            what: "challenging".to_owned(),
            cause: format!(
                "the account has {has} wei, and a challenge needs a bond of {bond} wei: send it more"
            ),
        }));
        problems.extend(
            seen.unread.clone().map(|cause| GamesProblem { what: "reading games".to_owned(), cause }),
        );
        let docket = Docket::of(seen);
        let of = |accused: &super::Accused| format!("the claim of game {}", accused.id());
        problems.extend(docket.urgent(self.config.urgent_seconds).map(|accused| GamesProblem {
            what: of(accused),
            cause: format!(
                "it is of block {}, and L2's node {}: it is not known to be right, and can be challenged for {} s more",
                accused.game.claim.block,
                match &seen.silent {
                    Some(cause) if accused.game.claim.block <= seen.l2_finalized => {
                        format!("does not tell its output ({cause})")
                    }
                    _ => format!("has finalized {}", seen.l2_finalized),
                },
                accused.game.deadline.saturating_sub(seen.l1_time)
            ),
        }));
        problems.extend(docket.not_allowed().map(|accused| GamesProblem {
            what: of(accused),
            cause: format!(
                "it is wrong, and the account is no challenger that its access manager ({}) allows: have that one's owner call setChallenger",
                accused.game.access_manager
            ),
        }));
        problems.extend(docket.impossible().map(|accused| GamesProblem {
            what: of(accused),
            cause: "it is proven, and L2's node has another output: compare the node with others at once; if it is right, the proof \
                    system is not, and the games' owner must blacklist the game"
                .to_owned(),
        }));
        problems.extend(self.steps.problems().map(|(step, cause)| {
            let what = match step {
                Step::Challenge(game) => format!("challenging game {game}"),
                Step::Resolve(game) => format!("resolving game {game}"),
                Step::Claim(game) => format!("the credit of game {game}"),
            };
            GamesProblem { what, cause: cause.to_owned() }
        }));
        problems
    }
}

/// Why nothing can be challenged.
fn conditions(seen: &ChallengesSeen) -> Option<String> {
    let ChallengesSeen { anchor, l2_finalized, .. } = seen;
    match (seen.anchor_agrees, &seen.silent) {
        (None, Some(cause)) if anchor <= l2_finalized => Some(format!(
            "L2's node does not tell the output of block {anchor}, that of the anchor on L1: {cause}. Nothing is challenged until it does"
        )),
        (Some(false), _) => Some(format!(
            "L2's node has another output of block {anchor} than the anchor on L1: nothing is challenged until they agree. Compare the \
             node with others, and L2_RPC with the chain of the games"
        )),
        (None, _) => Some(format!(
            "L2's node does not tell block {anchor}, that of the anchor on L1, and has finalized {l2_finalized}: nothing is challenged \
             until it is there"
        )),
        (Some(true), _) if !seen.may_challenge => Some(
            "the account is no allowed challenger: have the access manager's owner call setChallenger"
                .to_owned(),
        ),
        (Some(true), _) => None,
    }
}

/// What is to be sent: by kind, the first to come first.
fn wanted_steps(config: &ChallengesConfig, seen: &ChallengesSeen) -> [Vec<Step>; 3] {
    let docket = Docket::of(seen);
    [
        docket.to_challenge().into_iter().map(|accused| Step::Challenge(accused.id())).collect(),
        docket.to_resolve(config.account).into_iter().map(|accused| Step::Resolve(accused.id())).collect(),
        docket.to_claim().into_iter().map(|accused| Step::Claim(accused.id())).collect(),
    ]
}
