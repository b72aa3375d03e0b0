//! What the owner and the guardian can do, and how rules change.

use crate::scene::{CONFIG_HASH, GENESIS_TIME, PROVER, SILENCE, Scene, clock, key, options, refused, send};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor};
use proofmill_chain::{
    ChainError, ProofTypeConfig, Refusal, RoleCall, Roles, Rules, Sender, deploy_attested_verifier,
    deploy_rollup,
};
use proofmill_primitives::{CheckpointNumber, Epoch, ProgramVersion, ProverType};
use proofmill_program::PublicValues;
use serde_json::json;

mod bindings {
    alloy_sol_types::sol! {
        TimelockController,
        "../../contracts/artifacts/TimelockController.json"
    }
}
use bindings::TimelockController;

/// A slot after which rules that are scheduled at the beginning are old enough: epochs have 4 slots, the window is 2 epochs.
const OLD_ENOUGH: u64 = 16;

fn schedule(rules: &Rules, from: u64) -> RoleCall {
    RoleCall::ScheduleRules { rules: rules.clone(), from: (from != 0).then_some(CheckpointNumber(from)) }
}

/// The rules in force, with another chain specification, other programs and another proposer.
fn next_rules(scene: &Scene, proposer: Address) -> Rules {
    let current = scene.rollup.config().rules();
    let [openvm] = current.proof_types.try_into().unwrap();
    Rules {
        config_hash: keccak256(CONFIG_HASH),
        proposer,
        proof_types: vec![ProofTypeConfig {
            range_key: ProgramVersion(B256::repeat_byte(0xb1)),
            aggregation_key: ProgramVersion(B256::repeat_byte(0xb2)),
            ..openvm
        }],
    }
}

impl Scene {
    async fn act(&self, sender: &Sender, call: RoleCall) -> Result<proofmill_chain::Included, ChainError> {
        self.rollup.act(sender, &call).await
    }

    async fn propose_by(&mut self, sender: &Sender, slot: u64) -> Result<(), ChainError> {
        self.to_slot(slot).await;
        self.rollup.propose(sender, self.next(3)).await?;
        let pending = self.rollup.tips().await?.pending;
        self.checkpoints.truncate(pending.0 as usize - 1);
        self.checkpoints.push(self.rollup.checkpoint(pending).await?.unwrap());
        Ok(())
    }
}

#[tokio::test]
async fn a_lost_proposer_is_replaced_and_everything_is_visible_before() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let rules = next_rules(&scene, scene.publisher.account());
    assert_eq!(scene.rollup.scheduled().await.unwrap(), None);
    scene.act(&scene.owner, schedule(&rules, 0)).await.unwrap();
    let scheduled = scene.rollup.scheduled().await.unwrap().unwrap();
    assert_eq!((scheduled.index, scheduled.from_checkpoint), (1, CheckpointNumber(2)));
    assert_eq!(scheduled.rules, rules);
    let now = scene.l1.head().await.unwrap().timestamp;
    assert_eq!(scheduled.not_before, now + scene.rollup.config().limits.change_delay);

    // What was proposed is proven under its own rules, meanwhile and afterwards.
    let newcomer = scene.publisher.clone();
    let early = refused(scene.propose_by(&newcomer, 5).await);
    assert!(matches!(early, Refusal::WrongProposer { proposer, .. } if proposer == scene.proposer.account()));
    scene.submit(scene.submission(1, 1)).await.unwrap();
    scene.propose_by(&newcomer, OLD_ENOUGH).await.unwrap();
    let current = scene.rollup.current_rules().await.unwrap();
    assert_eq!((current.index, &current.rules), (1, &rules));
    assert_eq!(scene.rollup.scheduled().await.unwrap(), None);
    assert_eq!(scene.rollup.rules(0).await.unwrap(), scene.rollup.config().rules());
    assert_eq!(scene.rollup.rules_of(CheckpointNumber(1)).await.unwrap(), scene.rollup.config().rules());
    assert_eq!(scene.rollup.rules_of(CheckpointNumber(2)).await.unwrap(), rules);
    let refusal = scene.rollup.rules(2).await.unwrap_err();
    assert_eq!(refused::<()>(Err(refusal)), Refusal::UnknownRules { index: 2, last: 1 });
    // The lost one has nothing to say any more.
    let proposer = scene.proposer.clone();
    let late = refused(scene.propose_by(&proposer, OLD_ENOUGH + 1).await);
    assert!(matches!(late, Refusal::WrongProposer { proposer, .. } if proposer == newcomer.account()));
    // A proof by the old programs is none of the new checkpoint.
    let old = scene.epoch(2, 2);
    let proofs = scene.proofs(crate::scene::AGGREGATION_KEY, &old.to_bytes());
    let refusal = refused(scene.submit(scene.submission_of(2, 2, proofs)).await);
    assert!(matches!(refusal, Refusal::StatementMismatch { field, .. } if field == "configHash"));
    let mut new = old;
    new.configHash = rules.config_hash;
    new.rangeKey = rules.proof_types[0].range_key.0;
    let proofs = scene.proofs(rules.proof_types[0].aggregation_key.0, &new.to_bytes());
    scene.submit(scene.submission_of(2, 2, proofs)).await.unwrap();
    assert_eq!(scene.proven().await, 2);
}

