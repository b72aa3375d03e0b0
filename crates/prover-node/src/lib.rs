//! The prover node: chain events in, published epoch proofs out. Range proving starts when a checkpoint lands on L1, and
//! only the top of the proof tree is left when its epoch closes.
//!
//! The rules ([`rules`]) are plain functions over state: [`rules::NodeState::handle`] takes an event and the time, and
//! returns what is to be done. They are simulated with random chains, faults and restarts. [`ProverNode`] is the async
//! around them: one task owns the state, others carry its [`rules::Action`]s out and answer with events. What the node
//! stands on are traits ([`parts`]): a [`parts::ProofService`] for each prover type, [`parts::Settlement`] on L1, a
//! [`parts::ProofStore`] that makes finished proofs outlive restarts and reorgs. States, outcomes and invariants stand as
//! tables in the crate's `README.md`.
//!
//! ```
//! use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, ProverType, Slot, SlotClock};
//! use proofmill_prover_node::rules::{Action, Config, Event, L1Time, L1View, NodeState, Time};
//! use std::num::NonZeroU64;
//!
//! let some = |number| NonZeroU64::new(number).unwrap();
//! let clock =
//!     SlotClock { genesis: 0, slot_seconds: some(12), epoch_slots: some(4), window_epochs: some(2) };
//! let mut node = NodeState::new(Config::new(clock, [ProverType::Exec]));
//! let now = Time::from_millis(15_000);
//! let l1 = L1View {
//!     time: L1Time(15), pending: CheckpointNumber(1), proven: CheckpointNumber(0), paused: 0, closes: None,
//! };
//! node.handle(now, Event::Began { l1 })?;
//! let checkpoint = Checkpoint {
//!     number: CheckpointNumber(1), slot: Slot(1), blocks: BlockRange::new(1, 8).unwrap(),
//!     parent_hash: [1; 32].into(), last_hash: [2; 32].into(), state_root: [3; 32].into(),
//!     last_timestamp: 14, parent_commitment: [4; 32].into(), commitment: [5; 32].into(),
//! };
//! let actions = node.handle(now, Event::Checkpointed(checkpoint))?;
//! assert!(actions.iter().any(|action| matches!(action, Action::Prove { .. })));
//! # Ok::<(), proofmill_prover_node::rules::Refused>(())
//! ```

mod error;
pub mod parts;
pub mod rerun;
pub mod rules;
mod shell;

pub use error::NodeError;
pub use shell::{CHANGES_TARGET, NodeConfig, NodeHandle, Parts, Prover, ProverNode, paid_in_vain};
