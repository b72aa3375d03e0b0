//! Sends real transactions of several kinds to an EVM node.
//!
//! [`run`] takes a [`LoadPlan`] (what, from how many accounts, how much) and a [`Funder`] (a rich key), funds accounts
//! of its own, sends, waits until everything is in blocks, and returns a [`LoadReport`]. Accounts are derived from
//! a seed, or are [one's own](AccountKeys), and start at their pending nonce, so one round can follow another.
//!
//! [`mixed`] makes reproducible random transactions of every sort that a fork knows: for [`LoadKind::Mixed`], and for tests
//! that compare executions.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_loadgen::LoadError> {
//! use proofmill_loadgen::{CancellationToken, Funder, LoadKind, LoadPlan, run};
//!
//! let funder: Funder = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse()?;
//! let plan = LoadPlan::new(LoadKind::Erc20).accounts(4).transactions_per_account(5);
//! let node = "http://127.0.0.1:8545".parse().unwrap();
//! let report = run(&node, &funder, &plan, &CancellationToken::new(), &mut |_| {}).await?;
//! assert_eq!(report.included, 20);
//! # Ok(()) }
//! ```

mod accounts;
mod contracts;
mod error;
pub mod mixed;
mod node;
mod plan;
mod run;
mod run_mixed;

pub use accounts::{AccountKeys, Funder};
pub use error::LoadError;
pub use plan::{LoadKind, LoadPlan, LoadReport, Phase, Progress, Rounds, UnknownLoadKind};
pub use run::run;
pub use tokio_util::sync::CancellationToken;
