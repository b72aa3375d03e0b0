//! `proofmill verify`.

use crate::cli;
use alloy_primitives::{Address, B256, Bytes};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::{Backend, Proof, Registry};
use proofmill_chain::{Halo2Code, verify_snark_in_evm};
use proofmill_client::{
    CheckpointProof, EpochProof, OpAggregationProof, OpRangeProof, StatedProof, Statement, files, programs,
};
use proofmill_primitives::ProofMode;
use proofmill_program::{
    AggregationPublicValues, PublicValues, RangePublicValues,
    op::{OpAggregationPublicValues, OpRangePublicValues},
};
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    time::Instant,
};

/// Bytes of a file with a contract's code that are read: ten times what a transaction may create, in hex.
const LONGEST_CODE: u64 = 1 << 20;

/// What a file says.
enum Said {
    Checkpoint(RangePublicValues),
    Epoch(AggregationPublicValues),
    OpRange(OpRangePublicValues),
    OpAggregation(OpAggregationPublicValues),
}

impl Said {
    /// What a contract is shown of it, where it is shown to one.
    fn public_values(&self) -> Option<Vec<u8>> {
        match self {
            Self::Epoch(said) => Some(said.to_bytes()),
            Self::OpAggregation(said) => Some(said.to_bytes()),
            Self::Checkpoint(_) | Self::OpRange(_) => None,
        }
    }

    /// The chain, the rollup and the rules that it names. Of a chain of the OP Stack it names only the rules.
    const fn about(&self) -> (Option<u64>, Option<Address>, B256) {
        match self {
            Self::Checkpoint(said) => (Some(said.chainId), Some(said.rollup), said.configHash),
            Self::Epoch(said) => (Some(said.chainId), Some(said.rollup), said.configHash),
            Self::OpRange(said) => (None, None, said.rollupConfigHash),
            Self::OpAggregation(said) => (None, None, said.rollupConfigHash),
        }
    }
}

/// What is in a file, with its statement where it has one.
fn read(bytes: &[u8]) -> Result<(Proof, Option<Said>)> {
    fn stated<S: Statement>(bytes: &[u8], said: fn(S) -> Said) -> Result<(Proof, Option<Said>)> {
        let StatedProof { statement, proof } = StatedProof::<S>::decode(bytes)?;
        Ok((proof, Some(said(statement))))
    }
    if CheckpointProof::is(bytes) {
        stated(bytes, Said::Checkpoint)
    } else if EpochProof::is(bytes) {
        stated(bytes, Said::Epoch)
    } else if OpRangeProof::is(bytes) {
        stated(bytes, Said::OpRange)
    } else if OpAggregationProof::is(bytes) {
        stated(bytes, Said::OpAggregation)
    } else {
        Ok((Proof::decode(bytes)?, None))
    }
}

