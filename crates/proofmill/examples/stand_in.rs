//! The binary as tests need it. It has a second prover type, for rollups that need two: [`StandIn`], under the name of `openvm`. And
//! its `exec`, which takes milliseconds, can be held in the middle of a segment.

use proofmill_backends::{
    Backend, BackendError, ExecBackend, Execution, Job, Node, Plan, Proof, Registry, Segment, SegmentBudget,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use proofmill_stand_in::StandIn;
use std::{env, fs, path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

fn main() -> ExitCode {
    let (stand_in, held) = (StandIn::default(), Held(ExecBackend::default()));
    proofmill::main_with(Registry::default().with(Arc::new(held)).with(Arc::new(stand_in)))
}

/// `exec`, of which a test holds a segment: the first one that is begun while the file is there that this variable names. It takes the
/// file to its own folder, as `held`, and goes on when somebody has removed it there. All others go on.
struct Held(ExecBackend);

const HOLD: &str = "PROOFMILL_TEST_HOLD";

fn wait_where_held() {
    let Some(hold) = env::var_os(HOLD) else { return };
    let held = Path::new("held");
    // Of several only one can take it away.
    if fs::rename(hold, held).is_ok() {
        while held.exists() {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Backend for Held {
    fn prover_type(&self) -> ProverType {
        self.0.prover_type()
    }
    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight {
        self.0.weight(kind, budget)
    }
    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        self.0.budget_for(memory)
    }
    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        self.0.program_version(program)
    }
    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        self.0.encode_input(frames, proofs)
    }
    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        self.0.execute(job)
    }
    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError> {
        self.0.plan(job, budget)
    }
    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        wait_where_held();
        self.0.prove_segment(job, plan, index)
    }
    fn tree(
        &self,
        segments: &[Segment],
        mode: ProofMode,
        budget: SegmentBudget,
    ) -> Result<Vec<Node>, BackendError> {
        self.0.tree(segments, mode, budget)
    }
    fn node_weight(&self, node: &Node) -> Weight {
        self.0.node_weight(node)
    }
    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        self.0.reduce(program, node, children)
    }
    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        self.0.finish(job, plan, mode, parts)
    }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        self.0.verify(proof, expected)
    }
}
