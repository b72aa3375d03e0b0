//! Tasks, their results and their messages.

use crate::harness::{begun, start, within};
use proofmill_primitives::{Dialect, TaskKind};
use proofmill_wire::{
    MAX_PARTS,
    worker::{
        EndOfStream, GetTaskStatusesRequest, SendTaskMessageRequest, SubscribeTaskMessagesRequest,
        TaskStatus, UpdateSubRequest, WorkerType, message_stream_response, server_sub_message::Message,
    },
};
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;
use tonic::Code;

#[tokio::test]
async fn what_is_not_acknowledged_is_repeated() {
    let (_cluster, mut worker, root) = begun().await;
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let mut results = worker.subscribe("sub", "p", &[&shard]).await;
    let task = worker.task().await;
    worker.complete(&task).await.unwrap();
    let first = results.next().await;
    drop(results);
    // With the same tasks and without: told once, under the same id.
    let mut results = worker.subscribe("sub", "p", &[&shard]).await;
    assert_eq!(results.next().await, first);
    results.is_silent().await;
    let mut results = worker.subscribe("sub", "p", &[]).await;
    assert_eq!(results.next().await, first);
    results.acknowledge(first.0).await;
    let mut results = worker.subscribe("sub", "p", &[]).await;
    results.is_silent().await;
    // Whoever asks again for a task that has ended is told again.
    let again = UpdateSubRequest { sub_id: "sub".into(), task_ids: vec![shard.clone(), "unheard-of".into()] };
    worker.client.update_sub(again).await.unwrap();
    assert!(matches!(results.next().await.1, Message::TaskResult(result) if result.task_id == shard));
    assert!(
        matches!(results.next().await.1, Message::UnknownTask(unknown) if unknown.task_id == "unheard-of")
    );
    let nobody = UpdateSubRequest { sub_id: "nobody".into(), task_ids: vec![shard] };
    assert_eq!(worker.client.update_sub(nobody).await.unwrap_err().code(), Code::NotFound);
}

/// A subscriber may name what it likes: of what is no task nothing is kept, and many at once are refused.
#[tokio::test]
async fn names_of_no_task_are_not_kept() {
    let (_cluster, mut worker, _) = begun().await;
    let mut results = worker.subscribe("sub", "p", &["unheard-of"]).await;
    assert!(matches!(results.next().await.1, Message::UnknownTask(_)));
    drop(results);
    // It was not acknowledged; whoever comes back names it once more.
    let mut results = worker.subscribe("sub", "p", &[]).await;
    results.is_silent().await;
    let many = |count: u32| {
        let task_ids = (0..count).map(|number| number.to_string()).collect();
        UpdateSubRequest { sub_id: "sub".into(), task_ids }
    };
    worker.client.update_sub(many(65_536)).await.unwrap();
    let refused = worker.client.update_sub(many(65_537)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("more than 65536"), "{refused}");
    // Of more than that the call is refused before anything is made of it.
    let endless = UpdateSubRequest { sub_id: "sub".into(), task_ids: vec![String::new(); MAX_PARTS] };
    let refused = worker.client.update_sub(endless).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("parts"), "{refused}");
}

#[tokio::test]
async fn outputs_that_were_lost_are_made_again() {
    let cluster = start().await;
    let mut worker = cluster.worker_of_ours("w", 12, Dialect::Own(1)).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    let first = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let task = worker.task().await;
    worker.complete(&task).await.unwrap();
    // Its controller found that the result is not there any more, or it would not ask.
    let second = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    assert_ne!(second, first);
    assert_eq!(worker.task().await.task_id, second);
    assert_eq!(worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap(), second);
    // Of another kind or proof, the same output is another task.
    assert_ne!(worker.create(&root, TaskKind::ShrinkWrap, "shard").await.unwrap(), second);
}

