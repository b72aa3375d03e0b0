//! Real SP1 proofs by workers that are processes of their own, asked for as clients of the SP1 cluster ask. Minutes each, and as much
//! memory as two provers take: `make test-long`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod house;
#[path = "../../../../crates/proofmill/tests/cli/logs.rs"]
mod logs;
#[allow(dead_code, reason = "shared with the tests of the layout")]
#[path = "../../../wire-compat/tests/it/stock.rs"]
mod stock;

use house::{Asked, House, StockClient};
use sp1_sdk::{
    LightProver, ProofFromNetwork, Prover, ProvingKey, SP1Proof, SP1ProofWithPublicValues, SP1Stdin,
};
use std::time::{Duration, Instant};

const ELF: &[u8] = include_bytes!("../../../backend/tests/fixtures/fibonacci-sp1.elf");
/// Fibonacci numbers: of so many that there are a few shards.
const NUMBERS: u32 = 2000;
/// The longest that a machine with two cores may take.
const PATIENCE: Duration = Duration::from_secs(90 * 60);

fn input() -> SP1Stdin {
    let mut stdin = SP1Stdin::new();
    stdin.write_slice(&NUMBERS.to_le_bytes());
    stdin
}

/// Waits for the proof, and until `see` has seen enough.
async fn wait(
    client: &mut StockClient,
    asked: &Asked,
    house: &House,
    mut see: impl FnMut() -> bool,
) -> Option<ProofFromNetwork> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(proof) = client.look(asked).await {
            return Some(proof);
        }
        if see() {
            return None;
        }
        assert!(Instant::now() < end, "it takes too long: {}", house.said("cluster"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As a client of SP1's SDK does it.
async fn check(proof: ProofFromNetwork) {
    assert!(matches!(proof.proof, SP1Proof::Compressed(_)));
    let prover = LightProver::new().await;
    let key = prover.setup(sp1_sdk::Elf::from(ELF)).await.unwrap();
    let mut proof = SP1ProofWithPublicValues::from(proof);
    prover.verify(&proof, key.verifying_key(), None).unwrap();
    proof.public_values = sp1_sdk::SP1PublicValues::from(&[1, 2, 3]);
    assert!(prover.verify(&proof, key.verifying_key(), None).is_err(), "with other public values");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a quarter of an hour and 20 GB of memory"]
async fn a_proof_over_two_workers_goes_on_when_one_is_killed() {
    let Some(house) = House::new() else { return };
    let begun = Instant::now();
    let cluster = house.cluster();
    let mut client = house.client().await;
    let mut workers = [house.worker("worker-1"), house.worker("worker-2")];
    let asked = client.ask(ELF.to_vec(), input(), "2").await;

    // The one that has the controller, in the middle of a shard, when both have proven one.
    let count = |id: &str, what: &str| house.said(id).lines().filter(|line| line.contains(what)).count();
    let shards = |id| count(id, "kind=ProveShard");
    let done = || logs::done(house.logs()).keys().filter(|what| what.contains("ProveShard")).count();
    let early = wait(&mut client, &asked, &house, || {
        done() >= 2 && shards("worker-1") >= 2 && shards("worker-2") >= 1
    })
    .await;
    assert!(early.is_none(), "it was made before anybody was killed");
    let victim = usize::from(count("worker-2", "kind=Controller") > 0);
    let before = logs::done(house.logs());
    println!(
        "{:6.1} s: {} tasks are done; killing worker-{}",
        begun.elapsed().as_secs_f64(),
        before.len(),
        victim + 1
    );
    println!("memory: {:.1} and {:.1} GiB", workers[0].peak(), workers[1].peak());
    workers[victim].kill();

    let proof = wait(&mut client, &asked, &house, || false).await.unwrap();
    println!("{:6.1} s: it is made", begun.elapsed().as_secs_f64());
    println!("memory: {:.1} GiB, cluster {:.2} GiB", workers[1 - victim].peak(), cluster.peak());
    let after = logs::done(house.logs());
    for (what, times) in &after {
        println!("{times} × {what}{}", if before.contains_key(what) { " (before)" } else { "" });
    }
    // What was done before the worker was killed was not done again, and nothing was done twice.
    assert_eq!(after.values().filter(|times| **times > 1).count(), 0, "{after:?}");
    check(proof).await;
}
