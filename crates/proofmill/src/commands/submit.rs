//! `proofmill submit`: settles on L1 an epoch whose proofs were made elsewhere.
//!
//! Everything is checked before anything is sent: that the files say the same, that L1 has the checkpoints that they are about and asks
//! for proofs of these types, that Proofmill's own proofs hold for the program that the rollup names, and, by the node of L1, that the
//! contract takes all of them.

use crate::{cli, keys, settle::L1Settlement, wiring};
use alloy_primitives::Bytes;
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{
    EpochSubmission, Estimate, ProofTypeConfig, Publishers, Refusal, Rollup, SubmittedProof,
};
use proofmill_client::{EpochProof, Sp1Snark, Sp1SnarkError, StatedProof};
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
};

/// What a file holds.
#[derive(Debug)]
enum Held {
    Epoch(Box<EpochProof>),
    Sp1(Sp1Snark),
}

/// A file, and what its proof says.
#[derive(Debug)]
struct Brought {
    file: PathBuf,
    says: AggregationPublicValues,
    held: Held,
}

pub(crate) async fn run(args: cli::Submit, registry: Registry) -> Result<()> {
    let brought = read_all(&args.proof)?;
    let rollup = wiring::rollup(&args.chains).await?;
    let said = one_statement(&brought)?;
    is_about(&rollup, said)?;
    let (first, last) = checkpoints(&rollup, said).await?;
    let rules = rollup.rules_of(last).await?;
    is_asked_for(&rules.proof_types, &brought)?;
    for of in &rules.proof_types {
        let Some(one) = brought.get(&of.prover) else { continue };
        let is = check(one, of, &registry, args.allow_development);
        println!("{:<12} {}", of.prover, is.wrap_err_with(|| one.file.display().to_string())?);
    }

    let sender = wiring::sender(rollup.l1(), keys::payer(&args.paying).await?, &args.sending, None).await?;
    let publishers = Publishers::new(sender, []);
    let settlement = L1Settlement::new(rollup.clone(), publishers.clone(), &args.attestor, &registry).await?;
    let mut proofs = BTreeMap::new();
    for of in &rules.proof_types {
        let Some(one) = brought.get(&of.prover) else { continue };
        let proof = show(&settlement, of, one).await;
        let proof = proof.wrap_err_with(|| one.file.display().to_string())?;
        proofs.insert(of.prover, SubmittedProof { public_values: one.says.to_bytes().into(), proof });
    }
    let submission = EpochSubmission { first, last, prover: said.prover, proofs };
    println!("checkpoints  {first} to {last}, blocks {} to {}", said.firstBlock, said.lastBlock);
    println!("prover       {}", said.prover);
    let sender = publishers.current();
    if args.dry_run {
        let Estimate { gas, fee } = rollup.estimate_epoch_proof(sender, submission).await?;
        println!("L1 would take it for {gas} gas, {fee} wei at its prices of now; nothing was sent");
        return Ok(());
    }
    let included = rollup.submit_epoch_proof(sender, submission).await?;
    println!(
        "settled      by transaction {} in L1 block {}: {} gas, {} wei",
        included.transaction,
        included.block,
        included.gas_used,
        included.fee()
    );
    Ok(())
}

fn read_all(files: &[PathBuf]) -> Result<BTreeMap<ProverType, Brought>> {
    let mut brought = BTreeMap::new();
    for file in files {
        let (prover, one) = read(file).wrap_err_with(|| file.display().to_string())?;
        match brought.entry(prover) {
            Entry::Vacant(place) => drop(place.insert(one)),
            Entry::Occupied(other) => {
                let other = other.get().file.display();
                bail!("{other} and {} are both proofs of type {prover}: L1 takes one", file.display());
            }
        }
    }
    Ok(brought)
}

fn read(file: &Path) -> Result<(ProverType, Brought)> {
    let bytes = fs::read(file).wrap_err("cannot be read")?;
    let (prover, says, held) = if EpochProof::is(&bytes) {
        let epoch = EpochProof::decode(&bytes)?;
        let StatedProof { statement, proof } = &epoch;
        (proof.prover, statement.clone(), Held::Epoch(Box::new(epoch)))
    } else if Sp1Snark::is(&bytes) {
        let snark = Sp1Snark::read(&bytes)?;
        let says = AggregationPublicValues::from_bytes(&snark.public_values)
            .wrap_err("its program is not Proofmill's aggregation program")?;
        (ProverType::Sp1, says, Held::Sp1(snark))
    } else {
        bail!("it is neither an epoch proof of Proofmill's nor a proof that SP1's SDK saved");
    };
    Ok((prover, Brought { file: file.to_owned(), says, held }))
}

