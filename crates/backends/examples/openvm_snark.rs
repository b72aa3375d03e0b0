//! The steps of a SNARK one by one, with what a build must know of its circuits:
//! `openvm_snark FOLDER VARIANT STEP IN OUT`, with STEP one of
//!
//! - `heights`: of a compressed proof (a file of Proofmill), the heights for `snark/root.rs`
//! - `root`: of a compressed proof
//! - `static-verifier`: of what `root` made
//! - `wrapper`: of what `static-verifier` made
//! - `contract`: the source of the verifier, of what `static-verifier` made
//! - `for-contract`: the program's version and what the contract takes, of what `wrapper` made
//! - `epoch`: of what `wrapper` made: the epoch's file `epoch.bin` of the folder with this SNARK in place of its proof
//! - `verifiers`: `src/openvm/snark.bin`, of what `static-verifier` made
//!
//! Prints seconds and the most memory that the process had.
#![allow(missing_docs)]

use proofmill_backends::{OpenVmBackend, Proof, SnarkConfig, SnarkStep};
use proofmill_primitives::ProofMode;
use std::{env, fs, path::Path, time::Instant};

/// Where the proof begins in a file. An epoch's file has the statement before it.
fn proof_in(file: &[u8]) -> usize {
    file.windows(8).position(|bytes| bytes == b"PMPROOF1").unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, variant, step, from, out] = arguments.as_slice() else {
        return Err("openvm_snark FOLDER VARIANT STEP IN OUT".into());
    };
    let config = SnarkConfig { variant: variant.parse()?, folder: folder.into() };
    let from = fs::read(from)?;
    if step == "epoch" {
        let epoch = fs::read(Path::new(folder).join("epoch.bin"))?;
        let (statement, proof) = epoch.split_at(proof_in(&epoch));
        let snark = Proof { mode: ProofMode::Plonk, body: from, ..Proof::decode(proof)? };
        fs::write(out, [statement, &snark.encode()].concat())?;
        return Ok(());
    }
    let compressed = || Proof::decode(&from[proof_in(&from)..]).map(|proof| proof.body);
    let (step, from) = match step.as_str() {
        "heights" => (SnarkStep::Heights, compressed()?),
        "root" => (SnarkStep::Root, compressed()?),
        "static-verifier" => (SnarkStep::StaticVerifier, from),
        "wrapper" => (SnarkStep::Wrapper, from),
        "contract" => (SnarkStep::Contract, from),
        "verifiers" => (SnarkStep::Verifiers, from),
        "for-contract" => (SnarkStep::ForContract, from),
        other => return Err(format!("there is no step '{other}'").into()),
    };
    let begun = Instant::now();
    let made = OpenVmBackend::with_snark(config).snark_of(step, &from)?;
    fs::write(out, &made)?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{} bytes after {} s, {peak}", made.len(), begun.elapsed().as_secs());
    Ok(())
}
