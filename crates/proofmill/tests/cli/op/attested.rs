//! Dispute games whose verifier counts attestors. The chain's output oracle has another verifier, and wants other programs.

use super::{Chain, Running, challenger::until};
use crate::process::{free_port, like, stand_in, wait};
use alloy_primitives::{Address, B256};
use proofmill_backends::HelperBackend;
use proofmill_chain::{OracleConfig, SigningKey, deploy_attested_verifier};
use proofmill_client::programs;
use proofmill_primitives::ProverType;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_proven_by_what_attestors_of_its_factory_sign() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let keys = [0x41, 0x42].map(B256::repeat_byte);
    let members = keys.map(|key| SigningKey::try_from(key).unwrap().address());
    let deployer = chain.stranger().await;
    let verifier = deploy_attested_verifier(&deployer, &members, 2, B256::ZERO).await.unwrap().address;
    assert_ne!(verifier, chain.oracle().await.verifier().await.unwrap());
    let backend = HelperBackend::new(ProverType::OpenVm, stand_in());
    let config = OracleConfig {
        aggregation_key: programs::op_aggregation_version(&backend).unwrap().0,
        range_key: programs::op_range_version(&backend).unwrap().0,
        ..chain.config().await
    };
    let (games, _) = chain.games_of(config, verifier, 600, 600).await;
    // In the proposer's own environment, which names the contract for all of them.
    let mut environment = chain.games_proposer(data, &games);
    environment.env("GAME_TYPE", "42");
    let log = |name: &str| data.join(format!("{name}.log"));
    let said = |name: &str| fs::read_to_string(log(name)).unwrap_or_default();
    let (mut attestors, mut addresses) = (Vec::new(), Vec::new());
    for (name, key) in ["one", "other"].into_iter().zip(keys) {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = like(&environment, &stand_in());
        command.args(["attestor", "--listen", &listen]).env("PROOFMILL_ATTESTOR_KEY", key.to_string());
        attestors.push(Running::start(&mut command, &log(name)));
        wait("the attestor", || said(name).contains("the attestor is ready"));
        assert!(said(name).contains(&games.factory().to_string()), "{}", said(name));
        addresses.push(format!("http://{listen}"));
    }
    let mut command = like(&environment, &stand_in());
    command.args(["op-proposer", "--prover", "openvm", "--attestor", &addresses.join(",")]);
    command.env("FAST_FINALITY_MODE", "true");
    let mut proposer = Running::start(&mut command, &log("proposer"));
    let account: Address = chain.said("proposer").parse().unwrap();
    let all = || ["proposer", "one", "other"].map(said).concat();
    until(&games, account, &all, &|games| games.iter().any(|game| game.prover == Some(account))).await;
    for name in ["one", "other"] {
        assert!(said(name).contains("verified a proof and signed"), "{}", said(name));
    }
    assert!(proposer.terminate() && !all().contains("panicked"), "{}", all());
    assert!(attestors.iter_mut().all(Running::terminate), "{}", all());
    // The factory makes no new games any more: those that are there want signatures nevertheless, also of who starts then.
    games.set_implementation(&deployer, Address::ZERO).await.unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = like(&environment, &stand_in());
    command.args(["attestor", "--listen", &listen]).env("PROOFMILL_ATTESTOR_KEY", keys[0].to_string());
    let mut attestor = Running::start(&mut command, &log("again"));
    wait("the attestor", || said("again").contains("the attestor is ready"));
    assert!(attestor.terminate() && said("again").contains("there can be no new games"), "{}", said("again"));
}
