//! The words of `proofmill srs`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Srs {
    #[command(subcommand)]
    pub(crate) command: SrsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SrsCommand {
    /// Check a setup of the perpetual powers of tau (Halo2's raw form, or a prepared .ptau of snarkjs) and keep it for SNARKs
    Import(Import),
    /// Check a setup, whoever made it, and say whose secret it rests on
    Check(Check),
    /// Make the setup for development. INSECURE: its secret is public, and anybody can prove anything with it
    Dev(Dev),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file, which can hold a larger degree
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Log2 of the powers to keep: a SNARK names those it needs [default: all of the file]
    #[arg(long, value_name = "K")]
    pub(crate) degree: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Log2 of its powers: 22 for the SNARK `insecure-development-small`
    #[arg(long, value_name = "K", default_value_t = 22, value_parser = clap::value_parser!(u32).range(1..=26))]
    pub(crate) degree: u32,
}
