//! What clients and nodes of the SP1 cluster send, and what they expect to come back: from the sources of their client, node,
//! API and coordinator (`succinctlabs/sp1-cluster` 2.7.2, `bin/{api,coordinator,node,cli}`, `crates/{common,utils,worker}`).

use crate::harness::{Running, begun, begun_with, data, start, until, within};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::{
        ProofRequestCancelRequest, ProofRequestGetRequest, ProofRequestListRequest, ProofRequestUpdateRequest,
    },
    worker::{
        CreateProofRequest, EndOfStream, FailProofRequest, MessageStreamResponse, SendTaskMessageRequest,
        SubscribeTaskMessagesRequest, TaskStatus, WorkerType, message_stream_response,
        server_sub_message::Message,
    },
};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Streaming, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// `get_proof_request` gives `None`; `cancel_proof_request` and a status that is reported again succeed.
#[tokio::test]
async fn what_is_not_there_is_no_error() {
    let cluster = start().await;
    let mut api = cluster.api.clone();
    let get = ProofRequestGetRequest { proof_id: "nowhere".into() };
    assert_eq!(api.proof_request_get(get).await.unwrap().into_inner().proof_request, None);
    api.proof_request_cancel(ProofRequestCancelRequest { proof_id: "nowhere".into() }).await.unwrap();
    let ended = ProofRequestUpdateRequest {
        proof_id: "nowhere".into(),
        proof_status: Some(ProofStatus::Completed.wire()),
        ..Default::default()
    };
    api.proof_request_update(ended).await.unwrap();
    let update = |handled| ProofRequestUpdateRequest {
        proof_id: "nowhere".into(),
        handled,
        ..ProofRequestUpdateRequest::default()
    };
    assert_eq!(api.proof_request_update(update(Some(true))).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(api.proof_request_update(update(None)).await.unwrap_err().code(), Code::InvalidArgument);
}

/// `get_all_proof_requests` walks pages of 1,000; whoever sets no limit gets 10.
#[tokio::test]
async fn lists_come_in_pages_oldest_first() {
    let cluster = start().await;
    let ids: Vec<_> = (0..1003).map(|number| format!("p{number:04}")).collect();
    for some in ids.chunks(200) {
        for asked in futures::future::join_all(some.iter().map(|id| cluster.request(id, "2"))).await {
            asked.unwrap();
        }
    }
    let list = async |limit, offset| {
        let request = ProofRequestListRequest {
            proof_status: vec![ProofStatus::Pending.wire()],
            limit,
            offset,
            ..ProofRequestListRequest::default()
        };
        let listed = cluster.api.clone().proof_request_list(request).await.unwrap().into_inner();
        listed.proof_requests.into_iter().map(|proof| proof.id).collect::<Vec<_>>()
    };
    let (first, second) = (list(Some(1000), Some(0)).await, list(Some(1000), Some(1000)).await);
    assert_eq!((first.len(), second.len()), (1000, 3));
    let mut all = [first.clone(), second].concat();
    all.sort();
    assert_eq!(all, ids, "each is in one page");
    assert_eq!(list(None, None).await, first[..10]);
    assert_eq!(list(Some(u32::MAX), None).await, first);
    assert_eq!(list(Some(10), Some(u32::MAX)).await, Vec::<String>::new());
}

/// `status = ANY(…)`: of a status that nobody knows there is no proof.
#[tokio::test]
async fn a_list_of_what_nobody_knows_is_empty() {
    let cluster = start().await;
    cluster.request("p", "2").await.unwrap();
    let list = async |proof_status: Vec<i32>, execution_status: Vec<i32>| {
        let request =
            ProofRequestListRequest { proof_status, execution_status, ..ProofRequestListRequest::default() };
        cluster.api.clone().proof_request_list(request).await.unwrap().into_inner().proof_requests.len()
    };
    assert_eq!((list(vec![99], vec![]).await, list(vec![], vec![0]).await), (0, 0));
    assert_eq!((list(vec![], vec![]).await, list(vec![99, 1], vec![]).await), (1, 1));
}

/// The coordinator's proof claimer and the gateway read the metadata as JSON.
#[tokio::test]
async fn a_request_has_json_metadata_from_the_start() {
    let cluster = start().await;
    let mut request = cluster.request_for("p", "2");
    // As the `bench` command asks.
    (request.cycle_limit, request.gas_limit, request.requester) = (u64::MAX, u64::MAX, Vec::new());
    request.deadline = proofmill_ledger::Timestamp::now().as_secs() + 4 * 3600;
    cluster.api.clone().proof_request_create(request.clone()).await.unwrap();
    let proof = cluster.get("p").await.unwrap();
    assert_eq!((proof.metadata.as_str(), proof.deadline), ("null", request.deadline));
    assert_eq!((proof.cycle_limit, proof.gas_limit), (Some(u64::MAX), Some(u64::MAX)));
    assert_eq!(proof.proof_artifact_id, request.proof_artifact_id);
}

async fn read(cluster: &Running, task: &str, start_offset: u64) -> Streaming<MessageStreamResponse> {
    let request =
        SubscribeTaskMessagesRequest { worker_id: "w".into(), task_id: task.to_owned(), start_offset };
    cluster.tasks.clone().subscribe_task_messages(request).await.unwrap().into_inner()
}

async fn is_at_its_end(stream: &mut Streaming<MessageStreamResponse>) {
    let end = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(end, Some(message_stream_response::Message::EndOfStream(EndOfStream {})));
}

async fn say(cluster: &Running, task: &str, payload: &[u8]) {
    let message =
        SendTaskMessageRequest { worker_id: "w".into(), task_id: task.to_owned(), payload: payload.to_vec() };
    cluster.tasks.clone().send_task_message(message).await.unwrap();
}

/// A reader that comes back to a task which has ended hears the rest and the end, one of an unknown task only the end; a
/// message that comes too late is dropped. Anything else fails the task of the sender, or leaves the reader waiting.
#[tokio::test]
async fn messages_of_tasks_that_have_ended_are_replayed_and_late_ones_dropped() {
    let (cluster, mut worker, root) = begun().await;
    worker.create(&root, TaskKind::CoreExecute, "execution").await.unwrap();
    let execution = worker.task().await;
    say(&cluster, &execution.task_id, b"one").await;
    worker.complete(&execution).await.unwrap();
    say(&cluster, &execution.task_id, b"too late").await;
    let mut stream = read(&cluster, &execution.task_id, 0).await;
    let one = within(stream.message()).await.unwrap().unwrap().message;
    assert_eq!(one, Some(message_stream_response::Message::Payload(b"one".to_vec())));
    is_at_its_end(&mut stream).await;
    is_at_its_end(&mut read(&cluster, &execution.task_id, 7).await).await;
    for unknown in ["task-nobody-knows", ""] {
        say(&cluster, unknown, b"into the void").await;
        is_at_its_end(&mut read(&cluster, unknown, 0).await).await;
    }
    worker.complete_proof("p", "").await.unwrap();
    say(&cluster, &execution.task_id, b"far too late").await;
    is_at_its_end(&mut read(&cluster, &execution.task_id, 0).await).await;
}

/// A node acknowledges what it got. What it did not get comes again after 4 s, on the same stream.
#[tokio::test]
async fn what_is_not_acknowledged_comes_again_on_the_open_stream() {
    let (_cluster, mut worker, root) = begun().await;
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let mut results = worker.subscribe("sub", "p", &[&shard]).await;
    let task = worker.task().await;
    // Before: what comes at once may be read late.
    let at = Instant::now();
    worker.complete(&task).await.unwrap();
    let first = results.next().await;
    assert_eq!(results.next_or_again().await, first);
    assert!(at.elapsed() >= Duration::from_secs(3), "{:?}", at.elapsed());
    results.acknowledge(first.0.clone()).await;
    let mut more = async || tokio::time::timeout(Duration::from_secs(6), results.next_or_again()).await.ok();
    // It may have been sent once more before it was acknowledged.
    if let Some(on_its_way) = more().await {
        assert_eq!(on_its_way, first);
        let again = more().await;
        assert!(again.is_none(), "{again:?}");
    }
}

/// The SP1 cluster's API claims proofs for its coordinator by `CreateProof`: nonce and metadata are the worker's business.
#[tokio::test]
async fn the_inputs_of_a_proof_reach_its_worker_as_they_came() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::Cpu, 12).await;
    let inputs = ["program", "stdin", "2", "77", "nonce-artifact", r#"{"stdin_private":true,"more":1}"#, "x"];
    let request = CreateProofRequest {
        proof_id: "p".into(),
        inputs: inputs.map(str::to_owned).to_vec(),
        outputs: vec!["out".into(), "more".into()],
        requester: "0xAb".into(),
        expires_at: 0,
    };
    let created = cluster.tasks.clone().create_proof(request).await.unwrap().into_inner();
    let root = worker.task().await;
    assert_eq!((&root.task_id, root.metadata.as_str()), (&created.task_id, "{}"));
    let spec = data(&root);
    assert_eq!(
        (&spec.inputs[..], &spec.outputs[..]),
        (&inputs.map(str::to_owned)[..], &["out".to_owned(), "more".to_owned()][..])
    );
    assert_eq!(spec.requester, "0xAb");
    let proof = cluster.get("p").await.unwrap();
    assert!(proof.stdin_private);
    assert_eq!((proof.cycle_limit, proof.proof_artifact_id.as_deref()), (Some(77), Some("out")));
    // A restart changes nothing of it.
    let cluster = cluster.restart().await;
    let mut worker = cluster.worker("w", WorkerType::Cpu, 12).await;
    assert_eq!(data(&worker.task().await).inputs, inputs);
}

