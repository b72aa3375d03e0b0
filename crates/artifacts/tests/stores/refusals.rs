//! Redis servers that answer, and refuse: what is said of it, with which remedy, and whose fault it is.

use crate::{noise, raw, redis_server};
use proofmill_artifacts::{
    ArtifactError, ArtifactKind, ArtifactStore, Notice, RedisArtifacts, RedisOptions, StoreChoice,
};
use proofmill_fault::{Code, Fault};
use redis::cmd;
use std::{collections::BTreeSet, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

const SECRET: &str = "of-this-test";

/// A server that knows every client, and says one thing to whatever it is asked. As real ones, it says so of each command of a
/// transaction, which it then discards.
async fn server_that_says(answer: &'static str) -> RedisArtifacts {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://user:{SECRET}@{}/0", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream, answer));
        }
    });
    RedisArtifacts::new(&RedisOptions { piece: 1000, ..RedisOptions::new(vec![url]) }).unwrap()
}

async fn answer_all(stream: TcpStream, answer: &str) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let count = number(&mut read, '*').await?;
        let mut name = String::new();
        for index in 0..count {
            let length = number(&mut read, '$').await?;
            let mut word = vec![0; length + 2];
            read.read_exact(&mut word).await.ok()?;
            if index == 0 {
                name = String::from_utf8_lossy(&word).trim().to_owned();
            }
        }
        let said = match &*name {
            "AUTH" | "CLIENT" | "MULTI" => "+OK",
            "EXEC" => "-EXECABORT Transaction discarded because of previous errors.",
            _ => answer,
        };
        write.write_all(format!("{said}\r\n").as_bytes()).await.ok()?;
    }
}

async fn number(read: &mut BufReader<OwnedReadHalf>, mark: char) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok()?;
    line.trim().strip_prefix(mark)?.parse().ok()
}

/// What each operation says.
async fn refusals(store: &RedisArtifacts) -> Vec<(&'static str, ArtifactError)> {
    let (id, kind) = (&"x".into(), ArtifactKind::Proof);
    let ids = Arc::new(BTreeSet::from(["x".into()]));
    vec![
        ("open", store.notices().await.map(drop).unwrap_err()),
        ("put", store.put(id, kind, noise(1, 100)).await.unwrap_err()),
        ("put in pieces", store.put(id, kind, noise(1, 5000)).await.unwrap_err()),
        ("get", store.get(id, kind).await.map(drop).unwrap_err()),
        ("exists", store.exists(id, kind).await.map(drop).unwrap_err()),
        ("delete", store.delete(id, kind).await.unwrap_err()),
        ("keep alive", store.keep_alive(ids).await.unwrap_err()),
        ("hold", store.add_ref(id, "holder").await.unwrap_err()),
    ]
}

/// Each operation comes to such an error where a server answers so, with these words; it is the store's fault, and shows no password.
async fn all_say(answer: &'static str, is_such: fn(&ArtifactError) -> bool, words: &str) {
    for (operation, error) in refusals(&server_that_says(answer).await).await {
        let said = error.to_string();
        assert!(is_such(&error) && said.contains(words), "{answer}, {operation}: {said}");
        assert!(!said.contains(SECRET), "{said}");
        assert_eq!(Fault::from(error).code, Code::StoreAway, "{answer}, {operation}");
    }
}

#[tokio::test]
async fn what_no_waiting_helps_is_refused_with_the_remedy() {
    for (answer, remedy) in [
        ("-MOVED 3999 127.0.0.1:6381", "not in cluster mode"),
        ("-ASK 3999 127.0.0.1:6381", "not in cluster mode"),
        ("-CROSSSLOT Keys in request don't hash to the same slot", "not in cluster mode"),
        ("-NOAUTH Authentication required.", "check user, password"),
        ("-NOPERM this user has no permissions to run the 'unlink' command", "may run scripts"),
    ] {
        all_say(answer, |error| matches!(error, ArtifactError::Refused { .. }), remedy).await;
    }
}

#[tokio::test]
async fn a_server_that_will_answer_later_is_away_whatever_is_asked() {
    for answer in [
        "-LOADING Redis is loading the dataset in memory",
        "-READONLY You can't write against a read only replica.",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "-CLUSTERDOWN The cluster is down",
        "-TRYAGAIN Multiple keys request during rehashing of slot",
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "-NOREPLICAS Not enough good replicas to write.",
        "-ERR max number of clients reached",
    ] {
        all_say(answer, |error| matches!(error, ArtifactError::Away { .. }), "").await;
    }
}

/// Also where an older server tells it in the middle of what a script said; and where it is the server's disk that is full: what it has it
/// still gives, so that whoever gave a result up would make it again, for as long as that lasts.
#[tokio::test]
async fn a_server_without_memory_or_disk_is_full_for_who_stores() {
    for answer in [
        "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "-ERR Error running script (call to f_1): @user_script:3: -OOM command not allowed when used memory > 'maxmemory'.",
    ] {
        let store = server_that_says(answer).await;
        for length in [100, 5000] {
            let full = store.put(&"x".into(), ArtifactKind::Proof, noise(1, length)).await.unwrap_err();
            assert!(matches!(full, ArtifactError::NoSpace { .. }), "{answer}, {length}: {full}");
            assert_eq!(Fault::from(full).code, Code::StoreFull);
        }
    }
}

/// A worker that came too early, or with a server whose password was being changed, does not have to be started again.
#[tokio::test]
async fn who_was_refused_asks_again_and_is_let_in() {
    let Some(server) = redis_server(&[]) else { return };
    let mut raw = raw(&server).await;
    let mut password = async |password: &str| {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("requirepass").arg(password);
        let _: () = set.query_async(&mut raw).await.unwrap();
    };
    password("another").await;
    let store = RedisArtifacts::new(&RedisOptions::new(vec![server.url()])).unwrap();
    for _ in 0..8 {
        let refused = store.get(&"x".into(), ArtifactKind::Proof).await.unwrap_err();
        assert!(matches!(refused, ArtifactError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains("check user and password"), "{refused}");
    }
    password(SECRET).await;
    for _ in 0..8 {
        let missing = store.get(&"x".into(), ArtifactKind::Proof).await.unwrap_err();
        assert!(matches!(missing, ArtifactError::Missing { .. }), "{missing}");
    }
}

/// It is opened: it may become a master. Until then nothing can be stored, and that is said at the start.
#[tokio::test]
async fn a_replica_is_named_and_takes_nothing() {
    let Some(server) = redis_server(&["--replicaof", "127.0.0.1", "1"]) else { return };
    let options = RedisOptions { piece: 1000, ..RedisOptions::new(vec![server.url()]) };
    let store = RedisArtifacts::new(&options).unwrap();
    let notices = store.notices().await.unwrap();
    let replica = notices.iter().find(|notice| matches!(notice, Notice::Replica { .. }));
    assert!(replica.is_some_and(|notice| notice.to_string().contains("name its master")), "{notices:?}");
    StoreChoice::Redis(options).open().await.unwrap();
    for length in [100, 5000] {
        let away = store.put(&"x".into(), ArtifactKind::Proof, noise(1, length)).await.unwrap_err();
        assert!(matches!(away, ArtifactError::Away { .. }), "{away}");
    }
    assert!(!store.exists(&"x".into(), ArtifactKind::Proof).await.unwrap());
}
