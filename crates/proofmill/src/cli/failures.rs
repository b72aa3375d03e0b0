//! The settings of `proofmill failures`.

use super::Site;
use clap::{Args, Subcommand};
use proofmill_backends::prover_type;
use proofmill_primitives::{ProofMode, ProverType};
use std::path::PathBuf;

/// What a prover node could not prove.
#[derive(Debug, Subcommand)]
pub(crate) enum Failures {
    /// What there is
    List(Place),
    /// What happened, and which files there are of it
    Show(Record),
    /// Copy the files of a record into a folder
    Download(Download),
    /// Prove it again from its files: no node is asked
    Rerun(Box<Rerun>),
}

/// Where the records are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Where records of failures are kept: a folder, or s3://BUCKET/PREFIX (keys, region and endpoint as for the AWS tools)
    /// [default: `failures` in the data folder]
    #[arg(long, env = "PROOFMILL_FAILURES", value_name = "DIR|S3")]
    pub(crate) failures: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The record's name as `list` shows it, or enough of it to know which
    pub(crate) record: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Download {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The folder, which is made [default: the record's name]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Rerun {
    #[command(flatten)]
    pub(crate) record: Record,
    /// Prove this checkpoint only [default: what failed]
    #[arg(long, value_name = "NUMBER", conflicts_with = "epoch")]
    pub(crate) checkpoint: Option<u64>,
    /// Prove all checkpoints of the epoch, and aggregate them
    #[arg(long)]
    pub(crate) epoch: bool,
    /// Only for this prover type [default: that which failed; for an epoch, all]
    #[arg(long, value_name = "TYPE", value_parser = prover_type)]
    pub(crate) prover: Option<ProverType>,
    /// How far the epoch's proof is carried: compressed, or plonk (a SNARK of it) [default: as L1 wanted it, where the record tells; else
    /// compressed]
    #[arg(long, value_name = "MODE", value_parser = epoch_mode, conflicts_with_all = ["checkpoint", "execute_only"])]
    pub(crate) mode: Option<ProofMode>,
    /// Only execute the blocks natively, and compare what they give with the checkpoint
    #[arg(long)]
    pub(crate) execute_only: bool,
    /// Where the proofs go [default: `reruns` in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
}

fn epoch_mode(text: &str) -> Result<ProofMode, String> {
    let found = [ProofMode::Compressed, ProofMode::Plonk].into_iter().find(|mode| mode.name() == text);
    found.ok_or_else(|| "an epoch's proof is compressed or plonk".to_owned())
}
