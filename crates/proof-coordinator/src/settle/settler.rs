//! Settles: has L1 verify what the rules say, and tells whoever offered a proof what came of it.

use super::{
    metrics,
    offers::{Offer, State, Told},
    parts::{BatchSettlement, Evidence, NotReady, RefusedProof},
    remembered::Remembered,
    status::{BatchGas, SettlingStatus},
    tell::{tell, tell_refused, tell_spent},
};
use crate::{
    rules::{Call, CallEnded, Consequence, Discard, ProofOf, SettlingConfig, Why},
    shell::{Clock, Receipt},
};
use alloy_primitives::{Address, keccak256};
use bytes::Bytes;
use proofmill_chain::SubmittedProof;
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// The pauses before a proof is made ready again.
const READY_AGAIN: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));
/// How long keeping the evidence may hold up that a proof is made anew.
const EVIDENCE: Duration = Duration::from_secs(30);
/// How long the ledger may hold up that the evidence is kept.
const NOTED: Duration = Duration::from_secs(5);

/// Settles the batches of a rollup. Cheap to clone.
#[derive(Clone)]
pub struct Settler(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    wake: Notify,
    settlement: Arc<dyn BatchSettlement>,
    evidence: Arc<dyn Evidence>,
    /// Whom the proofs name as their prover.
    prover: Address,
    clock: Clock,
}

impl Settler {
    /// A settler of a rollup whose batches up to `verified` L1 has verified already. It goes on with what is
    /// [remembered](crate::Coordinator::remembered) of refused proofs.
    pub fn new(
        config: SettlingConfig,
        verified: CheckpointNumber,
        prover: Address,
        settlement: Arc<dyn BatchSettlement>,
        evidence: Arc<dyn Evidence>,
        remembered: Remembered,
    ) -> Self {
        metrics::describe();
        let state = Mutex::new(State::new(config, verified, remembered));
        let (wake, clock) = (Notify::new(), Clock::start());
        Self(Arc::new(Inner { state, wake, settlement, evidence, prover, clock }))
    }

