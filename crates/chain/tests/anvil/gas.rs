//! What the calls cost: `contracts/gas.snap`.

use crate::scene::{Scene, options};
use proofmill_primitives::ProverType;
use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

/// Set to `write` it rewrites the file.
const VARIABLE: &str = "PROOFMILL_GAS_SNAPSHOT";

#[tokio::test]
async fn gas_is_as_in_the_snapshot() {
    let mut gas = BTreeMap::new();
    for prover in [ProverType::OpenVm, ProverType::Exec] {
        measure(prover, &mut gas).await;
    }
    let mut now =
        String::from("# Gas of a transaction as in its receipt, by what verifies the proofs. Rewritten by\n");
    now += "# `PROOFMILL_GAS_SNAPSHOT=write cargo test -p proofmill-chain gas`.\n";
    for (name, gas) in gas {
        writeln!(now, "{name} {gas}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/gas.snap");
    if env::var(VARIABLE).is_ok_and(|value| value == "write") {
        fs::write(&path, now).unwrap();
    } else {
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(before, now, "gas changed: if it is meant to, set {VARIABLE}=write and commit the file");
    }
}

async fn measure(prover: ProverType, gas: &mut BTreeMap<String, u64>) {
    let verifier = if prover.proves() { "attested 2 of 3" } else { "accepts anything" };
    // 1 + 4 + 16 batches, and an epoch of four.
    let mut scene =
        Scene::with_window(options().spawn().await.unwrap(), &[prover], 10.try_into().unwrap()).await;
    let mut next = 1;
    for count in [1, 4, 16] {
        for slot in next..next + count {
            scene.propose_in(slot).await;
        }
        let batches = (next..next + count).map(|number| scene.batch(number)).collect();
        let included = scene.verify(next, batches).await.unwrap();
        gas.insert(format!("verifyBatches({count:02}), {verifier}:"), included.gas_used);
        next += count;
    }
    scene.to_slot(24).await;
    let included = scene.try_propose(scene.next(3)).await.unwrap();
    gas.insert("propose:".to_owned(), included.gas_used);
    let checkpoint =
        scene.rollup.checkpoint(proofmill_primitives::CheckpointNumber(22)).await.unwrap().unwrap();
    scene.checkpoints.push(checkpoint);
    for slot in 25..28 {
        scene.propose_in(slot).await;
    }
    for (what, last) in [("first of its epoch", 22), ("whole epoch", 25)] {
        let included = scene.submit(scene.submission(22, last)).await.unwrap();
        gas.insert(format!("submitEpochProof({what}), {verifier}:"), included.gas_used);
    }
}
