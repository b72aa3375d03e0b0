//! A prover that is slow, deterministic, fails on demand and remembers what it did. It stands for a real one, which
//! takes minutes.

use alloy_primitives::B256;
use proofmill_backends::{
    Backend, BackendError, Child, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SegmentKind,
    SnarkVariant,
};
use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What happens to one try at a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Retryable,
    Fatal,
    Panic,
}

/// The input of a program is how many segments it has.
#[derive(Debug)]
pub(crate) struct Slow {
    /// How long a segment takes.
    pub(crate) pace: Duration,
    /// Segments that are not done before they are let go.
    held: Mutex<BTreeSet<u32>>,
    pub(crate) faults: Mutex<BTreeMap<u32, VecDeque<Fault>>>,
    pub(crate) plans: Mutex<u32>,
    refuses_children: bool,
    /// Whether something is missing that finished proofs need.
    pub(crate) lacks: AtomicBool,
    /// Whether all segments are verifications of one and the same proof.
    alike: bool,
    /// The SNARK that is made, if any is.
    snark: Option<SnarkVariant>,
    /// How often something was refused.
    pub(crate) refused: Mutex<u32>,
    /// How often each segment was begun.
    begun: Mutex<BTreeMap<u32, u32>>,
    /// How often each segment was proven.
    proven: Mutex<BTreeMap<u32, u32>>,
}

impl Slow {
    pub(crate) fn new(pace_ms: u64) -> Self {
        Self {
            pace: Duration::from_millis(pace_ms),
            held: Mutex::default(),
            faults: Mutex::default(),
            plans: Mutex::default(),
            refuses_children: false,
            lacks: AtomicBool::new(false),
            alike: false,
            snark: None,
            refused: Mutex::default(),
            begun: Mutex::default(),
            proven: Mutex::default(),
        }
    }

    pub(crate) fn failing(self, segment: u32, faults: &[Fault]) -> Self {
        self.faults.lock().unwrap().insert(segment, faults.iter().copied().collect());
        self
    }

    /// Is not done with these segments before it is told to let them go: no time decides what happens meanwhile.
    pub(crate) fn holding(self, segments: impl IntoIterator<Item = u32>) -> Self {
        self.held.lock().unwrap().extend(segments);
        self
    }

    pub(crate) fn let_go(&self) {
        self.held.lock().unwrap().clear();
    }

    /// Refuses every child of a node, whatever it is.
    pub(crate) fn refusing_children(mut self) -> Self {
        self.refuses_children = true;
        self
    }

    /// All segments are equal.
    pub(crate) fn alike(mut self) -> Self {
        self.alike = true;
        self
    }

    /// Makes this SNARK: proofs of the mode `plonk`, which are like all others.
    pub(crate) fn making(mut self, snark: SnarkVariant) -> Self {
        self.snark = Some(snark);
        self
    }

    /// The first segment that is equal to this one.
    const fn first_like(&self, segment: u32) -> u32 {
        if self.alike { 0 } else { segment }
    }

    pub(crate) fn proven(&self) -> BTreeMap<u32, u32> {
        self.proven.lock().unwrap().clone()
    }

    fn refuse<T>(&self, error: BackendError) -> Result<T, BackendError> {
        *self.refused.lock().unwrap() += 1;
        Err(error)
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.lock().unwrap().len()
    }

    pub(crate) fn times_begun(&self, segment: u32) -> u32 {
        self.begun.lock().unwrap().get(&segment).copied().unwrap_or(0)
    }

    /// Whether this segment is being proven.
    pub(crate) fn is_at(&self, segment: u32) -> bool {
        self.begun.lock().unwrap().contains_key(&segment)
            && !self.proven.lock().unwrap().contains_key(&segment)
    }

    /// Each of so many segments, once.
    pub(crate) fn once(segments: u32) -> BTreeMap<u32, u32> {
        (0..segments).map(|segment| (segment, 1)).collect()
    }
}

fn count(of: &Mutex<BTreeMap<u32, u32>>, segment: u32) {
    *of.lock().unwrap().entry(segment).or_default() += 1;
}

/// A part that is found to be wrong without being named.
pub(crate) const UNNAMED: &str = "<some part>";

/// The segments that a part proves, if it is one.
fn segments_of(part: &[u8]) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(part).ok()?;
    let inner = text.strip_prefix("<segment ")?.strip_suffix('>')?;
    inner.split("><segment ").map(|segment| segment.parse().ok()).collect()
}

/// What a segment's proof looks like.
pub(crate) fn segment_text(segment: u32) -> String {
    format!("<segment {segment}>")
}

impl Backend for Slow {
    fn prover_type(&self) -> ProverType {
        ProverType::Exec
    }

    fn weight(&self, _: TaskKind, _: SegmentBudget) -> Weight {
        Weight::gb(1)
    }

    fn budget_for(&self, _: Weight) -> SegmentBudget {
        SegmentBudget(1)
    }

    fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
        if self.snark.is_some() || !matches!(mode, ProofMode::Plonk | ProofMode::Groth16) {
            return Ok(());
        }
        let cause = "the circuit files of the wrap are not installed".into();
        Err(BackendError::UnsupportedMode { prover: ProverType::Exec, mode, cause })
    }

    fn snark_variant(&self) -> Option<SnarkVariant> {
        self.snark
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        Ok(ProgramVersion(B256::left_padding_from(program)))
    }

    fn encode_input(&self, frames: &[&[u8]], _proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        Ok(frames.concat())
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        let text = String::from_utf8_lossy(job.input);
        let segments = text.parse::<u64>().map_err(|error| BackendError::MalformedInput {
            prover: ProverType::Exec,
            cause: error.to_string(),
        })?;
        Ok(Execution { public_values: job.input.to_vec(), instructions: Instructions(segments * 100) })
    }

    fn plan(&self, job: &Job<'_>, _: SegmentBudget) -> Result<Plan, BackendError> {
        *self.plans.lock().unwrap() += 1;
        let execution = self.execute(job)?;
        let segments = execution.instructions.0 / 100;
        let kind = if self.alike { SegmentKind::Verification } else { SegmentKind::Execution };
        let segment = Segment { kind, instructions: Instructions(100), detail: Vec::new() };
        Ok(Plan { execution, segments: vec![segment; segments as usize] })
    }

    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        if self.execute(job)?.instructions.0 / 100 != plan.segments.len() as u64 {
            return self.refuse(BackendError::MalformedPart { cause: "the plan is of another input".into() });
        }
        count(&self.begun, index);
        std::thread::sleep(self.pace);
        while self.held.lock().unwrap().contains(&index) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let fault = self.faults.lock().unwrap().get_mut(&index).and_then(VecDeque::pop_front);
        match fault {
            Some(Fault::Retryable) => {
                return Err(BackendError::Prover {
                    prover: ProverType::Exec,
                    doing: "proving a segment",
                    cause: "cosmic rays".into(),
                });
            }
            Some(Fault::Fatal) => return Err(BackendError::GuestFailed { cause: "exit code 7".into() }),
            Some(Fault::Panic) => panic!("index out of {index}"),
            None => {}
        }
        count(&self.proven, index);
        Ok(segment_text(self.first_like(index)).into_bytes())
    }

    fn tree(
        &self,
        segments: &[Segment],
        mode: ProofMode,
        _: SegmentBudget,
    ) -> Result<Vec<Node>, BackendError> {
        if mode == ProofMode::Core {
            return Ok(Vec::new());
        }
        let mut layer: Vec<_> = (0..segments.len() as u32).map(Child::Segment).collect();
        let mut tree = Vec::new();
        while layer.len() > 1 {
            layer = layer
                .chunks(2)
                .map(|pair| match pair {
                    [alone] => *alone,
                    _ => {
                        tree.push(Node { layer: 0, children: pair.to_vec() });
                        Child::Node(tree.len() as u32 - 1)
                    }
                })
                .collect();
        }
        Ok(tree)
    }

    fn node_weight(&self, _: &Node) -> Weight {
        self.weight(TaskKind::RecursionReduce, SegmentBudget(0))
    }

    fn reduce(&self, _: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        assert_eq!(node.children.len(), children.len());
        if children.iter().any(|child| child == UNNAMED.as_bytes()) {
            return self.refuse(BackendError::MalformedPart { cause: "some child is wrong".into() });
        }
        let wrong = |child: &Vec<u8>| self.refuses_children || segments_of(child).is_none();
        if let Some(index) = children.iter().position(wrong) {
            return self.refuse(BackendError::WrongPart { index, cause: format!("child {index} is wrong") });
        }
        Ok(children.concat())
    }

    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        if self.lacks.load(Ordering::Relaxed) {
            let (prover, cause) = (ProverType::Exec, "a file of an earlier step is not here".to_owned());
            return Err(BackendError::NotSetUp { prover, cause });
        }
        if let Some(index) = parts.iter().position(|part| segments_of(part).is_none()) {
            return self.refuse(BackendError::WrongPart { index, cause: format!("part {index} is wrong") });
        }
        let proven = parts.iter().filter_map(|part| segments_of(part)).flatten();
        let all = 0..(self.execute(job)?.instructions.0 / 100) as u32;
        if !proven.eq(all.map(|segment| self.first_like(segment))) {
            return self.refuse(BackendError::InvalidProof { cause: "it is not of all segments".into() });
        }
        Ok(Proof {
            prover: ProverType::Exec,
            mode,
            program: self.program_version(job.program)?,
            public_values: plan.execution.public_values.clone(),
            body: parts.concat(),
        })
    }

    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        if proof.program == expected {
            return Ok(());
        }
        Err(BackendError::WrongProgram { expected, found: proof.program })
    }
}
