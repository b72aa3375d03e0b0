//! The settings of provers that pull, and of who serves them.

use super::{Chains, Following, L2, Observing, Site, Store, YEAR};
use alloy_primitives::B256;
use clap::{Args, ValueEnum, builder::BoolishValueParser};
use proofmill_primitives::ProverType;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

/// Prover types that other systems have, and no release of Proofmill.
const ELSEWHERE: [&str; 3] = ["risc0", "zisk", "tdx"];

/// Who makes the proofs of a prover node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// A cluster, which is asked for each proof (--cluster)
    #[default]
    Cluster,
    /// Provers that come for whole batches (`proofmill prover`), where --pull-listen says
    Pull,
}

/// How provers that pull are served.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serving {
    /// Where provers that pull ask for batches: the address of their --coordinator
    #[arg(long, env = "PROOFMILL_PULL_LISTEN", default_value = "127.0.0.1:50081", value_name = "HOST:PORT")]
    pub(crate) pull_listen: String,
    /// Seconds after which a batch is given to another prover, if the one that has it has not handed its proof in
    #[arg(long, env = "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", default_value_t = TIMEOUT, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) prover_timeout: u64,
}

const TIMEOUT: u64 = 600;

impl Default for Serving {
    fn default() -> Self {
        Self { pull_listen: String::new(), prover_timeout: TIMEOUT }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProofCoordinator {
    #[command(flatten)]
    pub(crate) chains: Chains,
    #[command(flatten)]
    pub(crate) l2: L2,
    #[command(flatten)]
    pub(crate) following: Following,
    /// Whom the proofs name as their prover, who may claim the reward
    #[arg(long, env = "PROOFMILL_PROVER_ID", value_name = "ADDRESS")]
    pub(crate) prover_id: alloy_primitives::Address,
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) store: Store,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// The most batches that are ready for provers of one type at the same time, and witnesses that are built for them
    #[arg(long, env = "PROOFMILL_MAX_BATCHES", default_value = "16", value_name = "NUMBER")]
    pub(crate) max_batches: NonZeroUsize,
    /// Stop a batch that takes more instructions
    #[arg(long, env = "PROOFMILL_CYCLE_LIMIT", value_name = "INSTRUCTIONS")]
    pub(crate) cycle_limit: Option<NonZeroU64>,
}

#[derive(Debug, Args)]
pub(crate) struct Prover {
    /// Proof coordinators to ask for batches, in turn: the --pull-listen of a prover node or of a proof coordinator
    #[arg(
        long,
        env = "PROOFMILL_PROOF_COORDINATORS",
        value_delimiter = ',',
        required = true,
        value_name = "URL"
    )]
    pub(crate) coordinator: Vec<String>,
    /// What it proves with: openvm, sp1, or exec (runs the program natively and proves nothing)
    #[arg(long, env = "PROOFMILL_PROVER_TYPE", value_name = "TYPE", value_parser = prover_type)]
    pub(crate) prover_type: ProverType,
    /// Log how long each proof took: `batch`, `proving_time_s` and `proving_time_ms`
    #[arg(long, env = "PROVER_CLIENT_TIMED", value_parser = BoolishValueParser::new())]
    pub(crate) timed: bool,
    /// Provers that name the same file prove one after the other; not used where --max-weight says what share of the machine is
    /// this prover's, or --cluster that others prove [default: one file for all provers of this user on this machine]
    #[arg(long, env = "PROOFMILL_TURNS", value_name = "FILE")]
    pub(crate) turns: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
    /// Which version it says its programs are, for tests of fleets of two versions
    #[arg(long, hide = true, value_name = "VERSION")]
    pub(crate) program_version: Option<B256>,
    /// Waits so many milliseconds before each proof, for tests of provers that are slow
    #[arg(long, hide = true, default_value_t = 0, value_name = "MS")]
    pub(crate) delay: u64,
}

fn prover_type(name: &str) -> Result<ProverType, String> {
    if ELSEWHERE.contains(&name) {
        return Err(format!(
            "no release of Proofmill has the prover type `{name}`: use one that the coordinator needs, of exec, openvm and sp1"
        ));
    }
    name.parse().map_err(|error: proofmill_primitives::UnknownName| error.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        serving: Serving,
        #[command(flatten)]
        prover: Prover,
    }

    fn parse(words: &[&str]) -> Result<Flags, String> {
        let needed = ["proofmill", "--coordinator", "http://a:1,http://b:2", "--prover-type", "exec"];
        Flags::try_parse_from(needed.iter().chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_specification() {
        let flags = parse(&[]).unwrap();
        assert_eq!(flags.serving.prover_timeout, 600);
        assert!(!flags.prover.timed);
        assert_eq!(flags.prover.coordinator, ["http://a:1", "http://b:2"]);
        assert_eq!(flags.prover.prover_type, ProverType::Exec);
        assert!(parse(&["--timed"]).unwrap().prover.timed);
        assert_eq!(parse(&["--prover-timeout", "7"]).unwrap().serving.prover_timeout, 7);
        assert!(parse(&["--prover-timeout", "0"]).unwrap_err().contains("--prover-timeout"));
    }

    #[test]
    fn types_of_other_systems_are_refused_with_what_there_is() {
        for name in ELSEWHERE {
            let error = prover_type(name).unwrap_err();
            assert!(error.contains(name) && error.contains("openvm"), "{error}");
        }
        assert!(prover_type("nonsense").unwrap_err().contains("exec, openvm or sp1"));
        assert_eq!(prover_type("sp1"), Ok(ProverType::Sp1));
    }
}
