//! Sending transactions.

use crate::scene::{Scene, key, options, rpc, until_another_waits, until_waiting};
use alloy_primitives::{B256, U256};
use proofmill_chain::{
    CallName, ChainError, L1, PoolOptions, Publishers, Refusal, Sender, SigningKey, SnarkRefusal,
    deploy_accepts_anything_verifier,
};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_key_does_not_show_itself() {
    let text = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let key: SigningKey = format!(" {text}\n").parse().unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, "SigningKey(0x70997970C51812dc3A010C7d01b50e0d17dc79C8)");
    assert!(!shown.contains("59c6995e"));
    for wrong in ["", "0x12", "not a key", &"00".repeat(32)] {
        let error = wrong.parse::<SigningKey>().unwrap_err();
        assert!(matches!(error, ChainError::BadKey));
        assert!(wrong.is_empty() || !error.to_string().contains(wrong));
    }
}

#[tokio::test]
async fn a_signer_without_funds_is_told_what_it_needs() {
    let scene = Scene::new().await;
    let poor = Sender::new(scene.l1.clone(), key(7));
    match deploy_accepts_anything_verifier(&poor, B256::repeat_byte(1)).await {
        Err(ChainError::InsufficientFunds { call, account, has, needs }) => {
            assert_eq!(call, CallName::Deploy("AcceptsAnythingVerifier"));
            assert_eq!(account, poor.account());
            assert_eq!(has, U256::ZERO);
            assert!(needs > U256::ZERO);
        }
        other => panic!("{other:?}"),
    }
    // Its key is nowhere in the error or the sender.
    assert!(!format!("{poor:?}").contains("0707070707"));
}

#[tokio::test]
async fn a_transaction_that_is_not_included_is_outbid_by_the_next() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let sender = Sender::new(l1.clone(), anvil.accounts()[0].private_key.try_into().unwrap());
    rpc(&anvil, "evm_setAutomine", json!([false])).await;
    let hasty = sender.clone().include_within(Duration::from_millis(600));
    let stuck = deploy_accepts_anything_verifier(&hasty, B256::ZERO).await;
    let Err(ChainError::NotIncluded { transaction, .. }) = stuck else { panic!("{stuck:?}") };

    // The next one takes its place: the same nonce, a higher fee.
    let miner = async {
        until_another_waits(&anvil, Some(&transaction.to_string())).await;
        rpc(&anvil, "evm_mine", json!([])).await;
    };
    let (deployed, ()) = tokio::join!(deploy_accepts_anything_verifier(&sender, B256::repeat_byte(1)), miner);
    let included = deployed.unwrap().transaction.unwrap();
    assert_ne!(included.transaction, transaction);
    let count = rpc(&anvil, "eth_getTransactionCount", json!([sender.account(), "latest"])).await;
    assert_eq!(count, json!("0x1"), "one of them is on the chain");
}

