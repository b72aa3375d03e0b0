//! What attestors sign counts where L1 counts it: over the wire, with the contracts on a real L1. That a proof holds is not
//! the question here.
#![expect(clippy::unwrap_used, reason = "tests")]

mod first;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use proofmill_attestor::{AttestError, Attestor, Quorum, serve};
use proofmill_backends::{Proof, Registry};
use proofmill_chain::{
    AttestorSet, ChainError, Games, GamesSettings, GamesStart, L1, OracleConfig, Output, PoolOptions,
    ProposalStatus, Rollup, Sender, SigningKey, VerifierKind, deploy_accepts_anything_verifier,
    deploy_attested_verifier,
};
use proofmill_client::{CheckpointProof, EpochProof, OpAggregationProof, programs};
use proofmill_devnet::{DevKeys, Devnet, DevnetOptions, L1Verifier, ProofTypePlan};
use proofmill_localnet::{AnvilOptions, Hardfork};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProofMode, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues, op::OpAggregationPublicValues};
use proofmill_stand_in::StandIn;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

alloy_sol_types::sol! {
    function verifyProof(bytes32 programVKey, bytes publicValues, bytes proofBytes) external view;
}

fn registry() -> Registry {
    Registry::default().with(Arc::new(StandIn::default()))
}

/// Has attestors answer; gives where.
async fn start(attestors: impl IntoIterator<Item = Attestor>) -> Vec<String> {
    let mut addresses = Vec::new();
    for attestor in attestors {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(serve(attestor, listener, CancellationToken::new()));
    }
    addresses
}

/// A proof of a program, as its file has it.
fn proof(program: ProgramVersion, statement: &impl PublicValues) -> Proof {
    let public_values = statement.commitment().to_vec();
    Proof {
        prover: ProverType::OpenVm,
        mode: ProofMode::Compressed,
        program,
        public_values,
        body: Vec::new(),
    }
}

/// Whether a verifier on L1 takes this for a proof.
async fn takes(
    devnet: &Devnet,
    verifier: Address,
    program: ProgramVersion,
    values: &[u8],
    proof: &Bytes,
) -> bool {
    let (public_values, proof) = (Bytes::copy_from_slice(values), proof.clone());
    let call = verifyProofCall { programVKey: program.0, publicValues: public_values, proofBytes: proof };
    let asked = json!([{ "to": verifier, "data": Bytes::from(call.abi_encode()) }, "latest"]);
    let l1 = proofmill_http::rpc_client(devnet.description().l1_rpc.clone());
    l1.request::<_, String>("eth_call", asked).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_count_where_l1_wants_a_snark_besides() {
    let [range_key, aggregation_key] = programs::published(ProverType::OpenVm).unwrap();
    let plan = ProofTypePlan { prover: ProverType::OpenVm, range_key, aggregation_key };
    let options = DevnetOptions::new(vec![plan]).slot(Duration::from_secs(2)).verifier(L1Verifier::Both);
    let devnet = options.start().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1.clone(), devnet.description().rollup).await.unwrap();
    let statement = first::statement(&devnet, &rollup).await;
    let proof = CheckpointProof { proof: proof(range_key, &statement), statement };

    // Signatures are for the contract that counts them, which is not the one that the rollup names.
    let named = rollup.config().proof_type(ProverType::OpenVm).unwrap().verifier;
    let kind = VerifierKind::find(&l1, named).await.unwrap();
    assert!(kind.wants_snark());
    let counted = kind.single().find_map(|single| match single {
        VerifierKind::Attestors(counted) => Some(counted.clone()),
        _ => None,
    });
    let counted = counted.unwrap();
    assert_ne!(counted.verifier, named);

    let keys = DevKeys::well_known(2).unwrap().attestors;
    let attestors = keys.into_iter().map(|key| Attestor::new(registry(), key, rollup.clone()));
    let addresses = start(attestors).await;
    let verifier = counted.verifier;
    let quorum = Quorum::new(&addresses, l1.chain_id(), counted).unwrap();
    let signatures = quorum.attest(&proof).await.unwrap();
    let values = proof.statement.to_bytes();
    assert!(takes(&devnet, verifier, range_key, &values, &signatures).await);
    assert!(!takes(&devnet, verifier, aggregation_key, &values, &signatures).await);
}