pub(crate) fn run(args: &cli::Verify, registry: &Registry) -> Result<()> {
    let bytes =
        files::read_proof(&args.file).wrap_err_with(|| format!("cannot read {}", args.file.display()))?;
    let (proof, statement) = read(&bytes).wrap_err_with(|| args.file.display().to_string())?;
    let backend = registry.checker(proof.prover)?;
    // The aggregation programs prove that ranges were proven, by whatever program they name.
    let joins = match (&statement, args.range_key) {
        (Some(Said::Epoch(said)), Some(wanted)) => Some((said.rangeKey, wanted)),
        (Some(Said::OpAggregation(said)), Some(wanted)) => Some((said.rangeVkeyCommitment, wanted)),
        (Some(Said::Epoch(said)), None) => Some((said.rangeKey, programs::range_version(&*backend)?.0)),
        (Some(Said::OpAggregation(said)), None) => {
            Some((said.rangeVkeyCommitment, programs::op_range_version(&*backend)?.0))
        }
        (_, Some(_)) => {
            bail!("{} joins no range proofs: --range-key says nothing of it", args.file.display())
        }
        (_, None) => None,
    };
    if let Some((named, range)) = joins {
        if !matches!(proof.mode, ProofMode::Compressed | ProofMode::Plonk) {
            bail!(
                "it is a {} proof: ranges are joined by a compressed one or a SNARK of it alone",
                proof.mode
            );
        }
        if named != range {
            bail!(
                "the proof joins proofs of the program {named}, not of the range program {range}: name another release's \
                 with --range-key and --elf"
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
        (None, Some(Said::OpRange(_))) => programs::op_range_version(&*backend)?,
        (None, Some(Said::OpAggregation(_))) => programs::op_aggregation_version(&*backend)?,
        (None, None) => bail!("which program must {} be of? Name its ELF with --elf", args.file.display()),
    };
    let start = Instant::now();
    backend.verify(&proof, expected)?;
    let took = start.elapsed();
    if let Some(statement) = &statement {
        check(args, statement.about())?;
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
    } else if let Some(cause) = backend.insecure(&proof)? {
        if !args.allow_development {
            bail!("{}: {cause}. For development, accept it with --allow-development", args.file.display());
        }
        println!("INSECURE: it holds, but {cause}");
    } else {
        println!("valid: a {} proof by {}, checked in {} ms", proof.mode, proof.prover, took.as_millis());
    }
    println!("program        {}", proof.program);
    if let Some(file) = &args.evm {
        let gas = in_evm(file.as_deref(), &*backend, &proof, statement.as_ref())?;
        println!(
            "on L1          the contracts take it, in a transaction of {gas} gas, and refuse it with a bit changed anywhere"
        );
    }
    if matches!(statement, Some(Said::Checkpoint(_)))
        && proof.program == programs::op_range_version(&*backend)?
    {
        println!(
            "NOT DERIVED: the blocks follow on each other by the rules of the OP Stack; that L1 orders them is not proven"
        );
    }
    match statement {
        Some(Said::Checkpoint(said)) => describe(&said),
        Some(Said::Epoch(said)) => describe_epoch(&said),
        Some(Said::OpRange(said)) => {
            println!("chain          rules {}", said.rollupConfigHash);
            println!("L1 head        {}", said.l1Head);
            println!("last block     {}", said.l2BlockNumber);
            println!("output root    {} -> {}", said.l2PreRoot, said.l2PostRoot);
        }
        Some(Said::OpAggregation(said)) => {
            println!("chain          rules {}", said.rollupConfigHash);
            println!("prover         {}", said.proverAddress);
            println!("L1 head        {}", said.l1Head);
            println!("last block     {}", said.claimBlockNum);
            println!("output root    {} -> {}", said.l2PreRoot, said.claimRoot);
            println!("range proofs   of the program {}", said.rangeVkeyCommitment);
        }
        None => println!("public values  {}", alloy_primitives::hex::encode_prefixed(&proof.public_values)),
    }
    Ok(())
}

/// Has the contracts check it, in an EVM of this process; gives the gas.
fn in_evm(
    file: Option<&Path>,
    backend: &dyn Backend,
    proof: &Proof,
    statement: Option<&Said>,
) -> Result<u64> {
    let public_values = statement.and_then(Said::public_values).ok_or_else(|| {
        eyre!("a contract is shown proofs of epochs and aggregations of Proofmill's, and this is none: leave --evm out")
    })?;
    let for_contract = backend.evm_proof(proof)?.ok_or_else(|| {
        eyre!("a {} proof by {} is none that the EVM verifies: leave --evm out", proof.mode, proof.prover)
    })?;
    let halo2 = halo2(file, backend.insecure(proof)?.is_some())?;
    let verified = verify_snark_in_evm(&halo2, proof.program.0, public_values.into(), for_contract.into());
    verified.wrap_err_with(|| match file {
        None => "by the Halo2 verifier here, that of insecure-development-small; another's code is named with --evm=CODE".to_owned(),
        Some(file) => format!("by the Halo2 verifier of {}", file.display()),
    })
}

/// The Halo2 verifier whose creation code is in a file, or the one that is here.
fn halo2(file: Option<&Path>, for_development: bool) -> Result<Halo2Code> {
    match file {
        None if for_development => Ok(Halo2Code::InsecureDevelopment),
        None => bail!(
            "it rests on a setup of a ceremony, and the only Halo2 verifier here is that of development: name the creation code that solc \
             makes of the `.sol` file beside the SNARK's keys, with --evm=CODE"
        ),
        Some(file) => {
            let mut text = String::new();
            let read = File::open(file).and_then(|file| file.take(LONGEST_CODE).read_to_string(&mut text));
            read.wrap_err_with(|| format!("cannot read {}", file.display()))?;
            let code = text.trim().parse::<Bytes>();
            code.map(Halo2Code::Creation).wrap_err_with(|| {
                format!(
                    "{} has no code in hex: it must have what solc prints below `Binary:`, and nothing else",
                    file.display()
                )
            })
        }
    }
}

/// What the caller insists on.
fn check(
    args: &cli::Verify,
    (chain_id, rollup, config_hash): (Option<u64>, Option<Address>, B256),
) -> Result<()> {
    match (args.chain_id, chain_id) {
        (Some(wanted), Some(chain_id)) if wanted != chain_id => {
            bail!("the proof is about chain {chain_id}, not {wanted}");
        }
        (Some(_), None) => {
            bail!("the proof names its chain by its rules alone: compare them with --config-hash")
        }
        _ => {}
    }
    match (args.rollup, rollup) {
        (Some(wanted), Some(rollup)) if wanted != rollup => {
            bail!("the proof is bound to the rollup {rollup}, not {wanted}");
        }
        (Some(_), None) => bail!("the proof is bound to no rollup contract: it names its chain by its rules"),
        _ => {}
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_development_is_asked_of_what_is_for_development_alone() {
        assert_eq!(halo2(None, true).unwrap(), Halo2Code::InsecureDevelopment);
        let said = halo2(None, false).unwrap_err().to_string();
        assert!(said.contains("ceremony") && said.contains("--evm=CODE"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("code");
        fs::write(&file, "0x60015ff3\n").unwrap();
        for for_development in [true, false] {
            let code = Halo2Code::Creation(vec![0x60, 0x01, 0x5f, 0xf3].into());
            assert_eq!(halo2(Some(file.as_path()), for_development).unwrap(), code);
        }
        // The second has more than any machine has memory for, and almost all of it a hole.
        for (text, length) in [("contract Halo2Verifier {", 24), ("0x60015ff3", 1 << 42)] {
            fs::write(&file, text).unwrap();
            File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
            let said = halo2(Some(file.as_path()), false).unwrap_err().to_string();
            assert!(said.contains("no code in hex") && said.contains("Binary"), "{said}");
        }
    }
}
