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
mod codec;
mod connections;
pub mod header;
pub mod text;

pub use address::{BadAddress, endpoint};
pub use answer::{cause_of, within};
pub use codec::MAX_PARTS;
pub use connections::{Connection, Connections, server};

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
        self.planned.max(self.pending.saturating_add(self.running).saturating_add(self.succeeded))
    }
}

impl operator::ProofProgress {
    /// How many tasks are done, and how many there are as far as known. A controller ends with its proof, and is not counted. What a plan
    /// foresees is as a worker said it, of whatever release.
    pub fn tasks(&self) -> (u32, u32) {
        let kinds = self.kinds.iter().filter(|kind| kind.kind != "Controller");
        kinds.fold((0, 0), |(done, known): (u32, u32), kind| {
            (done.saturating_add(kind.succeeded), known.saturating_add(kind.known()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::operator::{KindProgress, ProofProgress};

    #[test]
    fn a_plan_of_more_than_there_can_be_is_as_much_as_can_be_said() {
        let kind = |kind: &str, planned, succeeded| KindProgress {
            kind: kind.into(),
            planned,
            running: 3,
            succeeded,
            ..KindProgress::default()
        };
        let mut progress = ProofProgress { kinds: vec![kind("Controller", 9, 0)], ..Default::default() };
        assert_eq!(progress.tasks(), (0, 0));
        progress.kinds.extend([kind("ProveShard", 8, 2), kind("RecursionReduce", 0, 1)]);
        assert_eq!(progress.tasks(), (3, 12));
        progress.kinds.push(kind("CoreExecute", u32::MAX, u32::MAX));
        assert_eq!(progress.tasks(), (u32::MAX, u32::MAX));
    }
}
