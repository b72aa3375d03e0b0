#![expect(clippy::unwrap_used, reason = "tests")]

use super::{BatchCall, BatchSettlement, Evidence, NotReady, RefusedProof, Remembered, Settler};
use crate::{
    rules::{CallCaps, CallEnded, CallReceipt, SettlingConfig, Why},
    shell::Journal,
};
use alloy_primitives::{Address, B256, TxHash};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_chain::SubmittedProof;
use proofmill_ledger::Ledger;
use proofmill_localstore::LocalPostgres;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, ProverType, Slot};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, also where the machine does much else.
const PATIENCE: Duration = Duration::from_secs(300);
const EXEC: ProverType = ProverType::Exec;
const FIRST: CheckpointNumber = CheckpointNumber(1);

/// A contract that answers as it is told, and what it was shown.
#[derive(Debug, Default)]
struct Contract {
    answers: Mutex<VecDeque<CallEnded>>,
    /// For which batches signatures were asked for.
    signed: Mutex<Vec<CheckpointNumber>>,
    shown: Mutex<Vec<Vec<u8>>>,
    kept: Mutex<u32>,
    /// Whether evidence takes for ever to be written.
    is_stuck: AtomicBool,
}

impl BatchSettlement for Contract {
    fn ready<'a>(
        &'a self,
        number: CheckpointNumber,
        _: ProverType,
        _: &'a Bytes,
    ) -> BoxFuture<'a, Result<SubmittedProof, NotReady>> {
        let mut signed = self.signed.lock().unwrap();
        signed.push(number);
        let proof = vec![signed.len() as u8].into();
        Box::pin(async move { Ok(SubmittedProof { public_values: Default::default(), proof }) })
    }

    fn verify(&self, call: BatchCall) -> BoxFuture<'_, CallEnded> {
        let shown = call.batches[0][&EXEC].proof.to_vec();
        self.shown.lock().unwrap().push(shown);
        let ended = self.answers.lock().unwrap().pop_front().unwrap();
        Box::pin(async move { ended })
    }
}

impl Evidence for Contract {
    fn keep<'a>(&'a self, _: &'a RefusedProof) -> BoxFuture<'a, ()> {
        *self.kept.lock().unwrap() += 1;
        Box::pin(async move {
            if self.is_stuck.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        })
    }
}

fn failed(why: Why) -> CallEnded {
    CallEnded::Failed { why, cause: why.name().to_owned(), spent: None }
}

fn checkpoint() -> Checkpoint {
    let hash = B256::repeat_byte;
    Checkpoint {
        number: FIRST,
        slot: Slot(1),
        blocks: BlockRange::new(1, 2).unwrap(),
        parent_hash: hash(1),
        last_hash: hash(2),
        state_root: hash(3),
        last_timestamp: 4,
        parent_commitment: hash(5),
        commitment: hash(6),
    }
}

/// A settler of one batch that runs; L1 answers with this, and then that it is settled. Its clock waits for no database.
fn settler(answers: impl IntoIterator<Item = CallEnded>) -> (Settler, Arc<Contract>) {
    let nothing = Remembered { before: Vec::new(), journal: Journal::unwritten() };
    remembering(answers, nothing, CancellationToken::new())
}

/// One that goes on with what an earlier one knew, until it is stopped.
fn remembering(
    answers: impl IntoIterator<Item = CallEnded>,
    remembered: Remembered,
    stop: CancellationToken,
) -> (Settler, Arc<Contract>) {
    let receipt = CallReceipt { transaction: TxHash::ZERO, block: 1, gas_used: 50_000, fee: 1 };
    let answers = answers.into_iter().chain([CallEnded::Settled(receipt)]).collect();
    let contract = Arc::new(Contract { answers: Mutex::new(answers), ..Contract::default() });
    let config = SettlingConfig { needed: [EXEC].into(), caps: CallCaps::default() };
    let (l1, evidence) = (Arc::clone(&contract), Arc::clone(&contract));
    let settler = Settler::new(config, CheckpointNumber(0), Address::ZERO, l1, evidence, remembered);
    settler.add(&checkpoint());
    let running = settler.clone();
    tokio::spawn(async move { running.run(stop).await });
    (settler, contract)
}

