//! What the calls cost: `contracts/gas.snap`.

use crate::{
    machine::{AcceptsAnythingVerifier, AttestedVerifier, Machine, Rollup},
    model::{CHAIN, GUARDIAN, OWNER, PROPOSERS, STRANGER},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor};
use proofmill_chain::{Attestation, Refusal, SigningKey};
use proofmill_primitives::ProgramVersion;
use proofmill_program::{Aggregation, PublicValues, RangePublicValues, aggregation::fold};
use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

/// Set to `write` it rewrites the file.
const VARIABLE: &str = "PROOFMILL_GAS_SNAPSHOT";
const START: u64 = 1_000_000;
const SLOT: u64 = 12;
/// As many checkpoints as an epoch has slots.
const EPOCH: u64 = 64;
/// The most gas that the contract itself may take for a batch in a call of sixteen or more.
const OWN_OF_A_BATCH: u64 = 60_000;
const RANGE_KEY: B256 = B256::repeat_byte(0xa1);
const AGGREGATION_KEY: B256 = B256::repeat_byte(0xa2);
const CONFIG_HASH: B256 = B256::repeat_byte(0xcf);

/// A rollup with one whole epoch of checkpoints that nobody has proven.
struct Scene {
    machine: Machine,
    rollup: Address,
    verifier: Address,
    /// Two of three, in the order of their addresses; none where nobody signs.
    signers: Vec<SigningKey>,
    checkpoints: Vec<Rollup::Checkpoint>,
}

