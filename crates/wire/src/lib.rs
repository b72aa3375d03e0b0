//! The gRPC messages and services that clients, coordinator and workers speak. [`cluster`] and [`worker`] are the SP1
//! cluster's, number by number, so that its clients and workers run unchanged; [`operator`], [`attestor`], [`node`] and [`prover`]
//! are Proofmill's own.
//!
//! What Proofmill must say beyond those formats travels in request headers ([`header`]), which peers that do not know
//! them leave out.
//!
//! ```
//! use proofmill_primitives::ProverType;
//! use proofmill_wire::{header, worker::OpenRequest};
//!
//! let mut request = tonic::Request::new(OpenRequest { worker_id: "w1".into(), max_weight: 8, ..Default::default() });
//! header::set_provers(&mut request, &[ProverType::OpenVm, ProverType::Exec]);
//! assert_eq!(header::provers(&request).unwrap(), [ProverType::OpenVm, ProverType::Exec]);
//! ```

mod address;
mod answer;
pub mod header;

pub use address::{BadAddress, endpoint};
pub use answer::within;

/// The largest message that cluster, workers and clients take from each other, in bytes: a task may name thousands of artifacts,
/// and a program may commit to megabytes. What is larger is [`OutOfRange`](tonic::Code::OutOfRange), as often as it is sent.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The API: proof requests.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod cluster {
    tonic::include_proto!("cluster");
}

/// The coordinator: workers, tasks, subscribers.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod worker {
    tonic::include_proto!("worker");
}

/// What attestors are asked.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod attestor {
    tonic::include_proto!("proofmill.attestor.v1");
}

/// What a prover node is asked.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod node {
    tonic::include_proto!("proofmill.node.v1");
}

/// What provers that pull ask a proof coordinator.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod prover {
    tonic::include_proto!("proofmill.prover.v1");
}

/// Status and progress, for the command line and the dashboard.
#[allow(missing_docs, clippy::all, reason = "generated; the .proto files are the documentation")]
pub mod operator {
    tonic::include_proto!("proofmill.v1");
}

impl operator::KindProgress {
    /// How many tasks of the kind there are, as far as known: those that were created, and those that the plan foresees.
    pub fn known(&self) -> u32 {
        self.planned.max(self.pending + self.running + self.succeeded)
    }
}
