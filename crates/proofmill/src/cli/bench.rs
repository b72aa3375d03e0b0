//! `proofmill bench`.

use super::{YEAR, node_url};
use clap::{Args, Subcommand, ValueEnum, builder::BoolishValueParser};
use proofmill_backends::{NoSuchProver, prover_type};
use proofmill_bench::steps::Gpu;
use proofmill_loadgen::LoadKind;
use proofmill_primitives::ProverType;
use std::{
    convert::Infallible,
    num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};
use url::Url;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Start chains, load and provers here or on a server, wait for batches, make the report, and end everything
    ///
    /// What is not given is asked for in a terminal, and elsewhere as the defaults say. `proofmill bench` alone is this.
    Run(Box<Run>),
    /// Make a report of a run from the provers' logs and the metrics of L2
    Collect(Collect),
    /// Show how two runs differ, and whether that is more than noise
    Compare(Compare),
}

/// A session. What is optional here has its default where it is used: in a terminal it is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// Run it on this server, by ssh: a name of your ssh configuration, or USER@HOST [default: on this machine]
    #[arg(long, env = "PROOFMILL_BENCH_SERVER", value_name = "HOST")]
    pub(crate) server: Option<String>,
    /// ssh configuration to use instead of your own
    #[arg(long, env = "PROOFMILL_BENCH_SSH_CONFIG", value_name = "FILE")]
    pub(crate) ssh_config: Option<PathBuf>,
    /// What the session is called, and its folder [default: bench-, and the time]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// What proves: openvm, sp1, or exec (proves nothing) [default: what this binary has that proves; sp1 first where there is a
    /// GPU]
    #[arg(long, env = "PROOFMILL_PROVER_TYPE", value_name = "TYPE", value_parser = prover_type)]
    pub(crate) prover: Option<ProverType>,
    /// Whether provers use a GPU: auto (where there is one), yes (there must be one) or no (none is shown to them) [default: auto]
    #[arg(long, env = "PROOFMILL_BENCH_GPU", value_name = "WHETHER")]
    pub(crate) gpu: Option<GpuChoice>,
    /// How many provers, side by side; several share the machine's memory evenly
    #[arg(long, env = "PROOFMILL_BENCH_PROVERS", default_value = "1", value_name = "NUMBER")]
    pub(crate) provers: NonZeroU32,
    /// End once so many batches are proven [default: 5]
    #[arg(long, env = "PROOFMILL_BENCH_BATCHES", value_name = "NUMBER")]
    pub(crate) batches: Option<NonZeroUsize>,
    /// Give up after so many seconds of proving
    #[arg(long, env = "PROOFMILL_BENCH_TIMEOUT", default_value_t = 14_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) timeout: u64,
    /// Seconds between two batches, at least
    #[arg(long, env = "PROOFMILL_SLOT_SECONDS", default_value_t = 6, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) slot_seconds: u64,
    /// What to send: eth-transfers, erc20, fibonacci, io-heavy or mixed [default: eth-transfers]
    #[arg(long, env = "LOAD_TEST_KIND")]
    pub(crate) kind: Option<LoadKind>,
    /// How many transactions each account sends; again, until there are batches enough [default: 50]
    #[arg(long, env = "LOAD_TEST_TX_AMOUNT", value_name = "NUMBER")]
    pub(crate) transactions: Option<NonZeroU32>,
    /// How many accounts send, where they are not those of --account-keys
    #[arg(long, env = "LOAD_TEST_ACCOUNTS", default_value = "10", value_name = "NUMBER")]
    pub(crate) accounts: NonZeroU32,
    /// File with the private keys of the accounts that send: one on each line, in hexadecimal, as ethrex has them [default: keys
    /// are derived]
    #[arg(long, env = "LOAD_TEST_ACCOUNT_KEYS", value_name = "FILE")]
    pub(crate) account_keys: Option<PathBuf>,
    /// Go on sending until the last batch is proven [default: until there are batches enough]
    #[arg(long, env = "LOAD_TEST_ENDLESS", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) endless: Option<bool>,
    /// Measure this revision: it is built from the repository
    #[arg(long, env = "PROOFMILL_BENCH_REF", value_name = "REF")]
    pub(crate) git_ref: Option<String>,
    /// Where the revision is
    #[arg(long, env = "PROOFMILL_BENCH_REPOSITORY", default_value = ".", value_name = "FOLDER")]
    pub(crate) repository: PathBuf,
    /// Keep L1 running for the next session, which deploys its contracts on it anew
    #[arg(long, env = "PROOFMILL_BENCH_KEEP_L1")]
    pub(crate) keep_l1: bool,
    /// L2's port
    #[arg(long, env = "PROOFMILL_BENCH_L2_PORT", default_value = "1729", value_name = "PORT")]
    pub(crate) l2_port: NonZeroU16,
    /// The port of L2's metrics
    #[arg(long, env = "PROOFMILL_BENCH_METRICS_PORT", default_value = "3702", value_name = "PORT")]
    pub(crate) metrics_port: NonZeroU16,
    /// How many transactions may wait on L2 for a block
    #[arg(long, env = "PROOFMILL_L2_MEMPOOL_LIMIT", default_value = "20000", value_name = "NUMBER")]
    pub(crate) l2_mempool_limit: NonZeroU64,
    /// L2 runs already: its node. Load is sent where LOAD_TEST_PRIVATE_KEY holds a key that pays, or --account-keys has some
    #[arg(long, env = "PROOFMILL_BENCH_L2_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l2_rpc: Option<Url>,
    /// L2 runs already: the node of its L1
    #[arg(long, env = "PROOFMILL_BENCH_L1_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l1_rpc: Option<Url>,
    /// L2 runs already: the rollup's contract on L1
    #[arg(long, env = "PROOFMILL_BENCH_ROLLUP", value_name = "ADDRESS")]
    pub(crate) rollup: Option<alloy_primitives::Address>,
    /// L2 runs already: its page of metrics [default: how full the batches are is read from its node]
    #[arg(long, env = "PROOFMILL_BENCH_L2_METRICS", hide_env_values = true, value_name = "URL")]
    pub(crate) l2_metrics: Option<Url>,
    /// Take the defaults for what is not given, and ask nothing
    #[arg(long)]
    pub(crate) defaults: bool,
    /// What is measured is built from this folder
    #[arg(long, hide = true, value_name = "FOLDER", conflicts_with = "git_ref", requires = "revision")]
    pub(crate) source: Option<PathBuf>,
    /// What the folder is a copy of
    #[arg(long, hide = true, value_name = "TEXT")]
    pub(crate) revision: Option<String>,
    /// Ends when nobody holds standard input open any more, as when it is stopped
    #[arg(long, hide = true)]
    pub(crate) ends_with_input: bool,
}

