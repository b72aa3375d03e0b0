//! Workers and coordinators that end, well or not.

use crate::{
    house::House,
    logs::made_twice,
    process::{output, wait},
};
use proofmill_client::ClusterClient;
use std::{net::TcpListener, time::Duration};

#[test]
fn a_worker_is_killed() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let (mut one, _two) = (house.worker("worker-1"), house.worker("worker-2"));
    let _node = house.node();
    house.settle(1);
    for _ in 0..3 {
        house.load();
        one.kill();
        house.settle(1);
        one = house.worker("worker-1");
    }
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

#[test]
fn a_worker_is_drained() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let (mut one, _two) = (house.worker("worker-1"), house.worker("worker-2"));
    let _node = house.node();
    house.settle(1);
    house.load();
    assert!(one.terminate(), "{}", house.said("worker-1"));
    house.settle(1);
    assert!(!house.said("cluster").contains("lost"), "{}", house.said("cluster"));
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

#[test]
fn the_coordinator_is_killed_in_the_middle_of_proofs() {
    let Some(mut house) = House::new() else { return };
    let mut cluster = house.cluster();
    let (_one, _two) = (house.worker("worker-1"), house.worker("worker-2"));
    let _node = house.node();
    house.settle(1);
    for _ in 0..3 {
        house.load();
        cluster.kill();
        std::thread::sleep(Duration::from_secs(2));
        cluster = house.cluster();
        house.settle(1);
    }
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

/// Without a worker a request waits; with a worker that is held up, it is active.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_cancelled_while_it_waits_and_while_it_is_made() {
    let Some(mut house) = tokio::task::block_in_place(House::new) else { return };
    let _cluster = house.cluster();
    let _node = house.node();
    let client = ClusterClient::connect(&house.address()).await.unwrap();
    let proofs = async |state: &str| {
        let status = client.status().await.unwrap();
        let of_it = status.proofs.into_iter().filter(|proof| format!("{proof:?}").contains(state));
        of_it.map(|proof| proof.proof_id).collect::<Vec<_>>()
    };
    tokio::task::block_in_place(|| house.load());
    let mut waiting = Vec::new();
    for _ in 0..300 {
        waiting = proofs("none of the 0 workers").await;
        if !waiting.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let id = waiting.first().expect("a proof that waits").clone();
    client.cancel(&id).await.unwrap();
    client.cancel(&id).await.expect("a second time changes nothing");
    let shown = String::from_utf8(
        output(house.role("client").args(["status", "--cluster", &house.address()])).stdout,
    );
    assert!(!shown.unwrap().contains(&format!("{id} failed")));
    // The node asks again, for its checkpoint is not proven.
    let _worker = house.worker("worker-1");
    tokio::task::block_in_place(|| house.settle(1));
}

#[test]
fn everything_is_shut_down_and_all_ports_are_free() {
    let Some(mut house) = House::new() else { return };
    let mut roles = vec![house.cluster(), house.worker("worker-1"), house.node()];
    house.settle(1);
    house.load();
    // Clients first, as an operator would.
    while let Some(mut role) = roles.pop() {
        assert!(
            role.terminate(),
            "{}\n{}\n{}",
            house.said("node"),
            house.said("worker-1"),
            house.said("cluster")
        );
    }
    assert!(house.localnet.terminate());
    for port in house.ports() {
        wait("the port to be free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
    }
}
