//! A rollup whose owner changes its rules while a proof coordinator settles it: another verifier, which counts another attestor, and
//! proofs of a second type. There are unproven batches on both sides of the change, and the coordinator is killed between.

use crate::{
    process::{Running, free_port, stand_in, wait},
    site::{Site, number, publisher},
};
use alloy_primitives::B256;
use proofmill_backends::ExecBackend;
use proofmill_chain::{
    ProofTypeConfig, RoleCall, Roles, Rules, Sender, deploy_accepts_anything_verifier,
    deploy_attested_verifier,
};
use proofmill_client::programs;
use proofmill_devnet::{DevKeys, DevnetOptions, ProofTypePlan};
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{any::Any, time::Duration};

/// A change waits for a window and an epoch: 324 s.
const WINDOW_EPOCHS: u64 = 80;
/// So many seconds before the change proving ends. Until then two batches are proposed, which takes a few seconds. After the change their
/// window is open for 220 s, in which the new rules come into force, roles are started again, and those two are proven: half a minute,
/// and far more on a machine that stands still or is slow.
const MARGIN: u64 = 100;

/// Chains whose rules the funder may change, proven by the stand-in for `openvm`, with one attestor.
fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let [range_key, aggregation_key] = programs::published(ProverType::OpenVm).unwrap();
    let plan = ProofTypePlan { prover: ProverType::OpenVm, range_key, aggregation_key };
    let owner = DevKeys::well_known(1).unwrap().funder.address();
    let options = DevnetOptions::new(vec![plan])
        .slot(Duration::from_secs(2))
        .epoch_slots(2)
        .window_epochs(WINDOW_EPOCHS)
        .attestors(1, 1)
        .roles(Roles { owner: Some(owner), guardian: None });
    let devnet = runtime.block_on(options.start()).unwrap();
    let chains = devnet.description().clone();
    let kept: Box<dyn Any> = Box::new((devnet, runtime));
    Site::of(&stand_in(), folder, chains, kept)
}

/// An attestor with this key, once it is ready, and its address.
fn attestor(site: &Site, index: usize) -> (Running, String) {
    let (name, listen) = (format!("attestor-{index}"), format!("127.0.0.1:{}", free_port()));
    let mut command = site.role(&name);
    command.args(["attestor", "--l1-rpc", site.chains.l1_rpc.as_str(), "--listen", &listen]);
    command.args(["--rollup", &site.chains.rollup.to_string()]);
    command.env("PROOFMILL_ATTESTOR_KEY", DevKeys::attestor_texts(2)[index].to_string());
    let running = site.start(&mut command, &name);
    wait("the attestor", || site.said(&name).contains("the attestor is ready"));
    (running, format!("http://{listen}"))
}

/// The owner schedules a verifier that counts the second attestor alone, and proofs of `exec` beside.
fn schedule(site: &Site) -> Rules {
    let keys = DevKeys::well_known(2).unwrap();
    let owner = Sender::new(site.rollup.l1().clone(), keys.funder);
    let second = keys.attestors[1].address();
    site.runtime.block_on(async {
        let salt = B256::repeat_byte(7);
        let attested = deploy_attested_verifier(&owner, &[second], 1, salt).await.unwrap().address;
        let anything = deploy_accepts_anything_verifier(&owner, salt).await.unwrap().address;
        let mut rules = site.rollup.current_rules().await.unwrap().rules;
        rules.proof_types[0].verifier = attested;
        let exec = ExecBackend::default();
        rules.proof_types.push(ProofTypeConfig {
            prover: ProverType::Exec,
            verifier: anything,
            range_key: programs::range_version(&exec).unwrap(),
            aggregation_key: programs::aggregation_version(&exec).unwrap(),
        });
        let call = RoleCall::ScheduleRules { rules: rules.clone(), from: None };
        site.rollup.act(&owner, &call).await.unwrap();
        rules
    })
}

/// The first batch under these rules.
fn first_under(site: &Site, rules: &Rules) -> u64 {
    let (proven, pending) = site.tips();
    let is_under = |number: &u64| {
        let of_it = site.runtime.block_on(site.rollup.rules_of(CheckpointNumber(*number))).unwrap();
        of_it == *rules
    };
    (proven + 1..=pending).find(is_under).expect("a batch under the new rules")
}

#[test]
fn batches_on_both_sides_of_a_change_of_rules_are_settled_each_by_its_own() {
    let mut site = site();
    let (_first, one) = attestor(&site, 0);
    // The second one is named from the start; it is not there before its time.
    let second = format!("http://127.0.0.1:{}", free_port());
    let (_, key) = publisher(&site, 0x35, 10);
    let environment = [("PRIVATE_KEY", key.as_str())];
    let both = format!("{one},{second}");
    let words = ["--attestor", both.as_str()];
    let mut coordinator = site.coordinator(&words, &environment);
    let mut openvm = site.prover("openvm");
    site.load_until("a batch to be settled", |site| site.tips().0 >= 1);
    let rules = schedule(&site);
    let not_before = site.runtime.block_on(site.rollup.scheduled()).unwrap().unwrap().not_before;
    let time = |site: &Site| site.runtime.block_on(site.rollup.l1().head()).unwrap().timestamp;
    let (settled, _) = site.tips();
    site.load_until("another one to be settled before the change", |site| site.tips().0 > settled);
    site.wait_for("the change to be near", |site| time(site) + MARGIN >= not_before);
    // From now on nothing is proven, until there are batches under both.
    assert!(openvm.terminate(), "{}", site.said("prover-openvm"));
    site.load_until("batches under the old rules", |site| {
        let (proven, pending) = site.tips();
        pending > proven + 1
    });
    // Not many more, which would have to be proven while their window is open.
    site.wait_for("the time of the change", |site| time(site) >= not_before);
    let index = |site: &Site| site.runtime.block_on(site.rollup.current_rules()).unwrap().index;
    site.load_until("the new rules to be in force", |site| index(site) == 1);
    let begins = first_under(&site, &rules);
    site.load_until("batches under them", |site| site.tips().1 > begins);
    assert!(site.tips().0 + 1 < begins, "nothing under the old rules is unproven: {:?}", site.tips());

    coordinator.kill();
    let mut coordinator = site.coordinator(&words, &environment);
    let mut openvm = site.prover("openvm");
    site.wait_for("those under the old rules to be settled", |site| site.tips().0 + 1 >= begins);
    let waits = "start it again once the batches before are settled";
    site.wait_for("the others to say what they wait for", |site| {
        !site.lines("coordinator", waits).is_empty()
    });
    assert_eq!(site.tips().0 + 1, begins, "{:?}", site.verified());
    assert!(
        site.lines("coordinator", waits)[0].contains("proofs of exec and openvm"),
        "{}",
        site.said("coordinator")
    );
    let failed = site.lines("coordinator", "submission_failed");
    assert!(failed.iter().all(|line| number(line, "last") < begins), "{failed:?}");
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));

    // By a coordinator that goes by the new rules, and their attestor.
    let (_second, address) = attestor(&site, 1);
    let both = format!("{one},{address}");
    let mut coordinator = site.coordinator(&["--attestor", both.as_str()], &environment);
    let mut exec = site.prover("exec");
    site.load_until("those under the new rules to be settled", |site| site.tips().0 > begins);
    let verified = site.verified();
    let mut next = 1;
    for (first, last) in &verified {
        assert_eq!(*first, next, "{verified:?}");
        next = last + 1;
    }
    for running in [&mut openvm, &mut exec, &mut coordinator] {
        assert!(running.terminate(), "{}", site.said("coordinator"));
    }
}