#[tokio::test]
async fn rules_change_at_the_beginning_of_an_epoch_and_from_their_checkpoint_on() {
    let mut scene = Scene::new().await;
    let rules = Rules { proposer: scene.proposer.account(), ..next_rules(&scene, PROVER) };
    scene.act(&scene.owner, schedule(&rules, 3)).await.unwrap();
    let index = async |scene: &Scene| scene.rollup.current_rules().await.unwrap().index;
    // Old enough, but before their checkpoint: 1 and 2 are of the first rules, in an epoch of their own.
    scene.propose_in(OLD_ENOUGH).await;
    scene.propose_in(OLD_ENOUGH + 4).await;
    assert_eq!(index(&scene).await, 0);
    // The third is in the middle of that epoch.
    scene.propose_in(OLD_ENOUGH + 5).await;
    assert_eq!(index(&scene).await, 0);
    scene.propose_in(OLD_ENOUGH + 8).await;
    assert_eq!(index(&scene).await, 1);
    for (number, expected) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        let of = scene.rollup.rules_of(CheckpointNumber(number)).await.unwrap();
        assert_eq!(of, scene.rollup.rules(expected).await.unwrap(), "{number}");
    }
    // Batches over the change are each proven under their own rules.
    let mut fourth = scene.range(4);
    fourth.configHash = rules.config_hash;
    let fourth = scene.proofs(rules.proof_types[0].range_key.0, &fourth.to_bytes());
    scene.verify(1, vec![scene.batch(1), scene.batch(2), scene.batch(3), fourth]).await.unwrap();
    assert_eq!(scene.proven().await, 4);
}

#[tokio::test]
async fn rules_never_change_inside_the_delay() {
    let mut scene = Scene::new().await;
    let rules = Rules { proposer: scene.proposer.account(), ..next_rules(&scene, PROVER) };
    scene.act(&scene.owner, schedule(&rules, 0)).await.unwrap();
    let scheduled = scene.rollup.scheduled().await.unwrap().unwrap();
    // The last epoch that begins before it.
    let slot = (scheduled.not_before - GENESIS_TIME) / 12 / 4 * 4;
    scene.propose_in(slot).await;
    assert_eq!(scene.rollup.current_rules().await.unwrap().index, 0);
    scene.propose_in(slot + 4).await;
    assert_eq!(scene.rollup.current_rules().await.unwrap().index, 1);
}