/// The owner of a rollup can name any range program beside this release's aggregation, which joins what it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_of_proofs_of_a_foreign_range_program_is_not_attested() {
    let [range_key, aggregation_key] = programs::published(ProverType::OpenVm).unwrap();
    let foreign = ProgramVersion(B256::repeat_byte(5));
    let plan = ProofTypePlan { prover: ProverType::OpenVm, range_key: foreign, aggregation_key };
    let devnet = DevnetOptions::new(vec![plan]).slot(Duration::from_secs(2)).start().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, devnet.description().rollup).await.unwrap();
    let one = first::statement(&devnet, &rollup).await;
    let checkpoint = rollup.checkpoint(CheckpointNumber(1)).await.unwrap().unwrap();
    let statement = AggregationPublicValues {
        chainId: one.chainId,
        configHash: one.configHash,
        rollup: one.rollup,
        prover: one.prover,
        firstBlock: one.firstBlock,
        lastBlock: one.lastBlock,
        parentHash: one.parentHash,
        lastHash: one.lastHash,
        preStateRoot: one.preStateRoot,
        postStateRoot: one.postStateRoot,
        lastTimestamp: one.lastTimestamp,
        rangeKey: foreign.0,
        fromCommitment: checkpoint.parent_commitment,
        toCommitment: checkpoint.commitment,
    };
    let proof = EpochProof { proof: proof(aggregation_key, &statement), statement };
    let key = DevKeys::well_known(1).unwrap().attestors.remove(0);
    let error = Attestor::new(registry(), key, rollup).attest(&proof.encode()).await.unwrap_err();
    let of_range =
        matches!(error, AttestError::OtherRelease { wanted, ours } if (wanted, ours) == (foreign, range_key));
    assert!(of_range, "{error}");
}

