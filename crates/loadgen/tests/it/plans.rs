//! Plans that cannot be carried out.

use alloy_primitives::B256;
use proofmill_loadgen::{CancellationToken, Funder, LoadError, LoadKind, LoadPlan, run};

#[tokio::test]
async fn a_round_that_no_memory_holds_is_refused_before_anything_is_asked() {
    let (node, stop) = ("http://127.0.0.1:1".parse().unwrap(), CancellationToken::new());
    let funder = Funder::try_from(B256::repeat_byte(7)).unwrap();
    for (accounts, transactions) in [(u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
        let plan = LoadPlan::new(LoadKind::Mixed).accounts(accounts).transactions_per_account(transactions);
        let error = run(&node, &funder, &plan, &stop, &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, LoadError::TooMany { .. }), "{error}");
        assert!(error.to_string().contains("--endless"), "{error}");
    }
}
