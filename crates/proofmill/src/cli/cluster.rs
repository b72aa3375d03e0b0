//! The settings of `proofmill cluster`, and of its workers.

use super::{Database, Observing, Store, YEAR, gb};
use clap::Args;
use proofmill_backends::prover_type;
use proofmill_primitives::{ProverType, Weight, WorkerKind};
use proofmill_scheduler::Policy;

#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Where to listen
    #[arg(long, env = "PROOFMILL_LISTEN", default_value = "127.0.0.1:50051", value_name = "HOST:PORT", value_parser = super::nodes::host_port)]
    pub(crate) listen: String,
    /// Which proof goes first: fifo, balanced (fair share of GPU weight) or deadline
    #[arg(long, env = "PROOFMILL_POLICY", default_value_t = Policy::Fifo)]
    pub(crate) policy: Policy,
    /// Seconds of silence after which a worker is dead; workers speak every 3 seconds
    #[arg(long, env = "PROOFMILL_HEARTBEAT_TIMEOUT", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub(crate) heartbeat_timeout: u64,
    /// Seconds after which a task is tried on another worker; controllers and SP1's executions, which wait for the others, are not
    #[arg(long, env = "TASK_TIMEOUT", default_value_t = 21_600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) task_timeout: u64,
    /// How often a task is tried again before its proof fails
    #[arg(long, env = "PROOFMILL_MAX_RETRIES", default_value_t = 3)]
    pub(crate) max_retries: u32,
    /// What the first task of a proof weighs, in GB [default: 1; 4 where an SP1 program is only executed]
    #[arg(long, env = "WORKER_CONTROLLER_WEIGHT", value_name = "GB", value_parser = gb)]
    pub(crate) controller_weight: Option<Weight>,
    /// What wrapping a proof in PLONK weighs, in GB, until the proof's plan tells [default: 60, of OpenVM 20]
    #[arg(long, env = "WORKER_PLONK_WRAP_WEIGHT", value_name = "GB", value_parser = gb)]
    pub(crate) plonk_wrap_weight: Option<Weight>,
    /// What wrapping a proof in Groth16 weighs, in GB [default: 14]
    #[arg(long, env = "WORKER_GROTH16_WRAP_WEIGHT", value_name = "GB", value_parser = gb)]
    pub(crate) groth16_wrap_weight: Option<Weight>,
    /// Hours for which programs, inputs and intermediate results are kept that no proof in progress needs, counted from
    /// when they were last used; finished proofs are kept
    #[arg(long, env = "PROOFMILL_ARTIFACT_RETENTION", default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=87_600))]
    pub(crate) artifact_retention: u64,
    #[command(flatten)]
    pub(crate) store: Store,
    #[command(flatten)]
    pub(crate) database: Database,
    /// What a worker of kind `all` keeps free of further controllers for the tasks they wait for, in GB
    #[arg(long, env = "PROOFMILL_CONTROLLER_HEADROOM", default_value = "4", value_name = "GB", value_parser = gb)]
    pub(crate) controller_headroom: Weight,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Where the coordinator is; NODE_COORDINATOR_RPC, as nodes of the SP1 cluster have it, counts where nothing else says so
    /// [default: http://127.0.0.1:50051]
    #[arg(long, env = "PROOFMILL_COORDINATOR", value_name = "URL")]
    coordinator: Option<String>,
    #[arg(long, env = "NODE_COORDINATOR_RPC", hide = true)]
    node_coordinator_rpc: Option<String>,
    /// This worker's name; the same name again is the same worker [default: host name and process id]
    #[arg(long, env = "PROOFMILL_WORKER_ID")]
    pub(crate) id: Option<String>,
    /// Which tasks it takes: cpu, gpu or all
    #[arg(long, env = "WORKER_TYPE", default_value_t = WorkerKind::All)]
    pub(crate) kind: WorkerKind,
    /// The most that its tasks may weigh together, in GB [default: the memory of the machine or cgroup, less 1]
    #[arg(long, env = "WORKER_MAX_WEIGHT_OVERRIDE", value_name = "GB", value_parser = gb)]
    pub(crate) max_weight: Option<Weight>,
    /// Prover types it runs [default: all that this binary has]
    #[arg(long, env = "PROOFMILL_PROVER", value_delimiter = ',', value_name = "TYPE", value_parser = prover_type)]
    pub(crate) prover: Vec<ProverType>,
    /// Memory that controllers on this worker cut segments for, in GB: what the workers of the cluster have for one task
    #[arg(long, env = "PROOFMILL_SEGMENT_MEMORY", default_value = "4", value_name = "GB", value_parser = gb)]
    pub(crate) segment_memory: Weight,
    /// Which build this worker says it is, for tests of fleets of two versions
    #[arg(long, hide = true, default_value = proofmill_worker::BUILD)]
    pub(crate) build: String,
    #[command(flatten)]
    pub(crate) store: Store,
    /// Memory for artifacts that its tasks read again and again (program, input, plan), in MB; 0 for none
    #[arg(long, env = "PROOFMILL_ARTIFACT_CACHE", default_value_t = 256, value_name = "MB", value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) artifact_cache: u64,
}

impl Worker {
    /// Where the coordinator is.
    pub(crate) fn coordinator(&self) -> &str {
        let named = self.coordinator.as_deref().or(self.node_coordinator_rpc.as_deref());
        named.unwrap_or("http://127.0.0.1:50051")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        of: Worker,
    }

    #[test]
    fn a_worker_finds_its_coordinator_by_the_name_that_nodes_of_the_sp1_cluster_have() {
        let [ours, stock] = ["--coordinator=http://ours:1", "--node-coordinator-rpc=http://stock:2"];
        let cases: [(&[&str], &str); 4] = [
            (&[], "http://127.0.0.1:50051"),
            (&[stock], "http://stock:2"),
            (&[ours], "http://ours:1"),
            (&[ours, stock], "http://ours:1"),
        ];
        for (words, expected) in cases {
            let parsed = Parsed::try_parse_from([&["proofmill"][..], words].concat()).unwrap();
            assert_eq!(parsed.of.coordinator(), expected, "{words:?}");
        }
        let command = <Parsed as clap::CommandFactory>::command();
        let of_nodes = command.get_arguments().find(|arg| arg.get_id() == "node_coordinator_rpc").unwrap();
        assert_eq!(of_nodes.get_env().unwrap(), "NODE_COORDINATOR_RPC");
    }
}
