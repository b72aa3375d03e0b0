//! The rules by which outputs are proven and proposed: pure, without a clock, chains or dice.
//!
//! [`Plan`] is all there is to know. It takes [`Event`]s and answers with [`Action`]s; what carries those out answers with
//! events again. Blocks that L2 has finalized and L1 has no output of are cut into ranges, which are proven a few at a time. A
//! range that fails twice, or cannot be executed, is halved; one that L1 gives only with what is before it is joined with the range
//! before. As soon as proven ranges reach far enough from the newest output on,
//! they become a [`Submission`]: the hash of an L1 block is kept by the contract, the ranges are aggregated up to that block, and
//! the output is proposed.
//!
//! A plan can be written down and read again ([`Plan::resume`]): what was under way is then begun again, and what was proven
//! stays proven.
//!
//! ```
//! use proofmill_op_proposer::rules::{Action, BlockGas, Config, Event, Plan, Seen};
//!
//! let mut plan = Plan::new(Config { range_blocks: 10, range_gas: None, submission_blocks: 20, at_once: 2 });
//! let seen = Seen { l1_block: 7, l2_output: 100, next_output: 101, l2_finalized: 125 };
//! let actions = plan.handle(0, Event::Seen(seen, BlockGas::default()));
//! // Two whole ranges; the third is not full yet.
//! assert_eq!(actions.iter().filter(|action| matches!(action, Action::ProveRange(_))).count(), 2);
//! ```

mod plan;
pub(crate) mod ranges;
mod submission;

pub use plan::{Action, Config, Event, Plan, Problem, Seen, StepFailed};
pub use ranges::{BlockGas, RangeState, RangeView};
pub use submission::{Attempt, L1Block, Step, Submission};