#[tokio::test]
async fn a_transaction_whose_place_was_taken_is_not_waited_for() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    // Two processes with one key, as before and after a restart.
    let sender = || Sender::new(l1.clone(), anvil.accounts()[0].private_key.try_into().unwrap());
    rpc(&anvil, "evm_setAutomine", json!([false])).await;
    let (before, restarted) = (sender(), sender());
    let (lost, won) = tokio::join!(deploy_accepts_anything_verifier(&before, B256::ZERO), async {
        let first = until_another_waits(&anvil, None).await;
        let miner = async {
            until_another_waits(&anvil, Some(&first)).await;
            rpc(&anvil, "evm_mine", json!([])).await;
        };
        tokio::join!(deploy_accepts_anything_verifier(&restarted, B256::repeat_byte(1)), miner).0
    });
    won.unwrap();
    let error = lost.unwrap_err();
    assert!(matches!(error, ChainError::NonceTaken { nonce: 0, .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn after_a_restart_the_account_goes_on_whose_transaction_waits() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let sender = |at: usize| Sender::new(l1.clone(), anvil.accounts()[at].private_key.try_into().unwrap());
    let publishers = || Publishers::new(sender(0), [sender(1), sender(2)]);
    let (fresh, second) = (publishers(), sender(1));
    fresh.go_on().await.unwrap();
    assert_eq!(fresh.current().account(), sender(0).account());
    rpc(&anvil, "evm_setAutomine", json!([false])).await;
    let (sent, ()) = tokio::join!(deploy_accepts_anything_verifier(&second, B256::ZERO), async {
        while !second.has_waiting().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let restarted = publishers();
        restarted.go_on().await.unwrap();
        assert_eq!(restarted.current().account(), second.account());
        rpc(&anvil, "evm_mine", json!([])).await;
    });
    sent.unwrap();
    assert!(!second.has_waiting().await.unwrap());
}

#[tokio::test]
async fn transactions_of_one_account_take_turns() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let sender = Sender::new(l1, anvil.accounts()[0].private_key.try_into().unwrap());
    let salts = [1, 2, 3, 4].map(B256::repeat_byte);
    let [a, b, c, d] = salts.map(|salt| deploy_accepts_anything_verifier(&sender, salt));
    let (a, b, c, d) = tokio::try_join!(a, b, c, d).unwrap();
    let mut addresses = vec![a.address, b.address, c.address, d.address];
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
}

#[tokio::test]
async fn what_is_refused_only_on_the_chain_is_told_with_its_reason() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.rpc("evm_setAutomine", json!([false])).await;
    let first = scene.rollup.submit_epoch_proof(&scene.publisher, scene.submission(1, 1));
    let second_sender =
        Sender::new(scene.l1.clone(), scene.anvil.accounts()[2].private_key.try_into().unwrap());
    let second = scene.rollup.submit_epoch_proof(&second_sender, scene.submission(1, 1));
    let miner = async {
        until_waiting(&scene.anvil, 2).await;
        scene.rpc("evm_mine", json!([])).await;
    };
    let (first, second, ()) = tokio::join!(first, second, miner);
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    won.unwrap();
    let lost = lost.unwrap_err();
    assert!(matches!(lost, ChainError::FailedOnChain { call: CallName::SubmitEpochProof, .. }), "{lost}");
    assert!(matches!(lost.refusal(), Some(proofmill_chain::Refusal::AlreadySubmitted { .. })), "{lost}");
    // It is paid for all the same.
    let ChainError::FailedOnChain { transaction, gas_used, fee, .. } = &lost else { panic!("{lost}") };
    let receipt = scene.rpc("eth_getTransactionReceipt", json!([transaction])).await;
    let number = |name: &str| receipt[name].as_str().unwrap().trim_start_matches("0x").to_owned();
    assert_eq!(number("gasUsed"), format!("{gas_used:x}"), "{receipt}");
    let price = u128::from_str_radix(&number("effectiveGasPrice"), 16).unwrap();
    assert!(*gas_used > 21_000 && *fee == price * u128::from(*gas_used), "{receipt}");
    assert_eq!(scene.proven().await, 1);
}

#[tokio::test]
async fn what_failed_on_the_chain_and_would_not_fail_now_may_be_tried_again() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.rpc("evm_setAutomine", json!([false])).await;
    let head = scene.l1.head().await.unwrap().number;
    // Reverts in the next block, and in no other: NUMBER, PUSH2, EQ, PUSH1, JUMPI, STOP; JUMPDEST, REVERT.
    let code = format!("0x4361{:04x}14600957005b60006000fd", head + 1);
    scene.rpc("anvil_setCode", json!([scene.rollup.address(), code])).await;
    let miner = async {
        until_waiting(&scene.anvil, 1).await;
        scene.rpc("anvil_mine", json!(["0x2"])).await;
    };
    let (failed, ()) = tokio::join!(scene.rollup.prune(&scene.publisher), miner);
    let failed = failed.unwrap_err();
    assert!(matches!(failed, ChainError::FailedOnChain { refusal: None, .. }), "{failed}");
    assert!(failed.refusal().is_none() && failed.is_transient());
    assert!(failed.to_string().contains("does not refuse the same call now"), "{failed}");
}

/// A verifier of SNARKs that runs out of gas says that the proof does not hold.
#[tokio::test]
async fn a_proof_is_not_blamed_where_the_node_gives_calls_too_little_gas() {
    let scene = Scene::new().await;
    // Reverts with that error, whatever it is asked: PUSH4, PUSH1, MSTORE, PUSH1, PUSH1, REVERT.
    let error = alloy_primitives::keccak256("ProofDoesNotHold()").0[..4].to_vec();
    let code = [&[0x63][..], &error, &[0x60, 0x00, 0x52, 0x60, 0x04, 0x60, 0x1c, 0xfd]].concat();
    let code = alloy_primitives::hex::encode_prefixed(&code);
    scene.rpc("anvil_setCode", json!([scene.rollup.address(), code])).await;
    let refused = scene.rollup.prune(&scene.publisher).await.unwrap_err();
    let does_not_hold = Refusal::Snark(SnarkRefusal::ProofDoesNotHold);
    assert_eq!(refused.refusal(), Some(&does_not_hold), "{refused}");

    scene.rpc("evm_setBlockGasLimit", json!(["0xf4240"])).await;
    scene.rpc("evm_mine", json!([])).await;
    let refused = scene.rollup.prune(&scene.publisher).await.unwrap_err();
    assert!(refused.refusal().is_none() && refused.is_transient(), "{refused}");
    assert!(!refused.is_too_large() && !refused.is_of_funds(), "{refused}");
    assert!(refused.to_string().contains("--rpc.gascap"), "{refused}");
}
