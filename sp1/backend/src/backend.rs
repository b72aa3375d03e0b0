//! The [`Backend`] that the workers see.

use crate::{
    body::{Body, version_of},
    cluster::{Cluster, weight},
    elf, execute,
    guard::prover,
    network,
    shared::{OPEN, Shared, lock},
    stdin,
};
use proofmill_backends::{
    Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SegmentKind,
    tasks::ClusterTasks,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use proofmill_sp1_prover::{Prover, ProverError};
use sp1_verifier::SP1Proof;
use std::{
    future::Future,
    sync::{Arc, Mutex},
};

/// The `sp1` prover type.
///
/// Cheap to make: the parts that take long to start (see the crate's documentation) start when they are first needed.
pub struct Sp1Backend {
    shared: Arc<Shared>,
    /// Does the SP1 cluster's tasks.
    cluster: Cluster,
    /// Proves. Held while a proof is made, so that there is never more than one.
    prover: Mutex<Option<Prover>>,
}

impl Sp1Backend {
    /// A backend that has not started anything yet.
    pub fn new() -> Self {
        let shared = Arc::new(Shared::default());
        Self { cluster: Cluster::new(shared.clone()), shared, prover: Mutex::default() }
    }

    /// Lends the prover to `prove`, and starts it first where it is not running.
    ///
    /// A prover that failed is thrown away: tasks of the failed proof may still be under way in it.
    fn with_prover<T: Send + 'static, F>(
        &self,
        doing: &'static str,
        prove: impl FnOnce(Prover) -> F,
    ) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, ProverError>> + Send + 'static,
    {
        let mut slot = lock(&self.prover);
        let warm = match slot.take() {
            Some(warm) => warm,
            None => {
                self.shared.wait("starting", Prover::start())?.map_err(|error| prover("starting", error))?
            }
        };
        let proven = self.shared.wait(doing, prove(warm.clone()))?.map_err(|error| prover(doing, error))?;
        *slot = Some(warm);
        Ok(proven)
    }

    /// Whether there is such a thing as a finished proof of this mode.
    fn check_finished(&self, mode: ProofMode) -> Result<(), BackendError> {
        match mode {
            ProofMode::Execute => {
                Err(unsupported(mode, "executing makes no proof; ask for the execution instead"))
            }
            _ => self.check_mode(mode),
        }
    }
}

impl Default for Sp1Backend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Sp1Backend {
    fn prover_type(&self) -> ProverType {
        ProverType::Sp1
    }

    fn circuits(&self) -> Vec<u8> {
        sp1_prover::SP1_CIRCUIT_VERSION.as_bytes().to_vec()
    }

