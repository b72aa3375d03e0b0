//! What only a server can do to a ledger.

use crate::{engines::server, records::proof};
use proofmill_ledger::{Batch, Change, DatabaseFault, Ledger, LedgerError, ProofFilter, Timestamp};
use proofmill_localstore::LocalPostgres;
use proofmill_proxy::Wire;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

const SCHEMA: &str = "proofmill_test";

fn insert(id: &str) -> Batch {
    vec![Change::ProofInserted(Box::new(proof(id)))].into()
}

async fn open(url: &str) -> Result<Ledger, LedgerError> {
    Ledger::open_postgres(url, SCHEMA).await
}

/// What a person with the same rights may do.
async fn person(server: &LocalPostgres, sql: &str) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

/// Cuts every connection that writes.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'";

fn fault(error: LedgerError) -> DatabaseFault {
    match error {
        LedgerError::Database { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

async fn ids(ledger: &Ledger) -> Vec<String> {
    ledger.list(&ProofFilter::default()).await.unwrap().into_iter().map(|proof| proof.id.into()).collect()
}

#[tokio::test]
async fn a_ledger_has_one_owner() {
    let Some(server) = server() else { return };
    let ledger = open(&server.url()).await.unwrap();
    let taken = open(&server.url()).await.unwrap_err();
    assert!(taken.to_string().contains("schema proofmill_test of database postgres at 127.0.0.1"), "{taken}");
    assert_eq!(fault(taken), DatabaseFault::Taken { holder: "127.0.0.1".to_owned() });
    // Another schema is another ledger.
    Ledger::open_postgres(&server.url(), "other").await.unwrap();
    ledger.commit(insert("a")).await.unwrap();
    ledger.close().await;
    let next = open(&server.url()).await.unwrap();
    assert_eq!(ids(&next).await, ["a"]);
}

#[tokio::test]
async fn a_server_that_is_restarted_costs_nothing() {
    let Some(mut server) = server() else { return };
    let ledger = open(&server.url()).await.unwrap();
    ledger.commit(insert("a")).await.unwrap();
    server.stop();
    let away = ledger.commit(insert("b")).await.unwrap_err();
    assert!(!away.is_final() && matches!(fault(away), DatabaseFault::Away { .. }));
    server.start_again().unwrap();
    ledger.commit(insert("b")).await.unwrap();
    // Between two commits, nobody even notices.
    server.start_again().unwrap();
    ledger.commit(insert("c")).await.unwrap();
    assert_eq!(ids(&ledger).await, ["a", "b", "c"]);
}

/// A backup took its place, or a replica that was behind.
#[tokio::test]
async fn a_server_that_lost_what_it_acknowledged_is_named() {
    let Some(server) = server() else { return };
    let ledger = open(&server.url()).await.unwrap();
    for id in ["a", "b", "c"] {
        ledger.commit(insert(id)).await.unwrap();
    }
    let before = "DELETE FROM proofmill_test.proofs WHERE id <> 'a'; UPDATE proofmill_test.owner SET commits = commits - 2";
    person(&server, before).await;
    person(&server, CUT).await;
    let lost = ledger.commit(insert("d")).await.unwrap_err();
    assert!(lost.is_final() && lost.to_string().contains("a replica that was behind"), "{lost}");
    assert_eq!(fault(lost), DatabaseFault::Lost { batches: 2 });
    ledger.close().await;
    assert_eq!(ids(&open(&server.url()).await.unwrap()).await, ["a"]);
}

#[tokio::test]
async fn whoever_was_cut_off_and_replaced_writes_no_more() {
    let Some(server) = server() else { return };
    let ledger = open(&server.url()).await.unwrap();
    ledger.commit(insert("a")).await.unwrap();
    // Cut, and nobody came: the ledger is taken again.
    person(&server, CUT).await;
    ledger.commit(insert("b")).await.unwrap();
    person(&server, CUT).await;
    let next = open(&server.url()).await.unwrap();
    for _ in 0..2 {
        let replaced = ledger.commit(insert("c")).await.unwrap_err();
        assert!(replaced.is_final());
        assert_eq!(fault(replaced), DatabaseFault::Superseded);
    }
    next.commit(insert("d")).await.unwrap();
    // Also where the next one has ended.
    next.close().await;
    assert_eq!(fault(ledger.commit(insert("e")).await.unwrap_err()), DatabaseFault::Superseded);
    assert_eq!(ids(&open(&server.url()).await.unwrap()).await, ["a", "b", "d"]);
}

/// Makes each commit take three seconds, after all that can be refused.
const SLOW: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NULL; END $$; \
                    CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON proofmill_test.owner DEFERRABLE INITIALLY DEFERRED \
                    FOR EACH ROW WHEN (new.commits > old.commits) EXECUTE FUNCTION wait()";

/// Waits until a commit takes its time, or until all have ended: whoever has slept writes yet.
async fn until_committing(server: &LocalPostgres, expected: bool) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let count = match expected {
        true => "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
        false => {
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' \
                  AND pid <> pg_backend_pid()"
        }
    };
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let committing: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        if (committing > 0) == expected {
            return;
        }
        assert!(Instant::now() < end, "{committing} commits go on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_answer_was_lost_is_kept_once() {
    let Some(server) = server() else { return };
    let wire = Wire::to(&server.url().parse().unwrap()).await;
    let through = server.url().replace(&server.port().to_string(), &wire.url().port().unwrap().to_string());
    let ledger = open(&through).await.unwrap();
    person(&server, SLOW).await;
    // Where the connection is taken from a server that is still committing, that batch is not kept, and asked for again.
    for (first, second, ends) in [("a", "a", true), ("b", "c", true), ("d", "d", false)] {
        let committing = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.commit(insert(first)).await }
        });
        until_committing(&server, true).await;
        wire.cut();
        let lost = committing.await.unwrap().unwrap_err();
        assert!(matches!(fault(lost), DatabaseFault::Away { .. }));
        if ends {
            until_committing(&server, false).await;
        }
        wire.mend();
        // Again, as who was not answered asks; or what is new, where he does not.
        ledger.commit(insert(second)).await.unwrap();
    }
    assert_eq!(ids(&ledger).await, ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_anywhere_lose_nothing_and_keep_nothing_twice() {
    let Some(server) = server() else { return };
    let wire = Wire::to(&server.url().parse().unwrap()).await;
    let through = server.url().replace(&server.port().to_string(), &wire.url().port().unwrap().to_string());
    let ledger = open(&through).await.unwrap();
    let kept_by_now = Arc::new(AtomicU32::new(0));
    let counted = kept_by_now.clone();
    let committing = tokio::spawn(async move {
        let mut faults = 0;
        for number in 0..400 {
            counted.store(number, Ordering::Relaxed);
            // As the cluster does: the same again until it is kept. Twice would be refused.
            while let Err(error) = ledger.commit(insert(&number.to_string())).await {
                assert!(matches!(fault(error), DatabaseFault::Away { .. }));
                faults += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        (ledger, faults)
    });
    let (mut cuts, mut before, mut patience) = (0, 0, 1);
    while !committing.is_finished() {
        tokio::time::sleep(Duration::from_millis(30 + 7 * (cuts % 5)) * patience).await;
        // On a busy machine a connection may not come about between two cuts.
        let now = kept_by_now.load(Ordering::Relaxed);
        patience = if now == before { (patience * 2).min(64) } else { 1 };
        before = now;
        wire.cut();
        tokio::time::sleep(Duration::from_millis(5)).await;
        wire.mend();
        cuts += 1;
    }
    let (ledger, faults) = committing.await.unwrap();
    let kept: BTreeSet<String> = ids(&ledger).await.into_iter().collect();
    assert_eq!(kept.len(), 400);
    println!("{cuts} cuts, {faults} commits that were not answered");
    assert!(cuts > 3, "too few cuts to show anything");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_no_password_with_it() {
    let Some(mut server) = server() else { return };
    let url = server.url();
    let refused = async |url: &str, schema: &str| {
        let error = Ledger::open_postgres(url, schema).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("of-this-test") && !text.contains("s3cret"), "{text}");
        fault(error)
    };
    let not_allowed = refused(&url.replace("of-this-test", "s3cret"), SCHEMA).await;
    assert!(matches!(not_allowed, DatabaseFault::NotAllowed { .. }), "{not_allowed}");
    let not_there = refused(&url.replace("/postgres", "/nowhere"), SCHEMA).await;
    assert!(matches!(not_there, DatabaseFault::NotAllowed { .. }), "{not_there}");
    for bad in ["", "of-this-test", "mysql://of-this-test@host/a", "postgres://u:s3cret@host:port/a"] {
        assert_eq!(refused(bad, SCHEMA).await, DatabaseFault::BadUrl, "{bad}");
    }
    for bad in ["", "Upper", "a b", "x;drop", &"x".repeat(64)] {
        assert_eq!(refused(&url, bad).await, DatabaseFault::BadSchema, "{bad}");
    }
    person(&server, "CREATE SCHEMA theirs; CREATE TABLE theirs.owner (dog TEXT)").await;
    assert_eq!(refused(&url, "theirs").await, DatabaseFault::Foreign);
    open(&url).await.unwrap().close().await;
    person(&server, "UPDATE proofmill_test.owner SET schema = 99").await;
    assert_eq!(refused(&url, SCHEMA).await, DatabaseFault::Newer { found: 99, known: 4 });
    person(&server, "ALTER ROLE proofmill SET default_transaction_read_only = on").await;
    let read_only = refused(&url, "another").await;
    assert!(matches!(read_only, DatabaseFault::ReadOnly { .. }), "{read_only}");
    server.stop();
    let away = refused(&url, SCHEMA).await;
    assert!(matches!(away, DatabaseFault::Away { .. }), "{away}");
}

#[tokio::test]
async fn texts_of_any_characters_come_back() {
    let Some(server) = server() else { return };
    let ledger = open(&server.url()).await.unwrap();
    let mut record = proof("\0id\u{10ffff}");
    record.metadata = "\0".to_owned();
    record.requester = vec![0, 255];
    record.created_at = Timestamp::MAX;
    record.cycle_limit = Some(u64::MAX);
    ledger.commit(vec![Change::ProofInserted(Box::new(record.clone()))].into()).await.unwrap();
    assert_eq!(ledger.proof(&record.id).await.unwrap(), Some(record));
}
