//! Batches that have every proof go to L1: the async around the rules of [`Settling`].

mod metrics;
mod parts;
mod status;

pub use parts::{BatchCall, BatchSettlement, Evidence, NotReady, RefusedProof};
pub use status::{BatchGas, QuotedCall, SettledCall, SettlingStatus};

use crate::{
    rules::{Call, CallEnded, Consequence, Discard, NextCall, Settling, SettlingConfig},
    shell::Clock,
};
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use proofmill_chain::{ProofSet, SubmittedProof};
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use proofmill_service::RangeSpec;
use status::History;
use std::{
    collections::BTreeMap,
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

struct State {
    rules: Settling,
    offers: BTreeMap<(CheckpointNumber, ProverType), Offer>,
    history: History,
}

/// A proof that waits to be settled.
struct Offer {
    content: B256,
    submitted: SubmittedProof,
    range: RangeSpec,
    proof: Bytes,
    /// Told when it is refused; dropped when it is not needed any more.
    refused: oneshot::Sender<Discard>,
}

impl Settler {
    /// A settler of a rollup whose batches up to `verified` L1 has verified already.
    pub fn new(
        config: SettlingConfig,
        verified: CheckpointNumber,
        prover: Address,
        settlement: Arc<dyn BatchSettlement>,
        evidence: Arc<dyn Evidence>,
    ) -> Self {
        metrics::describe();
        let state = State {
            rules: Settling::new(config, verified),
            offers: BTreeMap::new(),
            history: History::default(),
        };
        let (state, wake, clock) = (Mutex::new(state), Notify::new(), Clock::start());
        Self(Arc::new(Inner { state, wake, settlement, evidence, prover, clock }))
    }

    /// Settles until told to stop. A call that is under way then is waited for.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let woken = self.0.wake.notified();
            let next = self.0.lock().next(&self.0);
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
        state.forget_offers();
        state.show();
        drop(state);
        self.0.wake.notify_one();
    }

    /// Those above this one are not there any more.
    pub(crate) fn prune(&self, to: CheckpointNumber) {
        let mut state = self.0.lock();
        state.rules.prune(to);
        state.forget_offers();
    }

    /// L1 has verified the batches up to this one.
    pub(crate) fn verify(&self, through: CheckpointNumber) {
        let mut state = self.0.lock();
        state.rules.verify(through);
        state.forget_offers();
        state.show();
        drop(state);
        self.0.wake.notify_one();
    }

    /// Has a proof settled. Comes back where it is refused: then it is to be deleted, and made anew unless that is
    /// [final](Discard::is_final); and with nothing where it is not needed any more.
    pub(crate) async fn offer(
        &self,
        checkpoint: &Checkpoint,
        prover: ProverType,
        proof: Bytes,
    ) -> Option<Discard> {
        let (number, content) = (checkpoint.number, checkpoint.commitment);
        let range = RangeSpec::of(checkpoint);
        let mut times = 0;
        let submitted = loop {
            let cause = match self.0.settlement.ready(prover, &proof).await {
                Ok(submitted) => break submitted,
                Err(NotReady::Refused { cause }) => {
                    let discard = self.0.lock().rules.refuse(number, content, prover, cause)?;
                    self.put_aside(&RefusedProof { discard: discard.clone(), range, proof }).await;
                    return Some(discard);
                }
                Err(NotReady::Away { cause }) => cause,
            };
            times += 1;
            let again = READY_AGAIN.wait(times, Jitter::of(number.0.wrapping_add(times.into())));
            let again_in_s = again.as_secs();
            tracing::warn!(batch = number.0, %prover, cause, again_in_s, "a proof cannot be made ready for L1 now");
            tokio::time::sleep(again).await;
        };
        let (refused, told) = oneshot::channel();
        {
            let mut state = self.0.lock();
            let bytes = calldata(&submitted);
            if !state.rules.proven(number, content, prover, bytes) {
                return None;
            }
            state.offers.insert((number, prover), Offer { content, submitted, range, proof, refused });
            state.show();
        }
        self.0.wake.notify_one();
        told.await.ok()
    }

    async fn ended(&self, call: Call, ended: CallEnded) {
        let (consequences, mut refused) = {
            let mut state = self.0.lock();
            if let CallEnded::Failed { why, .. } = &ended {
                metrics::failed(*why);
            }
            let jitter =
                Jitter::of(call.first.0.wrapping_mul(31).wrapping_add(self.0.clock.now().as_millis()));
            let consequences = state.rules.ended(self.0.clock.now(), ended, jitter);
            let mut refused = Vec::new();
            for consequence in &consequences {
                match consequence {
                    Consequence::Settled(call, receipt) => state.history.settled(call, receipt),
                    Consequence::Quoted(call, quote) => state.history.quoted(call, quote),
                    Consequence::Discard(discard) => {
                        let offer = state.offers.remove(&(discard.number, discard.prover));
                        refused.extend(offer.map(|offer| (discard.clone(), offer)));
                    }
                    _ => {}
                }
            }
            state.show();
            (consequences, refused)
        };
        consequences.iter().for_each(tell);
        for (discard, offer) in refused.drain(..) {
            let Offer { range, proof, refused, .. } = offer;
            self.put_aside(&RefusedProof { discard: discard.clone(), range, proof }).await;
            // Whoever had it made may have gone.
            let _ = refused.send(discard);
        }
    }

    /// Keeps the evidence of a proof that is refused, before it is deleted.
    async fn put_aside(&self, refused: &RefusedProof) {
        let Discard { number, prover, cause, is_final } = &refused.discard;
        metrics::refused(&refused.discard);
        if *is_final {
            tracing::error!(
                event = "proof_refused", batch = number.0, %prover, cause,
                "a batch is not settled: its proof was made anew once, and is refused again"
            );
        } else {
            tracing::warn!(
                event = "proof_refused", batch = number.0, %prover, cause,
                "a proof is refused, deleted and made anew"
            );
        }
        if tokio::time::timeout(EVIDENCE, self.0.evidence.keep(refused)).await.is_err() {
            tracing::error!(batch = number.0, %prover, "a refused proof could not be kept as evidence in time");
        }
    }

    /// How settlement stands.
    pub fn status(&self) -> SettlingStatus {
        let state = self.0.lock();
        SettlingStatus {
            settled: state.rules.settled(),
            open: state.rules.open(),
            ready: state.rules.ready(),
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
        self.0.lock().rules.problems()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The call to make now, or how long to wait for one.
    fn next(&mut self, inner: &Inner) -> Result<(Call, BatchCall), Option<Duration>> {
        let call = match self.rules.next(inner.clock.now()) {
            NextCall::Make(call) => call,
            NextCall::Wait(wait) => return Err(wait),
        };
        let proofs = |number: u64| {
            let number = CheckpointNumber(number);
            let of_it =
                self.offers.range((number, ProverType::ALL[0])..).take_while(|((of, _), _)| *of == number);
            of_it.map(|((_, prover), offer)| (*prover, offer.submitted.clone())).collect::<ProofSet>()
        };
        let batches = (call.first.0..=call.last.0).map(proofs).collect();
        Ok((call, BatchCall { first: call.first, prover: inner.prover, batches }))
    }

    /// Offers of batches that are verified, or gone, are dropped: whoever waits is told.
    fn forget_offers(&mut self) {
        let rules = &self.rules;
        self.offers.retain(|(number, _), offer| rules.is(*number, offer.content));
    }

    fn show(&self) {
        metrics::standing(self.rules.settled().0, self.rules.open(), self.rules.ready());
    }
}

/// The bytes that a proof takes in a call: its two texts, each padded to words, and their places and lengths.
fn calldata(proof: &SubmittedProof) -> u64 {
    let padded = |text: &Bytes| text.len().div_ceil(32) as u64 * 32;
    padded(&proof.public_values.0) + padded(&proof.proof.0) + 6 * 32
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// The log of what was decided.
fn tell(consequence: &Consequence) {
    match consequence {
        Consequence::Settled(call, receipt) => {
            metrics::settled(call, receipt);
            tracing::info!(
                event = "batches_settled",
                first = call.first.0,
                last = call.last.0,
                transaction = %receipt.transaction,
                l1_block = receipt.block,
                gas = receipt.gas_used,
                gas_per_batch = receipt.gas_used / call.batches(),
                fee_wei = receipt.fee,
                "batches are settled"
            );
        }
        Consequence::Quoted(call, quote) => {
            metrics::unsent();
            let (first, last, gas, fee_wei) = (call.first.0, call.last.0, quote.gas, quote.fee);
            let gas_per_batch = gas / call.batches();
            tracing::info!(
                first,
                last,
                gas,
                gas_per_batch,
                fee_wei,
                "batches would be settled: nothing is sent"
            );
        }
        Consequence::SettledBefore(through) => {
            tracing::info!(
                event = "batches_settled_before",
                through = through.0,
                "batches were settled already, by another prover or before a restart"
            );
        }
        Consequence::OneByOne { call, why, cause } => {
            let (first, last, why) = (call.first.0, call.last.0, why.name());
            tracing::warn!(
                event = "submission_failed",
                first,
                last,
                why,
                cause,
                "batches are not settled together: each goes alone now"
            );
        }
        Consequence::Again { call, why, cause, after } => {
            let (first, last, why, again_in_s) = (call.first.0, call.last.0, why.name(), after.as_secs());
            tracing::warn!(
                event = "submission_failed",
                first,
                last,
                why,
                cause,
                again_in_s,
                "batches are not settled now"
            );
        }
        // Told with its evidence.
        Consequence::Discard(_) => {}
    }
}

impl fmt::Debug for Settler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settler").field("settlement", &self.0.settlement).finish_non_exhaustive()
    }
}
