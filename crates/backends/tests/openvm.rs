//! The OpenVM backend with real keys and real proofs. Slow without `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use alloy_primitives::B256;
use proofmill_backends::{
    Backend, BackendError, Child, Job, OpenVmBackend, Plan, Proof, Segment, SegmentBudget,
};
use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType};

/// `programs/openvm/fixtures/fibonacci`.
const FIBONACCI: &[u8] = include_bytes!("fixtures/fibonacci-openvm.elf");
/// Small, so that a short execution has several segments.
const BUDGET: SegmentBudget = SegmentBudget(640);
/// Steps of the Fibonacci sequence that take more than one segment of that budget.
const STEPS: u64 = 10_000;

fn input(steps: u64) -> Vec<u8> {
    OpenVmBackend::default().encode_input(&[&steps.to_le_bytes()], &[]).unwrap()
}

fn job<'a>(program: &'a [u8], input: &'a [u8]) -> Job<'a> {
    Job { program, input, cycle_limit: None }
}

/// What the guest computes.
fn expected(steps: u64) -> Vec<u8> {
    let (mut a, mut b) = (0u64, 1u64);
    let mut mix = 0xcbf2_9ce4_8422_2325u64;
    for _ in 0..steps {
        (a, b) = (b, a.wrapping_add(b));
        mix = (mix ^ a).rotate_left(13).wrapping_add(b);
    }
    let mut out = vec![0; 32];
    out[..8].copy_from_slice(&steps.to_le_bytes());
    out[8..16].copy_from_slice(&a.to_le_bytes());
    out[16..24].copy_from_slice(&mix.to_le_bytes());
    out
}

/// The fixture with its entry point moved by one instruction: another program.
fn other_program() -> Vec<u8> {
    let mut elf = FIBONACCI.to_vec();
    let entry = u32::from_le_bytes(elf[24..28].try_into().unwrap()) + 4;
    elf[24..28].copy_from_slice(&entry.to_le_bytes());
    elf
}

fn malformed_part<T: std::fmt::Debug>(result: Result<T, BackendError>, cause: &str) {
    match result {
        Err(BackendError::MalformedPart { cause: found } | BackendError::WrongPart { cause: found, .. })
            if found.contains(cause) => {}
        other => panic!("expected a malformed part with `{cause}`, got {other:?}"),
    }
}

