//! Artifacts that expire by themselves do not while a proof needs them.

use crate::harness::{start_on, until};
use proofmill_artifacts::{ArtifactKind, ArtifactStore, RedisArtifacts, RedisOptions};
use proofmill_localstore::{LocalRedis, skipped};
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::{
        ProofRequestCancelRequest, ProofRequestCreateRequest, cluster_service_client::ClusterServiceClient,
    },
    worker::{CreateTaskRequest, TaskData, worker_service_client::WorkerServiceClient},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Far more than passes here. What is left of it tells what became of an artifact, whose end is not waited for: a machine that stands still
/// renews nothing.
const LIFETIME: Duration = Duration::from_secs(160);
/// An eighth of it, in seconds: what is let go has no more.
const GRACE: i64 = 20;
/// A quarter of that is between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// What an artifact is left with, in seconds, to see whether it is renewed.
const LEFT: i64 = 100;

/// So many looks pass, also where the machine stands still during one of them.
async fn looks(count: u32) {
    for _ in 0..count {
        tokio::time::sleep(LOOK).await;
    }
}

/// The number that the server answers to a command of a person.
async fn asked(redis: &LocalRedis, command: &str) -> i64 {
    let url = redis.url();
    let (password, _) = url.strip_prefix("redis://:").unwrap().split_once('@').unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    let commands = format!("AUTH {password}\r\n{command}\r\nQUIT\r\n");
    stream.write_all(commands.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let number = answer.lines().find_map(|line| line.strip_prefix(':'));
    number.unwrap_or_else(|| panic!("{command}: {answer}")).parse().unwrap()
}

/// How many seconds an artifact has left: -1 where it never expires, -2 where it is gone.
async fn left(redis: &LocalRedis, id: &str) -> i64 {
    asked(redis, &format!("TTL {id}")).await
}

async fn shorten(redis: &LocalRedis, id: &str) {
    asked(redis, &format!("EXPIRE {id} {LEFT}")).await;
}

fn store_on(redis: &LocalRedis) -> Arc<RedisArtifacts> {
    let options = RedisOptions { lifetime: LIFETIME, ..RedisOptions::new(vec![redis.url()]) };
    Arc::new(RedisArtifacts::new(&options).unwrap())
}

/// What a proof made on the way is let go with it, unless another one needs it, and nothing else is.
#[tokio::test]
async fn intermediate_results_in_redis_go_soon_after_their_proof() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let redis = LocalRedis::start(&[]).unwrap();
    let store = store_on(&redis);
    let blobs = [
        ("program", ArtifactKind::Program),
        ("stdin", ArtifactKind::Stdin),
        ("key-of-a-client", ArtifactKind::Stdin),
        ("key-alone", ArtifactKind::Intermediate),
        ("key-exchanged", ArtifactKind::Exchanged),
        ("key-shared", ArtifactKind::Intermediate),
        ("artifact_01stock", ArtifactKind::Exchanged),
        ("key-of-nobody", ArtifactKind::Intermediate),
    ];
    for (id, kind) in blobs {
        store.put(&id.into(), kind, "bytes".into()).await.unwrap();
    }
    let (_folder, channel) = start_on(store).await;
    let mut api = ClusterServiceClient::new(channel.clone());
    let mut tasks = WorkerServiceClient::new(channel);
    let read_by_one = ["key-of-a-client", "key-shared", "key-exchanged", "artifact_01stock"];
    for (id, stdin, inputs, output) in [
        ("ends", "key-of-a-client", &read_by_one[..], "key-alone"),
        ("goes-on", "stdin", &["key-shared"][..], "key-other"),
    ] {
        let request = ProofRequestCreateRequest {
            proof_id: id.into(),
            program_artifact_id: "program".into(),
            stdin_artifact_id: stdin.into(),
            options_artifact_id: Some("2".into()),
            ..ProofRequestCreateRequest::default()
        };
        api.proof_request_create(request).await.unwrap();
        let data = TaskData {
            task_type: TaskKind::ProveShard.wire(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.into()],
            metadata: "{}".into(),
            proof_id: id.into(),
            parent_id: None,
            weight: 4,
            requester: String::new(),
        };
        tasks.create_task(CreateTaskRequest { worker_id: "w".into(), data: Some(data) }).await.unwrap();
    }
    let let_go = async || {
        let mut let_go = Vec::new();
        for (id, _) in blobs {
            let left = left(&redis, id).await;
            if left != -1 && left <= GRACE {
                let_go.push(id);
            }
        }
        let_go
    };
    looks(3).await;
    assert_eq!(let_go().await, [""; 0], "the proof goes on");
    api.proof_request_cancel(ProofRequestCancelRequest { proof_id: "ends".into() }).await.unwrap();
    until("some to be let go", || async { let_go().await.len() >= 2 }).await;
    looks(2).await;
    assert_eq!(let_go().await, ["key-alone", "key-exchanged"]);
}

#[tokio::test]
async fn artifacts_in_redis_live_as_long_as_their_proof() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let redis = LocalRedis::start(&[]).unwrap();
    let store = store_on(&redis);
    for (id, kind) in
        [("program", ArtifactKind::Program), ("stdin", ArtifactKind::Stdin), ("other", ArtifactKind::Stdin)]
    {
        store.put(&id.into(), kind, "bytes".into()).await.unwrap();
    }
    let (_folder, channel) = start_on(store).await;
    let mut api = ClusterServiceClient::new(channel);
    // Nobody is there to prove it: it waits.
    let request = ProofRequestCreateRequest {
        proof_id: "p".into(),
        program_artifact_id: "program".into(),
        stdin_artifact_id: "stdin".into(),
        options_artifact_id: Some("2".into()),
        ..ProofRequestCreateRequest::default()
    };
    api.proof_request_create(request).await.unwrap();
    for id in ["other", "stdin"] {
        shorten(&redis, id).await;
    }
    until("it is renewed", || async { left(&redis, "stdin").await > LEFT }).await;
    looks(2).await;
    assert!(left(&redis, "other").await <= LEFT, "nobody needs it");
    api.proof_request_cancel(ProofRequestCancelRequest { proof_id: "p".into() }).await.unwrap();
    // A look that had begun before may renew it once more.
    let mut times = 0;
    loop {
        shorten(&redis, "stdin").await;
        looks(2).await;
        if left(&redis, "stdin").await <= LEFT {
            break;
        }
        times += 1;
        assert!(times < 3, "it is still renewed after the end of its proof");
    }
    assert_eq!(left(&redis, "program").await, -1);
}