    /// Settles until told to stop. A call that is under way then is waited for.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let woken = self.0.wake.notified();
            let next = self.0.lock().next(self.0.clock.now(), self.0.prover);
            match next {
                Ok((call, batches)) => {
                    if stop.is_cancelled() {
                        return;
                    }
                    tracing::debug!(first = call.first.0, last = call.last.0, "batches go to L1");
                    let ended = self.0.settlement.verify(batches).await;
                    self.ended(call, ended).await;
                }
                Err(wait) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = woken => {}
                    () = sleep(wait) => {}
                },
            }
        }
    }

    /// A batch is on L1.
    pub(crate) fn add(&self, checkpoint: &Checkpoint) {
        let mut state = self.0.lock();
        let (number, content) = (checkpoint.number, checkpoint.commitment);
        state.rules.add(number, content);
        state.changed();
        drop(state);
        self.0.wake.notify_one();
    }

    /// Those above this one are not there any more.
    pub(crate) fn prune(&self, to: CheckpointNumber) {
        let mut state = self.0.lock();
        state.rules.prune(to);
        state.changed();
    }

    /// L1 has verified the batches up to this one.
    pub(crate) fn verify(&self, through: CheckpointNumber) {
        let mut state = self.0.lock();
        state.rules.verify(through);
        state.changed();
        drop(state);
        self.0.wake.notify_one();
    }

    /// How long it is yet until a proof of a batch is made, because those before were refused: also by an earlier process.
    pub(crate) fn pause(&self, checkpoint: &Checkpoint, prover: ProverType) -> Duration {
        self.0.lock().rules.pause(self.0.clock.now(), &proof_of(checkpoint, prover))
    }

    /// Has a proof settled. Comes back where it is refused: then it is to be deleted, which is to be [told](Self::deleted), and made anew
    /// after a [pause](Self::pause); and with nothing where it is not needed any more. One that was refused before, by an earlier process
    /// say, and is still there, is not shown to L1 again.
    pub(crate) async fn offer(
        &self,
        checkpoint: &Checkpoint,
        prover: ProverType,
        proof: Bytes,
    ) -> Option<Discard> {
        let (number, content) = (checkpoint.number, checkpoint.commitment);
        let (of, hash) = (proof_of(checkpoint, prover), keccak256(&proof));
        let before = self.0.lock().rules.remaining(self.0.clock.now(), &of, hash);
        if let Some(discard) = before {
            let (checkpoint, cause) = (*checkpoint, discard.cause.as_str());
            tracing::warn!(batch = number.0, %prover, cause, "a proof was refused before, and is still there: it is deleted");
            self.put_aside(&RefusedProof { discard: discard.clone(), checkpoint, proof }).await;
            return Some(discard);
        }
        loop {
            let submitted = match self.make_ready(number, prover, &proof).await {
                Ok(submitted) => submitted,
                Err(cause) => {
                    let (discard, noted) = {
                        let mut state = self.0.lock();
                        let (now, jitter) = (self.0.clock.now(), self.jitter(number));
                        let discard = state.rules.refuse(now, of, cause, jitter)?;
                        state.rules.remains(&of, hash);
                        (discard, state.keep())
                    };
                    let checkpoint = *checkpoint;
                    tell_refused(&discard);
                    is_noted(noted).await;
                    self.put_aside(&RefusedProof { discard: discard.clone(), checkpoint, proof }).await;
                    return Some(discard);
                }
            };
            let (told, tells) = oneshot::channel();
            {
                let mut state = self.0.lock();
                let bytes = submitted.calldata_bytes();
                if !state.rules.proven(number, content, prover, bytes) {
                    return None;
                }
                let offer = Offer { checkpoint: *checkpoint, submitted, proof: proof.clone(), told };
                state.offers.insert((number, prover), offer);
                state.show();
            }
            self.0.wake.notify_one();
            match tells.await.ok()? {
                Told::Refused(discard) => return Some(discard),
                Told::NotAttested => {}
            }
        }
    }

    /// A proof that was refused is deleted.
    pub(crate) fn deleted(&self, checkpoint: &Checkpoint, prover: ProverType) {
        let mut state = self.0.lock();
        state.rules.gone(&proof_of(checkpoint, prover));
        drop(state.keep());
    }

    /// A proof as L1 takes it, however long that takes; or why it is refused.
    async fn make_ready(
        &self,
        number: CheckpointNumber,
        prover: ProverType,
        proof: &Bytes,
    ) -> Result<SubmittedProof, String> {
        // Also where nobody waits for it any more.
        let trying = Trying { inner: &self.0, key: (number, prover) };
        loop {
            let cause = match self.0.settlement.ready(number, prover, proof).await {
                Ok(submitted) => return Ok(submitted),
                Err(NotReady::Refused { cause }) => return Err(cause),
                Err(NotReady::Away { cause }) => cause,
            };
            let (times, is_first) = trying.failed(cause.clone());
            let again = READY_AGAIN.wait(times, Jitter::of(number.0.wrapping_add(times.into())));
            let again_in_s = again.as_secs();
            // Thousands may wait for the same attestors: what is said of one is true of those after it.
            if is_first {
                tracing::warn!(batch = number.0, %prover, cause, again_in_s, "a proof cannot be made ready for L1 now");
            } else {
                tracing::debug!(batch = number.0, %prover, cause, again_in_s, "a proof cannot be made ready for L1 either");
            }
            tokio::time::sleep(again).await;
        }
    }

    fn jitter(&self, number: CheckpointNumber) -> Jitter {
        Jitter::of(number.0.wrapping_mul(31).wrapping_add(self.0.clock.now().as_millis()))
    }

    async fn ended(&self, call: Call, ended: CallEnded) {
        let (consequences, refused, noted) = {
            let mut state = self.0.lock();
            if let CallEnded::Failed { why, spent, .. } = &ended {
                metrics::failed(*why, spent.as_ref());
                spent.iter().for_each(|spent| tell_spent(&call, spent));
            }
            let consequences = state.rules.ended(self.0.clock.now(), ended, self.jitter(call.first));
            let mut refused = Vec::new();
            for consequence in &consequences {
                match consequence {
                    Consequence::Settled(call, receipt) => state.history.settled(call, receipt),
                    Consequence::Quoted(call, quote) => state.history.quoted(call, quote),
                    Consequence::Discard(discard) => {
                        if let Some(offer) = state.offers.remove(&(discard.number, discard.prover)) {
                            let of = proof_of(&offer.checkpoint, discard.prover);
                            state.rules.remains(&of, keccak256(&offer.proof));
                            refused.push((discard.clone(), offer));
                        }
                    }
                    Consequence::Again { call, why: Why::NotAttested, .. } => state.ready_anew(call.first),
                    _ => {}
                }
            }
            let noted = state.keep();
            state.show();
            (consequences, refused, noted)
        };
        consequences.iter().for_each(tell);
        refused.iter().for_each(|(discard, _)| tell_refused(discard));
        if !refused.is_empty() {
            is_noted(noted).await;
        }
        for (discard, offer) in refused {
            let Offer { checkpoint, proof, told, .. } = offer;
            self.put_aside(&RefusedProof { discard: discard.clone(), checkpoint, proof }).await;
            // Whoever had it made may have gone.
            let _ = told.send(Told::Refused(discard));
        }
    }

    /// Keeps the evidence of a proof that is refused, before it is deleted.
    async fn put_aside(&self, refused: &RefusedProof) {
        let Discard { number, prover, .. } = &refused.discard;
        if tokio::time::timeout(EVIDENCE, self.0.evidence.keep(refused)).await.is_err() {
            tracing::error!(batch = number.0, %prover, "a refused proof could not be kept as evidence in time");
        }
    }

    /// How settlement stands.
    pub fn status(&self) -> SettlingStatus {
        let state = self.0.lock();
        let (unready, unready_for) = state.unready.standing(self.0.clock.now());
        SettlingStatus {
            settled: state.rules.settled(),
            open: state.rules.open(),
            ready: state.rules.ready(),
            unready,
            unready_for,
            under_way: state.rules.under_way().map(|call| (call.first, call.last)),
            last: state.history.last,
            quote: state.history.quote,
        }
    }

    /// What the verification of the last batches took, of this process; at most a thousand.
    pub fn batch_gas(&self) -> Vec<BatchGas> {
        self.0.lock().history.batches()
    }

    /// What keeps batches from being settled, for an operator.
    pub fn problems(&self) -> Vec<String> {
        let state = self.0.lock();
        let unready = state.unready.problem(self.0.clock.now());
        state.rules.problems().into_iter().chain(unready).collect()
    }
}

/// A proof that is being made ready for L1.
struct Trying<'a> {
    inner: &'a Inner,
    key: (CheckpointNumber, ProverType),
}

impl Trying<'_> {
    /// It could not be; how often in a row by now, and whether it is the first that settlement waits for.
    fn failed(&self, cause: String) -> (u32, bool) {
        self.inner.lock().unready.add(self.inner.clock.now(), self.key, cause)
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        self.inner.lock().unready.end(self.key);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch is known by its commitment: another one may come with the same number.
const fn proof_of(checkpoint: &Checkpoint, prover: ProverType) -> ProofOf {
    ProofOf { number: checkpoint.number, content: checkpoint.commitment, prover }
}

/// That a proof is refused is durable before its evidence is kept and it is deleted: who is started after a kill goes on with that.
async fn is_noted(noted: Receipt) {
    if tokio::time::timeout(NOTED, noted.kept()).await != Ok(true) {
        tracing::warn!(
            "the ledger does not take it now that a proof is refused: where this process ends before it does, L1 is shown the proof again"
        );
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Settler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settler").field("settlement", &self.0.settlement).finish_non_exhaustive()
    }
}
