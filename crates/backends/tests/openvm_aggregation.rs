//! Range proofs verified inside the zkVM by the aggregation program, with real keys and real proofs. Minutes with
//! `--release`, hours without. Prints what each step took.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::too_many_arguments, missing_docs)]

/// The contract in an EVM of this process, as `proofmill-chain` tests it.
#[path = "../../chain/tests/evm/machine.rs"]
#[allow(dead_code)]
mod machine;

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolCall, SolInterface};
use machine::{Machine, Rollup, proof_type};
use proofmill_backends::{
    Backend, BackendError, Child, Job, Node, OpenVmBackend, Plan, Proof, SegmentBudget, SegmentKind,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_program::{
    Aggregation, AggregationPublicValues, Boundary, PublicValues, RangePublicValues, aggregation,
};
use std::{fs, time::Instant};

/// `programs/openvm/aggregation`.
const AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/openvm-aggregation.elf");
/// `programs/openvm/fixtures/reveal`: commits to the 32 bytes that it reads.
const REVEAL: &[u8] = include_bytes!("fixtures/reveal-openvm.elf");
const BUDGET: SegmentBudget = SegmentBudget(640);

fn job<'a>(program: &'a [u8], input: &'a [u8]) -> Job<'a> {
    Job { program, input, cycle_limit: None }
}

/// Whoever deploys the rollup's contract, and proposes and proves everything.
const SOMEBODY: Address = Address::repeat_byte(0x50);
const CONFIG_HASH: B256 = B256::repeat_byte(0xcf);

/// Where the ranges begin.
fn genesis() -> Boundary {
    Boundary {
        last_block: 0,
        last_hash: B256::repeat_byte(1),
        state_root: B256::repeat_byte(1),
        last_timestamp: 0,
    }
}

fn range(first: u64, last: u64, parent: u8, hash: u8) -> RangePublicValues {
    RangePublicValues {
        chainId: 901,
        configHash: CONFIG_HASH,
        // The first contract that it deploys.
        rollup: SOMEBODY.create(0),
        prover: SOMEBODY,
        firstBlock: first,
        lastBlock: last,
        parentHash: B256::repeat_byte(parent),
        lastHash: B256::repeat_byte(hash),
        preStateRoot: B256::repeat_byte(parent),
        postStateRoot: B256::repeat_byte(hash),
        lastTimestamp: last,
        ..Default::default()
    }
}

/// Seconds on the clock, seconds of CPU, and the peak of memory in MB, of one step.
fn measured<T>(step: &str, work: impl FnOnce() -> T) -> T {
    // Lets the peak count from here.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let made = work();
    println!(
        "| {step} | {:.1} s | {:.1} s | {} MB |",
        start.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        peak_mb()
    );
    made
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Proves as the cluster does: each segment, then each node, then the last step, in turn by two that share nothing.
fn prove(backends: [&OpenVmBackend; 2], job: &Job<'_>, steps: &dyn Fn(&str) -> String) -> (Plan, Proof) {
    let plan = measured(&steps("plan"), || backends[0].plan(job, BUDGET)).unwrap();
    let tree = backends[1].tree(&plan.segments, ProofMode::Compressed, BUDGET).unwrap();
    let segments: Vec<Vec<u8>> = (0..plan.segments.len())
        .map(|index| {
            let step = match plan.segments[index].kind {
                SegmentKind::Execution => "segment",
                SegmentKind::Verification => "verification",
            };
            measured(&steps(step), || backends[index % 2].prove_segment(job, &plan, index as u32)).unwrap()
        })
        .collect();
    let mut nodes: Vec<Vec<u8>> = Vec::new();
    for (index, node) in tree.iter().enumerate() {
        let children: Vec<Vec<u8>> = node
            .children
            .iter()
            .map(|child| match *child {
                Child::Segment(child) => segments[child as usize].clone(),
                Child::Node(child) => nodes[child as usize].clone(),
            })
            .collect();
        let step = format!("node {index} of layer {:#x} over {}", node.layer, children.len());
        let backend = backends[index % 2];
        nodes.push(measured(&steps(&step), || backend.reduce(job.program, node, &children)).unwrap());
        refuses_what_does_not_belong(backends[0], job, node, &segments[0], &children);
    }
    let root = nodes.pop().unwrap();
    let proof = measured(&steps("finish"), || backends[0].finish(job, &plan, ProofMode::Compressed, &[root]))
        .unwrap();
    (plan, proof)
}

/// A node is not made of anything but its children, each in its place.
fn refuses_what_does_not_belong(
    backend: &OpenVmBackend,
    job: &Job<'_>,
    node: &Node,
    segment: &[u8],
    children: &[Vec<u8>],
) {
    let refused = |what: &str, children: &[Vec<u8>]| {
        let result = backend.reduce(job.program, node, children).map(|made| made.len());
        let refused =
            matches!(result, Err(BackendError::MalformedPart { .. } | BackendError::WrongPart { .. }));
        assert!(refused, "{what}: {result:?}");
    };
    let mut swapped = children.to_vec();
    swapped.reverse();
    // Verifications may come in any order; whether it is that of the calls is seen at the end.
    if swapped != children && node.layer != 0x200 {
        refused("in another order", &swapped);
    }
    let mut foreign = children.to_vec();
    foreign[0] = segment.to_vec();
    if foreign != children {
        refused("a segment in its place", &foreign);
    }
    let mut cut = children.to_vec();
    cut[0].pop();
    refused("cut", &cut);
    refused("one too many", &[children, &children[..1]].concat());
}

/// The proof of a program that stands for the range program. Kept in a folder, if `PROOFS` names one, for the next run.
fn range_proof(backend: &OpenVmBackend, name: &str, program: &[u8], frame: &[u8]) -> Proof {
    let file = alloy_primitives::keccak256([program, frame].concat()).to_string();
    let kept = std::env::var_os("PROOFS").map(|folder| std::path::Path::new(&folder).join(file));
    let version = backend.program_version(program).unwrap();
    if let Some(proof) = kept.as_ref().and_then(|kept| Proof::decode(&fs::read(kept).ok()?).ok())
        && backend.verify(&proof, version).is_ok()
    {
        return proof;
    }
    let input = backend.encode_input(&[frame], &[]).unwrap();
    let (_, proof) = prove([backend; 2], &job(program, &input), &|step| format!("{name}: {step}"));
    if let Some(kept) = kept {
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(kept, proof.encode()).unwrap();
    }
    proof
}

#[test]
fn the_verifying_keys_are_those_of_the_circuits() {
    let made = OpenVmBackend::make_verifying_keys().unwrap();
    let known = include_bytes!("../src/openvm/keys.bin");
    // Behind the magic and the checksum they are packed, by whichever version of zstd.
    let content = |file: &[u8]| zstd::decode_all(&file[40..]).unwrap();
    assert!(content(&made) == content(known), "run the example `openvm_keys` and put its output in place");
}

#[test]
fn range_proofs_are_aggregated() {
    let backend = OpenVmBackend::default();
    // One is folded alone, three with padding: `RANGES=3` to try them too.
    let count = std::env::var("RANGES").map_or(2, |count| count.parse().unwrap());
    let ranges: Vec<RangePublicValues> =
        (0..count).map(|at| range(1 + 4 * u64::from(at), 4 + 4 * u64::from(at), at + 1, at + 2)).collect();
    let key = backend.program_version(REVEAL).unwrap();
    let proofs: Vec<Proof> = ranges
        .iter()
        .enumerate()
        .map(|(at, range)| {
            range_proof(&backend, &format!("range {at}"), REVEAL, range.commitment().as_slice())
        })
        .collect();
    // Of one checkpoint, or of several.
    let checkpoints = if count == 1 { vec![1] } else { vec![1, u32::from(count) - 1] };
    let from_commitment = genesis().commit(B256::ZERO);
    let by = &Aggregation { range_key: key.0, from_commitment, checkpoints };
    let input = |by: &Aggregation, ranges: &[RangePublicValues], proofs: &[Proof]| {
        backend.encode_input(&[&aggregation::encode_input(by, ranges)], proofs).unwrap()
    };
    let expected = aggregation::fold(by, &ranges).unwrap();
    if count == 2 {
        refuses_before_proving(&backend, by, &ranges, &proofs);
    }

    let whole = input(by, &ranges, &proofs);
    let job = job(AGGREGATION, &whole);
    let execution = backend.execute(&job).unwrap();
    assert_eq!(execution.public_values, expected.commitment().as_slice());
    println!("the aggregation of {count} takes {} instructions", execution.instructions);
    let start = Instant::now();
    let other = OpenVmBackend::default();
    let (plan, proof) = prove([&backend, &other], &job, &|step| format!("epoch: {step}"));
    drop((backend, other));
    println!("the epoch in {:.1} s, {} bytes", start.elapsed().as_secs_f64(), proof.body.len());
    assert_eq!(plan.execution, execution);
    assert_eq!(proof.public_values, expected.commitment().as_slice());
    // Whoever verifies makes no keys.
    let other = OpenVmBackend::default();
    let version = measured("program version", || other.program_version(AGGREGATION)).unwrap();
    let proof = Proof::decode(&proof.encode()).unwrap();
    measured("verify", || other.verify(&proof, version)).unwrap();
    settles_what_is_true_and_nothing_else(by, &ranges, &expected, version);
    refuses_what_is_not_the_proof(&other, &proof, version, &proofs[0], key);
}

/// Shows the contract what the proof says, which was verified just now: attestors do that for it. A proposer who told the truth has
/// everything proven; one who lied about where a checkpoint in the middle ends has nothing proven, though the last one is true.
fn settles_what_is_true_and_nothing_else(
    by: &Aggregation,
    ranges: &[RangePublicValues],
    says: &AggregationPublicValues,
    version: ProgramVersion,
) {
    type Lie = fn(&mut Boundary);
    let lies: [(&str, Lie); 4] = [
        ("nothing", |_| {}),
        ("its state root", |end| end.state_root = B256::repeat_byte(0xf0)),
        ("its hash", |end| end.last_hash = B256::repeat_byte(0xf1)),
        ("its time", |end| end.last_timestamp -= 1),
    ];
    for (what, lie) in lies {
        let mut machine = Machine::new(100);
        let rollup = machine.deploy(SOMEBODY, &creation(by.range_key, version)).unwrap();
        assert_eq!(rollup, says.rollup);
        // Each checkpoint as the epoch proof has it, but for the lie about the first of several.
        let mut ranges = ranges.iter();
        let mut before = genesis();
        let several = by.checkpoints.len() > 1;
        for (at, count) in by.checkpoints.iter().enumerate() {
            let mut end = ranges.nth(*count as usize - 1).unwrap().boundary();
            if several && at == 0 {
                lie(&mut end);
            }
            machine.set_time(100 + 10 * at as u64);
            let proposal = Rollup::Proposal {
                firstBlock: before.last_block + 1,
                lastBlock: end.last_block,
                parentHash: before.last_hash,
                lastHash: end.last_hash,
                stateRoot: end.state_root,
                lastTimestamp: end.last_timestamp,
            };
            machine.send(SOMEBODY, rollup, Rollup::proposeCall { proposal }.abi_encode()).0.unwrap();
            before = end;
        }
        let proof = Rollup::Proof { publicValues: says.to_bytes().into(), proof: version.0.into() };
        let last = by.checkpoints.len() as u64;
        let submit = Rollup::submitEpochProofCall { first: 1, last, prover: SOMEBODY, proofs: vec![proof] };
        let settled = machine.send(SOMEBODY, rollup, submit.abi_encode()).0;
        let proven = machine.read(rollup, &Rollup::tipsCall {}).unwrap().proven;
        if !several || what == "nothing" {
            settled.unwrap();
            assert_eq!(proven, last);
            continue;
        }
        match Rollup::RollupErrors::abi_decode(&settled.unwrap_err()) {
            Ok(Rollup::RollupErrors::StatementMismatch(refused)) => {
                assert_eq!(refused.field, B256::right_padding_from(b"toCommitment"), "a lie about {what}");
            }
            other => panic!("a lie about {what}: {other:?}"),
        }
        assert_eq!(proven, 0, "a lie about {what}");
    }
}

/// A rollup whose first checkpoint follows on [`genesis`], with an epoch that is long enough.
fn creation(range_key: B256, aggregation: ProgramVersion) -> Rollup::constructorCall {
    let Boundary { last_block, last_hash, state_root, last_timestamp } = genesis();
    Rollup::constructorCall {
        constants_: Rollup::Constants {
            chainId: 901,
            genesisTime: 0,
            slotSeconds: 10,
            epochSlots: 1_000,
            windowEpochs: 1,
            maxLag: 10_000,
            silence: 0,
            changeDelay: 20_000,
            maxPause: 0,
            genesisBlock: last_block,
            genesisHash: last_hash,
            genesisStateRoot: state_root,
            genesisTimestamp: last_timestamp,
        },
        first: Rollup::Rules {
            configHash: CONFIG_HASH,
            proposer: SOMEBODY,
            proofTypes: vec![proof_type("openvm", range_key, aggregation.0)],
        },
        roles: Rollup::Roles { owner: Address::ZERO, guardian: Address::ZERO },
    }
}

/// What the program refuses, or who runs it.
fn refuses_before_proving(
    backend: &OpenVmBackend,
    by: &Aggregation,
    ranges: &[RangePublicValues],
    proofs: &[Proof],
) {
    let execute = |program: &[u8], by: &Aggregation, ranges: &[RangePublicValues], proofs: &[Proof]| {
        let input = backend.encode_input(&[&aggregation::encode_input(by, ranges)], proofs).unwrap();
        backend.execute(&job(program, &input))
    };
    let guest_fails = |what: &str, by: &Aggregation, ranges: &[RangePublicValues], proofs: &[Proof]| {
        let result = execute(AGGREGATION, by, ranges, proofs);
        assert!(matches!(result, Err(BackendError::GuestFailed { .. })), "{what}: {result:?}");
    };
    let (first, second) = (&proofs[0], &proofs[1]);
    let both = [first.clone(), second.clone()];
    guest_fails("a proof is missing", by, ranges, &both[..1]);
    guest_fails("a proof too many", by, &ranges[..1], &both);
    guest_fails("in another order", by, ranges, &[second.clone(), first.clone()]);
    guest_fails("the same proof twice", by, ranges, &[first.clone(), first.clone()]);
    let mut claimed = ranges.to_vec();
    claimed[1].postStateRoot = B256::repeat_byte(9);
    guest_fails("a range that no proof says", by, &claimed, &both);
    let other = Aggregation { range_key: B256::repeat_byte(7), ..by.clone() };
    guest_fails("proofs of another program than the key says", &other, ranges, &both);
    for checkpoints in [vec![], vec![1], vec![2, 0], vec![1, 2]] {
        let other = Aggregation { checkpoints, ..by.clone() };
        guest_fails("a checkpoint that does not end where a range does", &other, ranges, &both);
    }
    let backwards = [ranges[1].clone(), ranges[0].clone()];
    guest_fails("ranges that do not follow each other", by, &backwards, &[second.clone(), first.clone()]);

    let malformed = |what: &str, result: Result<_, BackendError>| {
        assert!(matches!(result, Err(BackendError::MalformedInput { .. })), "{what}: {result:?}");
    };
    malformed("no proofs at all", execute(AGGREGATION, by, &[], &[]));
    malformed("proofs for a program that verifies none", execute(REVEAL, by, ranges, &both));
    for at in (0..first.body.len()).step_by(first.body.len() / 5 + 1) {
        let mut changed = first.clone();
        changed.body[at] ^= 1;
        let changed = [changed, second.clone()];
        malformed(&format!("byte {at} of a proof flipped"), execute(AGGREGATION, by, ranges, &changed));
    }
    let core = Proof { mode: ProofMode::Core, ..first.clone() };
    let exec = Proof { prover: ProverType::Exec, ..first.clone() };
    for foreign in [core, exec] {
        let result = backend.encode_input(&[], &[foreign]);
        assert!(matches!(result, Err(BackendError::MalformedInput { .. })), "{result:?}");
    }
    // A plan with verifications has no core proof, which is said before anything is proven.
    let input = backend.encode_input(&[&aggregation::encode_input(by, ranges)], &both).unwrap();
    let plan = backend.plan(&job(AGGREGATION, &input), BUDGET).unwrap();
    let core = backend.tree(&plan.segments, ProofMode::Core, BUDGET);
    assert!(matches!(core, Err(BackendError::UnsupportedMode { .. })), "{core:?}");
    // And is of its proofs.
    let swapped =
        backend.encode_input(&[&aggregation::encode_input(by, ranges)], &[second.clone(), first.clone()]);
    let index = plan.segments.len() as u32 - 1;
    let result = backend.prove_segment(&job(AGGREGATION, &swapped.unwrap()), &plan, index);
    assert!(matches!(result, Err(BackendError::MalformedPart { .. })), "{result:?}");
}

fn refuses_what_is_not_the_proof(
    backend: &OpenVmBackend,
    proof: &Proof,
    version: ProgramVersion,
    range: &Proof,
    key: ProgramVersion,
) {
    let invalid = |changed: Proof, what: &str| match backend.verify(&changed, version) {
        Err(BackendError::InvalidProof { .. } | BackendError::WrongProgram { .. }) => {}
        other => panic!("{what}: {other:?}"),
    };
    let mut public_values = proof.public_values.clone();
    public_values[31] ^= 1;
    invalid(Proof { public_values, ..proof.clone() }, "altered public values");
    invalid(Proof { body: range.body.clone(), ..proof.clone() }, "a range proof in its place");
    invalid(Proof { mode: ProofMode::Core, ..proof.clone() }, "as a core proof");
    let length = proof.body.len();
    // The last kilobytes show the record of the calls to be in memory.
    for at in [0, 100, length / 3, length / 2, length - 3000, length - 1000, length - 2] {
        let mut body = proof.body.clone();
        body[at] ^= 1;
        invalid(Proof { body, ..proof.clone() }, &format!("byte {at} of {length} flipped"));
    }
    invalid(Proof { body: proof.body[..length - 1].to_vec(), ..proof.clone() }, "cut");
    let mut longer = proof.body.clone();
    longer.push(0);
    invalid(Proof { body: longer, ..proof.clone() }, "padded");
    let result = backend.verify(proof, key);
    assert!(matches!(result, Err(BackendError::WrongProgram { .. })), "{result:?}");
    let claims = Proof { program: key, ..proof.clone() };
    let result = backend.verify(&claims, key);
    assert!(matches!(result, Err(BackendError::WrongProgram { .. })), "{result:?}");
    // It proves an epoch, not a range: it is no input of another aggregation.
    let input = backend.encode_input(&[], std::slice::from_ref(proof)).unwrap();
    let result = backend.execute(&job(AGGREGATION, &input));
    assert!(matches!(result, Err(BackendError::MalformedInput { .. })), "{result:?}");
}
