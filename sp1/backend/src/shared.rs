//! What executing, checking and proving have in common.

use crate::{
    body::{Body, version_of},
    elf,
    guard::{catch, malformed_program, message, prover},
};
use proofmill_backends::BackendError;
use proofmill_primitives::{ProgramVersion, ProofMode};
use proofmill_sp1_prover::{Light, SP1Stdin};
use sp1_hypercube::SP1VerifyingKey;
use sp1_verifier::SP1Proof;
use std::{
    future::Future,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
};
use tokio::runtime::Runtime;

/// Verifying keys that are kept; deriving one takes seconds.
const KEYS: usize = 16;

/// Why a core proof is not enough.
pub(crate) const OPEN: &str =
    "the program verifies proofs, and a core proof does not say that they hold; ask for a compressed proof";

/// Starts what takes long when it is first needed.
#[derive(Default)]
pub(crate) struct Shared {
    runtime: OnceLock<Option<Runtime>>,
    /// Executes, derives keys and verifies; starts in a second.
    light: OnceLock<Option<Light>>,
    /// Keys by BLAKE3 of the program, the most recent last.
    keys: Mutex<Vec<(blake3::Hash, SP1VerifyingKey)>>,
}

impl Shared {
    /// The runtime that SP1's tasks run on. A thread of the caller's runtime may block on it.
    pub(crate) fn runtime(&self) -> Result<&Runtime, BackendError> {
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
    pub(crate) fn wait<T: Send + 'static>(
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

    pub(crate) fn light(&self) -> Result<&Light, BackendError> {
        let start = || catch(Light::start).ok();
        self.light
            .get_or_init(start)
            .as_ref()
            .ok_or_else(|| prover("starting", "SP1's verifier did not start"))
    }

    /// The verifying key of a program.
    pub(crate) fn key(&self, program: &[u8]) -> Result<SP1VerifyingKey, BackendError> {
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

    /// Checks the proofs that a program verifies. Inside the program SP1 only notes that they are claimed.
    pub(crate) fn verify_deferred(&self, stdin: &SP1Stdin) -> Result<(), BackendError> {
        for (index, (proof, vk)) in stdin.proofs.iter().enumerate() {
            let (proof, vk) =
                (SP1Proof::Compressed(Box::new(proof.clone())), SP1VerifyingKey { vk: vk.clone() });
            self.check(&vk, &proof).map_err(|cause| BackendError::InvalidProof {
                cause: format!("proof {index}, which the program is to verify: {cause}"),
            })?;
        }
        Ok(())
    }

    pub(crate) fn check(&self, vk: &SP1VerifyingKey, proof: &SP1Proof) -> Result<(), String> {
        let light = self.light().map_err(|error| error.to_string())?;
        catch(|| light.verify(vk, proof))?.map_err(|error| error.to_string())
    }

    /// Whether a body proves all that its program claims.
    pub(crate) fn check_closed(body: &Body) -> Result<(), BackendError> {
        let invalid = |cause: String| BackendError::InvalidProof { cause };
        if body.leaves_proofs_open().map_err(invalid)? {
            return Err(invalid(OPEN.to_owned()));
        }
        Ok(())
    }

    /// Everything that makes a body a proof of what it is said to prove.
    pub(crate) fn check_body(
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

impl Drop for Shared {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed on a thread of another runtime.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked with it left it as it was: values are replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
