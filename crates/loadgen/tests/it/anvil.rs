//! Load on a real anvil.

use proofmill_loadgen::{
    CancellationToken, Funder, LoadError, LoadKind, LoadPlan, LoadReport, Phase, Rounds, run,
};
use proofmill_localnet::{Anvil, AnvilOptions, Mining};
use std::time::Duration;

fn funder(anvil: &Anvil) -> Funder {
    anvil.accounts()[0].private_key.try_into().unwrap()
}

async fn once(anvil: &Anvil, plan: &LoadPlan) -> Result<LoadReport, LoadError> {
    run(anvil.rpc_url(), &funder(anvil), plan, &CancellationToken::new(), &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_included_and_rounds_follow_each_other() {
    let anvil = AnvilOptions::new().mining(Mining::Every(Duration::from_secs(1))).spawn().await.unwrap();
    for kind in LoadKind::ALL {
        let mut phases = Vec::new();
        let plan = LoadPlan::new(kind).accounts(4).transactions_per_account(3);
        let report =
            run(anvil.rpc_url(), &funder(&anvil), &plan, &CancellationToken::new(), &mut |progress| {
                assert!(progress.done <= progress.total);
                phases.push(progress.phase);
            })
            .await
            .unwrap();
        if kind == LoadKind::Mixed {
            // Some are meant to revert, and one that raises its sender's nonce twice ends that sender's round.
            assert!(report.sent > 4 && report.included + report.failed == report.sent, "{report:?}");
            continue;
        }
        assert_eq!((report.sent, report.included, report.failed), (12, 12, 0), "{kind}");
        assert!(report.gas >= 12 * 21_000 && report.first_block <= report.last_block, "{kind}: {report:?}");
        assert!(phases.contains(&Phase::Sending) && phases.contains(&Phase::Including), "{kind}");
        let again = once(&anvil, &plan).await.unwrap();
        assert_eq!(again.included, 12);
        assert!(again.first_block > report.last_block, "{kind}");
        if kind == LoadKind::IoHeavy {
            assert!(report.gas > 12 * 1_000_000, "{report:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_load_ends_when_told_to() {
    let anvil = AnvilOptions::new().spawn().await.unwrap();
    let plan =
        LoadPlan::new(LoadKind::EthTransfers).accounts(2).transactions_per_account(2).rounds(Rounds::Endless);
    let stop = CancellationToken::new();
    let report = run(anvil.rpc_url(), &funder(&anvil), &plan, &stop, &mut |progress| {
        if progress.round == 3 {
            stop.cancel();
        }
    })
    .await
    .unwrap();
    assert_eq!((report.sent, report.included), (12, 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_say_what_is_wrong() {
    let anvil = AnvilOptions::new().mining(Mining::OnRequest).spawn().await.unwrap();
    let plan = LoadPlan::new(LoadKind::EthTransfers);
    let error = once(&anvil, &plan.clone().chain_id(5)).await.unwrap_err();
    assert!(matches!(error, LoadError::ChainId { expected: 5, got: 31337 }), "{error}");
    let error = once(&anvil, &plan.clone().accounts(0)).await.unwrap_err();
    assert!(matches!(error, LoadError::EmptyPlan), "{error}");
    let poor: Funder = format!("{:064x}", 77).parse().unwrap();
    let error = run(anvil.rpc_url(), &poor, &plan, &CancellationToken::new(), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, LoadError::InsufficientFunds { .. }), "{error}");
    // Nobody makes blocks.
    let error = once(&anvil, &plan.clone().stall_timeout(Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, LoadError::Stalled { phase: Phase::Preparing, .. }), "{error}");
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let error = run(&nowhere, &poor, &plan, &CancellationToken::new(), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, LoadError::Unreachable { .. }), "{error}");
    assert!(matches!("0x12".parse::<Funder>(), Err(LoadError::BadKey)));
}