#[tokio::test]
async fn what_is_pruned_and_proposed_again_after_a_change_is_of_the_new_rules() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let rules = Rules { proposer: scene.proposer.account(), ..next_rules(&scene, PROVER) };
    scene.act(&scene.owner, schedule(&rules, 0)).await.unwrap();
    scene.submit(scene.submission(1, 1)).await.unwrap();
    scene.propose_in(OLD_ENOUGH).await;
    assert_eq!(scene.rollup.current_rules().await.unwrap().index, 1);
    // Nobody proves it. Its number is given again, and the old rules stay old.
    scene.to_time(scene.rollup.deadline(Epoch(OLD_ENOUGH / 4)).await.unwrap()).await;
    scene.checkpoints.truncate(1);
    let proposer = scene.proposer.clone();
    scene.propose_by(&proposer, 40).await.unwrap();
    assert_eq!(scene.rollup.tips().await.unwrap().pending, CheckpointNumber(2));
    assert_eq!(scene.rollup.rules_of(CheckpointNumber(2)).await.unwrap(), rules);
}

#[tokio::test]
async fn a_schedule_that_would_orphan_live_checkpoints_is_refused() {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    let rules = next_rules(&scene, PROVER);
    for from in [1, 2] {
        let refusal = refused(scene.act(&scene.owner, schedule(&rules, from)).await);
        let (from_checkpoint, pending) = (CheckpointNumber(from), CheckpointNumber(2));
        assert_eq!(refusal, Refusal::WouldOrphanCheckpoints { from_checkpoint, pending });
        assert!(refusal.to_string().contains("the first that can have new rules is 3"), "{refusal}");
    }
    // Who has no key of the owner's can try it all the same.
    let refusal = refused(scene.rollup.try_act(&schedule(&rules, 2)).await);
    assert!(matches!(refusal, Refusal::WouldOrphanCheckpoints { .. }), "{refusal}");
    scene.rollup.try_act(&schedule(&rules, 3)).await.unwrap();
    assert_eq!(scene.rollup.scheduled().await.unwrap(), None);
    scene.act(&scene.owner, schedule(&rules, 3)).await.unwrap();
    let again = refused(scene.act(&scene.owner, schedule(&rules, 3)).await);
    assert_eq!(again, Refusal::AlreadyScheduled { index: 1 });
    scene.act(&scene.owner, RoleCall::CancelScheduledRules).await.unwrap();
    assert_eq!(scene.rollup.scheduled().await.unwrap(), None);
    let nothing = refused(scene.act(&scene.owner, RoleCall::CancelScheduledRules).await);
    assert_eq!(nothing, Refusal::NothingScheduled);
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let scene = Scene::new().await;
    let good = next_rules(&scene, PROVER);
    type Change = fn(&mut Rules);
    let wrong: [(&str, Change); 7] = [
        ("configHash", |rules| rules.config_hash = B256::ZERO),
        ("proposer", |rules| rules.proposer = Address::ZERO),
        ("proofTypes", |rules| rules.proof_types.clear()),
        ("name", |rules| rules.proof_types.push(rules.proof_types[0])),
        ("verifier", |rules| rules.proof_types[0].verifier = PROVER),
        ("rangeKey", |rules| rules.proof_types[0].range_key = ProgramVersion(B256::ZERO)),
        ("aggregationKey", |rules| rules.proof_types[0].aggregation_key = ProgramVersion(B256::ZERO)),
    ];
    for (field, change) in wrong {
        let mut rules = good.clone();
        change(&mut rules);
        let refusal = refused(scene.act(&scene.owner, schedule(&rules, 0)).await);
        assert_eq!(refusal, Refusal::InvalidConfig { field: field.to_owned() });
    }
}

