//! `proofmill submit`: settles on L1 what was proven elsewhere: an epoch, a checkpoint, or blocks that are proposed with their proofs.
//!
//! Everything is checked before anything is sent: that the files say the same, that L1 has the checkpoints that they are about, or would
//! take them now, and asks for proofs of these types, that Proofmill's own proofs hold for the program that the rollup names, and, by
//! the node of L1, that the contract takes all of them.

mod propose;

use crate::{cli, keys, settle::L1Settlement, wiring};
use alloy_primitives::{Address, Bytes};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::{Proof, Registry};
use proofmill_chain::{
    ChainError, EpochSubmission, Estimate, Included, ProofSet, ProofTypeConfig, ProvenProposal, Publishers,
    Refusal, Rollup, Sender, SubmittedProof,
};
use proofmill_client::{CheckpointProof, EpochProof, Sp1Snark, Sp1SnarkError, files};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues, RangePublicValues};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Display,
    path::{Path, PathBuf},
};

/// What a file holds.
#[derive(Debug)]
enum Held {
    Range(Box<CheckpointProof>),
    Epoch(Box<EpochProof>),
    /// And what its public values are, read.
    Sp1(Sp1Snark, Box<Says>),
}

/// What a proof says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// Of the blocks of one checkpoint.
    Range(RangePublicValues),
    /// Of an epoch's blocks, and of the checkpoints on the way.
    Epoch(AggregationPublicValues),
}

/// A file, and what it holds.
#[derive(Debug)]
struct Brought {
    file: PathBuf,
    held: Held,
}

/// The call that settles.
#[derive(Debug)]
enum Call {
    Epoch(EpochSubmission),
    Batch { number: CheckpointNumber, prover: Address, proofs: ProofSet },
    Proven(Box<ProvenProposal>),
}

pub(crate) async fn run(args: cli::Submit, registry: Registry) -> Result<()> {
    let brought = read_all(&args.proof)?;
    let rollup = wiring::rollup(&args.chains).await?;
    let says = one_statement(&brought)?;
    let said = says.range();
    is_about(&rollup, &said)?;
    let payer = keys::payer(&args.paying).await?;
    let (first, last, rules, proposal) = if args.propose {
        let propose::Next { number, rules, proposal } =
            propose::next(&rollup, &says, payer.address()).await?;
        (number, number, rules, Some(proposal))
    } else {
        let (first, last) = checkpoints(&rollup, &says).await?;
        (first, last, rollup.rules_of(last).await?, None)
    };
    is_asked_for(&rules.proof_types, &brought)?;
    for of in &rules.proof_types {
        let Some(one) = brought.get(&of.prover) else { continue };
        let is = check(one, of, &registry, args.allow_development);
        println!("{:<12} {}", of.prover, is.wrap_err_with(|| one.file.display().to_string())?);
    }

    let sender = wiring::sender(rollup.l1(), payer, &args.sending, None).await?;
    let publishers = Publishers::new(sender, []);
    let settlement = L1Settlement::new(rollup.clone(), publishers.clone(), &args.attestor, &registry).await?;
    let mut proofs = ProofSet::new();
    for of in &rules.proof_types {
        let Some(one) = brought.get(&of.prover) else { continue };
        let proof = show(&settlement, of, one).await;
        let proof = proof.wrap_err_with(|| one.file.display().to_string())?;
        proofs.insert(of.prover, SubmittedProof { public_values: one.held.says().to_bytes().into(), proof });
    }
    let (prover, aggregated) = (said.prover, matches!(says, Says::Epoch(_)));
    let call = match proposal {
        Some(proposal) => {
            let number = first;
            Call::Proven(ProvenProposal { number, rules, proposal, prover, aggregated, proofs }.into())
        }
        None if aggregated => Call::Epoch(EpochSubmission { first, last, prover, proofs }),
        None => Call::Batch { number: first, prover, proofs },
    };
    let proposed = if args.propose { ", proposed with their proofs" } else { "" };
    println!("checkpoints  {first} to {last}, blocks {} to {}{proposed}", said.firstBlock, said.lastBlock);
    let credited = match prover.is_zero() {
        true => "nobody is credited: the proofs name the zero address (prove --prover-id)".to_owned(),
        false => prover.to_string(),
    };
    println!("prover       {credited}");
    let sender = publishers.current();
    if args.dry_run {
        let Estimate { gas, fee } = call.estimate(&rollup, sender).await?;
        println!("L1 would take it for {gas} gas, {fee} wei at its prices of now; nothing was sent");
        return Ok(());
    }
    let included = call.send(&rollup, sender).await?;
    println!(
        "settled      by transaction {} in L1 block {}: {} gas, {} wei",
        included.transaction,
        included.block,
        included.gas_used,
        included.fee()
    );
    Ok(())
}

