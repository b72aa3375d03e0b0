//! The rules by which wrong claims of dispute games are challenged: pure, without a clock, chains or dice.
//!
//! [`ChallengesPlan`] takes [`ChallengesEvent`]s and answers with [`ChallengesAction`]s, as the [plan](crate::games::GamesPlan) of who
//! creates games does. Nothing is written down: what matters is on L1.
//!
//! - A claim that L2 does not have is challenged as long as it can be, the most urgent first. What L2 has not finalized yet is neither
//!   right nor wrong, and waited for; what it can never have is wrong (see [`Accused::claim`]).
//! - A claim that L2 has is never challenged. One that begins with something that L2 does not have falls with what it builds on: once
//!   that is lost, challenging it costs nothing, and its bond is not burnt.
//! - Nothing is challenged while L2's node has another output than the anchor on L1: one of both is wrong, and it may be the node.
//! - What the account challenged is resolved once its time is over, after what it builds on; once it is final, its credit is claimed.
//!
//! ```
//! use proofmill_op_proposer::challenges::{ChallengesConfig, ChallengesEvent, ChallengesPlan, ChallengesSeen};
//!
//! let mut plan = ChallengesPlan::new(ChallengesConfig { account: Default::default(), urgent_seconds: 3600 });
//! let seen = ChallengesSeen { l1_block: 7, may_challenge: true, anchor_agrees: Some(true), ..Default::default() };
//! assert!(plan.handle(0, ChallengesEvent::Seen(seen)).is_empty());
//! ```

mod plan;
mod seen;

pub use plan::{ChallengesAction, ChallengesConfig, ChallengesEvent, ChallengesPlan};
pub use seen::{Accused, ChallengesSeen};