#[tokio::test]
async fn only_the_owner_changes_rules_and_only_the_guardian_pauses() {
    let scene = Scene::new().await;
    let rules = next_rules(&scene, PROVER);
    for sender in [&scene.guardian, &scene.proposer, &scene.publisher] {
        for call in [
            schedule(&rules, 0),
            RoleCall::CancelScheduledRules,
            RoleCall::Resume,
            RoleCall::SetGuardian(Some(sender.account())),
            RoleCall::AcceptOwnership,
        ] {
            let refusal = refused(scene.act(sender, call).await);
            assert_eq!(refusal, Refusal::NotTheOwner { sender: sender.account() });
        }
    }
    for sender in [&scene.owner, &scene.proposer, &scene.publisher] {
        let (guardian, sender_) = (scene.guardian.account(), sender.account());
        let refusal = refused(scene.act(sender, RoleCall::Pause).await);
        assert_eq!(refusal, Refusal::NotTheGuardian { guardian, sender: sender_ });
    }
}

#[tokio::test]
async fn a_rollup_without_an_owner_is_final() {
    let scene = Scene::new().await;
    let config = scene.rollup.config().clone();
    let (rollup, _) = deploy_rollup(&scene.publisher, &config, Roles::default(), B256::ZERO).await.unwrap();
    assert_eq!(rollup.roles().await.unwrap(), Roles::default());
    for sender in [&scene.publisher, &scene.owner, &scene.guardian] {
        for call in [schedule(&config.rules(), 0), RoleCall::Resume, RoleCall::SetGuardian(None)] {
            let refusal = refused(rollup.act(sender, &call).await);
            assert_eq!(refusal, Refusal::NotTheOwner { sender: sender.account() });
        }
        let refusal = refused(rollup.act(sender, &RoleCall::Pause).await);
        assert_eq!(refusal, Refusal::NotTheGuardian { guardian: Address::ZERO, sender: sender.account() });
        assert!(refusal.to_string().contains("nobody is"), "{refusal}");
    }
}

#[tokio::test]
async fn a_pause_stops_everything_and_costs_no_proof_its_time() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let before = scene.rollup.deadline(Epoch(0)).await.unwrap();
    assert_eq!(before, clock().deadline(Epoch(0)));
    // The last moments of the window.
    scene.to_time(before - 20).await;
    scene.act(&scene.guardian, RoleCall::Pause).await.unwrap();
    let until = scene.rollup.paused_until().await.unwrap().unwrap();
    let paused = Refusal::ContractPaused { until };
    assert_eq!(refused(scene.submit(scene.submission(1, 1)).await), paused);
    assert_eq!(refused(scene.verify(1, vec![scene.batch(1)]).await), paused);
    assert_eq!(refused(scene.rollup.prune(&scene.publisher).await), paused);
    assert_eq!(refused(scene.try_propose(scene.next(3)).await), paused);
    let moved = scene.rollup.deadline(Epoch(0)).await.unwrap();
    assert_eq!(moved, before + 600);
    // It ends by itself. What could be proven before can be proven now.
    scene.to_time(until).await;
    assert_eq!(scene.rollup.paused_until().await.unwrap(), None);
    scene.submit(scene.submission(1, 1)).await.unwrap();
    assert_eq!(scene.proven().await, 1);
    // Not again before as long has passed.
    let from = until + 600;
    assert_eq!(
        refused(scene.act(&scene.guardian, RoleCall::Pause).await),
        Refusal::PausedTooRecently { from }
    );
    scene.to_time(from).await;
    scene.act(&scene.guardian, RoleCall::Pause).await.unwrap();
    // The owner ends it at once.
    scene.act(&scene.owner, RoleCall::Resume).await.unwrap();
    assert_eq!(scene.rollup.paused_until().await.unwrap(), None);
    assert_eq!(refused(scene.act(&scene.owner, RoleCall::Resume).await), Refusal::NotPaused);
}

#[tokio::test]
async fn a_window_that_had_closed_is_not_opened_by_a_pause() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let closed = scene.rollup.deadline(Epoch(0)).await.unwrap();
    scene.to_time(closed).await;
    scene.act(&scene.guardian, RoleCall::Pause).await.unwrap();
    assert_eq!(scene.rollup.deadline(Epoch(0)).await.unwrap(), closed);
    scene.to_time(closed + 1_000).await;
    assert!(matches!(refused(scene.submit(scene.submission(1, 1)).await), Refusal::WindowClosed { .. }));
    scene.rollup.prune(&scene.publisher).await.unwrap();
}

