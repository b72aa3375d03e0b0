//! Faults: who is at fault when something fails, and what follows from it.
//!
//! A [`Fault`] says where the cause lies ([`At`]), which cause it is ([`Code`]) and, for people, what happened. It travels
//! from the worker to the scheduler, and from the cluster to its clients. A [`Patience`] is the one policy of tries and
//! waiting: from a fault and the [`History`] before it follows a [`Decision`]. Nothing else decides whether something is
//! tried again, and nothing reads the text.
//!
//! Rules: a store, a network, a cluster or a chain that is away is waited for, with pauses that grow, and costs no try; what
//! one worker cannot read from the store, another one may. A lost worker costs none either, but a task that takes one worker
//! after the other down does. Only what a task itself does wrong, on more than one worker where there is more than one, is
//! given up. What can never work is given up at once.
//!
//! ```
//! use proofmill_fault::{Code, Decision, Event, Fault, History, Jitter, Patience};
//!
//! let (patience, mut history) = (Patience::default(), History::default());
//! let away = Fault::new(Code::StoreAway, "the share is not mounted");
//! let event = Event { fault: &away, worker: Some("w1"), now_ms: 1_000, others: true, jitter: Jitter::NONE };
//! let Decision::Again { counts: false, .. } = patience.decide(&mut history, event) else { panic!() };
//!
//! let refused = Fault::new(Code::ProgramFailed, "exit code 1");
//! let event = Event { fault: &refused, ..event };
//! assert_eq!(patience.decide(&mut history, event), Decision::GiveUp);
//! ```

mod fault;
mod history;
mod patience;

pub use fault::{At, Code, Fault};
pub use history::History;
pub use patience::{Decision, Event, Jitter, Patience};