    fn weight(&self, kind: TaskKind, _budget: SegmentBudget) -> Weight {
        weight(kind)
    }

    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        SegmentBudget(memory.as_gb().saturating_mul(1024))
    }

    fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
        let cause = match mode {
            ProofMode::Execute | ProofMode::Core | ProofMode::Compressed => return Ok(()),
            ProofMode::Plonk | ProofMode::Groth16 => {
                "SP1's circuit files are not on this machine and its SNARK prover (gnark, which needs Go) is not \
                 compiled in; ask for a compressed proof"
            }
        };
        Err(unsupported(mode, cause))
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        let key = self.shared.key(program)?;
        version_of(&key).map_err(|cause| prover("deriving the program's key", cause))
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        stdin::encode(frames, proofs)
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        let program = elf::load(job.program)?;
        let stdin = stdin::decode(job)?;
        self.shared.verify_deferred(&stdin)?;
        execute::run(program, stdin.buffer, job.cycle_limit)
    }

    fn plan(&self, job: &Job<'_>, _budget: SegmentBudget) -> Result<Plan, BackendError> {
        let execution = self.execute(job)?;
        let instructions = execution.instructions;
        let segment = Segment { kind: SegmentKind::Execution, instructions, detail: Vec::new() };
        Ok(Plan { execution, segments: vec![segment] })
    }

    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        let count = plan.segments.len();
        if count != 1 || index != 0 {
            let cause = format!("segment {index} of {count} was asked for; an SP1 plan has one, number 0");
            return Err(BackendError::MalformedPart { cause });
        }
        let vk = self.shared.key(job.program)?;
        let stdin = stdin::decode(job)?;
        let program = job.program.to_vec();
        let proof =
            self.with_prover("proving shards", |warm| async move { warm.prove_core(program, stdin).await })?;
        let body = Body { vk, proof: SP1Proof::Core(proof) };
        if !body.commits_to(&plan.execution.public_values).map_err(|cause| prover("proving shards", cause))? {
            let cause = "the proof does not commit to the planned public values; the plan is of another job"
                .to_owned();
            return Err(BackendError::MalformedPart { cause });
        }
        body.encode()
    }

    fn tree(&self, _: &[Segment], _: ProofMode, _: SegmentBudget) -> Result<Vec<Node>, BackendError> {
        Ok(Vec::new())
    }

    fn node_weight(&self, _node: &Node) -> Weight {
        PROVER
    }

    fn reduce(&self, _program: &[u8], node: &Node, _children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        let cause =
            format!("layer {} was asked for; an SP1 proof is folded where it is finished", node.layer);
        Err(BackendError::MalformedPart { cause })
    }

    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        self.check_finished(mode)?;
        let malformed = |cause: String| BackendError::MalformedPart { cause };
        let [part] = parts else {
            return Err(malformed(format!("{} parts were given; an SP1 proof has one", parts.len())));
        };
        let vk = self.shared.key(job.program)?;
        let program = self.program_version(job.program)?;
        let core = Body::decode(part).map_err(malformed)?;
        let public_values = plan.execution.public_values.clone();
        self.shared
            .check_body(&core, ProofMode::Core, &public_values, program)
            .map_err(|error| malformed(error.to_string()))?;
        let body = match (mode, core.proof) {
            (ProofMode::Compressed, SP1Proof::Core(shards)) => {
                let stdin = stdin::decode(job)?;
                let key = vk.clone();
                let doing = "compressing";
                let proof =
                    self.with_prover(doing, |warm| async move { warm.compress(key, stdin, shards).await })?;
                let body = Body { vk, proof: SP1Proof::Compressed(Box::new(proof)) };
                // Not to hand out what would not verify: a fraction of a second after minutes of work.
                self.shared
                    .check_body(&body, mode, &public_values, program)
                    .map_err(|error| prover(doing, error.to_string()))?;
                body
            }
            (_, proof) => {
                let body = Body { vk, proof };
                if body.leaves_proofs_open().map_err(malformed)? {
                    return Err(unsupported(mode, OPEN));
                }
                body
            }
        };
        Ok(Proof { prover: ProverType::Sp1, mode, program, public_values, body: body.encode()? })
    }

    fn cluster_tasks(&self) -> Option<&dyn ClusterTasks> {
        Some(&self.cluster)
    }

    fn pack(&self, proof: &Proof) -> Result<Vec<u8>, BackendError> {
        network::pack(proof)
    }

    fn unpack(&self, stored: &[u8], program: &[u8]) -> Result<Proof, BackendError> {
        network::unpack(stored, || self.shared.key(program))
    }

    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        if proof.prover != ProverType::Sp1 {
            let cause = format!("it was made by {}, not by sp1", proof.prover);
            return Err(BackendError::InvalidProof { cause });
        }
        if proof.program != expected {
            return Err(BackendError::WrongProgram { expected, found: proof.program });
        }
        self.check_finished(proof.mode)?;
        let body = Body::decode(&proof.body).map_err(|cause| BackendError::InvalidProof { cause })?;
        Shared::check_closed(&body)?;
        self.shared.check_body(&body, proof.mode, &proof.public_values, expected)
    }
}

impl std::fmt::Debug for Sp1Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sp1Backend").finish_non_exhaustive()
    }
}

/// What a task that proves needs: a range of 1.3 million cycles peaked at 14.6 GiB (`sp1/README.md`).
pub(crate) const PROVER: Weight = Weight::gb(15);

fn unsupported(mode: ProofMode, cause: &str) -> BackendError {
    BackendError::UnsupportedMode { prover: ProverType::Sp1, mode, cause: cause.to_owned() }
}
