//! Batches for provers that pull: any machine with any prover type asks for a whole batch, proves it, and hands the proof in.
//!
//! The rules ([`rules`]) are plain functions over state, simulated with crashes, clocks that jump, slow and lying provers.
//! [`Coordinator`] is the async around them: it serves gRPC ([`serve`]), keeps in the ledger who holds what, verifies every proof
//! before it is stored, and is what the service `pull` of the prover node stands on
//! ([`Pullers`](proofmill_service::Pullers)). [`follow`] has it stand alone: a [`Settler`] then sends to L1 what is
//! proven. [`Puller`] is the other side: a prover that asks
//! several coordinators.
//!
//! ```
//! use proofmill_ledger::Timestamp;
//! use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
//! use proofmill_proof_coordinator::rules::{Ask, AskedType, AssignOutcome, Asked, BatchId, Desk, DeskConfig, Found, ProofLevel,
//!     Programs, ProverName};
//! use std::time::Duration;
//!
//! let mut desk = Desk::new(DeskConfig { needed: [ProverType::Exec].into(), timeout: Duration::from_secs(600) });
//! let (now, version) = (Timestamp::from_secs(1), ProgramVersion([7; 32].into()));
//! let batch = BatchId { number: CheckpointNumber(1), level: ProofLevel::Range, content: [1; 32] };
//! desk.add(now, batch, ProverType::Exec);
//!
//! let by = ProverName::new("machine-1").unwrap();
//! let ask = Ask { by, prover: AskedType::from("exec"), programs: Programs { range: version, aggregation: version } };
//! // The batch is marked; storage is asked in between.
//! let Asked::Look(hold) = desk.ask(now, &ask) else { panic!() };
//! let found = Found { proof: false, version: Some(version), inputs: [version].into() };
//! assert!(matches!(desk.decide(now, &ask, &hold, &found), AssignOutcome::Assigned { .. }));
//! // A type of which this release knows nothing is told so.
//! let ask = Ask { prover: AskedType::from("tdx"), ..ask };
//! assert!(matches!(desk.ask(now, &ask), Asked::Answer(AssignOutcome::ProverTypeNotNeeded(_))));
//! ```

mod follow;
mod places;
mod pulling;
pub mod rules;
mod settle;
mod shell;
mod troubles;

pub use follow::{Followed, follow};
pub use pulling::{PullError, Puller, Turn};
pub use settle::{
    BatchCall, BatchGas, BatchSettlement, Evidence, NotReady, QuotedCall, RefusedProof, Remembered,
    SettledCall, Settler, SettlingStatus,
};
pub use shell::{
    Coordinator, CoordinatorConfig, CoordinatorError, OpenBatch, OpenBatches, ProofState, ProofStatus, serve,
};
