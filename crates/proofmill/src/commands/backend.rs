//! `proofmill backend`: what another binary is asked that lacks a prover type.

use crate::cli;
use eyre::Result;
use proofmill_backends::{Registry, helper};
use std::io;

pub(crate) fn run(args: &cli::Backend, registry: &Registry) -> Result<()> {
    let backend = registry.get(args.prover)?;
    // Ends when whoever asks has ended: nobody writes any more.
    Ok(helper::answer(&*backend, &mut io::stdin().lock(), &mut io::stdout().lock())?)
}