impl Call {
    async fn estimate(&self, rollup: &Rollup, sender: &Sender) -> Result<Estimate, ChainError> {
        match self {
            Self::Epoch(submission) => rollup.estimate_epoch_proof(sender, submission.clone()).await,
            Self::Batch { number, prover, proofs } => {
                rollup.estimate_batches(sender, *number, *prover, vec![proofs.clone()]).await
            }
            Self::Proven(proven) => rollup.estimate_proven(sender, proven).await,
        }
    }

    async fn send(self, rollup: &Rollup, sender: &Sender) -> Result<Included, ChainError> {
        match self {
            Self::Epoch(submission) => rollup.submit_epoch_proof(sender, submission).await,
            Self::Batch { number, prover, proofs } => {
                rollup.verify_batches(sender, number, prover, vec![proofs]).await
            }
            Self::Proven(proven) => rollup.propose_proven(sender, &proven).await,
        }
    }
}

impl Held {
    /// What the proof says.
    fn says(&self) -> Says {
        match self {
            Self::Range(range) => Says::Range(range.statement.clone()),
            Self::Epoch(epoch) => Says::Epoch(epoch.statement.clone()),
            Self::Sp1(_, says) => (**says).clone(),
        }
    }
}

impl Says {
    /// The public values of either program.
    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() == RangePublicValues::ABI_LEN {
            return Ok(Self::Range(RangePublicValues::from_bytes(bytes)?));
        }
        Ok(Self::Epoch(AggregationPublicValues::from_bytes(bytes)?))
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Range(says) => says.to_bytes(),
            Self::Epoch(says) => says.to_bytes(),
        }
    }

    /// What both say: the words of a range proof.
    fn range(&self) -> RangePublicValues {
        match self {
            Self::Range(says) => says.clone(),
            Self::Epoch(says) => RangePublicValues {
                chainId: says.chainId,
                configHash: says.configHash,
                rollup: says.rollup,
                prover: says.prover,
                firstBlock: says.firstBlock,
                lastBlock: says.lastBlock,
                parentHash: says.parentHash,
                lastHash: says.lastHash,
                preStateRoot: says.preStateRoot,
                postStateRoot: says.postStateRoot,
                lastTimestamp: says.lastTimestamp,
            },
        }
    }

    /// Whether both say the same, but for the range program, of which each type has its own.
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Epoch(one), Self::Epoch(other)) => {
                AggregationPublicValues { rangeKey: one.rangeKey, ..other.clone() } == *one
            }
            (one, other) => one == other,
        }
    }

    /// The program whose proofs say this, by the rollup's rules.
    const fn program(&self, of: &ProofTypeConfig) -> ProgramVersion {
        match self {
            Self::Range(_) => of.range_key,
            Self::Epoch(_) => of.aggregation_key,
        }
    }
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
    let bytes = files::read_for_l1(file).wrap_err("cannot be read")?;
    let (prover, held) = if EpochProof::is(&bytes) {
        let epoch = EpochProof::decode(&bytes)?;
        (epoch.proof.prover, Held::Epoch(Box::new(epoch)))
    } else if CheckpointProof::is(&bytes) {
        let range = CheckpointProof::decode(&bytes)?;
        (range.proof.prover, Held::Range(Box::new(range)))
    } else if Sp1Snark::is(&bytes) {
        let snark = Sp1Snark::read(&bytes)?;
        let says = Says::from_bytes(&snark.public_values)
            .wrap_err("its program is neither Proofmill's range program nor its aggregation program")?;
        (ProverType::Sp1, Held::Sp1(snark, Box::new(says)))
    } else {
        bail!("it is neither a range or epoch proof of Proofmill's nor a proof that SP1's SDK saved");
    };
    Ok((prover, Brought { file: file.to_owned(), held }))
}

