//! A devnet with real nodes and real transactions.
#![expect(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256};
use proofmill_chain::{
    BatchFills, BlockAt, L1, L2, PoolOptions, Proposal, Roles, Rollup, Sender, deploy_rollup,
};
use proofmill_devnet::{
    Description, DevKeys, Devnet, DevnetError, DevnetOptions, L1Verifier, ProofTypePlan, Proposer,
};
use proofmill_loadgen::{Funder, LoadKind, LoadPlan};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, ProgramVersion, ProverType};
use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, also where the machine does much else.
const PATIENCE: Duration = Duration::from_secs(300);

fn plan(prover: ProverType) -> Vec<ProofTypePlan> {
    let key = |byte| ProgramVersion(B256::repeat_byte(byte));
    vec![ProofTypePlan { prover, range_key: key(1), aggregation_key: key(2) }]
}

async fn send(devnet: &Devnet, seed: u64) {
    let funder: Funder = DevKeys::funder_text().to_string().parse().unwrap();
    let plan = LoadPlan::new(LoadKind::EthTransfers).accounts(2).transactions_per_account(2).seed(seed);
    let stop = CancellationToken::new();
    let report = proofmill_loadgen::run(&devnet.description().l2_rpc, &funder, &plan, &stop, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(report.included, 4);
}

async fn checkpoint(rollup: &Rollup, number: u64) -> Checkpoint {
    let start = Instant::now();
    loop {
        if let Some(checkpoint) = rollup.checkpoint(CheckpointNumber(number)).await.unwrap() {
            return checkpoint;
        }
        assert!(start.elapsed() < PATIENCE, "checkpoint {number} does not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_become_blocks_and_blocks_checkpoints() {
    let devnet =
        DevnetOptions::new(plan(ProverType::Exec)).slot(Duration::from_secs(2)).start().await.unwrap();
    let Description { l1_rpc, l2_rpc, rollup, l1_chain_id, l2_chain_id, .. } = devnet.description().clone();
    let l1 = L1::connect(PoolOptions::new(l1_rpc), Some(l1_chain_id)).await.unwrap();
    let l2 = L2::connect(PoolOptions::new(l2_rpc), Some(l2_chain_id)).await.unwrap();
    let rollup = Rollup::connect(l1, rollup).await.unwrap();
    assert_eq!(rollup.config().chain_id, l2_chain_id);

    send(&devnet, 1).await;
    let first = checkpoint(&rollup, 1).await;
    send(&devnet, 2).await;
    let second = checkpoint(&rollup, 2).await;
    assert_eq!(first.blocks.first(), rollup.config().genesis.number + 1);
    assert_eq!(first.parent_hash, rollup.config().genesis.hash);
    assert_eq!(second.blocks.first(), first.blocks.last() + 1);
    assert_eq!(second.parent_hash, first.last_hash);
    assert!(second.slot > first.slot);
    for checkpoint in [first, second] {
        let block = l2.block(BlockAt::Number(checkpoint.blocks.last())).await.unwrap().unwrap();
        assert_eq!((block.hash, block.state_root), (checkpoint.last_hash, checkpoint.state_root));
    }

    // An idle rollup makes no blocks: nothing to prove.
    let head = l2.head().await.unwrap().number;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(l2.head().await.unwrap().number, head);
    devnet.stop().await;
    assert!(l2.head().await.is_err(), "the node is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_proved_in_time_is_proposed_anew_in_the_same_ranges() {
    let devnet = DevnetOptions::new(plan(ProverType::Exec))
        .slot(Duration::from_secs(2))
        .epoch_slots(6)
        .window_epochs(1)
        .start()
        .await
        .unwrap();
    let Description { l1_rpc, rollup, l1_chain_id, .. } = devnet.description().clone();
    let l1 = L1::connect(PoolOptions::new(l1_rpc), Some(l1_chain_id)).await.unwrap();
    let rollup = Rollup::connect(l1, rollup).await.unwrap();
    send(&devnet, 1).await;
    let first = checkpoint(&rollup, 1).await;
    send(&devnet, 2).await;
    let second = checkpoint(&rollup, 2).await;

    // Nobody proves them. New blocks come meanwhile, so there is always something to propose.
    let start = Instant::now();
    let mut seed = 3;
    let again = loop {
        assert!(start.elapsed() < PATIENCE, "checkpoint 1 is not proposed anew");
        let there = rollup.checkpoint(CheckpointNumber(1)).await.unwrap();
        if let Some(again) = there.filter(|again| again.slot > second.slot) {
            break again;
        }
        send(&devnet, seed).await;
        seed += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!((again.blocks, again.last_hash), (first.blocks, first.last_hash));
    let again = checkpoint(&rollup, 2).await;
    assert_eq!((again.blocks, again.last_hash), (second.blocks, second.last_hash));
    devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposer_that_is_lost_is_stood_in_for_after_a_silence() {
    let devnet =
        DevnetOptions::new(plan(ProverType::Exec)).slot(Duration::from_secs(2)).start().await.unwrap();
    let Description { l1_rpc, l2_rpc, rollup, .. } = devnet.description().clone();
    let l1 = L1::connect(PoolOptions::new(l1_rpc), None).await.unwrap();
    let l2 = L2::connect(PoolOptions::new(l2_rpc), None).await.unwrap();
    send(&devnet, 1).await;
    // Another rollup over the same blocks, whose proposer nobody has the key of.
    let mut config = Rollup::connect(l1.clone(), rollup).await.unwrap().config().clone();
    config.proposer = Address::repeat_byte(7);
    // The shortest silence: two epochs of two slots.
    config.clock.epoch_slots = NonZeroU64::MIN.saturating_add(1);
    config.clock.window_epochs = NonZeroU64::MIN;
    config.limits.silence = NonZeroU64::new(8);
    let sender = Sender::new(l1, devnet.keys().prover.clone());
    let (lost, deployed) = deploy_rollup(&sender, &config, Roles::default(), B256::ZERO).await.unwrap();
    let deployed =
        lost.l1().block(BlockAt::Number(deployed.transaction.unwrap().block)).await.unwrap().unwrap();
    // Somebody is first, with what cannot be proven. It is in nobody's way.
    let open = lost.open_from().await.unwrap().unwrap();
    let now = loop {
        let now = lost.l1().head().await.unwrap().timestamp;
        if now >= open {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let next = config.genesis.number + 1;
    let unprovable = Proposal {
        blocks: BlockRange::new(next, next).unwrap(),
        parent_hash: config.genesis.hash,
        last_hash: B256::repeat_byte(6),
        state_root: B256::repeat_byte(6),
        last_timestamp: now,
    };
    lost.propose(&sender, unprovable).await.unwrap();
    let stop = CancellationToken::new();
    let stand_in = Proposer::new(lost.clone(), l2, sender).l1_block_time(Duration::from_secs(1));
    let running = tokio::spawn(stand_in.run(stop.clone()));
    let start = Instant::now();
    let first = loop {
        let first = checkpoint(&lost, 1).await;
        if first.last_hash != unprovable.last_hash {
            break first;
        }
        assert!(start.elapsed() < PATIENCE, "nobody takes its place");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(first.blocks.first(), next);
    let landed = config.clock.genesis + (first.slot.0 + 1) * 2;
    assert!(landed > deployed.timestamp + 8, "{landed}, deployed at {}", deployed.timestamp);
    stop.cancel();
    running.await.unwrap();
    devnet.stop().await;
}

#[tokio::test]
async fn fewer_attestors_than_must_sign_are_refused() {
    let options = DevnetOptions::new(plan(ProverType::OpenVm)).attestors(1, 2);
    let error = options.start().await.unwrap_err();
    assert!(matches!(error, DevnetError::TooFewAttestors { threshold: 2, attestors: 1, .. }), "{error}");
    let error = DevnetOptions::new(vec![]).start().await.unwrap_err();
    assert!(matches!(error, DevnetError::NoProofTypes), "{error}");
}

#[tokio::test]
async fn a_snark_is_wanted_of_no_proofs_that_have_none() {
    for verifier in [L1Verifier::Snark, L1Verifier::Both] {
        let types = [plan(ProverType::OpenVm), plan(ProverType::Sp1)].concat();
        let error = DevnetOptions::new(types).verifier(verifier).start().await.unwrap_err();
        assert!(matches!(error, DevnetError::NoSnark { prover: ProverType::Sp1 }), "{error}");
    }
}

#[test]
fn a_description_survives_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("localnet.json");
    assert_eq!(Description::read(&path).unwrap(), None);
    let description = Description {
        pid: 7,
        l1_rpc: "http://127.0.0.1:1/".parse().unwrap(),
        l2_rpc: "http://127.0.0.1:2/".parse().unwrap(),
        l1_chain_id: 1,
        l2_chain_id: 2,
        rollup: Default::default(),
        deployed_at: 3,
        attestors: vec![Default::default()],
        settings: [("slot-seconds".to_owned(), "6".to_owned())].into(),
    };
    description.write(&path).unwrap();
    assert_eq!(Description::read(&path).unwrap(), Some(description));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(Description::read(&path), Err(DevnetError::Description { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_full_the_newest_batches_are_is_known() {
    let devnet =
        DevnetOptions::new(plan(ProverType::Exec)).slot(Duration::from_secs(2)).start().await.unwrap();
    let Description { l1_rpc, l2_rpc, rollup, .. } = devnet.description().clone();
    let l1 = L1::connect(PoolOptions::new(l1_rpc), None).await.unwrap();
    let l2 = L2::connect(PoolOptions::new(l2_rpc), None).await.unwrap();
    let rollup = Rollup::connect(l1, rollup).await.unwrap();
    let mut fills = BatchFills::new(rollup.clone(), l2.clone(), NonZeroU64::MIN);
    fills.look().await.unwrap();
    assert!(fills.known().is_empty());
    send(&devnet, 1).await;
    checkpoint(&rollup, 1).await;
    fills.look().await.unwrap();
    // Before: what is sent may be in a checkpoint by the time that it is known to be included.
    let newest = rollup.tips().await.unwrap().pending.next();
    send(&devnet, 2).await;
    let last = checkpoint(&rollup, newest.0).await;
    fills.look().await.unwrap();
    // One is kept, the newest.
    let (number, fill) = fills.known().last_key_value().unwrap();
    assert_eq!((fills.known().len(), *number >= last.number), (1, true));
    let read = rollup.checkpoint(*number).await.unwrap().unwrap().blocks;
    let (mut gas, mut transactions) = (0, 0);
    for block in read.first()..=read.last() {
        let block = l2.fill(block).await.unwrap().unwrap();
        (gas, transactions) = (gas + block.gas_used(), transactions + block.transactions());
    }
    assert_eq!(
        (fill.blocks, fill.gas, fill.transactions),
        (read.last() - read.first() + 1, gas, transactions)
    );
    assert!(fill.transactions > 0 && fill.gas >= 21_000 * fill.transactions, "{fill:?}");

    // Whoever begins late knows those before, too.
    let newest = rollup.tips().await.unwrap().pending.next();
    send(&devnet, 3).await;
    checkpoint(&rollup, newest.0).await;
    let mut late = BatchFills::new(rollup, l2, NonZeroU64::MIN.saturating_add(255));
    late.look().await.unwrap();
    let known: Vec<_> = late.known().keys().map(|number| number.0).collect();
    assert!(known.len() as u64 >= newest.0 && known.iter().copied().eq(1..=known.len() as u64), "{known:?}");
}
