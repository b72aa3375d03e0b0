//! What the interface promises, case by case.

use crate::{
    engines::each,
    records::{proof, task},
};
use proofmill_ledger::{
    Batch, Change, LedgerError, ProofFilter, ProofStatus, ProofUpdate, Refusal, TaskRecordState, Timestamp,
};

fn insert(id: &str) -> Change {
    Change::ProofInserted(Box::new(proof(id)))
}

fn end(id: &str, status: ProofStatus, at: u64) -> Change {
    let update = ProofUpdate { status: Some(status), ..Default::default() };
    Change::ProofUpdated { proof: id.into(), update: Box::new(update), at: Timestamp::from_millis(at) }
}

#[tokio::test]
async fn one_bad_change_refuses_the_whole_batch() {
    each(async |ledger| {
        ledger.commit(vec![insert("a")].into()).await.unwrap();
        let bad = Batch::from(vec![insert("b"), insert("c"), insert("a"), insert("d")]);
        let error = ledger.commit(bad).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "change 2 of the batch was refused, and with it the batch: the proof a exists already"
        );
        assert_eq!(ledger.list(&ProofFilter::default()).await.unwrap(), [proof("a")]);
        // The ledger goes on.
        ledger.commit(vec![insert("b")].into()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_cannot_change() {
    each(async |ledger| {
        let refused = async |change: Change| match ledger.commit(vec![change].into()).await {
            Err(LedgerError::Refused { index: 0, reason }) => reason,
            other => panic!("{other:?}"),
        };
        let no_proof = Refusal::NoSuchProof("p".into());
        assert_eq!(refused(end("p", ProofStatus::Failed, 1)).await, no_proof);
        assert_eq!(refused(Change::ProofDiagnosed { proof: "p".into(), diagnosis: None }).await, no_proof);
        assert_eq!(refused(Change::ProofPlanned { proof: "p".into(), plan: String::new() }).await, no_proof);
        assert_eq!(refused(Change::TaskInserted(Box::new(task("t", "p")))).await, no_proof);
        assert_eq!(refused(Change::ContentProven { key: [0; 32], proof: "p".into() }).await, no_proof);
        let changed = Change::TaskStateChanged { task: "t".into(), state: TaskRecordState::Succeeded };
        assert_eq!(refused(changed).await, Refusal::NoSuchTask("t".into()));
    })
    .await;
}

#[tokio::test]
async fn an_ended_proof_is_not_live_and_its_end_has_a_time() {
    each(async |ledger| {
        let diagnosis = Some("no worker".to_owned());
        let begun = vec![
            insert("p"),
            Change::TaskInserted(Box::new(task("t", "p"))),
            Change::ProofDiagnosed { proof: "p".into(), diagnosis: diagnosis.clone() },
        ];
        ledger.commit(begun.into()).await.unwrap();
        let live = ledger.load_live().await.unwrap();
        assert_eq!(live.tasks, [task("t", "p")]);
        assert_eq!(live.proofs.first().and_then(|proof| proof.diagnosis.clone()), diagnosis);

        ledger.commit(vec![end("p", ProofStatus::Completed, 5_000)].into()).await.unwrap();
        assert_eq!(ledger.load_live().await.unwrap(), Default::default());
        let ended = ledger.proof(&"p".into()).await.unwrap().unwrap();
        assert_eq!(ended.completed_at, Some(Timestamp::from_millis(5_000)));
        assert_eq!(ended.updated_at, Timestamp::from_millis(5_000));
        assert_eq!(ended.created_at, Timestamp::from_millis(1_000));
        assert_eq!(ended.diagnosis, None);
    })
    .await;
}

#[tokio::test]
async fn only_a_completed_proof_answers_for_a_content() {
    each(async |ledger| {
        let key = [7; 32];
        ledger
            .commit(vec![insert("p"), Change::ContentProven { key, proof: "p".into() }].into())
            .await
            .unwrap();
        assert_eq!(ledger.proof_by_content(key).await.unwrap(), None);
        ledger.commit(vec![end("p", ProofStatus::Completed, 2)].into()).await.unwrap();
        assert_eq!(ledger.proof_by_content(key).await.unwrap().unwrap().id, "p".into());
        assert_eq!(ledger.proof_by_content([8; 32]).await.unwrap(), None);
        ledger.commit(vec![Change::ContentForgotten { key }].into()).await.unwrap();
        assert_eq!(ledger.proof_by_content(key).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_commit_and_read_at_once() {
    each(async |ledger| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    for number in 0..25 {
                        let id = format!("{writer}-{number}");
                        ledger.commit(vec![insert(&id)].into()).await.unwrap();
                        // What was acknowledged is seen at once, whichever connection reads.
                        assert!(ledger.proof(&id.as_str().into()).await.unwrap().is_some());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(ledger.list(&ProofFilter::default()).await.unwrap().len(), 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_commit_leaves_the_ledger_usable() {
    each(async |ledger| {
        for round in 0..40u64 {
            let batch: Batch = (0..20).map(|number| insert(&format!("{round}-{number}"))).collect();
            let _ = tokio::time::timeout(std::time::Duration::from_micros(round * 50), ledger.commit(batch))
                .await;
        }
        ledger.commit(vec![insert("last")].into()).await.unwrap();
        let kept = ledger.list(&ProofFilter::default()).await.unwrap();
        // Whole batches, and the last.
        assert_eq!(kept.len() % 20, 1, "{}", kept.len());
    })
    .await;
}

#[test]
fn moments_stay_within_what_the_database_orders() {
    assert_eq!(Timestamp::from_secs(u64::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::from_secs(14_400).as_millis(), 14_400_000);
    assert!(Timestamp::now() > Timestamp::from_secs(1_700_000_000));
}

#[tokio::test]
async fn what_a_task_said_lasts_as_long_as_the_task() {
    each(async |ledger| {
        let said =
            |task: &str, payload: &str| Change::TaskSaid { task: task.into(), payload: payload.into() };
        let begun = vec![
            insert("p"),
            Change::TaskInserted(Box::new(task("t", "p"))),
            Change::TaskInserted(Box::new(task("u", "p"))),
            said("t", "one"),
            said("u", "two"),
            said("nobody", "into the void"),
            said("t", ""),
        ];
        ledger.commit(begun.into()).await.unwrap();
        let message = |task: &str, payload: &str| (task.into(), payload.as_bytes().to_vec());
        let live = ledger.load_live().await.unwrap();
        assert_eq!(live.messages, [message("t", "one"), message("u", "two"), message("t", "")]);
        ledger.commit(vec![Change::TasksForgotten { proof: "p".into() }].into()).await.unwrap();
        assert_eq!(ledger.load_live().await.unwrap().messages, []);
        // A task of the same name is another one.
        ledger.commit(vec![Change::TaskInserted(Box::new(task("t", "p")))].into()).await.unwrap();
        assert_eq!(ledger.load_live().await.unwrap().messages, []);
    })
    .await;
}