/// Whether provers use a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GpuChoice {
    /// Where there is one
    Auto,
    /// There must be one
    Yes,
    /// None is shown to them
    No,
}

impl From<GpuChoice> for Gpu {
    fn from(choice: GpuChoice) -> Self {
        match choice {
            GpuChoice::Auto => Self::IfThere,
            GpuChoice::Yes => Self::Needed,
            GpuChoice::No => Self::Hidden,
        }
    }
}

/// A name that is a folder's, here and on a server.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.starts_with(['.', '-']) || text.len() > 100 || !text.chars().all(is_plain) {
        return Err(
            "a name has letters, digits, `-`, `_` and `.`, and begins with a letter, a digit or `_`".into()
        );
    }
    Ok(text.to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// A prover's log, ours (`prover --timed`) or ethrex's; several may be given. Lines of ethrex have no prover type: TYPE= names
    /// it, and without it several logs are told apart by their files
    #[arg(long, required = true, value_name = "[TYPE=]FILE", value_parser = named_log)]
    pub(crate) log: Vec<NamedLog>,
    /// The metrics of L2, asked once: where batches' gas, transactions and blocks are
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) metrics: Option<Url>,
    /// The folder for report.md, report.json and report.svg
    #[arg(long, default_value = "bench-report", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// What the run is called in the report
    #[arg(long, default_value = "run", value_name = "TEXT")]
    pub(crate) label: String,
    /// The provers ran on another machine: leave this one's processor, memory and GPUs out
    #[arg(long)]
    pub(crate) elsewhere: bool,
}

/// A log, and what wrote it where that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedLog {
    /// A prover type, also of other systems: what is measured need not be ours.
    pub(crate) prover: Option<String>,
    pub(crate) path: PathBuf,
}

fn named_log(text: &str) -> Result<NamedLog, Infallible> {
    // A file's name may have a `=`, too.
    let named =
        text.split_once('=').filter(|(name, _)| !matches!(prover_type(name), Err(NoSuchProver::Unknown(_))));
    Ok(match named {
        Some((prover, path)) => NamedLog { prover: Some(prover.to_owned()), path: path.into() },
        None => NamedLog { prover: None, path: text.into() },
    })
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The first run: a folder of `bench run` or `bench collect`, or its report.json
    pub(crate) a: PathBuf,
    /// The second run
    pub(crate) b: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_may_be_named_by_its_prover_type() {
        for (text, prover, path) in [
            ("sp1=a.log", Some("sp1"), "a.log"),
            ("risc0=b=c.log", Some("risc0"), "b=c.log"),
            ("a.log", None, "a.log"),
            ("x=a.log", None, "x=a.log"),
            ("./sp1=a.log", None, "./sp1=a.log"),
        ] {
            let expected = NamedLog { prover: prover.map(str::to_owned), path: path.into() };
            assert_eq!(named_log(text), Ok(expected), "{text}");
        }
    }
}
