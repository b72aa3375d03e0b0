//! Load on a node whose mempool is small, and on one that is restarted.

use proofmill_devnode::{DevNode, DevNodeOptions};
use proofmill_loadgen::{
    AccountKeys, CancellationToken, Funder, LoadError, LoadKind, LoadPlan, LoadReport, Progress, Rounds, run,
};
use std::{fs, time::Duration};
use tokio::{net::TcpSocket, sync::Notify};
use url::Url;

/// Anvil's first two well-known accounts.
const KEYS: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n\
    0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d\n";

fn keys() -> AccountKeys {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.txt");
    fs::write(&path, KEYS).unwrap();
    AccountKeys::from_file(&path).unwrap()
}

fn options() -> DevNodeOptions {
    let rich = KEYS.lines().map(|key| key.parse::<Funder>().unwrap().address()).collect();
    DevNodeOptions::new(900_901).rich(rich)
}

async fn send(node: &Url, plan: &LoadPlan) -> Result<LoadReport, LoadError> {
    run(node, &keys().first(), plan, &CancellationToken::new(), &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mempool_is_waited_for_and_said_when_it_stays_full() {
    let plan = LoadPlan::new(LoadKind::EthTransfers).keys(keys()).transactions_per_account(20);
    let small = options().mempool_limit(5);
    let node = small.clone().block_time(Duration::from_millis(100)).start().await.unwrap();
    let report = send(node.rpc_url(), &plan).await.unwrap();
    assert_eq!((report.sent, report.included), (40, 40));
    let blocks = report.last_block.unwrap() - report.first_block.unwrap() + 1;
    assert!(blocks >= 8, "5 at a time in {blocks} blocks");

    let stuck = small.start().await.unwrap();
    let error = send(stuck.rpc_url(), &plan.stall_timeout(Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(&error, LoadError::MempoolFull { reason, .. } if reason.contains("full")), "{error}");
    assert!(error.to_string().contains("raise the node's limit"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mempool_is_waited_for_while_accounts_are_funded() {
    let small = options().mempool_limit(3);
    let node = small.clone().block_time(Duration::from_millis(100)).start().await.unwrap();
    for kind in [LoadKind::EthTransfers, LoadKind::Erc20] {
        let plan = LoadPlan::new(kind).accounts(8).transactions_per_account(1);
        let report = send(node.rpc_url(), &plan).await.unwrap();
        assert_eq!((report.sent, report.included), (8, 8), "{kind}");
    }

    let stuck = small.start().await.unwrap();
    let plan = LoadPlan::new(LoadKind::EthTransfers).accounts(8).stall_timeout(Duration::from_secs(1));
    let error = send(stuck.rpc_url(), &plan).await.unwrap_err();
    assert!(matches!(error, LoadError::MempoolFull { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_was_restarted_under_the_load_is_named() {
    // Nobody else is given its port between the two.
    let kept = TcpSocket::new_v4().unwrap();
    kept.set_reuseaddr(true).unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = kept.local_addr().unwrap().port();
    let of = |timestamp| options().block_time(Duration::from_millis(100)).timestamp(timestamp).port(port);
    let node = of(1_000).start().await.unwrap();
    let url = node.rpc_url().clone();
    let plan = LoadPlan::new(LoadKind::EthTransfers)
        .keys(keys())
        .rounds(Rounds::Endless)
        .stall_timeout(Duration::from_secs(300));
    // Once the load is under way, however slow this machine is.
    let begun = Notify::new();
    let (funder, never) = (keys().first(), CancellationToken::new());
    let mut told = |_: Progress| begun.notify_one();
    let load = run(&url, &funder, &plan, &never, &mut told);
    let restart = async {
        begun.notified().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        node.stop().await;
        of(2_000).start().await.unwrap()
    };
    let (load, _again): (_, DevNode) = tokio::join!(load, restart);
    let error = load.unwrap_err();
    assert!(matches!(error, LoadError::ChainReplaced { .. }), "{error}");
    assert!(error.to_string().contains("start the load anew"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_a_file_pay_for_themselves() {
    let node = options().block_time(Duration::from_millis(100)).start().await.unwrap();
    for kind in [LoadKind::EthTransfers, LoadKind::Erc20] {
        let plan = LoadPlan::new(kind).keys(keys()).transactions_per_account(3);
        let report = send(node.rpc_url(), &plan).await.unwrap();
        assert_eq!((report.sent, report.included), (6, 6), "{kind}");
    }
}