/// What all of them say.
fn one_statement(brought: &BTreeMap<ProverType, Brought>) -> Result<Says> {
    let mut all = brought.values();
    let one = all.next().ok_or_else(|| eyre!("no proof is named"))?;
    let says = one.held.says();
    for other in all {
        if !says.is_as(&other.held.says()) {
            bail!(
                "{} and {} are not about the same: prove the same checkpoints for the same prover",
                one.file.display(),
                other.file.display()
            );
        }
    }
    Ok(says)
}

fn is_about(rollup: &Rollup, said: &RangePublicValues) -> Result<()> {
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
async fn checkpoints(rollup: &Rollup, says: &Says) -> Result<(CheckpointNumber, CheckpointNumber)> {
    let said = says.range();
    let mut found = Vec::new();
    for block in [said.firstBlock, said.lastBlock] {
        let number = rollup.checkpoint_of(block).await.map_err(|error| match error.refusal() {
            Some(Refusal::UnknownBlock { .. }) => {
                eyre!(
                    "L1 has no checkpoint with block {block}: it was not proposed yet, or was pruned; --propose proposes it too, \
                     where anybody may"
                )
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
    if matches!(says, Says::Range(_)) && first.number != last.number {
        bail!(
            "the range proof is of checkpoints {} to {}, and L1 takes one for each: have them joined to an epoch proof",
            first.number,
            last.number
        );
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
    let program = one.held.says().program(of);
    match &one.held {
        Held::Range(range) => check_ours(&range.proof, program, registry, allow_development),
        Held::Epoch(epoch) => check_ours(&epoch.proof, program, registry, allow_development),
        Held::Sp1(snark, _) => check_sp1(snark, program, allow_development),
    }
}

fn check_ours(
    proof: &Proof,
    program: ProgramVersion,
    registry: &Registry,
    allow_development: bool,
) -> Result<String> {
    let backend = registry.checker(proof.prover)?;
    backend.verify(proof, program)?;
    if !proof.prover.proves() {
        return Ok("NOT PROVEN: it only says that the program was run".to_owned());
    }
    match backend.insecure(proof)? {
        None => Ok(format!("valid: a {} proof of the rollup's program", proof.mode)),
        Some(cause) => insecure(&format!("it holds, but {cause}"), &cause, allow_development),
    }
}

fn check_sp1(snark: &Sp1Snark, program: ProgramVersion, allow_development: bool) -> Result<String> {
    if let Some(got) = snark.program.filter(|got| *got != program) {
        bail!("it is of the program {got}, and the rollup asks for one of {program}");
    }
    match snark.circuit() {
        Ok(circuit) => Ok(format!("{circuit} proof by SP1, made elsewhere: L1 is asked whether it holds")),
        Err(error @ Sp1SnarkError::Mock) => {
            insecure("a mock prover made it, it proves nothing", &error, allow_development)
        }
        Err(error) => Err(error.into()),
    }
}

/// What anybody can make of anything is for contracts that are known to take such.
fn insecure(is: &str, cause: &dyn Display, allow_development: bool) -> Result<String> {
    if !allow_development {
        bail!("{cause}. For a contract that takes such, submit it with --allow-development");
    }
    Ok(format!("INSECURE: {is}"))
}

async fn show(settlement: &L1Settlement, of: &ProofTypeConfig, one: &Brought) -> Result<Bytes> {
    Ok(match &one.held {
        Held::Range(range) => settlement.show(of.prover, of.verifier, range).await?,
        Held::Epoch(epoch) => settlement.show(of.prover, of.verifier, epoch).await?,
        Held::Sp1(snark, _) => settlement.show_sp1(of.verifier, snark).await?,
    })
}
