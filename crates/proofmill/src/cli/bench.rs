//! `proofmill bench`.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use url::Url;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Make a report of a run from the provers' logs and the metrics of L2
    Collect(Collect),
    /// Show how two runs differ, and whether that is more than noise
    Compare(Compare),
}

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// A prover's log, ours (`prover --timed`) or ethrex's; several are read as one
    #[arg(long, required = true, value_name = "FILE")]
    pub(crate) log: Vec<PathBuf>,
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

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The first run: a folder of `bench collect`, or its report.json
    pub(crate) a: PathBuf,
    /// The second run
    pub(crate) b: PathBuf,
}