/// On an L1 that has neither a rollup nor an output oracle.
#[tokio::test(flavor = "multi_thread")]
async fn a_game_takes_what_attestors_of_its_factory_sign() {
    let anvil = AnvilOptions::new().hardfork(Hardfork::Prague).spawn().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
    let DevKeys { funder, prover, attestors, .. } = DevKeys::well_known(3).unwrap();
    let [sender, rival] = [funder, prover].map(|key| Sender::new(l1.clone(), key));
    let members: Vec<_> = attestors.iter().map(SigningKey::address).collect();
    let counted = deploy_attested_verifier(&sender, &members, 2, B256::ZERO).await.unwrap().address;
    let backend = StandIn::default();
    let range_key = programs::op_range_version(&backend).unwrap();
    let aggregation_key = programs::op_aggregation_version(&backend).unwrap();
    let config = OracleConfig {
        aggregation_key: aggregation_key.0,
        range_key: range_key.0,
        rollup_config_hash: B256::repeat_byte(3),
    };
    let settings = GamesSettings {
        config,
        verifier: counted,
        bond: U256::from(1_000),
        challenger_bond: U256::from(100),
        challenge_seconds: 10_000,
        prove_seconds: 10_000,
    };
    let anchor = Output { root: B256::repeat_byte(0xaa), block: 100 };
    let deploy = async |settings: GamesSettings, salt: u8| {
        let start = GamesStart { anchor, finality_seconds: 10, settings };
        Games::deploy(&sender, &start, B256::repeat_byte(salt)).await.unwrap().games
    };
    let games = deploy(settings, 0).await;
    let claim = Output { root: B256::repeat_byte(0xbb), block: 110 };
    games.create(&sender, claim, None).await.unwrap();
    let game = games.view(sender.account(), 0).await.unwrap().games.remove(0);
    games.challenge(&rival, game.address).await.unwrap();
    let statement = OpAggregationPublicValues {
        l1Head: game.l1_head,
        l2PreRoot: anchor.root,
        claimRoot: claim.root,
        claimBlockNum: claim.block,
        rollupConfigHash: config.rollup_config_hash,
        rangeVkeyCommitment: range_key.0,
        proverAddress: sender.account(),
    };
    let stated = |statement: OpAggregationPublicValues| OpAggregationProof {
        proof: proof(aggregation_key, &statement),
        statement,
    };
    let honest = stated(statement.clone());
    let of = |games: &Games, at: usize| Attestor::of_games(registry(), attestors[at].clone(), games.clone());
    let addresses = start([of(&games, 0), of(&games, 2)]).await;
    let counted = AttestorSet::read(&l1, games.settings().await.unwrap().verifier).await.unwrap();
    let quorum = Quorum::new(&addresses, l1.chain_id(), counted).unwrap();
    let signatures = quorum.attest(&honest).await.unwrap();
    games.prove(&sender, game.address, signatures).await.unwrap();
    let game = games.view(sender.account(), 0).await.unwrap().games.remove(0);
    assert_eq!((game.proposal, game.prover), (ProposalStatus::ChallengedProven, Some(sender.account())));

    let refuses = async |games: &Games, proof: &OpAggregationProof| {
        of(games, 0).attest(&proof.encode()).await.unwrap_err()
    };
    let elsewhere = OpAggregationPublicValues { rollupConfigHash: B256::repeat_byte(4), ..statement.clone() };
    let error = refuses(&games, &stated(elsewhere)).await;
    assert!(matches!(error, AttestError::OtherConfig { .. }), "{error}");
    let other = OpAggregationPublicValues { rangeVkeyCommitment: B256::repeat_byte(4), ..statement.clone() };
    let error = refuses(&games, &stated(other)).await;
    assert!(matches!(error, AttestError::OtherRangeProgram { .. }), "{error}");
    let bad =
        OpAggregationProof { proof: Proof { program: range_key, ..honest.proof.clone() }, ..honest.clone() };
    let error = refuses(&games, &bad).await;
    assert!(matches!(error, AttestError::Backend(_)) && error.is_of_the_proof(), "{error}");
    // Games of another release, for each of their programs, and games that ask no attestors.
    for (salt, aggregation_key, range_key) in
        [(1, B256::repeat_byte(5), config.range_key), (2, config.aggregation_key, B256::repeat_byte(5))]
    {
        let config = OracleConfig { aggregation_key, range_key, ..config };
        let old = deploy(GamesSettings { config, ..settings }, salt).await;
        // The second is what these games want, and it is the attestor that is of another release: nothing is said against it.
        let theirs = OpAggregationPublicValues { rangeVkeyCommitment: range_key, ..statement.clone() };
        for proof in [&honest, &stated(theirs)] {
            let error = refuses(&old, proof).await;
            assert!(matches!(error, AttestError::OtherRelease { .. }) && !error.is_of_the_proof(), "{error}");
        }
    }
    old_games_are_attested_as_they_were_created(&sender, &games, &honest, &of(&games, 0)).await;
    let verifier = deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap().address;
    let unattested = deploy(GamesSettings { verifier, ..settings }, 3).await;
    let error = refuses(&unattested, &honest).await;
    assert!(matches!(error, AttestError::NotCounted { verifier: asked } if asked == verifier), "{error}");
}

/// The factory's owner has new games want another range program, and then has none made. What is signed is the same as before.
async fn old_games_are_attested_as_they_were_created(
    owner: &Sender,
    games: &Games,
    honest: &OpAggregationProof,
    attestor: &Attestor,
) {
    let before = attestor.attest(&honest.encode()).await.unwrap();
    let settings = games.settings().await.unwrap();
    let config = OracleConfig { range_key: B256::repeat_byte(6), ..settings.config };
    let anchor = Output { root: B256::repeat_byte(0xaa), block: 100 };
    let start = GamesStart { anchor, finality_seconds: 10, settings: GamesSettings { config, ..settings } };
    let others = Games::deploy(owner, &start, B256::repeat_byte(9)).await.unwrap().games;
    for code in [others.implementation().await.unwrap(), Address::ZERO] {
        games.set_implementation(owner, code).await.unwrap();
        assert_eq!(attestor.attest(&honest.encode()).await.unwrap(), before);
    }
    // A proof that no game asks for goes by what new games want.
    let statement =
        OpAggregationPublicValues { claimRoot: B256::repeat_byte(0xcc), ..honest.statement.clone() };
    let nobody = OpAggregationProof { proof: proof(honest.proof.program, &statement), statement };
    let error = attestor.attest(&nobody.encode()).await.unwrap_err();
    assert!(matches!(error, AttestError::L1(ChainError::NoGames { .. })), "{error}");
}