#[tokio::test]
async fn a_guardian_who_turns_bad_is_replaced() {
    let scene = Scene::new().await;
    scene.act(&scene.guardian, RoleCall::Pause).await.unwrap();
    scene.act(&scene.owner, RoleCall::SetGuardian(None)).await.unwrap();
    scene.act(&scene.owner, RoleCall::Resume).await.unwrap();
    assert_eq!(scene.rollup.roles().await.unwrap().guardian, None);
    let refusal = refused(scene.act(&scene.guardian, RoleCall::Pause).await);
    assert!(matches!(refusal, Refusal::NotTheGuardian { guardian: Address::ZERO, .. }));
}

#[tokio::test]
async fn anybody_proposes_after_a_silence() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let open = scene.rollup.open_from().await.unwrap().unwrap();
    assert_eq!(open, scene.l1.head().await.unwrap().timestamp + SILENCE);
    // Everything is proven: the proposer is gone, and nothing is given up.
    scene.submit(scene.submission(1, 1)).await.unwrap();
    let stranger = scene.publisher.clone();
    scene.to_time(open - 3).await;
    let early = refused(scene.rollup.propose(&stranger, scene.next(3)).await);
    assert!(matches!(early, Refusal::WrongProposer { open_from, .. } if open_from == U256::from(open)));
    assert!(early.to_string().contains(&open.to_string()), "{early}");
    scene.to_time(open).await;
    // What cannot be proven is in nobody's way: the next one takes its place, and waits for nothing.
    let mut unprovable = scene.next(3);
    unprovable.state_root.0[0] ^= 1;
    scene.rollup.propose(&scene.guardian, unprovable).await.unwrap();
    assert_eq!(scene.rollup.open_from().await.unwrap(), Some(open));
    scene.rollup.propose(&stranger, scene.next(3)).await.unwrap();
    let tips = scene.rollup.tips().await.unwrap();
    assert_eq!((tips.proven.0, tips.pending.0), (1, 2));
    scene.checkpoints.push(scene.rollup.checkpoint(tips.pending).await.unwrap().unwrap());
    scene.submit(scene.submission(2, 2)).await.unwrap();
    // With its next checkpoint the proposer has the first word again.
    assert_eq!(scene.rollup.open_from().await.unwrap(), Some(open));
    let slot = (scene.l1.head().await.unwrap().timestamp - GENESIS_TIME) / 12 + 1;
    scene.propose_in(slot).await;
    assert!(scene.rollup.open_from().await.unwrap().unwrap() >= open + SILENCE);
}

#[tokio::test]
async fn new_attestors_count_for_new_checkpoints() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let old = scene.verifier;
    let members = [key(4).address(), key(5).address()];
    let verifier = deploy_attested_verifier(&scene.publisher, &members, 2, B256::ZERO).await.unwrap().address;
    let mut rules = scene.rollup.config().rules();
    rules.proof_types[0].verifier = verifier;
    scene.act(&scene.owner, schedule(&rules, 0)).await.unwrap();
    // The first is proven by the old attestors, as late as its window allows.
    scene.submit(scene.submission(1, 1)).await.unwrap();
    scene.propose_in(OLD_ENOUGH).await;
    let refusal = refused(scene.submit(scene.submission(2, 2)).await);
    assert!(matches!(refusal, Refusal::ProofRejected { .. }), "{refusal}");
    scene.verifier = verifier;
    scene.attestors = vec![key(4), key(5)];
    scene.submit(scene.submission(2, 2)).await.unwrap();
    assert_ne!(old, verifier);
}

