//! The [`Backend`] that the workers see.

use crate::{
    body::{Body, version_of},
    elf, execute,
    guard::{catch, malformed_program, message, prover},
    stdin,
};
use proofmill_backends::{
    Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SegmentKind,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use proofmill_sp1_prover::{Light, Prover, ProverError, SP1Stdin};
use sp1_hypercube::SP1VerifyingKey;
use sp1_verifier::SP1Proof;
use std::{
    future::Future,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
};
use tokio::runtime::Runtime;

/// Verifying keys that are kept; deriving one takes seconds.
const KEYS: usize = 16;

/// The `sp1` prover type.
///
/// Cheap to make: the parts that take long to start (see the crate's documentation) start when they are first needed.
#[derive(Default)]
pub struct Sp1Backend {
    runtime: OnceLock<Option<Runtime>>,
    /// Executes, derives keys and verifies; starts in a second.
    light: OnceLock<Option<Light>>,
    /// Proves. Held while a proof is made, so that there is never more than one.
    prover: Mutex<Option<Prover>>,
    /// Keys by BLAKE3 of the program, the most recent last.
    keys: Mutex<Vec<(blake3::Hash, SP1VerifyingKey)>>,
}

impl Sp1Backend {
    /// A backend that has not started anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The runtime that SP1's tasks run on. A thread of the caller's runtime may block on it.
    fn runtime(&self) -> Result<&Runtime, BackendError> {
        let build = || {
            let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            // SP1 recurses deeply where it builds recursion programs.
            builder
                .worker_threads(threads)
                .thread_name("sp1")
                .thread_stack_size(16 << 20)
                .enable_all()
                .build()
                .ok()
        };
        self.runtime
            .get_or_init(build)
            .as_ref()
            .ok_or_else(|| prover("starting", "the system refused to start threads; raise its limits"))
    }

    /// Runs a future on our runtime, and waits for it on this thread.
    fn wait<T: Send + 'static>(
        &self,
        doing: &'static str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (say, hear) = mpsc::channel();
        let task = self.runtime()?.spawn(async move {
            let _ = say.send(future.await);
        });
        hear.recv().map_err(|_| {
            // The sender was dropped: the task panicked. Its message is in the join error.
            let cause = self.runtime.get().and_then(Option::as_ref).and_then(|runtime| {
                let (say, hear) = mpsc::channel();
                runtime.spawn(async move {
                    let _ = say.send(task.await);
                });
                match hear.recv() {
                    Ok(Err(error)) if error.is_panic() => Some(message(error.into_panic().as_ref())),
                    _ => None,
                }
            });
            prover(doing, cause.unwrap_or_else(|| "it ended without a result".to_owned()))
        })
    }

    fn light(&self) -> Result<&Light, BackendError> {
        let start = || catch(Light::start).ok();
        self.light
            .get_or_init(start)
            .as_ref()
            .ok_or_else(|| prover("starting", "SP1's verifier did not start"))
    }

    /// The verifying key of a program.
    fn key(&self, program: &[u8]) -> Result<SP1VerifyingKey, BackendError> {
        let hash = blake3::hash(program);
        if let Some((_, key)) = lock(&self.keys).iter().find(|(known, _)| *known == hash) {
            return Ok(key.clone());
        }
        elf::load(program)?;
        let (light, program) = (self.light()?.clone(), program.to_vec());
        let key = self
            .wait("deriving the program's key", async move { light.key(program).await })?
            .map_err(malformed_program)?;
        let mut keys = lock(&self.keys);
        if keys.len() == KEYS {
            keys.remove(0);
        }
        keys.push((hash, key.clone()));
        Ok(key)
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
            None => self.wait("starting", Prover::start())?.map_err(|error| prover("starting", error))?,
        };
        let proven = self.wait(doing, prove(warm.clone()))?.map_err(|error| prover(doing, error))?;
        *slot = Some(warm);
        Ok(proven)
    }

    /// Checks the proofs that a program verifies. Inside the program SP1 only notes that they are claimed.
    fn verify_deferred(&self, stdin: &SP1Stdin) -> Result<(), BackendError> {
        for (index, (proof, vk)) in stdin.proofs.iter().enumerate() {
            let (proof, vk) =
                (SP1Proof::Compressed(Box::new(proof.clone())), SP1VerifyingKey { vk: vk.clone() });
            self.check(&vk, &proof).map_err(|cause| BackendError::InvalidProof {
                cause: format!("proof {index}, which the program is to verify: {cause}"),
            })?;
        }
        Ok(())
    }

    fn check(&self, vk: &SP1VerifyingKey, proof: &SP1Proof) -> Result<(), String> {
        let light = self.light().map_err(|error| error.to_string())?;
        catch(|| light.verify(vk, proof))?.map_err(|error| error.to_string())
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

    /// Whether a body proves all that its program claims.
    fn check_closed(body: &Body) -> Result<(), BackendError> {
        let invalid = |cause: String| BackendError::InvalidProof { cause };
        if body.leaves_proofs_open().map_err(invalid)? {
            return Err(invalid(OPEN.to_owned()));
        }
        Ok(())
    }

    /// Everything that makes a body a proof of what it is said to prove.
    fn check_body(
        &self,
        body: &Body,
        mode: ProofMode,
        public_values: &[u8],
        expected: ProgramVersion,
    ) -> Result<(), BackendError> {
        let invalid = |cause: String| BackendError::InvalidProof { cause };
        let found = version_of(&body.vk).map_err(invalid)?;
        if found != expected {
            return Err(BackendError::WrongProgram { expected, found });
        }
        if body.mode() != mode {
            return Err(invalid(format!("it is said to be a {mode} proof but is a {} proof", body.mode())));
        }
        if !body.commits_to(public_values).map_err(invalid)? {
            return Err(invalid("its public values are not those that it commits to".to_owned()));
        }
        self.check(&body.vk, &body.proof).map_err(invalid)
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
        match kind {
            // The prover stays warm between these, so each is as heavy as the heaviest.
            TaskKind::ProveShard
            | TaskKind::ShrinkWrap
            | TaskKind::RecursionReduce
            | TaskKind::RecursionDeferred => PROVER,
            _ => kind.default_weight(),
        }
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
        let key = self.key(program)?;
        version_of(&key).map_err(|cause| prover("deriving the program's key", cause))
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        stdin::encode(frames, proofs)
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        let program = elf::load(job.program)?;
        let stdin = stdin::decode(job)?;
        self.verify_deferred(&stdin)?;
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
        let vk = self.key(job.program)?;
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
        let vk = self.key(job.program)?;
        let program = self.program_version(job.program)?;
        let core = Body::decode(part).map_err(malformed)?;
        let public_values = plan.execution.public_values.clone();
        self.check_body(&core, ProofMode::Core, &public_values, program)
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
                self.check_body(&body, mode, &public_values, program)
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
        Self::check_closed(&body)?;
        self.check_body(&body, proof.mode, &proof.public_values, expected)
    }
}

impl Drop for Sp1Backend {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed on a thread of another runtime.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Sp1Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sp1Backend").finish_non_exhaustive()
    }
}

/// Why a core proof is not enough.
const OPEN: &str =
    "the program verifies proofs, and a core proof does not say that they hold; ask for a compressed proof";

/// What a task that proves needs: a range of 1.3 million cycles peaked at 14.6 GiB (`sp1/README.md`).
const PROVER: Weight = Weight::gb(16);

fn unsupported(mode: ProofMode, cause: &str) -> BackendError {
    BackendError::UnsupportedMode { prover: ProverType::Sp1, mode, cause: cause.to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked with it left it as it was: values are replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
