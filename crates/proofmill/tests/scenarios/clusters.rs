//! Workers and coordinators that end, well or not.

use crate::{
    house::{Held, House},
    logs::made_twice,
    process::{Running, wait},
};
use proofmill_client::ClusterClient;
use proofmill_wire::operator::{ProofPhase, ProofProgress};
use std::{net::TcpListener, time::Duration};
use tokio::runtime::Runtime;

/// The worker that is in the middle of a segment.
fn holder<'a>(workers: &'a mut [(&'static str, Running)], held: &Held) -> &'a mut Running {
    &mut workers.iter_mut().find(|(id, _)| *id == held.worker).unwrap().1
}

/// In the middle of a segment: first it stays away until the other one has proven that, then it is back at once.
#[test]
fn a_worker_is_killed() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let mut workers = house.workers();
    let _node = house.node();
    house.settle(1);
    for stays_away in [true, false, false] {
        let lost = house.said("cluster").matches("lost a worker").count();
        let held = house.hold();
        let worker = holder(&mut workers, &held);
        worker.kill();
        house.let_go(&held);
        if stays_away {
            house.wait_for(&held);
            assert!(
                house.said("cluster").matches("lost a worker").count() > lost,
                "{}",
                house.said("cluster")
            );
        }
        *worker = house.worker(held.worker);
        house.wait_for(&held);
        house.settle(1);
    }
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

/// In the middle of a segment, which it finishes.
#[test]
fn a_worker_is_drained() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let mut workers = house.workers();
    let _node = house.node();
    house.settle(1);
    let held = house.hold();
    let going = house.let_go_after(&held, "finishing the tasks at hand", Duration::from_secs(3));
    assert!(holder(&mut workers, &held).terminate(), "{}", house.said(held.worker));
    going.join().unwrap();
    house.wait_for(&held);
    house.settle(1);
    assert!(!house.said("cluster").contains("lost a worker"), "{}", house.said("cluster"));
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

/// In the middle of a segment, which goes on meanwhile, and which nobody else is given.
#[test]
fn the_coordinator_is_killed_in_the_middle_of_proofs() {
    let Some(mut house) = House::new() else { return };
    let mut cluster = house.cluster();
    let _workers = house.workers();
    let _node = house.node();
    house.settle(1);
    for _ in 0..3 {
        let registered = |house: &House| house.said("cluster").matches("a worker registered").count();
        let held = house.hold();
        let before = registered(&house);
        cluster.kill();
        std::thread::sleep(Duration::from_secs(2));
        cluster = house.cluster();
        wait("both workers to come back", || registered(&house) >= before + 2);
        // They have said what they hold.
        std::thread::sleep(Duration::from_secs(4));
        assert!(house.is_held(&held), "nothing was under way");
        house.let_go(&held);
        house.wait_for(&held);
        house.settle(1);
    }
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

/// Without a worker a request waits; of one that is active the worker is in the middle of a segment.
#[test]
fn a_proof_is_cancelled_while_it_waits_and_while_it_is_made() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let _node = house.node();
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(ClusterClient::connect(&house.address())).unwrap();
    // Who stands still for longer than an answer is waited for is asked again.
    let proofs = || {
        let mut status = None;
        wait("the cluster's status", || {
            status = runtime.block_on(client.status(Default::default())).ok();
            status.is_some()
        });
        status.unwrap().proofs
    };
    let find = |is_it: &dyn Fn(&ProofProgress) -> bool| proofs().into_iter().find(is_it);
    let phase = |id: &str| find(&|proof: &ProofProgress| proof.proof_id == id).map(|proof| proof.phase());
    // A second time changes nothing.
    let cancel = |id: &str| {
        (0..2).for_each(|_| wait("it to be cancelled", || runtime.block_on(client.cancel(id)).is_ok()));
        assert_eq!(phase(id), Some(ProofPhase::Cancelled));
    };

    let waits = |proof: &ProofProgress| proof.diagnosis.contains("none of the 0 workers");
    let mut waiting = None;
    wait("a proof that waits", || {
        house.load();
        waiting = find(&waits);
        waiting.is_some()
    });
    cancel(&waiting.unwrap().proof_id);

    let _worker = house.worker("worker-1");
    let held = house.hold();
    assert_eq!(phase(&held.proof), Some(ProofPhase::Active));
    cancel(&held.proof);
    let dropped = format!("withdrawn by the coordinator task={}", held.task);
    wait("the worker to drop it", || house.said("worker-1").contains(&dropped));
    // The node asks again for both, for their checkpoints are not proven. The prover cannot be told to leave its segment: the worker
    // goes on beside it.
    house.settle(1);
    assert!(house.is_held(&held), "the prover left its segment");
    house.let_go(&held);
    house.settle(1);
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
