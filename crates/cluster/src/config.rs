//! What an operator can set.

use proofmill_primitives::{ProverType, TaskKind, Weight};
use proofmill_scheduler::Config;
use std::time::Duration;

/// How a cluster behaves.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Limits and policy of the scheduler.
    pub scheduler: Config,
    /// What a controller weighs, for every prover type (`WORKER_CONTROLLER_WEIGHT`); by prover type where not set.
    pub controller_weight: Option<Weight>,
    /// How often workers and subscribers hear from the coordinator.
    pub server_heartbeat: Duration,
    /// How many ended proofs are kept in memory for status and polls; older ones are read from the ledger.
    pub remember_ended: usize,
    /// What proofs were made from is removed when nobody has used it for so long, unless a proof that goes on needs it.
    pub artifact_retention: Duration,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            scheduler: Config::default(),
            controller_weight: None,
            server_heartbeat: Duration::from_secs(3),
            remember_ended: 1000,
            artifact_retention: Duration::from_secs(24 * 3600),
        }
    }
}

impl ClusterConfig {
    /// What a controller of this prover type weighs. SP1's executes and splits the program (the SP1 cluster's figure);
    /// the others run it once and then wait.
    pub(crate) fn controller_weight(&self, prover: ProverType) -> Weight {
        self.controller_weight.unwrap_or(match prover {
            ProverType::Sp1 => TaskKind::Controller.default_weight(),
            ProverType::OpenVm | ProverType::Exec => Weight::gb(1),
        })
    }
}