#[test]
fn gas_is_as_in_the_snapshot() {
    let mut gas = BTreeMap::new();
    for attested in [true, false] {
        measure(attested, &mut gas);
    }
    let mut now = String::from(
        "# Gas of a transaction as in its receipt, by what verifies the proofs, for so many checkpoints. Rewritten by\n",
    );
    now += "# `PROOFMILL_GAS_SNAPSHOT=write cargo test -p proofmill-chain gas`.\n";
    for (name, gas) in gas {
        writeln!(now, "{name} {gas}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/gas.snap");
    if env::var(VARIABLE).is_ok_and(|value| value == "write") {
        fs::write(&path, now).unwrap();
    } else {
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(before, now, "gas changed: if it is meant to, set {VARIABLE}=write and commit the file");
    }
}

fn measure(attested: bool, gas: &mut BTreeMap<String, u64>) {
    let verifier = if attested { "attested 2 of 3" } else { "accepts anything" };
    let (scene, proposed) = Scene::new(attested);
    let mut costs = Vec::new();
    for count in [1, 4, 16, 64] {
        let proofs = vec![scene.epoch_proof(count)];
        let call = Rollup::submitEpochProofCall { first: 1, last: count, prover: STRANGER, proofs };
        let used = scene.cost(STRANGER, &call, 0);
        costs.push(used);
        gas.insert(format!("submitEpochProof({count:02}), {verifier}:"), used);
    }
    // Four epochs of a prover share a word, which is there from the first of them on: the same as when one of them grows.
    let mut begun = scene.fork();
    let first = Rollup::submitEpochProofCall {
        first: 1,
        last: 4,
        prover: STRANGER,
        proofs: vec![scene.epoch_proof(4)],
    };
    begun.must(STRANGER, &first);
    let longer = Rollup::submitEpochProofCall { last: 16, proofs: vec![scene.epoch_proof(16)], ..first };
    gas.insert(
        format!("submitEpochProof(16), after another of four epochs, {verifier}:"),
        begun.cost(STRANGER, &longer, 0),
    );
    // Two words less are read of a lone checkpoint. The others differ by bytes of numbers and signatures that are zero.
    let spread = |costs: &[u64]| costs.iter().max().unwrap() - costs.iter().min().unwrap();
    assert!(spread(&costs) < 4_400, "it must not grow with the number of checkpoints: {costs:?}");
    assert!(spread(&costs[1..]) < 200, "it must not grow with the number of checkpoints: {costs:?}");
    for count in [1, 4, 16, 64] {
        let batches = (1..=count)
            .map(|number| Rollup::BatchProof { proofs: vec![scene.range_proof(number)] })
            .collect();
        let call = Rollup::verifyBatchesCall { first: 1, prover: STRANGER, batches };
        let used = scene.cost(STRANGER, &call, 0);
        // What the contract itself takes, beside the verifier's share.
        assert!(attested || count < 16 || used / count <= OWN_OF_A_BATCH, "{count} batches take {used} gas");
        gas.insert(format!("verifyBatches({count:02}), {verifier}:"), used);
    }
    if !attested {
        return;
    }
    gas.insert("propose:".to_owned(), proposed);
    gas.insert("multicall(propose, verifyBatches(01)), attested 2 of 3:".to_owned(), scene.cost_at_once());
    gas.insert("prune:".to_owned(), scene.cost(STRANGER, &Rollup::pruneCall {}, 1_000_000));
    gas.insert("pause:".to_owned(), scene.cost(GUARDIAN, &Rollup::pauseCall {}, 0));
    let next = scene.rules();
    let schedule = Rollup::scheduleRulesCall { next, fromCheckpoint: 0 };
    gas.insert("scheduleRules(one proof type):".to_owned(), scene.cost(OWNER, &schedule, 0));
    let mut scheduled = scene.fork();
    scheduled.must(OWNER, &schedule);
    gas.insert(
        "cancelScheduledRules:".to_owned(),
        scheduled.cost(OWNER, &Rollup::cancelScheduledRulesCall {}, 0),
    );
    // The checkpoint with which they come into force, and that gives up the others.
    let propose = Rollup::proposeCall { proposal: scheduled.next(0, START + 1_000_000) };
    gas.insert(
        "propose(prunes, under new rules):".to_owned(),
        scheduled.cost(PROPOSERS[0], &propose, 1_000_000),
    );
    let mut paused = scene.fork();
    paused.must(GUARDIAN, &Rollup::pauseCall {});
    gas.insert("resume:".to_owned(), paused.cost(OWNER, &Rollup::resumeCall {}, 1));
    let guardian = Rollup::setGuardianCall { guardian_: STRANGER };
    gas.insert("setGuardian:".to_owned(), scene.cost(OWNER, &guardian, 0));
    let transfer = Rollup::transferOwnershipCall { newOwner: STRANGER };
    gas.insert("transferOwnership:".to_owned(), scene.cost(OWNER, &transfer, 0));
    let mut transferred = scene.fork();
    transferred.must(OWNER, &transfer);
    gas.insert("acceptOwnership:".to_owned(), transferred.cost(STRANGER, &Rollup::acceptOwnershipCall {}, 0));
}

impl Scene {
    /// And the gas of a proposal.
    fn new(attested: bool) -> (Self, u64) {
        let mut machine = Machine::new(START);
        let mut signers: Vec<SigningKey> =
            [1, 2, 3].map(|byte| B256::repeat_byte(byte).try_into().unwrap()).into();
        signers.sort_by_key(SigningKey::address);
        let verifier = if attested {
            let attestors = signers.iter().map(SigningKey::address).collect();
            let arguments =
                AttestedVerifier::constructorCall { attestors_: attestors, threshold_: U256::from(2) };
            machine.create(STRANGER, &AttestedVerifier::BYTECODE, &arguments.abi_encode()).unwrap()
        } else {
            signers.clear();
            machine.create(STRANGER, &AcceptsAnythingVerifier::BYTECODE, &[]).unwrap()
        };
        signers.truncate(2);
        let mut scene = Self { machine, rollup: Address::ZERO, verifier, signers, checkpoints: Vec::new() };
        let creation = Rollup::constructorCall {
            constants_: Rollup::Constants {
                chainId: CHAIN,
                genesisTime: START,
                slotSeconds: SLOT,
                epochSlots: EPOCH,
                windowEpochs: 2,
                maxLag: 10_000_000,
                silence: 10_000_000,
                changeDelay: 3 * EPOCH * SLOT,
                maxPause: 86_400,
                genesisBlock: 10,
                genesisHash: B256::repeat_byte(0x10),
                genesisStateRoot: B256::repeat_byte(0x11),
                genesisTimestamp: START - 1,
            },
            first: scene.rules(),
            roles: Rollup::Roles { owner: OWNER, guardian: GUARDIAN },
        };
        scene.rollup = scene.machine.deploy(STRANGER, &creation).unwrap();
        scene.read(0);
        let mut proposed = 0;
        for number in 1..=EPOCH {
            let time = START + (EPOCH + number - 1) * SLOT;
            scene.machine.set_time(time);
            let proposal = scene.next(number as usize - 1, time);
            proposed = scene.must(PROPOSERS[0], &Rollup::proposeCall { proposal });
            scene.read(number);
        }
        (scene, proposed)
    }

    fn read(&mut self, number: u64) {
        let call = Rollup::checkpointsCall { first: number, last: number };
        self.checkpoints.extend(self.machine.read(self.rollup, &call).unwrap());
    }

    fn rules(&self) -> Rollup::Rules {
        Rollup::Rules {
            configHash: CONFIG_HASH,
            proposer: PROPOSERS[0],
            proofTypes: vec![Rollup::ProofType {
                name: B256::right_padding_from(b"openvm"),
                verifier: self.verifier,
                rangeKey: RANGE_KEY,
                aggregationKey: AGGREGATION_KEY,
            }],
        }
    }

    /// A proposal that follows on a checkpoint.
    fn next(&self, before: usize, time: u64) -> Rollup::Proposal {
        let before = &self.checkpoints[before];
        Rollup::Proposal {
            firstBlock: before.lastBlock + 1,
            lastBlock: before.lastBlock + 6,
            parentHash: before.lastHash,
            lastHash: keccak256(before.lastHash),
            stateRoot: keccak256(before.stateRoot),
            lastTimestamp: time,
        }
    }

    fn fork(&self) -> Self {
        Self {
            machine: self.machine.fork(),
            rollup: self.rollup,
            verifier: self.verifier,
            signers: self.signers.clone(),
            checkpoints: self.checkpoints.clone(),
        }
    }

    /// Gas of a call that is accepted so many seconds from now; it changes nothing here.
    fn cost(&self, from: Address, call: &impl SolCall, later: u64) -> u64 {
        let mut fork = self.fork();
        if later > 0 {
            fork.machine.set_time(START + 2 * EPOCH * SLOT + later);
        }
        fork.must(from, call)
    }

    /// Gas of a checkpoint that is proposed and proven at once, when all before it are proven.
    fn cost_at_once(&self) -> u64 {
        let mut settled = self.fork();
        let proofs = vec![self.epoch_proof(EPOCH)];
        let all = Rollup::submitEpochProofCall { first: 1, last: EPOCH, prover: STRANGER, proofs };
        settled.must(STRANGER, &all);
        let time = START + 2 * EPOCH * SLOT;
        settled.machine.set_time(time);
        let propose = Rollup::proposeCall { proposal: settled.next(EPOCH as usize, time) };
        // What its proof must say is read where it is there.
        let mut ahead = settled.fork();
        ahead.must(PROPOSERS[0], &propose);
        ahead.read(EPOCH + 1);
        let batches = vec![Rollup::BatchProof { proofs: vec![ahead.range_proof(EPOCH + 1)] }];
        let prove = Rollup::verifyBatchesCall { first: EPOCH + 1, prover: STRANGER, batches };
        let calls = vec![propose.abi_encode().into(), prove.abi_encode().into()];
        settled.must(PROPOSERS[0], &Rollup::multicallCall { calls })
    }

    fn must(&mut self, from: Address, call: &impl SolCall) -> u64 {
        let (outcome, gas) = self.machine.send(from, self.rollup, call.abi_encode());
        if let Err(data) = outcome {
            panic!("{}", Refusal::decode(&data));
        }
        gas
    }

    fn range(&self, number: u64) -> RangePublicValues {
        let (from, to) = (&self.checkpoints[number as usize - 1], &self.checkpoints[number as usize]);
        RangePublicValues {
            chainId: CHAIN,
            configHash: CONFIG_HASH,
            rollup: self.rollup,
            prover: STRANGER,
            firstBlock: from.lastBlock + 1,
            lastBlock: to.lastBlock,
            parentHash: from.lastHash,
            lastHash: to.lastHash,
            preStateRoot: from.stateRoot,
            postStateRoot: to.stateRoot,
            lastTimestamp: to.lastTimestamp,
        }
    }

    fn range_proof(&self, number: u64) -> Rollup::Proof {
        self.proof(RANGE_KEY, &self.range(number).to_bytes())
    }

    fn epoch_proof(&self, last: u64) -> Rollup::Proof {
        let ranges: Vec<_> = (1..=last).map(|number| self.range(number)).collect();
        let by = Aggregation {
            range_key: RANGE_KEY,
            from_commitment: self.checkpoints[0].commitment,
            checkpoints: vec![1; ranges.len()],
        };
        self.proof(AGGREGATION_KEY, &fold(&by, &ranges).unwrap().to_bytes())
    }

    fn proof(&self, program: B256, values: &[u8]) -> Rollup::Proof {
        let attestation = Attestation::new(31_337, self.verifier, ProgramVersion(program), values);
        let signatures: Vec<_> = self.signers.iter().map(|key| attestation.sign(key).unwrap()).collect();
        let proof = attestation.proof_bytes(&signatures);
        Rollup::Proof { publicValues: Bytes::copy_from_slice(values), proof }
    }
}
