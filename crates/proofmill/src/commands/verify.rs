//! `proofmill verify`.

use crate::cli;
use alloy_primitives::{Address, B256};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::{Proof, Registry};
use proofmill_client::{CheckpointProof, EpochProof, programs};
use proofmill_primitives::ProofMode;
use proofmill_program::{AggregationPublicValues, RangePublicValues};
use std::{fs, time::Instant};

/// What a file says.
enum Said {
    Checkpoint(RangePublicValues),
    Epoch(AggregationPublicValues),
}

pub(crate) fn run(args: &cli::Verify, registry: &Registry) -> Result<()> {
    let bytes = fs::read(&args.file).wrap_err_with(|| format!("cannot read {}", args.file.display()))?;
    let (proof, statement) = if CheckpointProof::is(&bytes) {
        let CheckpointProof { statement, proof } =
            CheckpointProof::decode(&bytes).wrap_err_with(|| args.file.display().to_string())?;
        (proof, Some(Said::Checkpoint(statement)))
    } else if EpochProof::is(&bytes) {
        let EpochProof { statement, proof } =
            EpochProof::decode(&bytes).wrap_err_with(|| args.file.display().to_string())?;
        (proof, Some(Said::Epoch(statement)))
    } else {
        (Proof::decode(&bytes).wrap_err_with(|| args.file.display().to_string())?, None)
    };
    let backend = registry.checker(proof.prover)?;
    // The aggregation program proves that ranges were proven, by whatever program it names.
    if let Some(Said::Epoch(said)) = &statement {
        if proof.mode != ProofMode::Compressed {
            bail!("it is a {} proof: an epoch is proven by a compressed one alone", proof.mode);
        }
        let range = programs::range_version(&*backend)?;
        if said.rangeKey != range.0 {
            bail!(
                "the epoch proof joins proofs of the program {}, not of the range program {range}",
                said.rangeKey
            );
        }
    }
    let expected = match (&args.elf, &statement) {
        (Some(elf), _) => {
            let elf = fs::read(elf).wrap_err_with(|| format!("cannot read {}", elf.display()))?;
            programs::version(&*backend, &elf)?
        }
        (None, Some(Said::Checkpoint(_))) => {
            let of_optimism = programs::op_range_version(&*backend)?;
            if proof.program == of_optimism { of_optimism } else { programs::range_version(&*backend)? }
        }
        (None, Some(Said::Epoch(_))) => programs::aggregation_version(&*backend)?,
        (None, None) => bail!("which program must {} be of? Name its ELF with --elf", args.file.display()),
    };
    let start = Instant::now();
    backend.verify(&proof, expected)?;
    let took = start.elapsed();
    if let Some(statement) = &statement {
        let (chain_id, rollup, config_hash) = match statement {
            Said::Checkpoint(said) => (said.chainId, said.rollup, said.configHash),
            Said::Epoch(said) => (said.chainId, said.rollup, said.configHash),
        };
        check(args, chain_id, rollup, config_hash)?;
    } else if args.chain_id.is_some() || args.rollup.is_some() || args.config_hash.is_some() {
        bail!(
            "{} is not the proof of a checkpoint or an epoch: it says nothing about a chain or a rollup",
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
    if proof.program == programs::op_range_version(&*backend)? {
        println!(
            "NOT DERIVED: the blocks follow on each other by the rules of the OP Stack; that L1 orders them is not proven"
        );
    }
    match statement {
        Some(Said::Checkpoint(said)) => describe(&said),
        Some(Said::Epoch(said)) => describe_epoch(&said),
        None => println!("public values  {}", alloy_primitives::hex::encode_prefixed(&proof.public_values)),
    }
    Ok(())
}

/// What the caller insists on.
fn check(args: &cli::Verify, chain_id: u64, rollup: Address, config_hash: B256) -> Result<()> {
    if let Some(wanted) = args.chain_id
        && wanted != chain_id
    {
        bail!("the proof is about chain {chain_id}, not {wanted}");
    }
    if let Some(wanted) = args.rollup
        && wanted != rollup
    {
        bail!("the proof is bound to the rollup {rollup}, not {wanted}");
    }
    if let Some(wanted) = args.config_hash
        && wanted != config_hash
    {
        bail!("the proof is under the chain rules {config_hash}, not {wanted}");
    }
    Ok(())
}

/// Both statements begin with the same words.
macro_rules! describe_execution {
    ($statement:expr) => {
        println!("chain          {} (rules {})", $statement.chainId, $statement.configHash);
        println!("rollup         {}", $statement.rollup);
        println!("prover         {}", $statement.prover);
        println!("blocks         {} to {}", $statement.firstBlock, $statement.lastBlock);
        println!("parent         {}", $statement.parentHash);
        println!("last           {} (time {})", $statement.lastHash, $statement.lastTimestamp);
        println!("state root     {} -> {}", $statement.preStateRoot, $statement.postStateRoot);
    };
}

fn describe(statement: &RangePublicValues) {
    describe_execution!(statement);
}

fn describe_epoch(statement: &AggregationPublicValues) {
    describe_execution!(statement);
    println!("checkpoints    {} -> {}", statement.fromCommitment, statement.toCommitment);
    println!("range proofs   of the program {}", statement.rangeKey);
}