async fn is_settled(settler: &Settler) {
    while settler.status().settled < FIRST {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    settler.verify(FIRST);
}

#[tokio::test(start_paused = true)]
async fn signatures_that_l1_does_not_take_are_asked_for_anew() {
    let (settler, contract) = settler([failed(Why::NotAttested)]);
    let checkpoint = checkpoint();
    let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a proof"));
    let both = async { tokio::join!(offer, is_settled(&settler)) };
    let (discard, ()) = tokio::time::timeout(Duration::from_secs(600), both).await.unwrap();
    assert_eq!(discard, None, "the proof is at fault");
    assert_eq!(*contract.shown.lock().unwrap(), [[1], [2]], "the same signatures are shown again");
    assert_eq!(*contract.signed.lock().unwrap(), [FIRST, FIRST]);
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_is_refused_again_and_again_is_evidence_each_time_and_does_not_end_settlement() {
    let refused = || failed(Why::InvalidProof(Some(EXEC)));
    let (settler, contract) = settler([refused(), refused(), refused()]);
    let checkpoint = checkpoint();
    for times in 1..=3 {
        let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a proof"));
        let offer = tokio::time::timeout(Duration::from_secs(600), offer).await;
        let discard = offer.unwrap().unwrap();
        assert_eq!((discard.times, discard.after.is_zero()), (times, times == 1), "{discard:?}");
        assert_eq!((*contract.kept.lock().unwrap(), settler.problems().is_empty()), (times, times == 1));
        settler.deleted(&checkpoint, EXEC);
    }
    let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a better one"));
    let both = async { tokio::join!(offer, is_settled(&settler)) };
    let (discard, ()) = tokio::time::timeout(Duration::from_secs(600), both).await.unwrap();
    assert_eq!(discard, None);
    assert_eq!(settler.problems(), Vec::<String>::new());
}

/// How often the proofs of the batch were refused, by the ledger, once it says so.
async fn written(ledger: &Ledger, times: Option<u32>) {
    let looking = async {
        while ledger.refusals().await.unwrap().first().map(|row| row.times) != times {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap();
}

async fn remembers_over_a_restart(open: impl AsyncFn() -> Ledger) {
    let refused = || failed(Why::InvalidProof(Some(EXEC)));
    let offered = async |settler: &Settler| {
        let offer = settler.offer(&checkpoint(), EXEC, Bytes::from_static(b"a proof")).await;
        settler.deleted(&checkpoint(), EXEC);
        offer.unwrap().times
    };
    let (ledger, stop) = (open().await, CancellationToken::new());
    let (journal, _lost) = Journal::new(ledger.clone());
    let before = Remembered::of(&ledger, journal).await.unwrap();
    let (settler, _) = remembering([refused(), refused()], before, stop.clone());
    assert_eq!((offered(&settler).await, offered(&settler).await), (1, 2));
    written(&ledger, Some(2)).await;
    remains(&ledger, false).await;
    stop.cancel();
    ledger.close().await;

    let (ledger, stop) = (open().await, CancellationToken::new());
    let (journal, _lost) = Journal::new(ledger.clone());
    let before = Remembered::of(&ledger, journal).await.unwrap();
    let (settler, contract) = remembering([refused()], before, stop.clone());
    let problems = settler.problems().join(" ");
    assert!(problems.contains("made 2 times and refused each time (invalid proof)"), "{problems}");
    let pause = settler.pause(&checkpoint(), EXEC);
    // Some of it has passed.
    assert!((1..=75).contains(&pause.as_secs()), "{pause:?}");
    assert_eq!(settler.pause(&checkpoint(), ProverType::OpenVm), Duration::ZERO, "the other type's was not");
    assert_eq!(offered(&settler).await, 3);
    assert!(settler.pause(&checkpoint(), EXEC) > pause);
    written(&ledger, Some(3)).await;
    // It goes with its batch.
    let checkpoint = checkpoint();
    let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a better one"));
    let (discard, ()) = tokio::join!(offer, is_settled(&settler));
    assert_eq!((discard, *contract.kept.lock().unwrap()), (None, 1));
    written(&ledger, None).await;
    stop.cancel();
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_often_a_proof_was_refused_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assignments.sqlite");
    remembers_over_a_restart(async || Ledger::open(&path).await.unwrap()).await;
    let Some(server) = LocalPostgres::start_or_skip().unwrap() else { return };
    remembers_over_a_restart(async || Ledger::open_postgres(&server.url(), "settled").await.unwrap()).await;
}

/// Whether the ledger says that the refused proof is still there, once it says so.
async fn remains(ledger: &Ledger, is_there: bool) {
    let looking = async {
        while ledger.refusals().await.unwrap().first().is_some_and(|row| row.remains.is_some()) != is_there {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap();
}

async fn is_not_shown_again_after_a_kill(open: impl AsyncFn() -> Ledger) {
    let a_proof = || Bytes::from_static(b"a proof");
    let (ledger, stop) = (open().await, CancellationToken::new());
    let (journal, _lost) = Journal::new(ledger.clone());
    let before = Remembered::of(&ledger, journal).await.unwrap();
    let (settler, contract) = remembering([failed(Why::InvalidProof(Some(EXEC)))], before, stop.clone());
    contract.is_stuck.store(true, Ordering::SeqCst);
    let offering = tokio::spawn(async move { settler.offer(&checkpoint(), EXEC, a_proof()).await });
    // That it is refused is durable when its evidence is begun, and then nothing goes on.
    let begun = async {
        while *contract.kept.lock().unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    assert!(ledger.refusals().await.unwrap()[0].remains.is_some());
    offering.abort();
    stop.cancel();
    ledger.close().await;

    let (ledger, stop) = (open().await, CancellationToken::new());
    let (journal, _lost) = Journal::new(ledger.clone());
    let before = Remembered::of(&ledger, journal).await.unwrap();
    let (settler, contract) = remembering([], before, stop.clone());
    let discard = settler.offer(&checkpoint(), EXEC, a_proof()).await.unwrap();
    assert_eq!((discard.times, discard.cause.as_str()), (1, "invalid proof"));
    assert_eq!(*contract.kept.lock().unwrap(), 1, "there is no evidence of it");
    assert_eq!(*contract.shown.lock().unwrap(), Vec::<Vec<u8>>::new(), "L1 is shown it again");
    // Once it is deleted, one that is made anew is shown, also where it has the same bytes.
    settler.deleted(&checkpoint(), EXEC);
    remains(&ledger, false).await;
    let checkpoint = checkpoint();
    let (discard, ()) = tokio::join!(settler.offer(&checkpoint, EXEC, a_proof()), is_settled(&settler));
    assert_eq!((discard, contract.shown.lock().unwrap().len()), (None, 1));
    stop.cancel();
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_proof_is_not_shown_again_by_who_is_started_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assignments.sqlite");
    is_not_shown_again_after_a_kill(async || Ledger::open(&path).await.unwrap()).await;
    let Some(server) = LocalPostgres::start_or_skip().unwrap() else { return };
    is_not_shown_again_after_a_kill(async || Ledger::open_postgres(&server.url(), "killed").await.unwrap())
        .await;
}
