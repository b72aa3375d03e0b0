//! The settings of provers that pull, and of who serves them.

use super::{Chains, Database, Following, L2, Observing, Paying, Sending, Site, Store, YEAR};
use alloy_primitives::B256;
use clap::{Args, ValueEnum, builder::BoolishValueParser};
use proofmill_backends::prover_type;
use proofmill_primitives::ProverType;
use proofmill_proof_coordinator::rules::CallCaps;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

/// Who makes the proofs of a prover node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// A cluster, which is asked for each proof (--cluster)
    #[default]
    Cluster,
    /// Provers that come for whole batches (`proofmill prover`), where --pull-listen says
    Pull,
    /// This process, which has the machine's memory for it (--max-weight)
    Local,
}

/// How provers that pull are served.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Serving {
    /// Where provers that pull ask for batches: the address of their --coordinator
    #[arg(long, env = "PROOFMILL_PULL_LISTEN", default_value = "127.0.0.1:50081", value_name = "HOST:PORT", value_parser = super::nodes::host_port)]
    pub(crate) pull_listen: String,
    /// Seconds after which a batch is given to another prover, if the one that has it has not handed its proof in [default: 600]
    #[arg(long, env = "PROOFMILL_PROVER_TIMEOUT", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) prover_timeout: Option<u64>,
    /// The same in milliseconds, by the name that it has in ethrex; --prover-timeout goes before it
    #[arg(
        long = "proof-coordinator.prover-timeout",
        env = "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT",
        value_name = "MILLISECONDS",
        value_parser = millis
    )]
    pub(crate) ethrex_prover_timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) database: Database,
}

/// How long a prover may hold a batch, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(600);
/// What is less is meant in another unit: no prover makes a proof in that time.
const LEAST_MILLIS: u64 = 10_000;

impl Serving {
    /// How long a prover may hold a batch.
    pub(crate) fn prover_timeout(&self) -> Duration {
        let ours = self.prover_timeout.map(Duration::from_secs);
        ours.or(self.ethrex_prover_timeout.map(Duration::from_millis)).unwrap_or(TIMEOUT)
    }
}

/// A time as ethrex has it. Whoever gives seconds is told so.
fn millis(text: &str) -> Result<u64, String> {
    let longest = YEAR * 1_000;
    let remedy = "600000 is ten minutes, and --prover-timeout is in seconds";
    match text.parse::<u64>() {
        Ok(given) if (LEAST_MILLIS..=longest).contains(&given) => Ok(given),
        Ok(given) => {
            Err(format!("{given} milliseconds are not within {LEAST_MILLIS} and {longest}; {remedy}"))
        }
        Err(error) => Err(format!("{error}; it is a number of milliseconds: {remedy}")),
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
    /// Whom the proofs name as their prover, who may claim the reward [default: the first account that pays on L1]
    #[arg(long, env = "PROOFMILL_PROVER_ID", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) prover_id: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) paying: Paying,
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Attestors that verify the proofs for L1
    #[arg(long, env = "PROOFMILL_ATTESTORS", value_delimiter = ',', value_name = "URL")]
    pub(crate) attestor: Vec<String>,
    /// Prove, have the proofs attested and ask L1 what they would cost, but send nothing; needs no key if --prover-id is given
    #[arg(long, env = "PROOFMILL_DISABLE_PUBLISH")]
    pub(crate) disable_publish: bool,
    /// Have batches proven and the proofs kept, and ask nobody on L1 what they are worth: no account and no attestors are needed
    #[arg(long, env = "PROOFMILL_PROVE_ONLY", conflicts_with = "disable_publish")]
    pub(crate) prove_only: bool,
    /// The most gas that one transaction with several batches may take. L1 takes none of more than 16777216, and its limit is set
    /// a fifth above the estimate
    #[arg(long, env = "PROOFMILL_SETTLE_GAS", default_value_t = CallCaps::default().gas, value_name = "GAS", value_parser = clap::value_parser!(u64).range(100_000..))]
    pub(crate) settle_gas: u64,
    /// The most bytes of proofs in one transaction with several batches. L1's nodes take none of more than 131072
    #[arg(long, env = "PROOFMILL_SETTLE_BYTES", default_value_t = CallCaps::default().bytes, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(crate) settle_bytes: u64,
    /// Where records of refused proofs are kept, for `proofmill failures`: a folder, or s3://BUCKET/PREFIX (keys, region and
    /// endpoint as for the AWS tools) [default: `failures` in the data folder]
    #[arg(long, env = "PROOFMILL_FAILURES", value_name = "DIR|S3")]
    pub(crate) failures: Option<String>,
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
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Which version it says its programs are, for tests of fleets of two versions
    #[arg(long, hide = true, value_name = "VERSION")]
    pub(crate) program_version: Option<B256>,
    /// Waits so many milliseconds before each proof, for tests of provers that are slow
    #[arg(long, hide = true, default_value_t = 0, value_name = "MS")]
    pub(crate) delay: u64,
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
        assert_eq!(flags.serving.prover_timeout(), Duration::from_secs(600));
        assert_eq!(Serving::default().prover_timeout(), Duration::from_secs(600));
        assert!(!flags.prover.timed);
        assert_eq!(flags.prover.coordinator, ["http://a:1", "http://b:2"]);
        assert_eq!(flags.prover.prover_type, ProverType::Exec);
        assert!(parse(&["--timed"]).unwrap().prover.timed);
        let timeout = |words: &[&str]| parse(words).unwrap().serving.prover_timeout();
        assert_eq!(timeout(&["--prover-timeout", "7"]), Duration::from_secs(7));
        assert!(parse(&["--prover-timeout", "0"]).unwrap_err().contains("--prover-timeout"));
    }

    #[test]
    fn the_time_out_of_ethrex_is_in_milliseconds() {
        let ethrex = |value: &str| parse(&["--proof-coordinator.prover-timeout", value]);
        let timeout = |value: &str| ethrex(value).unwrap().serving.prover_timeout();
        // Its default.
        assert_eq!(timeout("600000"), Duration::from_secs(600));
        assert_eq!(timeout("10500"), Duration::from_millis(10_500));
        let both = ["--proof-coordinator.prover-timeout", "600000", "--prover-timeout", "7"];
        assert_eq!(parse(&both).unwrap().serving.prover_timeout(), Duration::from_secs(7));
        // Seconds, as it looks.
        for seconds in ["600", "1800", "9999", "99999999999999"] {
            let said = ethrex(seconds).unwrap_err();
            assert!(
                said.contains("milliseconds") && said.contains("--prover-timeout is in seconds"),
                "{said}"
            );
        }
        assert!(ethrex("10m").unwrap_err().contains("milliseconds"));
        let mut command = <Flags as clap::CommandFactory>::command();
        let help = command.render_long_help().to_string();
        for text in [
            "--prover-timeout <SECONDS>",
            "PROOFMILL_PROVER_TIMEOUT",
            "--proof-coordinator.prover-timeout <MILLISECONDS>",
            "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT",
        ] {
            assert!(help.contains(text), "{text}:\n{help}");
        }
    }
}
