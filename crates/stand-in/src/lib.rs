//! A second prover type for tests of what needs two, or one that does not say of itself that it proves nothing: `exec` under the name
//! of OpenVM. It runs Proofmill's programs natively and **proves nothing**; no real verifier takes what it makes. It says so of each of
//! its proofs ([`Backend::insecure`]). And [`forward!`], for tests that change one thing of a backend.

#[macro_use]
mod forward;

use proofmill_backends::{
    Backend, BackendError, ExecBackend, Execution, Job, Node, Plan, Proof, SegmentBudget,
};
use proofmill_client::programs;
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};

/// What [`forward!`] names.
#[doc(hidden)]
pub mod types {
    pub use proofmill_backends::{BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget};
    pub use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
}

const NAME: ProverType = ProverType::OpenVm;

/// `exec` under the name of OpenVM, with OpenVM's programs and their versions. A proof has no body, and holds if it names one of them.
#[derive(Clone, Debug, Default)]
pub struct StandIn(ExecBackend);

/// Proofmill's own programs, by prover type.
const PROGRAMS: [fn(ProverType) -> &'static [u8]; 4] =
    [programs::range, programs::aggregation, programs::op_range, programs::op_aggregation];

/// `exec`'s name for a program; none for others.
fn native(program: &[u8]) -> &'static [u8] {
    match PROGRAMS.iter().find(|of| of(NAME) == program) {
        Some(of) => of(ProverType::Exec),
        None => &[],
    }
}

fn as_exec<'a>(job: &Job<'a>) -> Job<'a> {
    Job { program: native(job.program), ..*job }
}

impl Backend for StandIn {
    forward! { 0: weight budget_for tree node_weight }
    fn prover_type(&self) -> ProverType {
        NAME
    }
    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        let is_ours = PROGRAMS.iter().any(|of| of(NAME) == program);
        if is_ours { programs::version(self, program) } else { self.0.program_version(program) }
    }
    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        let as_exec = |proof: &Proof| Proof { prover: ProverType::Exec, ..proof.clone() };
        let proofs: Vec<Proof> = proofs.iter().map(as_exec).collect();
        self.0.encode_input(frames, &proofs)
    }
    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        self.0.execute(&as_exec(job))
    }
    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError> {
        self.0.plan(&as_exec(job), budget)
    }
    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        self.0.prove_segment(&as_exec(job), plan, index)
    }
    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        self.0.reduce(native(program), node, children)
    }
    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        let proof = self.0.finish(&as_exec(job), plan, mode, parts)?;
        Ok(Proof { prover: NAME, program: self.program_version(job.program)?, ..proof })
    }
    fn evm_proof(&self, proof: &Proof) -> Result<Option<Vec<u8>>, BackendError> {
        match proof.mode {
            ProofMode::Compressed => Ok(Some([b"for a contract: ", proof.public_values.as_slice()].concat())),
            _ => Ok(None),
        }
    }
    fn insecure(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        match proof.mode {
            ProofMode::Compressed => Ok(Some("a stand-in made it, which proves nothing".to_owned())),
            mode => {
                let cause = format!("a stand-in makes no {mode} proofs");
                Err(BackendError::InvalidProof { cause })
            }
        }
    }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        let other = || BackendError::InvalidProof { cause: "it is of another program".to_owned() };
        if proof.program != expected {
            return Err(other());
        }
        for of in PROGRAMS {
            if programs::version(self, of(NAME))? == expected {
                let program = self.0.program_version(of(ProverType::Exec))?;
                return self.0.verify(&Proof { prover: ProverType::Exec, program, ..proof.clone() }, program);
            }
        }
        Err(other())
    }
}
