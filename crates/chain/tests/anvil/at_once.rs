//! Checkpoints that are proposed and proven in one transaction, and verifiers that are accounts.

use crate::scene::{
    AGGREGATION_KEY, CONFIG_HASH, GENESIS, GENESIS_TIME, PROVER, RANGE_KEY, Scene, boundary, clock,
    genesis_commitment, refused,
};
use alloy_primitives::{B256, Bytes, keccak256};
use proofmill_chain::{
    ContractTips, DELEGATES, Proposal, ProvenProposal, ProvenTip, Refusal, RoleCall, Rules,
};
use proofmill_primitives::{Checkpoint, CheckpointNumber, Slot};
use proofmill_program::PublicValues;
use serde_json::json;

impl Scene {
    /// The next checkpoint, as it will be, with the proofs of it.
    fn ahead(&mut self, aggregated: bool) -> ProvenProposal {
        let proposal = self.next(3);
        let before = self.checkpoints.last().unwrap();
        let number = before.number.next();
        let mut next = Checkpoint {
            number,
            slot: Slot(0),
            blocks: proposal.blocks,
            parent_hash: proposal.parent_hash,
            last_hash: proposal.last_hash,
            state_root: proposal.state_root,
            last_timestamp: proposal.last_timestamp,
            parent_commitment: before.commitment,
            commitment: B256::ZERO,
        };
        next.commitment = boundary(&next).commit(before.commitment);
        self.checkpoints.push(next);
        let proofs = match aggregated {
            true => self.proofs(AGGREGATION_KEY, &self.epoch(number.0, number.0).to_bytes()),
            false => self.proofs(RANGE_KEY, &self.range(number.0).to_bytes()),
        };
        let rules = self.rollup.config().rules();
        ProvenProposal { number, rules, proposal, prover: PROVER, aggregated, proofs }
    }
}

#[tokio::test]
async fn a_stranger_proposes_and_proves_in_one_transaction() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.submit(scene.submission(1, 1)).await.unwrap();
    let open = scene.rollup.open_from().await.unwrap().unwrap();
    scene.to_time(open - 60).await;
    let (stranger, rival) = (scene.publisher.clone(), scene.guardian.clone());
    for (round, aggregated) in [false, true].into_iter().enumerate() {
        let mut unprovable = scene.next(3);
        let proven = scene.ahead(aggregated);
        if round == 0 {
            let refusal = refused(scene.rollup.propose_proven(&stranger, &proven).await);
            let sender = stranger.account();
            assert!(
                matches!(refusal, Refusal::WrongProposer { sender: by, .. } if by == sender),
                "{refusal}"
            );
        }
        // An epoch proof begins with its epoch.
        scene.to_time(open + round as u64 * 96).await;
        // Somebody is in the way, with what cannot be proven.
        unprovable.state_root.0[0] ^= 1;
        scene.rollup.propose(&rival, unprovable).await.unwrap();
        // What is not proven is not proposed either: the other's stays until then.
        let wrong = Proposal { state_root: unprovable.state_root, ..proven.proposal };
        let wrong = ProvenProposal { proposal: wrong, ..proven.clone() };
        let refusal = refused(scene.rollup.estimate_proven(&stranger, &wrong).await);
        assert!(matches!(refusal, Refusal::StatementMismatch { .. }), "{refusal}");
        let before = CheckpointNumber(proven.number.0 - 1);
        let tips = ContractTips { proven: before, pending: proven.number };
        assert_eq!(scene.rollup.tips().await.unwrap(), tips);

        let estimate = scene.rollup.estimate_proven(&stranger, &proven).await.unwrap();
        let included = scene.rollup.propose_proven(&stranger, &proven).await.unwrap();
        assert!(included.gas_used <= estimate.gas, "{included:?} {estimate:?}");
        let tips = ContractTips { proven: proven.number, pending: proven.number };
        assert_eq!(scene.rollup.tips().await.unwrap(), tips);
        let there = scene.rollup.checkpoint(proven.number).await.unwrap().unwrap();
        let expected = scene.checkpoints.last_mut().unwrap();
        expected.slot = there.slot;
        assert_eq!(there, *expected);
    }
}

#[tokio::test]
async fn the_next_checkpoint_s_rules_are_known_before() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let genesis = scene.rollup.proven_tip().await.unwrap();
    assert_eq!((genesis.number.0, genesis.last_block), (0, GENESIS.number));
    assert_eq!((genesis.last_hash, genesis.commitment), (GENESIS.hash, genesis_commitment()));
    let current = scene.rollup.config().rules();
    let rules = Rules { config_hash: keccak256(CONFIG_HASH), ..current.clone() };
    let schedule = RoleCall::ScheduleRules { rules: rules.clone(), from: None };
    scene.rollup.act(&scene.owner, &schedule).await.unwrap();
    let due = scene.rollup.scheduled().await.unwrap().unwrap().not_before;
    scene.submit(scene.submission(1, 1)).await.unwrap();
    let first = scene.rollup.proven_tip().await.unwrap();
    let same_epoch = ProvenTip { slot: clock().slot_at(due), ..first };
    for (tip, time, expected) in [
        (first, due - 1, &current),
        (first, due, &rules),
        // Not inside an epoch, and not before their checkpoint.
        (same_epoch, due, &current),
        (genesis, due, &current),
    ] {
        assert_eq!(scene.rollup.rules_of_next(&tip, time).await.unwrap(), *expected, "{tip:?} {time}");
    }
    scene.propose_in((due - GENESIS_TIME) / 12 + 1).await;
    assert_eq!(scene.rollup.rules_of(CheckpointNumber(2)).await.unwrap(), rules);
}

#[tokio::test]
async fn an_account_that_delegates_is_no_verifier() {
    let scene = Scene::new().await;
    let mut rules = scene.rollup.config().rules();
    let delegation: Bytes = [&DELEGATES[..], scene.verifier.as_slice()].concat().into();
    scene.rpc("anvil_setCode", json!([PROVER, delegation])).await;
    assert!(scene.l1.has_code(PROVER).await.unwrap() && !scene.l1.is_contract(PROVER).await.unwrap());
    rules.proof_types[0].verifier = PROVER;
    let schedule = RoleCall::ScheduleRules { rules: rules.clone(), from: None };
    let refusal = refused(scene.rollup.act(&scene.owner, &schedule).await);
    assert_eq!(refusal, Refusal::InvalidConfig { field: "verifier".to_owned() });
    assert!(refusal.to_string().contains("EIP-7702"), "{refusal}");
    rules.proof_types[0].verifier = scene.verifier;
    let schedule = RoleCall::ScheduleRules { rules, from: None };
    scene.rollup.act(&scene.owner, &schedule).await.unwrap();
    assert!(scene.l1.is_contract(scene.verifier).await.unwrap());
}
