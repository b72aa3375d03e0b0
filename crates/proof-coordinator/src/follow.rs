//! A coordinator that stands alone: every checkpoint of a rollup is a batch, from when it lands on L1 until L1 has verified it.
//!
//! The rollup is followed as the prover node follows it; what is different is that nothing is aggregated, because each batch is
//! to be verified on L1 by its own proofs. A checkpoint is proven whole: it is not split.

use crate::Coordinator;
use proofmill_chain::{ChainEvent, ChainStream};
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use proofmill_service::{JobError, ProofService, RangeRequest, RangeSpec, Statement, Work};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU64, NonZeroUsize},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The pauses before a batch that cannot go on is tried again.
const AGAIN: Patience = Patience::pauses(Duration::from_secs(2), Duration::from_secs(60));

/// What is followed, and who makes its proofs.
#[derive(Debug)]
pub struct Followed {
    /// What happens on the chains.
    pub stream: ChainStream,
    /// Up to here L1 has verified everything already.
    pub proven: CheckpointNumber,
    /// What every proof says.
    pub statement: Statement,
    /// For each needed type, who has its proofs made.
    pub services: BTreeMap<ProverType, Arc<dyn ProofService>>,
    /// The most batches of a type that lie on the desk at the same time.
    pub at_once: NonZeroUsize,
    /// The most instructions of a batch.
    pub cycle_limit: Option<NonZeroU64>,
}

/// Follows a rollup until told to stop, and has its batches proven.
pub async fn follow(mut followed: Followed, coordinator: Coordinator, stop: CancellationToken) {
    let places = followed.services.keys().map(|of| (*of, Arc::new(Semaphore::new(followed.at_once.get()))));
    let places: BTreeMap<_, _> = places.collect();
    let (mut open, mut proving) = (BTreeMap::<CheckpointNumber, CancellationToken>::new(), JoinSet::new());
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = followed.stream.next() => event,
            // Those that have ended are put away.
            Some(_) = proving.join_next() => continue,
        };
        tracing::debug!(%event, "the chain moved");
        match event {
            ChainEvent::Checkpointed(checkpoint) if checkpoint.number > followed.proven => {
                let cancel = stop.child_token();
                // One that is told again begins anew, and finds what is finished.
                if let Some(before) = open.insert(checkpoint.number, cancel.clone()) {
                    before.cancel();
                }
                let batch = Arc::new(Batch::new(checkpoint, &followed));
                for (prover, service) in &followed.services {
                    let Some(place) = places.get(prover).cloned() else { continue };
                    let (batch, prover, service) = (Arc::clone(&batch), *prover, Arc::clone(service));
                    proving.spawn(prove(batch, prover, service, place, cancel.clone()));
                }
            }
            ChainEvent::Pruned { to, .. } => {
                for (_, gone) in open.split_off(&to.next()) {
                    gone.cancel();
                }
            }
            ChainEvent::Proven { checkpoint, .. } => {
                let rest = open.split_off(&checkpoint.next());
                for (_, settled) in std::mem::replace(&mut open, rest) {
                    settled.cancel();
                }
                followed.proven = checkpoint;
                coordinator.verified(checkpoint);
                tracing::info!(batch = checkpoint.0, "L1 has verified the batches up to this one");
            }
            _ => {}
        }
        followed.stream.acknowledge();
    }
    proving.shutdown().await;
}

/// A checkpoint that is proven by every needed type.
struct Batch {
    request: RangeRequest,
    missing: Mutex<BTreeSet<ProverType>>,
}

impl Batch {
    fn new(checkpoint: Checkpoint, followed: &Followed) -> Self {
        let request = RangeRequest {
            checkpoint,
            range: RangeSpec::of(&checkpoint),
            statement: followed.statement,
            cycle_limit: followed.cycle_limit,
        };
        Self { request, missing: Mutex::new(followed.services.keys().copied().collect()) }
    }

    /// A type has proven it; whether it was the last one.
    fn proven(&self, prover: ProverType) -> bool {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.remove(&prover);
        missing.is_empty()
    }
}

/// Has a batch proven, for as long as it takes.
async fn prove(
    batch: Arc<Batch>,
    prover: ProverType,
    service: Arc<dyn ProofService>,
    place: Arc<Semaphore>,
    cancel: CancellationToken,
) {
    let number = batch.request.checkpoint.number.0;
    // Batches come in order, and the semaphore is fair: the oldest has its place first.
    let Some(Ok(_place)) = cancel.run_until_cancelled(place.acquire_owned()).await else { return };
    let work = Work::new(cancel.clone(), |_| {});
    let mut times = 0;
    loop {
        let error = match service.prove_range(&batch.request, &work).await {
            Ok(proof) => {
                let proves_nothing = !prover.proves();
                tracing::info!(batch = number, %prover, proves_nothing, bytes = proof.proof.len(), "a batch is proven");
                if batch.proven(prover) {
                    tracing::info!(
                        batch = number,
                        proves_nothing,
                        "a batch is proven by every type that is needed"
                    );
                }
                return;
            }
            Err(error) => error,
        };
        if cancel.is_cancelled() {
            return;
        }
        if let JobError::Refuted { cause } = error {
            tracing::error!(batch = number, %prover, cause, "a batch is not proven: its blocks refute it");
            return;
        }
        times += 1;
        let again = AGAIN.wait(times, Jitter::of(number.wrapping_mul(31).wrapping_add(u64::from(times))));
        let again_in_s = again.as_secs();
        tracing::warn!(batch = number, %prover, %error, again_in_s, "a batch cannot be proven now");
        if cancel.run_until_cancelled(tokio::time::sleep(again)).await.is_none() {
            return;
        }
    }
}