#[tokio::test]
async fn a_timelock_can_be_the_owner() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let delay = U256::from(3_600);
    let (proposer, executor) = (scene.owner.account(), scene.publisher.account());
    let arguments = TimelockController::constructorCall {
        minDelay: delay,
        proposers: vec![proposer],
        executors: vec![executor],
        admin: Address::ZERO,
    };
    let code = [&TimelockController::BYTECODE[..], &arguments.abi_encode()].concat();
    let creation = json!({ "from": proposer, "data": Bytes::from(code) });
    let receipt = send(&scene.anvil, creation).await.unwrap();
    let timelock: Address = receipt["contractAddress"].as_str().unwrap().parse().unwrap();
    let config = scene.rollup.config().clone();
    let roles = Roles { owner: Some(timelock), guardian: None };
    let (rollup, _) = deploy_rollup(&scene.publisher, &config, roles, B256::ZERO).await.unwrap();
    assert_eq!(rollup.roles().await.unwrap().owner, Some(timelock));

    let rules = next_rules(&scene, scene.publisher.account());
    let data = schedule(&rules, 0).calldata();
    let zero = B256::ZERO;
    let ask = TimelockController::scheduleCall {
        target: rollup.address(),
        value: U256::ZERO,
        data: data.clone(),
        predecessor: zero,
        salt: zero,
        delay,
    };
    let execute = TimelockController::executeCall {
        target: rollup.address(),
        value: U256::ZERO,
        payload: data,
        predecessor: zero,
        salt: zero,
    };
    let tell = async |from: Address, data: Vec<u8>| {
        let call = json!({ "from": from, "to": timelock, "data": Bytes::from(data) });
        send(&scene.anvil, call).await
    };
    tell(proposer, ask.abi_encode()).await.unwrap();
    assert!(tell(executor, execute.abi_encode()).await.is_err(), "not before the timelock's delay");
    let now = scene.l1.head().await.unwrap().timestamp;
    scene.to_time(now + 3_700).await;
    tell(executor, execute.abi_encode()).await.unwrap();
    assert_eq!(rollup.scheduled().await.unwrap().unwrap().rules, rules);
}

#[tokio::test]
async fn one_of_several_attestors_is_not_enough_where_two_must_sign() {
    // The threshold that `contracts deploy` takes unless it is told otherwise.
    assert_eq!((1..=7).map(proofmill_chain::majority).collect::<Vec<_>>(), [1, 2, 2, 3, 3, 4, 4]);
    let anvil = options().spawn().await.unwrap();
    let mut scene = Scene::on(anvil, &[ProverType::OpenVm]).await;
    scene.propose_in(1).await;
    let values = scene.epoch(1, 1).to_bytes();
    let attestation = scene.attestation(crate::scene::AGGREGATION_KEY, &values);
    let proof = attestation.proof_bytes(&scene.signatures(&attestation)[..1]);
    let proofs =
        [(ProverType::OpenVm, proofmill_chain::SubmittedProof { public_values: values.into(), proof })];
    let refusal = refused(scene.submit(scene.submission_of(1, 1, proofs.into())).await);
    assert!(matches!(refusal, Refusal::ProofRejected { .. }));
}

/// The owner names the next one, who becomes it only by accepting.
#[tokio::test]
async fn an_owner_is_followed_by_who_accepts() {
    let scene = Scene::new().await;
    let (owner, next) = (scene.owner.account(), scene.publisher.account());
    let transfer = RoleCall::TransferOwnership(next);
    assert!(scene.rollup.act(&scene.publisher, &transfer).await.is_err(), "a stranger named itself");
    scene.rollup.act(&scene.owner, &transfer).await.unwrap();
    assert_eq!(scene.rollup.roles().await.unwrap().owner, Some(owner));
    assert_eq!(scene.rollup.pending_owner().await.unwrap(), Some(next));
    scene.rollup.act(&scene.publisher, &RoleCall::AcceptOwnership).await.unwrap();
    assert_eq!(scene.rollup.roles().await.unwrap().owner, Some(next));
    assert!(scene.rollup.act(&scene.owner, &RoleCall::SetGuardian(None)).await.is_err());
}
