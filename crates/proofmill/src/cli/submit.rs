//! `proofmill submit`.

use super::{Chains, Paying, Sending};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) chains: Chains,
    /// File with a proof of an epoch, or of a checkpoint; one for each type that the rollup asks for. An epoch proof or a range proof of
    /// Proofmill's, or a Groth16 or PLONK proof of these programs that an SP1 cluster made, as SP1's SDK saves it or as JSON
    /// (docs/snark.md)
    #[arg(long, required = true, value_delimiter = ',', value_name = "FILE")]
    pub(crate) proof: Vec<PathBuf>,
    /// Propose the blocks of the proof too, in the same transaction, so that nobody can come between: where the rollup's proposer was
    /// silent for as long as the contract says, or with its key (docs/escape.md)
    #[arg(long)]
    pub(crate) propose: bool,
    /// Attestors that verify the proofs for L1
    #[arg(long, env = "PROOFMILL_ATTESTORS", value_delimiter = ',', value_name = "URL")]
    pub(crate) attestor: Vec<String>,
    /// Submit what a mock prover of SP1's made, which proves nothing: for a contract of a development chain that takes it
    #[arg(long)]
    pub(crate) allow_development: bool,
    /// Only check the proofs, and ask L1 whether it would take them and for how much gas
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) paying: Paying,
}