/// A node that cannot go on with a task gives up its proof (`try_unclaim_proof`), and says why in a JSON of its own.
#[tokio::test]
async fn a_proof_that_a_node_gives_up_says_why() {
    let (cluster, mut worker, root) = begun().await;
    worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let shard = worker.task().await;
    let give_up = |task: &str| FailProofRequest {
        worker_id: "w".into(),
        proof_id: "p".into(),
        task_id: Some(task.to_owned()),
        extra_data: Some(r#"{"proving_failure":{"task_type":"ProveShard","reason":"out of luck"}}"#.into()),
    };
    worker.complete(&shard).await.unwrap();
    // Somebody had it twice, and the other one was done.
    worker.client.fail_proof(give_up(&shard.task_id)).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
    worker.client.fail_proof(give_up(&root.task_id)).await.unwrap();
    let proof = cluster.get("p").await.unwrap();
    assert_eq!(proof.proof_status, ProofStatus::Failed.wire());
    assert_eq!(proof.extra_data, give_up("").extra_data);
    let cause = cluster.progress("p").await.cause;
    assert!(cause.contains("out of luck"), "{cause}");
    // Then it reports its own task as failed, which is over by then.
    worker.fail(&root, false, "").await.unwrap();
}

/// What a peer says makes no sense: the proof that it gives up is not that of the task over which it does, or is none at all.
#[tokio::test]
async fn giving_up_a_proof_that_is_not_there_harms_nobody() {
    let (cluster, mut worker, root) = begun().await;
    worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let shard = worker.task().await;
    // One verdict without a reason ends no proof where there is another worker.
    let mut other = cluster.worker("other", WorkerType::Gpu, 12).await;
    for task_id in [Some(shard.task_id.clone()), Some("unheard of".into()), Some(String::new()), None] {
        let give_up =
            FailProofRequest { worker_id: "w".into(), proof_id: "nobody".into(), task_id, extra_data: None };
        worker.client.fail_proof(give_up).await.unwrap();
    }
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
    assert!(!cluster.is_known("nobody").await);
    // It is the task alone that was given up.
    assert_eq!(other.task().await.task_id, shard.task_id);
}

/// A node was cut off for so long that another one has its controller's task. It gives up then, for want of the cluster.
#[tokio::test]
async fn a_node_that_has_lost_its_controller_ends_no_proof() {
    let (cluster, mut lost, root) = begun().await;
    // Its stream breaks, its calls go on.
    lost.stream = cluster.worker("dummy", WorkerType::Gpu, 1).await.stream;
    let mut other = cluster.worker("other", WorkerType::All, 12).await;
    assert_eq!(other.task().await.task_id, root.task_id);
    let give_up = FailProofRequest {
        worker_id: "w".into(),
        proof_id: "p".into(),
        task_id: Some(root.task_id.clone()),
        extra_data: None,
    };
    lost.client.fail_proof(give_up).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
    other.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// The same where there is nobody else yet: the task waits for a worker, and its proof is not over.
#[tokio::test]
async fn a_node_that_has_lost_its_controller_to_nobody_ends_no_proof() {
    let (cluster, mut lost, root) = begun().await;
    lost.stream = cluster.worker("dummy", WorkerType::Gpu, 1).await.stream;
    until("it is lost", || async { cluster.stats().await.cpu_workers == 0 }).await;
    let give_up = FailProofRequest {
        worker_id: "w".into(),
        proof_id: "p".into(),
        task_id: Some(root.task_id),
        extra_data: None,
    };
    lost.client.fail_proof(give_up).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
}

/// `fail_proof_internal` of its coordinator: what a node had from another coordinator is no reason to give up a proof of this one.
#[tokio::test]
async fn a_proof_is_given_up_over_a_task_of_its_own_alone() {
    let (cluster, mut worker, _) = begun().await;
    cluster.request("q", "2").await.unwrap();
    let of_another = worker.task().await.task_id;
    for task in ["unheard of", "", &of_another] {
        let give_up = FailProofRequest {
            worker_id: "w".into(),
            proof_id: "p".into(),
            task_id: Some(task.to_owned()),
            extra_data: None,
        };
        let refused = worker.client.fail_proof(give_up).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{task}");
    }
    for proof in ["p", "q"] {
        assert_eq!(cluster.get(proof).await.unwrap().proof_status, ProofStatus::Pending.wire(), "{proof}");
    }
}

/// `process_sp1_execute_only`: the result as JSON, with the causes of `cluster.proto`. Whoever splits what cannot be run must know.
#[tokio::test]
async fn an_execution_that_a_node_gives_up_says_why() {
    for (cause, code) in [(5, "task/cycle-limit"), (2, "task/program-failed"), (0, "task/program-failed")] {
        let (cluster, mut worker, root) = begun_with(12, "0").await;
        let said =
            format!(r#"{{"status":3,"failure_cause":{cause},"cycles":0,"gas":0,"public_values_hash":[]}}"#);
        let give_up = FailProofRequest {
            worker_id: "w".into(),
            proof_id: "p".into(),
            task_id: Some(root.task_id),
            extra_data: Some(said.clone()),
        };
        worker.client.fail_proof(give_up).await.unwrap();
        assert_eq!(cluster.progress("p").await.fault, code);
        assert_eq!(cluster.get("p").await.unwrap().extra_data, Some(said));
    }
}

/// A node whose task panics says that another try cannot help, whatever the reason was; where it failed otherwise it gives up the
/// whole proof before. One broken node ends no proof: another one is asked, and only where that says the same the controller is
/// told `FailedFatal`.
#[tokio::test]
async fn a_broken_node_ends_no_proof_and_two_that_agree_do() {
    let cluster = start().await;
    let mut controls = cluster.worker("controls", WorkerType::Cpu, 12).await;
    let mut broken = cluster.worker("broken", WorkerType::Gpu, 12).await;
    cluster.request("p", "2").await.unwrap();
    let root = controls.task().await;
    let first = controls.create(&root, TaskKind::ProveShard, "first").await.unwrap();
    let shard = broken.task().await;
    let mut works = cluster.worker("works", WorkerType::Gpu, 8).await;
    let give_up = FailProofRequest {
        worker_id: "broken".into(),
        proof_id: "p".into(),
        task_id: Some(shard.task_id.clone()),
        extra_data: Some(r#"{"proving_failure":{"task_type":"ProveShard","reason":"no GPU"}}"#.into()),
    };
    broken.client.fail_proof(give_up).await.unwrap();
    broken.fail(&shard, false, "").await.unwrap();
    let shard = works.task().await;
    assert_eq!(shard.task_id, first);
    works.complete(&shard).await.unwrap();
    let second = controls.create(&root, TaskKind::ProveShard, "second").await.unwrap();
    let mut results = controls.subscribe("sub", "p", &[&second]).await;
    let shard = broken.task().await;
    broken.fail(&shard, false, "").await.unwrap();
    let shard = works.task().await;
    assert_eq!(shard.task_id, second);
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
    works.fail(&shard, false, "out of luck").await.unwrap();
    let (_, told) = results.next().await;
    let Message::TaskResult(told) = told else { panic!("{told:?}") };
    assert_eq!((told.task_id.as_str(), told.task_status()), (second.as_str(), TaskStatus::FailedFatal));
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Failed.wire());
    let cause = cluster.progress("p").await.cause;
    assert!(cause.contains("2 times") && cause.contains("out of luck"), "{cause}");
}

/// A controller of the SP1 cluster's layout that starts over names what it asked for before: it is the same task, whose messages
/// are there, also after a restart. (Its own controllers never name an output twice.)
#[tokio::test]
async fn a_finished_task_of_their_layout_is_found_by_its_outputs() {
    let (cluster, mut worker, root) = begun().await;
    let first = worker.create(&root, TaskKind::CoreExecute, "execution").await.unwrap();
    let execution = worker.task().await;
    worker.complete(&execution).await.unwrap();
    assert_eq!(worker.create(&root, TaskKind::CoreExecute, "execution").await.unwrap(), first);
    let cluster = cluster.restart().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    let root = worker.task().await;
    assert_eq!(worker.create(&root, TaskKind::CoreExecute, "execution").await.unwrap(), first);
    assert_ne!(worker.create(&root, TaskKind::CoreExecute, "another").await.unwrap(), first);
}

/// A task of their layout that is done, and whose result was lost, is asked for as another one. That one is found like any other.
#[tokio::test]
async fn a_finished_task_whose_result_is_lost_is_done_again() {
    let (cluster, mut worker, root) = begun().await;
    let first = worker.create(&root, TaskKind::RecursionReduce, "fold").await.unwrap();
    let fold = worker.task().await;
    worker.complete(&fold).await.unwrap();
    assert_eq!(worker.create(&root, TaskKind::RecursionReduce, "fold").await.unwrap(), first);
    let again = async |repeated: &str| {
        let data = proofmill_wire::worker::TaskData {
            task_type: TaskKind::RecursionReduce.wire(),
            inputs: vec!["program".into()],
            outputs: vec!["fold".into()],
            metadata: format!(r#"{{"repeated":"{repeated}"}}"#),
            proof_id: "p".into(),
            parent_id: Some(root.task_id.clone()),
            weight: TaskKind::RecursionReduce.default_weight().as_gb(),
            requester: String::new(),
        };
        let request = proofmill_wire::worker::CreateTaskRequest { worker_id: "w".into(), data: Some(data) };
        cluster.tasks.clone().create_task(request).await.unwrap().into_inner().task_id
    };
    let second = again("1").await;
    assert_ne!(second, first);
    assert_eq!(again("1").await, second, "it waits");
    let fold = worker.task().await;
    assert_eq!(fold.task_id, second);
    worker.complete(&fold).await.unwrap();
    assert_eq!(again("1").await, second, "it is done");
    assert_ne!(again("2").await, second);
}

/// `GetTaskStatuses` is not used by its nodes, subscriptions are: of tasks that are not known each is told apart.
#[tokio::test]
async fn unknown_tasks_of_a_live_proof_are_named() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    worker.task().await;
    cluster.request("q", "2").await.unwrap();
    let of_another = worker.task().await.task_id;
    let mut results = worker.subscribe("sub", "p", &["one", "two", &of_another]).await;
    for task in ["one", "two", &of_another] {
        let (id, message) = results.next().await;
        assert!(matches!(message, Message::UnknownTask(unknown) if unknown.task_id == task));
        results.acknowledge(id).await;
    }
}

/// Asks over a plain connection, as a probe or a browser does; the head of the answer and its body.
async fn http(cluster: &Running, request: &[u8]) -> (String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(cluster.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

async fn health(cluster: &Running) -> HealthClient<Channel> {
    let address = format!("http://{}", cluster.address);
    HealthClient::new(Channel::from_shared(address).unwrap().connect().await.unwrap())
}

#[tokio::test]
async fn probes_and_browsers_are_answered_on_the_same_port() {
    let cluster = start().await;
    for path in ["/", "/healthz"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: cluster\r\nconnection: close\r\n\r\n");
        let (head, body) = http(&cluster, request.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(body, b"OK");
    }
    let mut health = health(&cluster).await;
    for service in ["", "cluster.ClusterService", "worker.WorkerService", "proofmill.v1.OperatorService"] {
        let request = HealthCheckRequest { service: service.into() };
        let reply = health.check(request).await.unwrap().into_inner();
        assert_eq!(reply.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = HealthCheckRequest { service: "nobody".into() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);

    // gRPC-Web: one message of no bytes, and the trailers as a message of their own.
    let head = "POST /cluster.ClusterService/Healthcheck HTTP/1.1\r\nhost: cluster\r\nconnection: close\r\n\
        content-type: application/grpc-web+proto\r\ncontent-length: 5\r\n\r\n";
    let (head, body) = http(&cluster, &[head.as_bytes(), &[0; 5]].concat()).await;
    assert!(head.contains("application/grpc-web+proto"), "{head}");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains("grpc-status:0"), "{body}");
}

#[tokio::test]
async fn a_cluster_that_stops_says_so_before_it_is_gone() {
    let cluster = start().await;
    let mut health = health(&cluster).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(within(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    let stopping = tokio::spawn(cluster.stop());
    let next = within(watch.message()).await.unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::NotServing);
    drop((watch, health));
    within(stopping).await.unwrap().unwrap();
}
