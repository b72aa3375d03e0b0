//! `proofmill verify`.

use crate::{cli, report::thousands};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::{Proof, Registry};
use proofmill_client::{CheckpointProof, programs};
use proofmill_program::RangePublicValues;
use std::{fs, time::Instant};

pub(crate) fn run(args: &cli::Verify, registry: &Registry) -> Result<()> {
    let bytes = fs::read(&args.file).wrap_err_with(|| format!("cannot read {}", args.file.display()))?;
    let (proof, statement) = if CheckpointProof::is(&bytes) {
        let CheckpointProof { statement, proof } =
            CheckpointProof::decode(&bytes).wrap_err_with(|| args.file.display().to_string())?;
        (proof, Some(statement))
    } else {
        (Proof::decode(&bytes).wrap_err_with(|| args.file.display().to_string())?, None)
    };
    let backend = registry.get(proof.prover)?;
    let expected = match (&args.elf, &statement) {
        (Some(elf), _) => {
            let elf = fs::read(elf).wrap_err_with(|| format!("cannot read {}", elf.display()))?;
            backend.program_version(&elf)?
        }
        (None, Some(_)) => programs::range_version(&*backend)?,
        (None, None) => bail!("which program must {} be of? Name its ELF with --elf", args.file.display()),
    };
    let start = Instant::now();
    backend.verify(&proof, expected)?;
    let took = start.elapsed();
    if let Some(statement) = &statement {
        check(args, statement)?;
    } else if args.chain_id.is_some() || args.rollup.is_some() {
        bail!(
            "{} is not the proof of a checkpoint: it says nothing about a chain or a rollup",
            args.file.display()
        );
    }
    if !proof.prover.proves() {
        if !args.allow_exec {
            bail!(
                "{} was made by `exec`, which proves nothing: anybody can write such a file. \
                 For development, accept it with --allow-exec",
                args.file.display()
            );
        }
        println!("NOT PROVEN: made by `exec`, which only runs the program natively");
    } else {
        println!("valid: a {} proof by {}, checked in {} ms", proof.mode, proof.prover, took.as_millis());
    }
    println!("program        {}", proof.program);
    match statement {
        Some(statement) => describe(&statement),
        None => println!("public values  {}", alloy_primitives::hex::encode_prefixed(&proof.public_values)),
    }
    Ok(())
}

/// What the caller insists on.
fn check(args: &cli::Verify, statement: &RangePublicValues) -> Result<()> {
    if let Some(chain_id) = args.chain_id
        && chain_id != statement.chainId
    {
        bail!("the proof is about chain {}, not {chain_id}", statement.chainId);
    }
    if let Some(rollup) = args.rollup
        && rollup != statement.rollup
    {
        bail!("the proof is bound to the rollup {}, not {rollup}", statement.rollup);
    }
    Ok(())
}

fn describe(statement: &RangePublicValues) {
    println!("chain          {} (rules {})", statement.chainId, statement.configHash);
    println!("rollup         {}", statement.rollup);
    println!("blocks         {} to {}", statement.firstBlock, statement.lastBlock);
    println!("parent         {}", statement.parentHash);
    println!("last           {}", statement.lastHash);
    println!("state root     {} -> {}", statement.preStateRoot, statement.postStateRoot);
    println!("transactions   {}", thousands(statement.transactions));
    println!("gas            {}", thousands(statement.gasUsed));
}
