//! Runs of provers, measured: what each batch took, by the provers' own log; what was in it, by the metrics of L2; a report for
//! people, machines and eyes; and whether two runs differ by more than their noise.
//!
//! [`log`] finds the lines that say what a proof took (ours and ethrex's, coloured or not, text or JSON) and what went wrong
//! between them. [`page`] reads a page of Prometheus. [`Report`] brings both together, [`compare`](compare()) two of them.
//!
//! A *session* makes such a run: it starts chains, load and provers, waits, reports and ends all of it. Its rules are here: its
//! [`steps`] and what they need, which processes an earlier one has [left](leftover), how far it is ([`watch`]), and how a server
//! is talked to ([`remote`]). Who carries it out is the binary.
//!
//! ```
//! use proofmill_bench::{Report, Session, log, page};
//!
//! let lines = "INFO batch=3 proving_time_s=47 proving_time_ms=47123 Proved batch 3 in 47.12s\n";
//! let metrics = page::parse("batch_gas_used{batch_number=\"3\"} 2100000\nbatch_tx_count{batch_number=\"3\"} 100\n")?;
//! let report = Report::new(Session::default(), log::read(lines), &metrics);
//! assert_eq!((report.batches[0].time_ms, report.batches[0].gas), (47_123, Some(2_100_000)));
//! assert_eq!(report.batches[0].blocks, None); // shown as `-`
//! # Ok::<(), proofmill_bench::page::NotMetrics>(())
//! ```

mod clock;
pub mod compare;
pub mod leftover;
pub mod log;
pub mod page;
mod plot;
pub mod remote;
mod report;
mod server;
mod stats;
pub mod steps;
pub mod watch;

pub use clock::utc;
pub use compare::{Comparison, compare};
pub use report::{Report, Row, Session, Setup, Summary};
pub use server::Server;
