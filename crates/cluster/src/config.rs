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
    /// What wrapping a proof in PLONK weighs (`WORKER_PLONK_WRAP_WEIGHT`), for foreseeing whether a worker has room where the proof's plan
    /// does not tell.
    pub plonk_wrap_weight: Option<Weight>,
    /// The same for Groth16 (`WORKER_GROTH16_WRAP_WEIGHT`).
    pub groth16_wrap_weight: Option<Weight>,
    /// How often workers and subscribers hear from the coordinator.
    pub server_heartbeat: Duration,
    /// How many ended proofs are kept in memory for status and polls; older ones are read from the ledger.
    pub remember_ended: usize,
    /// How many calls of clients and workers may wait for the ledger at the same time; a large one counts once for each 64 KiB. Those that
    /// come then are refused as unavailable.
    pub most_calls: u32,
    /// What proofs were made from is removed when nobody has used it for so long, unless a proof that goes on needs it.
    pub artifact_retention: Duration,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            scheduler: Config::default(),
            controller_weight: None,
            plonk_wrap_weight: None,
            groth16_wrap_weight: None,
            server_heartbeat: Duration::from_secs(3),
            remember_ended: 1000,
            most_calls: 16_384,
            artifact_retention: Duration::from_secs(24 * 3600),
        }
    }
}

impl ClusterConfig {
    /// What the first task of a proof weighs. SP1's does as the SP1 cluster's; the controllers of the others run the program once
    /// and then wait.
    pub(crate) fn root_weight(&self, prover: ProverType, kind: TaskKind) -> Weight {
        self.controller_weight.unwrap_or(match prover {
            ProverType::Sp1 => kind.default_weight(),
            ProverType::OpenVm | ProverType::Exec => Weight::gb(1),
        })
    }

    /// What the wrap weighs that a proof ends with, at the least: for as long as its controller has not told what each of its tasks weighs.
    pub(crate) fn wrap_weight(&self, prover: ProverType, wrap: TaskKind) -> Weight {
        let set = match wrap {
            TaskKind::PlonkWrap => self.plonk_wrap_weight,
            TaskKind::Groth16Wrap => self.groth16_wrap_weight,
            _ => None,
        };
        set.unwrap_or(match (prover, wrap) {
            // The static verifier of the smallest SNARK (`openvm/memory.rs` of the backends).
            (ProverType::OpenVm, TaskKind::PlonkWrap) => Weight::gb(11),
            _ => wrap.default_weight(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_weighs_what_is_set_or_what_its_prover_type_takes() {
        let mut config = ClusterConfig::default();
        let plonk = |config: &ClusterConfig, prover| config.wrap_weight(prover, TaskKind::PlonkWrap).as_gb();
        assert_eq!((plonk(&config, ProverType::Sp1), plonk(&config, ProverType::OpenVm)), (60, 11));
        config.plonk_wrap_weight = Some(Weight::gb(7));
        assert_eq!((plonk(&config, ProverType::Sp1), plonk(&config, ProverType::OpenVm)), (7, 7));
    }
}