#[test]
fn running_and_refusing_without_a_proof() {
    let backend = OpenVmBackend::default();
    let stdin = input(STEPS);
    let execution = backend.execute(&job(FIBONACCI, &stdin)).unwrap();
    assert_eq!(execution.public_values, expected(STEPS));

    // The same input in OpenVM's own encoding.
    let json = format!(r#"{{"input": ["0x01{}"]}}"#, hex::encode(STEPS.to_le_bytes()));
    assert_eq!(backend.execute(&job(FIBONACCI, json.as_bytes())).unwrap(), execution);

    // The plan is the same in every process, covers the execution, and depends on the budget.
    let plan = backend.plan(&job(FIBONACCI, &stdin), BUDGET).unwrap();
    assert!(plan.segments.len() >= 2, "{} segments", plan.segments.len());
    assert_eq!(plan.execution, execution);
    let sum: u64 = plan.segments.iter().map(|segment| segment.instructions.0).sum();
    assert_eq!(sum, execution.instructions.0);
    assert_eq!(OpenVmBackend::default().plan(&job(FIBONACCI, &stdin), BUDGET).unwrap(), plan);
    let larger = backend.plan(&job(FIBONACCI, &stdin), SegmentBudget(1536)).unwrap();
    assert!(larger.segments.len() < plan.segments.len());

    // A limit, to the instruction.
    let limited = |limit: u64| {
        let job = Job { cycle_limit: Some(Instructions(limit)), ..job(FIBONACCI, &stdin) };
        backend.execute(&job)
    };
    assert_eq!(limited(execution.instructions.0).unwrap(), execution);
    for limit in [0, 1000, execution.instructions.0 - 1] {
        match limited(limit) {
            Err(BackendError::CycleLimit { limit: named }) => assert_eq!(named.0, limit),
            other => panic!("{other:?}"),
        }
    }
    // An execution that would take hours is stopped at its limit.
    let endless = input(u64::MAX);
    let job_without_end = Job { cycle_limit: Some(Instructions(3_000_000)), ..job(FIBONACCI, &endless) };
    assert!(matches!(backend.plan(&job_without_end, BUDGET), Err(BackendError::CycleLimit { .. })));

    // The guest panics on a frame of another length, and where there is none.
    for frames in [&[&[1u8, 2, 3][..]][..], &[]] {
        let stdin = backend.encode_input(frames, &[]).unwrap();
        match backend.execute(&job(FIBONACCI, &stdin)) {
            Err(BackendError::GuestFailed { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    for stdin in [&b""[..], b"PMSTDIN1\x08\x00\x00\x00abc", b"{}", b"[1]"] {
        let result = backend.execute(&job(FIBONACCI, stdin));
        assert!(matches!(result, Err(BackendError::MalformedInput { .. })), "{result:?}");
    }

    let mut x86 = FIBONACCI.to_vec();
    x86[18] = 0x3e;
    let no_code = FIBONACCI[..52].to_vec();
    for elf in [&b""[..], b"not an ELF", &FIBONACCI[..FIBONACCI.len() / 2], &x86, &no_code, &[0x7f; 4096]] {
        let result = backend.execute(&job(elf, &stdin));
        assert!(matches!(result, Err(BackendError::MalformedProgram { .. })), "{result:?}");
        let result = backend.program_version(elf);
        assert!(matches!(result, Err(BackendError::MalformedProgram { .. })), "{result:?}");
    }
    // Whatever is in the ELF, the answer is an error or an execution, never a panic.
    for at in (0..FIBONACCI.len()).step_by(997) {
        let mut elf = FIBONACCI.to_vec();
        elf[at] ^= 0x55;
        let job = Job { cycle_limit: Some(Instructions(5_000_000)), ..job(&elf, &stdin) };
        let _ = backend.execute(&job);
    }

    assert_ne!(
        backend.program_version(FIBONACCI).unwrap(),
        backend.program_version(&other_program()).unwrap()
    );
}

#[test]
fn a_damaged_plan_is_refused_before_it_is_proven() {
    let backend = OpenVmBackend::default();
    let stdin = input(STEPS);
    let job = job(FIBONACCI, &stdin);
    let plan = backend.plan(&job, BUDGET).unwrap();
    malformed_part(backend.prove_segment(&job, &plan, 99), "no segment 99");

    let edit = |edit: &dyn Fn(&mut Vec<Segment>)| {
        let mut plan = plan.clone();
        edit(&mut plan.segments);
        plan
    };
    let swapped = edit(&|segments| segments.swap(0, 1));
    malformed_part(backend.prove_segment(&job, &swapped, 0), "does not begin");
    let cut = edit(&|segments| {
        let half = segments[0].detail.len() / 2;
        segments[0].detail.truncate(half);
    });
    malformed_part(backend.prove_segment(&job, &cut, 0), "cannot be read");
    let empty = edit(&|segments| segments[0].detail.clear());
    malformed_part(backend.prove_segment(&job, &empty, 0), "cannot be read");
}

/// One proof, made by two backends that share nothing, and everything that must not pass for it.
#[test]
fn a_split_proof() {
    let stdin = input(STEPS);
    let job = job(FIBONACCI, &stdin);
    let (one, two) = (OpenVmBackend::default(), OpenVmBackend::default());
    let plan = one.plan(&job, BUDGET).unwrap();
    let count = plan.segments.len();
    let version = one.program_version(FIBONACCI).unwrap();

    // The last segment first, every other segment by the other backend.
    let mut segments = vec![Vec::new(); count];
    for index in (0..count).rev() {
        let backend = if index % 2 == 0 { &one } else { &two };
        segments[index] = backend.prove_segment(&job, &plan, index as u32).unwrap();
    }

    refuses_unfinished_work(&one, &job, &plan, &segments);

    let core = one.finish(&job, &plan, ProofMode::Core, &segments).unwrap();
    assert_eq!(core.public_values, expected(STEPS));
    two.verify(&core, version).unwrap();
    refuses_what_is_not_the_proof(&two, &core, version);

    let tree = one.tree(&plan.segments, ProofMode::Compressed, BUDGET).unwrap();
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
        if index == 0 {
            refuses_wrong_children(&two, node, &children);
        }
        let backend = if index % 2 == 0 { &two } else { &one };
        nodes.push(backend.reduce(FIBONACCI, node, &children).unwrap());
    }
    malformed_part(two.finish(&job, &plan, ProofMode::Compressed, &nodes[..1]), "fold it up");
    let root = nodes.pop().unwrap();
    let proof = two.finish(&job, &plan, ProofMode::Compressed, &[root]).unwrap();
    assert_eq!(proof.public_values, expected(STEPS));
    let again = Proof::decode(&proof.encode()).unwrap();
    one.verify(&again, version).unwrap();
    refuses_what_is_not_the_proof(&one, &proof, version);

    // A proof in one mode does not pass for one in the other.
    for (proof, mode) in [(&proof, ProofMode::Core), (&core, ProofMode::Compressed)] {
        let relabelled = Proof { mode, ..proof.clone() };
        assert!(matches!(one.verify(&relabelled, version), Err(BackendError::InvalidProof { .. })));
    }
}

fn refuses_unfinished_work(backend: &OpenVmBackend, job: &Job<'_>, plan: &Plan, segments: &[Vec<u8>]) {
    for mode in [ProofMode::Groth16, ProofMode::Execute] {
        let result = backend.finish(job, plan, mode, segments);
        assert!(matches!(result, Err(BackendError::UnsupportedMode { .. })), "{mode}: {result:?}");
    }
    malformed_part(backend.finish(job, plan, ProofMode::Plonk, segments), "a SNARK is one part");
    let core = |parts: &[Vec<u8>]| backend.finish(job, plan, ProofMode::Core, parts);
    malformed_part(core(&segments[1..]), "is made from all");
    malformed_part(core(&[]), "is made from all");
    let mut swapped = segments.to_vec();
    swapped.swap(0, 1);
    malformed_part(core(&swapped), "begins with segment");
    let mut cut = segments.to_vec();
    cut[0].truncate(1000);
    malformed_part(core(&cut), "damaged");
    cut[0] = b"something else".to_vec();
    malformed_part(core(&cut), "not a part");
    for at in (0..segments[0].len()).step_by(segments[0].len() / 7) {
        let mut flipped = segments.to_vec();
        flipped[0][at] ^= 1;
        assert!(matches!(core(&flipped), Err(BackendError::WrongPart { index: 0, .. })), "byte {at}");
    }
    malformed_part(backend.finish(job, plan, ProofMode::Compressed, &segments[..1]), "fold it up");
    malformed_part(backend.finish(job, plan, ProofMode::Compressed, segments), "root alone");
}

fn refuses_wrong_children(backend: &OpenVmBackend, leaf: &proofmill_backends::Node, children: &[Vec<u8>]) {
    malformed_part(backend.reduce(&other_program(), leaf, children), "another program");
    malformed_part(backend.reduce(FIBONACCI, leaf, &children[1..]), "was given");
    let mut swapped = children.to_vec();
    swapped.swap(0, 1);
    assert!(matches!(backend.reduce(FIBONACCI, leaf, &swapped), Err(BackendError::WrongPart { .. })));
    let mut above = leaf.clone();
    above.layer = 1;
    above.children.truncate(3);
    let given = &children[..above.children.len()];
    malformed_part(backend.reduce(FIBONACCI, &above, given), "is a Segment");
}

fn refuses_what_is_not_the_proof(backend: &OpenVmBackend, proof: &Proof, version: ProgramVersion) {
    let invalid = |changed: Proof, what: &str| match backend.verify(&changed, version) {
        Err(BackendError::InvalidProof { .. } | BackendError::WrongProgram { .. }) => {}
        other => panic!("{what}: {other:?}"),
    };
    let mut public_values = proof.public_values.clone();
    public_values[0] ^= 1;
    invalid(Proof { public_values, ..proof.clone() }, "altered public values");
    let public_values = proof.public_values[..24].to_vec();
    invalid(Proof { public_values, ..proof.clone() }, "shortened public values");
    invalid(Proof { prover: ProverType::Exec, ..proof.clone() }, "another prover");
    invalid(Proof { body: Vec::new(), ..proof.clone() }, "no body");
    let length = proof.body.len();
    for at in [0, 1, 4, 100, length / 3, length / 2, length - 40, length - 1] {
        let mut body = proof.body.clone();
        body[at] ^= 1;
        invalid(Proof { body, ..proof.clone() }, &format!("byte {at} of {length} flipped"));
    }
    for cut in [1, 50, length / 2] {
        invalid(Proof { body: proof.body[..length - cut].to_vec(), ..proof.clone() }, "cut");
    }
    let mut longer = proof.body.clone();
    longer.push(0);
    invalid(Proof { body: longer, ..proof.clone() }, "padded");

    // A proof that claims to be of another program, and one that is asked for as another.
    let other = backend.program_version(&other_program()).unwrap();
    let claims = Proof { program: other, ..proof.clone() };
    for (proof, expected) in [(&claims, other), (&claims, version), (proof, other)] {
        match backend.verify(proof, expected) {
            Err(BackendError::WrongProgram { expected: named, .. }) => assert_eq!(named, expected),
            result => panic!("{result:?}"),
        }
    }
    let nobody = ProgramVersion(B256::repeat_byte(1));
    assert!(matches!(backend.verify(proof, nobody), Err(BackendError::WrongProgram { .. })));
}
