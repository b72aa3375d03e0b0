//! A rollup that wants a SNARK and the signatures of attestors together (`--l1-verifier both`), with the SNARK of a real epoch's proof and
//! with keys that sign: both are needed, and neither stands for the other.

use crate::{
    machine::{AttestedVerifier, Machine, Outcome, Rollup},
    model::{NOBODY, PROPOSERS, STRANGER},
    snarks::{AllOfVerifier, Asked, GOAL, HEAD, ORDER, Scene, fixture, plus},
    values::NAMES,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use proofmill_chain::{
    Attestation, AttestorSet, AttestorSignature, DEVELOPMENT_CHAIN, Refusal, SigningKey, SnarkRefusal,
    VerifierKind,
};
use proofmill_primitives::{CheckpointNumber, ProgramVersion};
use proofmill_program::{AggregationPublicValues, Boundary, PublicValues};

/// Three attestors, of whom two must sign.
const ATTESTORS: [u8; 3] = [1, 2, 3];
const THRESHOLD: usize = 2;
const SLOT: u64 = 12;
const SLOTS: u64 = 5;
/// The time of the fixture's genesis block: its commitment is that from which the epoch goes on.
const GENESIS_TIME: u64 = 1_795_837_359;

fn key(byte: u8) -> SigningKey {
    B256::repeat_byte(byte).try_into().unwrap()
}

/// The rollup that the fixture is of, with the epoch proposed.
struct Site {
    machine: Machine,
    /// What the rollup asks, by what it takes.
    kind: VerifierKind,
    /// The contract that the rollup names, and the one that counts attestors.
    named: Address,
    counts: Address,
    /// By their addresses.
    keys: Vec<SigningKey>,
    asked: Asked,
    says: AggregationPublicValues,
}

impl Site {
    fn new() -> Self {
        let Scene { mut machine, verifier: snark, .. } = Scene::new();
        let mut keys: Vec<_> = ATTESTORS.map(key).into();
        keys.sort_by_key(SigningKey::address);
        let members: Vec<_> = keys.iter().map(SigningKey::address).collect();
        let constructor = AttestedVerifier::constructorCall {
            attestors_: members.clone(),
            threshold_: U256::from(THRESHOLD),
        };
        let code = &AttestedVerifier::BYTECODE;
        let counts = machine.create(STRANGER, code, &constructor.abi_encode()).unwrap();
        let constructor = AllOfVerifier::constructorCall { verifiers_: vec![snark, counts] };
        let code = &AllOfVerifier::BYTECODE;
        let named = machine.create(STRANGER, code, &constructor.abi_encode()).unwrap();
        let kind = VerifierKind::AllOf(vec![
            VerifierKind::Snark { verifier: snark, insecure: true, halo2: Bytes::new() },
            VerifierKind::Attestors(AttestorSet { verifier: counts, members, threshold: THRESHOLD }),
        ]);
        Self::of(machine, kind, named, counts, keys)
    }

    /// Where a SNARK alone is wanted.
    fn without_attestors() -> Self {
        let Scene { machine, verifier, .. } = Scene::new();
        let kind = VerifierKind::Snark { verifier, insecure: true, halo2: Bytes::new() };
        Self::of(machine, kind, verifier, NOBODY, Vec::new())
    }

    fn of(
        mut machine: Machine,
        kind: VerifierKind,
        named: Address,
        counts: Address,
        keys: Vec<SigningKey>,
    ) -> Self {
        let asked = fixture();
        let says = AggregationPublicValues::from_bytes(&asked.public_values).unwrap();
        machine.set_time(says.lastTimestamp);
        let creation = Rollup::constructorCall {
            constants_: Rollup::Constants {
                chainId: says.chainId,
                genesisTime: GENESIS_TIME,
                slotSeconds: SLOT,
                epochSlots: SLOTS,
                windowEpochs: 1,
                maxLag: 10 * SLOT,
                silence: 0,
                changeDelay: 2 * SLOTS * SLOT,
                maxPause: 0,
                genesisBlock: says.firstBlock - 1,
                genesisHash: says.parentHash,
                genesisStateRoot: says.preStateRoot,
                genesisTimestamp: GENESIS_TIME,
            },
            first: Rollup::Rules {
                configHash: says.configHash,
                proposer: PROPOSERS[0],
                proofTypes: vec![Rollup::ProofType {
                    name: B256::right_padding_from(b"openvm"),
                    verifier: named,
                    rangeKey: says.rangeKey,
                    aggregationKey: asked.program,
                }],
            },
            roles: Rollup::Roles { owner: NOBODY, guardian: NOBODY },
        };
        let deployed = machine.deploy(STRANGER, &creation).unwrap();
        // The proof is for the rollup at this address.
        machine.copy(deployed, says.rollup);
        let proposal = Rollup::Proposal {
            firstBlock: says.firstBlock,
            lastBlock: says.lastBlock,
            parentHash: says.parentHash,
            lastHash: says.lastHash,
            stateRoot: says.postStateRoot,
            lastTimestamp: says.lastTimestamp,
        };
        let propose = Rollup::proposeCall { proposal };
        machine.send(PROPOSERS[0], says.rollup, propose.abi_encode()).0.unwrap();
        // The real epoch had several checkpoints, and its proof does not say where those before the last ended. L1 keeps the
        // commitment to all of them with the last one, and looks at no other.
        let end = Boundary {
            last_block: says.lastBlock,
            last_hash: says.lastHash,
            state_root: says.postStateRoot,
            last_timestamp: says.lastTimestamp,
        };
        machine.replace(says.rollup, end.commit(says.fromCommitment), says.toCommitment);
        Self { machine, kind, named, counts, keys, asked, says }
    }

    /// What honest attestors sign.
    fn attestation(&self) -> Attestation {
        self.attestation_of(&self.asked.public_values)
    }

    fn attestation_of(&self, values: &[u8]) -> Attestation {
        Attestation::new(DEVELOPMENT_CHAIN, self.counts, ProgramVersion(self.asked.program), values)
    }

    /// By so many attestors, as the contract takes them.
    fn signatures(&self, attestation: &Attestation, count: usize) -> Bytes {
        let signed = self.keys.iter().take(count).map(|key| attestation.sign(key).unwrap());
        attestation.proof_bytes(&signed.collect::<Vec<_>>())
    }

    /// What the rollup is shown of both.
    fn both(&self, snark: &[u8], signatures: Bytes) -> Bytes {
        self.kind.proof_bytes(vec![Bytes::copy_from_slice(snark), signatures])
    }

    fn submit(&mut self, values: &[u8], prover: Address, proof: Bytes) -> (Outcome, u64) {
        let proofs = vec![Rollup::Proof { publicValues: Bytes::copy_from_slice(values), proof }];
        let call = Rollup::submitEpochProofCall { first: 1, last: 1, prover, proofs };
        self.machine.send(STRANGER, self.says.rollup, call.abi_encode())
    }

    /// Why the rollup refuses what is to prove these values. Nothing is proven by it.
    fn refuses(&mut self, values: &[u8], prover: Address, proof: Bytes) -> Refusal {
        let refusal = Refusal::decode(&self.submit(values, prover, proof).0.unwrap_err());
        assert_eq!(self.proven(), 0, "{refusal}");
        refusal
    }

    /// Why its verifier rejects what is to prove what is true.
    fn rejects(&mut self, proof: Bytes) -> Refusal {
        let (values, prover) = (self.asked.public_values.clone(), self.says.prover);
        rejected(self.refuses(&values, prover, proof))
    }

    fn proven(&mut self) -> u64 {
        self.machine.read(self.says.rollup, &Rollup::tipsCall {}).unwrap().proven
    }
}

/// The verifier's reason. A SNARK costs an hour: it is at fault only where it was looked at, and never for want of signatures.
fn rejected(refusal: Refusal) -> Refusal {
    let (at_fault, unsigned) = (refusal.invalid_proof().map(str::to_owned), refusal.is_not_attested());
    match refusal {
        Refusal::ProofRejected { proof_type, checkpoint, reason } => {
            assert_eq!((proof_type.as_str(), checkpoint), ("openvm", CheckpointNumber(1)));
            if matches!(*reason, Refusal::Snark(_)) {
                assert_eq!((at_fault.as_deref(), unsigned), (Some("openvm"), false), "{reason}");
            } else {
                assert_eq!((at_fault, unsigned), (None, true), "{reason}");
            }
            *reason
        }
        other => panic!("{other}"),
    }
}

/// Signatures as they are, in any order.
fn encode(signatures: &[AttestorSignature]) -> Bytes {
    let list: Vec<Bytes> = signatures.iter().map(|signature| signature.to_bytes().into()).collect();
    list.abi_encode().into()
}

#[test]
fn a_real_epoch_is_settled_by_its_snark_and_signatures_together() {
    for count in [THRESHOLD, ATTESTORS.len()] {
        let mut site = Site::new();
        let proof = site.both(&site.asked.proof, site.signatures(&site.attestation(), count));
        let (values, prover) = (site.asked.public_values.clone(), site.says.prover);
        let (settled, gas) = site.submit(&values, prover, proof.clone());
        settled.unwrap();
        println!("settled by a SNARK and {count} signatures: {gas} gas");
        assert_eq!(site.proven(), 1);
        let proven = Rollup::provenCheckpointCall { number: 1 };
        let proven = site.machine.read(site.says.rollup, &proven).unwrap();
        assert_eq!((proven.lastHash, proven.stateRoot), (site.says.lastHash, site.says.postStateRoot));
        let again = Refusal::decode(&site.submit(&values, prover, proof).0.unwrap_err());
        assert!(matches!(again, Refusal::AlreadySubmitted { .. }), "{again}");
    }
}

#[test]
fn a_real_epoch_is_settled_by_its_snark_alone_for_less_gas_than_the_goal() {
    let mut site = Site::without_attestors();
    let snark = site.asked.proof.clone();
    let mut wrong = snark.clone();
    wrong[600] ^= 1;
    assert_eq!(site.rejects(wrong.into()), Refusal::Snark(SnarkRefusal::ProofDoesNotHold));
    let proof = site.kind.proof_bytes(vec![snark.into()]);
    let (values, prover) = (site.asked.public_values.clone(), site.says.prover);
    let (settled, gas) = site.submit(&values, prover, proof);
    settled.unwrap();
    println!("settled by a SNARK: {gas} gas");
    assert!(gas <= GOAL, "{gas}");
    assert_eq!(site.proven(), 1);
}

#[test]
fn a_real_snark_settles_nothing_without_enough_signatures() {
    let mut site = Site::new();
    let (snark, attestation) = (site.asked.proof.clone(), site.attestation());
    for given in 0..THRESHOLD {
        let few = site.both(&snark, site.signatures(&attestation, given));
        let (required, given) = (U256::from(THRESHOLD), U256::from(given));
        assert_eq!(site.rejects(few), Refusal::TooFewSignatures { required, given });
    }
    let sign = |key: &SigningKey| attestation.sign(key).unwrap();
    let (first, second, stranger) = (sign(&site.keys[0]), sign(&site.keys[1]), key(9));
    let [signer, next] = [0, 1].map(|at: usize| site.keys[at].address());
    let twice = site.both(&snark, encode(&[first, first]));
    assert_eq!(site.rejects(twice), Refusal::NotAscending { previous: signer, next: signer });
    let reversed = site.both(&snark, encode(&[second, first]));
    assert_eq!(site.rejects(reversed), Refusal::NotAscending { previous: next, next: signer });
    let by_stranger = attestation.proof_bytes(&[first, sign(&stranger)]);
    let by_stranger = site.both(&snark, by_stranger);
    assert_eq!(site.rejects(by_stranger), Refusal::NotAnAttestor { signer: stranger.address() });
    let cut: Vec<Bytes> = vec![first.to_bytes().into(), Bytes::copy_from_slice(&second.to_bytes()[..64])];
    let cut = site.both(&snark, cut.abi_encode().into());
    assert_eq!(site.rejects(cut), Refusal::MalformedSignature { index: U256::ONE });
    let longer = [&site.signatures(&attestation, THRESHOLD)[..], &[0]].concat();
    let longer = site.both(&snark, longer.into());
    assert_eq!(site.rejects(longer), Refusal::NotCanonical);
}

#[test]
fn signatures_of_something_else_do_not_count_beside_a_real_snark() {
    let mut site = Site::new();
    let good = site.attestation();
    let mut others = vec![
        // Another program, and the range program.
        Attestation { program: ProgramVersion(B256::repeat_byte(0xee)), ..good },
        Attestation { program: ProgramVersion(site.says.rangeKey), ..good },
        // Another L1; and the contract that the rollup names, which counts nobody.
        Attestation { l1_chain_id: 1, ..good },
        Attestation { verifier: site.named, ..good },
        Attestation { public_values_hash: B256::ZERO, ..good },
    ];
    // Any other values: chain, rollup, blocks, states and all.
    for word in 0..NAMES.len() {
        let mut values = site.asked.public_values.clone();
        values[word * 32 + 31] ^= 1;
        others.push(site.attestation_of(&values));
    }
    for other in others {
        let proof = site.both(&site.asked.proof, site.signatures(&other, ATTESTORS.len()));
        let reason = site.rejects(proof);
        assert!(matches!(reason, Refusal::NotAnAttestor { .. }), "{other:?}: {reason}");
    }
}

#[test]
fn a_changed_snark_is_refused_by_name_whoever_signs() {
    let mut site = Site::new();
    let (good, program) = (site.asked.proof.clone(), site.asked.program);
    let signatures = site.signatures(&site.attestation(), ATTESTORS.len());
    // The commitments to program and machine.
    for byte in [31, 63] {
        let mut altered = good.clone();
        altered[byte] ^= 1;
        let given = keccak256(&altered[..64]);
        let proof = site.both(&altered, signatures.clone());
        let wrong = SnarkRefusal::WrongProgram { expected: program, given };
        assert_eq!(site.rejects(proof), Refusal::Snark(wrong));
    }
    // Each word of the accumulator and of the proof.
    for word in 2..good.len() / 32 {
        let mut altered = good.clone();
        altered[word * 32 + 31] ^= 1;
        let proof = site.both(&altered, signatures.clone());
        assert_eq!(site.rejects(proof), Refusal::Snark(SnarkRefusal::ProofDoesNotHold), "word {word}");
    }
    // Another form of a scalar of either.
    for index in [2, HEAD + 20] {
        let proof = site.both(&plus(&good, index, ORDER).unwrap(), signatures.clone());
        let wrong = SnarkRefusal::NotCanonical { index: U256::from(index) };
        assert_eq!(site.rejects(proof), Refusal::Snark(wrong));
    }
    let expected = U256::from(good.len());
    for length in [0, 64, good.len() - 1, good.len() + 32] {
        let mut cut = good.clone();
        cut.resize(length, 0);
        let proof = site.both(&cut, signatures.clone());
        let wrong = SnarkRefusal::WrongProofLength { expected, given: U256::from(length) };
        assert_eq!(site.rejects(proof), Refusal::Snark(wrong));
    }
}

#[test]
fn a_real_snark_or_signatures_alone_are_not_both() {
    let mut site = Site::new();
    let snark = Bytes::from(site.asked.proof.clone());
    let signatures = site.signatures(&site.attestation(), THRESHOLD);
    let (expected, of) = (U256::from(snark.len()), |given: usize| U256::from(given));
    let list = |parts: &[&Bytes]| -> Bytes {
        parts.iter().copied().cloned().collect::<Vec<Bytes>>().abi_encode().into()
    };
    let wrong_length =
        |given: usize| Refusal::Snark(SnarkRefusal::WrongProofLength { expected, given: of(given) });
    // Two signatures pass for a list of two proofs, of which the first is to be a SNARK.
    assert_eq!(site.rejects(signatures.clone()), wrong_length(65));
    let swapped = list(&[&signatures, &snark]);
    assert_eq!(site.rejects(swapped), wrong_length(signatures.len()));
    // In the place of signatures a SNARK, whose first word says that their list begins beyond any calldata.
    let twice = list(&[&snark, &snark]);
    // The SNARK is no list of proofs, nor is nothing.
    for none in [twice, snark.clone(), Bytes::new()] {
        assert_eq!(site.rejects(none), Refusal::NotCanonical);
    }
    let padded = [&list(&[&snark, &signatures])[..], &[0; 32]].concat().into();
    let one_more = list(&[&snark, &signatures, &signatures]);
    for proof in [list(&[]), list(&[&snark]), list(&[&signatures]), one_more, padded] {
        assert_eq!(site.rejects(proof), Refusal::NotCanonical);
    }
}

#[test]
fn what_is_not_true_of_the_rollup_is_not_settled_although_attestors_sign_for_it() {
    let mut site = Site::new();
    let (good, prover) = (site.asked.public_values.clone(), site.says.prover);
    assert_eq!(good.len(), NAMES.len() * 32);
    for (word, name) in NAMES.into_iter().enumerate() {
        let mut values = good.clone();
        values[word * 32 + 31] ^= 1;
        let signatures = site.signatures(&site.attestation_of(&values), ATTESTORS.len());
        let proof = site.both(&site.asked.proof, signatures);
        match site.refuses(&values, prover, proof) {
            Refusal::StatementMismatch { field, .. } => assert_eq!(field, name),
            refusal => panic!("{name}: {refusal}"),
        }
    }
    // Whoever submits may name any prover: the SNARK says which it is, whoever signs for another.
    let thief = Address::repeat_byte(0x78);
    let values = AggregationPublicValues { prover: thief, ..site.says.clone() }.to_bytes();
    for signed in [site.attestation_of(&values), site.attestation()] {
        let proof = site.both(&site.asked.proof, site.signatures(&signed, ATTESTORS.len()));
        let reason = rejected(site.refuses(&values, thief, proof));
        assert_eq!(reason, Refusal::Snark(SnarkRefusal::ProofDoesNotHold));
    }
    let proof = site.both(&site.asked.proof, site.signatures(&site.attestation(), THRESHOLD));
    let longer = [&good[..], &[0; 32]].concat();
    for values in [&good[..good.len() - 32], &longer] {
        let refusal = site.refuses(values, prover, proof.clone());
        assert!(matches!(refusal, Refusal::WrongPublicValuesLength { .. }), "{refusal}");
    }
}
