//! Deploying the contracts.

use crate::scene::{AGGREGATION_KEY, RANGE_KEY, Scene, clock, config, options, refused, rpc};
use alloy_primitives::{Address, B256, U256};
use proofmill_chain::{
    L1, PoolOptions, ProofTypeConfig, Refusal, Roles, RollupConfig, Sender, deploy_accepts_anything_verifier,
    deploy_attested_verifier, deploy_rollup,
};
use proofmill_primitives::{ProgramVersion, ProverType};
use serde_json::json;

async fn sender(options: proofmill_localnet::AnvilOptions) -> (proofmill_localnet::Anvil, Sender) {
    let anvil = options.spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let sender = Sender::new(l1, anvil.accounts()[0].private_key.try_into().unwrap());
    (anvil, sender)
}

#[tokio::test]
async fn the_verifier_that_accepts_anything_is_on_chain_31337_alone() {
    // Private networks that last have the others: geth's and ganache's, and a local OP Stack's.
    for chain in [1, 1337, 900, 901] {
        let (_anvil, sender) = sender(options().chain_id(chain)).await;
        let result = deploy_accepts_anything_verifier(&sender, B256::ZERO).await;
        assert_eq!(refused(result), Refusal::NotADevelopmentChain { chain_id: U256::from(chain) });
        // The attested one can.
        deploy_attested_verifier(&sender, &[sender.account()], 1, B256::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn the_verifier_that_accepts_anything_rejects_on_another_chain_too() {
    let (anvil, sender) = sender(options()).await;
    let deployed = deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap();
    let verify = json!({
        "to": deployed.address,
        // verifyProof(bytes32,bytes,bytes) with empty values and proof
        "data": concat!(
            "0x41493c60", "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000060",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000"
        ),
    });
    rpc(&anvil, "eth_call", json!([verify, "latest"])).await;
    rpc(&anvil, "anvil_setChainId", json!([10])).await;
    let call = proofmill_http::rpc_client(anvil.rpc_url().clone());
    let error = call.request::<_, String>("eth_call", json!([verify, "latest"])).await.unwrap_err();
    let data = error.as_error_resp().unwrap().as_revert_data().unwrap();
    assert_eq!(Refusal::decode(&data), Refusal::NotADevelopmentChain { chain_id: U256::from(10) });
}

#[tokio::test]
async fn the_same_deployment_is_found_again_and_another_salt_is_another() {
    let (_anvil, sender) = sender(options()).await;
    let attestors = [Address::repeat_byte(2), Address::repeat_byte(1), Address::repeat_byte(2)];
    let first = deploy_attested_verifier(&sender, &attestors, 2, B256::ZERO).await.unwrap();
    assert!(first.transaction.is_some());
    let again = deploy_attested_verifier(&sender, &attestors[..2], 2, B256::ZERO).await.unwrap();
    assert_eq!((again.address, again.transaction), (first.address, None));
    let other = deploy_attested_verifier(&sender, &attestors, 2, B256::repeat_byte(1)).await.unwrap();
    assert_ne!(other.address, first.address);
}

#[tokio::test]
async fn without_the_deterministic_deployer_contracts_are_created_plainly() {
    let (anvil, sender) = sender(options()).await;
    let deployer = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
    rpc(&anvil, "anvil_setCode", json!([deployer, "0x"])).await;
    let first = deploy_attested_verifier(&sender, &[sender.account()], 1, B256::ZERO).await.unwrap();
    let second = deploy_attested_verifier(&sender, &[sender.account()], 1, B256::ZERO).await.unwrap();
    assert_ne!(first.address, second.address);
    let verifier = second.address;
    let config = config(sender.account(), vec![openvm(verifier)]);
    let (rollup, _) = deploy_rollup(&sender, &config, Roles::default(), B256::ZERO).await.unwrap();
    assert_eq!(*rollup.config(), config);
    assert_eq!(rollup.config().proof_type(ProverType::OpenVm), Some(&openvm(verifier)));
}

#[tokio::test]
async fn attestors_that_cannot_be_are_refused() {
    let (_anvil, sender) = sender(options()).await;
    for (attestors, threshold) in
        [(vec![], 0), (vec![], 1), (vec![sender.account()], 0), (vec![sender.account()], 2)]
    {
        let result = deploy_attested_verifier(&sender, &attestors, threshold, B256::ZERO).await;
        assert_eq!(
            refused(result),
            Refusal::InvalidThreshold {
                threshold: U256::from(threshold),
                attestors: U256::from(attestors.len())
            }
        );
    }
    let result = deploy_attested_verifier(&sender, &[Address::ZERO], 1, B256::ZERO).await;
    let zero = Address::ZERO;
    assert_eq!(refused(result), Refusal::NotAscending { previous: zero, next: zero });
}

fn openvm(verifier: Address) -> ProofTypeConfig {
    ProofTypeConfig {
        prover: ProverType::OpenVm,
        verifier,
        range_key: ProgramVersion(RANGE_KEY),
        aggregation_key: ProgramVersion(AGGREGATION_KEY),
    }
}

#[tokio::test]
async fn constants_that_make_no_sense_are_refused() {
    let scene = Scene::new().await;
    let good = scene.rollup.config().clone();
    assert_eq!(good.clock, clock());
    type Change = fn(&mut RollupConfig);
    let wrong: [(&str, Change); 11] = [
        ("chainId", |config| config.chain_id = 0),
        ("configHash", |config| config.config_hash = B256::ZERO),
        ("proposer", |config| config.proposer = Address::ZERO),
        ("genesisHash", |config| config.genesis.hash = B256::ZERO),
        ("genesisStateRoot", |config| config.genesis.state_root = B256::ZERO),
        ("proofTypes", |config| config.proof_types.clear()),
        ("name", |config| config.proof_types.push(config.proof_types[0])),
        // An account without code accepts every call.
        ("verifier", |config| config.proof_types[0].verifier = Address::repeat_byte(5)),
        ("verifier", |config| config.proof_types[0].verifier = Address::ZERO),
        ("rangeKey", |config| config.proof_types[0].range_key = ProgramVersion(B256::ZERO)),
        ("aggregationKey", |config| config.proof_types[0].aggregation_key = ProgramVersion(B256::ZERO)),
    ];
    for (field, change) in wrong {
        let mut config = good.clone();
        change(&mut config);
        let result = deploy_rollup(&scene.publisher, &config, Roles::default(), B256::ZERO).await.map(drop);
        assert_eq!(refused(result), Refusal::InvalidConfig { field: field.to_owned() });
    }
}
