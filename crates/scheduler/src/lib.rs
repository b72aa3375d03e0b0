//! Which task runs on which worker: a state machine without a clock, I/O or async. [`Scheduler::handle`] takes one
//! [`Event`] and the [`Time`] it happened and returns the [`Action`]s that follow from it; the services around it
//! carry them out, in order. The same events give the same actions, so that a failure is replayed from a seed.
//!
//! Rules: a task goes only to a worker that runs its prover type and speaks its dialect, is of the right kind and has
//! `current + task ≤ max` weight free; delivery is at least once, and a late result from a worker that lost the task
//! changes no weight; what follows from a fault (again when, elsewhere or not, given up) is the decision of [`Config::patience`],
//! and a task that is to wait is not given out before; a worker that cannot use its store is given nothing new for a while; tasks
//! that were killed together for memory run apart from other work afterwards; what no present worker could ever take is diagnosed
//! at once with the numbers.
//!
//! To read on: what the scheduler is told and says is in `event.rs` and `action.rs`; `scheduler.rs` and `fleet.rs` take each event
//! in, `transition.rs` changes states by them, and `assign.rs` and `reserve.rs` then give out what waits in `queue.rs` to who stands
//! in `workers.rs`.
//!
//! ```
//! use proofmill_primitives::{ProofMode, ProverType, TaskKind, Weight, WorkerKind};
//! use proofmill_scheduler::{Action, Config, Event, ProofSpec, Scheduler, TaskSpec, Time, WorkerSpec};
//!
//! let mut scheduler = Scheduler::new(Config::default());
//! let now = Time::from_millis(0);
//! scheduler.handle(now, Event::WorkerOpened(WorkerSpec {
//!     id: "w".into(), kind: WorkerKind::All, max_weight: Weight::gb(8), provers: vec![ProverType::Exec], dialects: vec![], build: String::new(),
//! })).unwrap();
//! let actions = scheduler.handle(now, Event::ProofCreated {
//!     proof: ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline: None },
//!     root: TaskSpec {
//!         id: "t".into(), proof: "p".into(), kind: TaskKind::Controller, weight: Weight::gb(4),
//!         parent: None, inputs: vec![], outputs: vec![], dialect: None, metadata: "{}".into(), requester: String::new(),
//!     },
//! }).unwrap();
//! assert!(actions.iter().any(|action| matches!(action, Action::Assign { .. })));
//! ```

mod action;
mod assign;
mod config;
mod event;
mod fleet;
mod memory;
mod proof;
mod query;
mod queue;
mod reserve;
mod restore;
mod scheduler;
mod transition;
mod want;
mod worker;
mod workers;

pub use action::{Action, Diagnosis, ProofState, TaskState};
pub use config::{Config, Policy, UnknownPolicy};
pub use event::{Event, ProofSpec, Refused, TaskSpec, WorkerSpec};
pub use proofmill_primitives::Time;
pub use query::{Counts, Stats, WorkerStatus};
pub use scheduler::Scheduler;
