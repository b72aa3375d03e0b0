//! The rules by which dispute games are created, proven, resolved and paid out: pure, without a clock, chains or dice.
//!
//! [`GamesPlan`] takes [`GamesEvent`]s and answers with [`GamesAction`]s; what carries those out answers with events again. What is
//! to be done follows from the games that L1 shows, each [judged](Judged) by what L2 has there:
//!
//! - The head is the newest game that stands: its claim is right, it is not lost, and so is everything that it builds on, back
//!   to the anchor. One that the registry's guardian excluded, or retired, is passed over. A new game builds on the head, as soon as
//!   L2 has finalized a whole interval of blocks behind it.
//! - A challenged game that stands is proven, whoever created it, the most urgent first; in fast finality the account's own are
//!   proven before anybody challenges them. A claim that is not right is never proven, nor built on. A proof that has begun goes on
//!   while L2 does not tell.
//! - What the account created or proved is resolved once it is over, after what it builds on; once it is final, its credit is
//!   claimed.
//!
//! Nothing has to be written down: what matters is on L1, and in the folder of proofs, where what is asked for again is found.
//!
//! ```
//! use proofmill_op_proposer::games::{GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesSeen};
//!
//! let mut plan = GamesPlan::new(GamesConfig { interval: 50, ..GamesConfig::of(Default::default()) });
//! let seen = GamesSeen {
//!     l1_block: 7,
//!     l1_time: 0,
//!     anchor: 100,
//!     may_create: true,
//!     held: None,
//!     l2_finalized: 160,
//!     unread: None,
//!     games: Vec::new(),
//! };
//! let actions = plan.handle(0, GamesEvent::Seen(seen));
//! assert!(matches!(actions[..], [GamesAction::Create { block: 150, parent: None, .. }]));
//! ```

mod plan;
mod proof;
mod seen;

pub use plan::{GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesProblem};
pub use seen::{GameId, GamesSeen, Judged};
