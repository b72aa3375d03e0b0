//! Outputs that are proposed through a factory of dispute games.

use crate::scene::{options, rpc, send};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use proofmill_chain::{
    ChainError, Games, GamesSettings, GamesStart, L1, OracleConfig, OracleStart, Output, OutputOracle,
    PoolOptions, ProvenOutput, Sender, deploy_accepts_anything_verifier,
};
use serde_json::json;

mod bindings {
    alloy_sol_types::sol! {
        OpDevGameFactory,
        "../../contracts/artifacts/OpDevGameFactory.json"
    }
    alloy_sol_types::sol! {
        OpOutputOracle,
        "../../contracts/artifacts/OpOutputOracle.json"
    }
}
use bindings::OpDevGameFactory::{gameAtIndexCall, setImplementationCall, setInitBondCall};
use bindings::OpOutputOracle::setDisputeGameFactoryCall;

/// Of the games of proven outputs.
const TYPE: u32 = 6;
/// Of games that take whatever comes.
const IMPLEMENTATION: Address = Address::repeat_byte(0x66);

#[tokio::test]
async fn the_bond_that_a_factory_wants_is_sent_with_an_output() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let [owner, poor] =
        [0, 1].map(|at: usize| Sender::new(l1.clone(), anvil.accounts()[at].private_key.try_into().unwrap()));
    let verifier = deploy_accepts_anything_verifier(&owner, B256::ZERO).await.unwrap().address;
    let config = OracleConfig {
        aggregation_key: B256::repeat_byte(1),
        range_key: B256::repeat_byte(2),
        rollup_config_hash: B256::repeat_byte(3),
    };
    let anchor = Output { root: B256::repeat_byte(0xaa), block: 100 };
    let settings = GamesSettings {
        config,
        verifier,
        bond: U256::from(7),
        challenger_bond: U256::from(1),
        challenge_seconds: 10,
        prove_seconds: 10,
    };
    let games = GamesStart { anchor, finality_seconds: 10, settings };
    let factory = Games::deploy(&owner, &games, B256::ZERO).await.unwrap().games.factory();
    let start = OracleStart {
        output: anchor,
        timestamp: 1,
        block_time: 1,
        submission_interval: 1,
        config,
        verifier,
        proposer: owner.account(),
    };
    let (oracle, _) = OutputOracle::deploy(&owner, &start, B256::ZERO).await.unwrap();

    // A contract that stops at once.
    rpc(&anvil, "anvil_setCode", json!([IMPLEMENTATION, "0x00"])).await;
    let bond = U256::from(1_000_000_000_000_000_u64);
    for (to, data) in [
        (factory, setImplementationCall { gameType: TYPE, r#impl: IMPLEMENTATION }.abi_encode()),
        (factory, setInitBondCall { gameType: TYPE, bond }.abi_encode()),
        (oracle.address(), setDisputeGameFactoryCall { factory }.abi_encode()),
    ] {
        let call = json!({ "from": owner.account(), "to": to, "data": Bytes::from(data) });
        send(&anvil, call).await.unwrap();
    }
    assert_eq!(oracle.game_factory().await.unwrap(), Some(factory));

    let proven = ProvenOutput {
        output: Output { root: B256::repeat_byte(0xbb), block: 110 },
        l1_block: 1,
        proof: Bytes::new(),
        prover: owner.account(),
    };
    oracle.propose(&owner, B256::repeat_byte(9), &proven).await.unwrap();
    let data = Bytes::from(gameAtIndexCall { index: U256::ZERO }.abi_encode());
    let made = rpc(&anvil, "eth_call", json!([{ "to": factory, "data": data }, "latest"])).await;
    // Its type, its time and where it is.
    let made: Bytes = made.as_str().unwrap().parse().unwrap();
    assert_eq!(U256::from_be_slice(&made[..32]), U256::from(TYPE));
    assert_eq!(l1.balance(Address::from_slice(&made[76..96])).await.unwrap(), bond);

    // Who cannot pay it is told so.
    rpc(&anvil, "anvil_setBalance", json!([poor.account(), "0x100"])).await;
    let error = oracle.propose(&poor, B256::repeat_byte(9), &proven).await.unwrap_err();
    assert!(matches!(error, ChainError::InsufficientFunds { .. }), "{error}");
}