#[tokio::test]
async fn statuses_are_told_by_status() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    let runs = worker.create(&root, TaskKind::ProveShard, "a").await.unwrap();
    let waits = worker.create(&root, TaskKind::ProveShard, "b").await.unwrap();
    let task_ids = vec![runs.clone(), waits.clone(), "unheard-of".into()];
    let request = GetTaskStatusesRequest { worker_id: "w".into(), proof_id: "p".into(), task_ids };
    let reply = cluster.tasks.clone().get_task_statuses(request).await.unwrap().into_inner();
    let mut told: Vec<_> =
        reply.statuses.into_iter().map(|entry| (entry.key(), entry.value.unwrap().ids)).collect();
    told.sort();
    let mut expected = vec![
        (TaskStatus::Pending, vec![waits]),
        (TaskStatus::Running, vec![runs]),
        (TaskStatus::UnspecifiedStatus, vec!["unheard-of".into()]),
    ];
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn impossible_tasks_are_refused() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let mut root = worker.task().await;
    let heavy = worker.create_of_weight(&root, TaskKind::ProveShard, "out", u32::MAX).await.unwrap_err();
    assert_eq!(heavy.code(), Code::InvalidArgument);
    root.data.as_mut().unwrap().proof_id = "unheard-of".into();
    let orphan = worker.create(&root, TaskKind::ProveShard, "out").await.unwrap_err();
    assert_eq!(orphan.code(), Code::NotFound);
}

#[tokio::test]
async fn messages_of_a_task_reach_readers_that_come_late() {
    let (_cluster, mut worker, root) = begun().await;
    worker.create(&root, TaskKind::CoreExecute, "execution").await.unwrap();
    let task = worker.task().await;
    let mut client = worker.client.clone();
    for payload in [b"one".to_vec(), b"two".to_vec()] {
        let message =
            SendTaskMessageRequest { worker_id: "w".into(), task_id: task.task_id.clone(), payload };
        client.send_task_message(message).await.unwrap();
    }
    worker.complete(&task).await.unwrap();
    // The producer was faster than its reader.
    let from = |start_offset| SubscribeTaskMessagesRequest {
        worker_id: "w".into(),
        task_id: task.task_id.clone(),
        start_offset,
    };
    let mut stream = client.subscribe_task_messages(from(1)).await.unwrap().into_inner();
    let two = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(two, Some(message_stream_response::Message::Payload(b"two".to_vec())));
    let end = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(end, Some(message_stream_response::Message::EndOfStream(EndOfStream {})));
    // A reader of a task whose proof ends is told so.
    let follow =
        SubscribeTaskMessagesRequest { worker_id: "w".into(), task_id: root.task_id, start_offset: 0 };
    let mut stream = client.subscribe_task_messages(follow).await.unwrap().into_inner();
    worker.complete_proof("p", "").await.unwrap();
    let end = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(end, Some(message_stream_response::Message::EndOfStream(EndOfStream {})));
}

/// A reader comes back with the number of messages that it has had: one that a kill may undo must not be among them.
#[tokio::test]
async fn a_message_of_a_task_is_heard_once_it_is_durable() {
    let (cluster, worker, root) = begun().await;
    let mut client = worker.client.clone();
    let task_id = root.task_id;
    let follow =
        SubscribeTaskMessagesRequest { worker_id: "w".into(), task_id: task_id.clone(), start_offset: 0 };
    let mut stream = client.subscribe_task_messages(follow).await.unwrap().into_inner();
    let path = cluster.folder.path().join("ledger.sqlite");
    let mut foreign = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await.unwrap();
    let message = SendTaskMessageRequest { worker_id: "w".into(), task_id, payload: b"one".to_vec() };
    let said = tokio::spawn(async move { client.send_task_message(message).await });
    let early = tokio::time::timeout(Duration::from_millis(500), stream.message()).await;
    assert!(early.is_err(), "{early:?}");
    sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
    let one = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(one, Some(message_stream_response::Message::Payload(b"one".to_vec())));
    within(said).await.unwrap().unwrap();
}