/// What all of them say, but for the range program, of which each type has its own.
fn one_statement(brought: &BTreeMap<ProverType, Brought>) -> Result<&AggregationPublicValues> {
    let mut all = brought.values();
    let one = all.next().ok_or_else(|| eyre!("no proof is named"))?;
    for other in all {
        if (AggregationPublicValues { rangeKey: one.says.rangeKey, ..other.says.clone() }) != one.says {
            bail!(
                "{} and {} are not about the same: prove the same checkpoints for the same prover",
                one.file.display(),
                other.file.display()
            );
        }
    }
    Ok(&one.says)
}

fn is_about(rollup: &Rollup, said: &AggregationPublicValues) -> Result<()> {
    let chain = rollup.config().chain_id;
    if said.chainId != chain {
        bail!("the proof is about chain {}, and the rollup's is {chain}", said.chainId);
    }
    if said.rollup != rollup.address() {
        bail!("the proof is bound to the rollup {}, not to {}", said.rollup, rollup.address());
    }
    Ok(())
}

/// The checkpoints whose blocks these are.
async fn checkpoints(
    rollup: &Rollup,
    said: &AggregationPublicValues,
) -> Result<(CheckpointNumber, CheckpointNumber)> {
    let mut found = Vec::new();
    for block in [said.firstBlock, said.lastBlock] {
        let number = rollup.checkpoint_of(block).await.map_err(|error| match error.refusal() {
            Some(Refusal::UnknownBlock { .. }) => {
                eyre!("L1 has no checkpoint with block {block}: it was not proposed yet, or was pruned")
            }
            _ => error.into(),
        })?;
        let there = rollup.checkpoint(number).await?;
        found.push(there.ok_or_else(|| eyre!("block {block} is in no checkpoint of L1's"))?);
    }
    let (Some(first), Some(last)) = (found.first(), found.last()) else { bail!("no checkpoint is there") };
    for (block, checkpoint, end, does) in [
        (said.firstBlock, first, first.blocks.first(), "begins"),
        (said.lastBlock, last, last.blocks.last(), "ends"),
    ] {
        if block != end {
            bail!(
                "the proof {does} with block {block}, inside checkpoint {}, which {does} with block {end}: L1 takes whole checkpoints",
                checkpoint.number
            );
        }
    }
    Ok((first.number, last.number))
}

/// Errors where L1 asks for a type that was not brought, or not for one that was.
fn is_asked_for(asked: &[ProofTypeConfig], brought: &BTreeMap<ProverType, Brought>) -> Result<()> {
    for of in asked {
        if !brought.contains_key(&of.prover) {
            bail!("L1 asks for a proof of type {} too: name its file with another --proof", of.prover);
        }
    }
    for (prover, one) in brought {
        if !asked.iter().any(|of| of.prover == *prover) {
            bail!("{}: L1 asks for no proof of type {prover} of these checkpoints", one.file.display());
        }
    }
    Ok(())
}

/// Checks a proof as far as it can be here, for the program that the rollup names; gives back what it is.
fn check(
    one: &Brought,
    of: &ProofTypeConfig,
    registry: &Registry,
    allow_development: bool,
) -> Result<String> {
    match &one.held {
        Held::Epoch(epoch) => {
            let backend = registry.checker(of.prover)?;
            backend.verify(&epoch.proof, of.aggregation_key)?;
            if !of.prover.proves() {
                return Ok("NOT PROVEN: it only says that the program was run".to_owned());
            }
            match backend.insecure(&epoch.proof)? {
                None => Ok(format!("valid: a {} proof of the rollup's program", epoch.proof.mode)),
                Some(cause) if allow_development => Ok(format!("INSECURE: it holds, but {cause}")),
                Some(cause) => {
                    bail!("{cause}. For a contract that takes such, submit it with --allow-development")
                }
            }
        }
        Held::Sp1(snark) => {
            if let Some(got) = snark.program.filter(|got| *got != of.aggregation_key) {
                bail!("it is of the program {got}, and the rollup asks for one of {}", of.aggregation_key);
            }
            match snark.circuit() {
                Ok(circuit) => {
                    Ok(format!("{circuit} proof by SP1, made elsewhere: L1 is asked whether it holds"))
                }
                Err(Sp1SnarkError::Mock) if allow_development => {
                    Ok("INSECURE: a mock prover made it, it proves nothing".to_owned())
                }
                Err(error @ Sp1SnarkError::Mock) => {
                    bail!("{error}. For a contract that takes such, submit it with --allow-development")
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

async fn show(settlement: &L1Settlement, of: &ProofTypeConfig, one: &Brought) -> Result<Bytes> {
    Ok(match &one.held {
        Held::Epoch(epoch) => settlement.show(of.prover, of.verifier, epoch).await?,
        Held::Sp1(snark) => settlement.show_sp1(of.verifier, snark).await?,
    })
}
