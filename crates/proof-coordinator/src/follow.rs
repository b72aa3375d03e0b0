//! A coordinator that stands alone: every checkpoint of a rollup is a batch, from when it lands on L1 until L1 has verified it.
//!
//! The rollup is followed as the prover node follows it; what is different is that nothing is aggregated, because each batch is
//! verified on L1 by its own proofs ([`Settler`]), or nowhere, where only proofs are wanted. A checkpoint is proven whole: it is
//! not split.

use crate::{
    Coordinator, Settler,
    places::Places,
    rules::PERSISTENT,
    shell::{Stage, Telling},
    troubles::tell_troubles,
};
use proofmill_chain::{ChainEvent, ChainStream};
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use proofmill_service::{JobError, ProofService, RangeProof, RangeRequest, RangeSpec, Statement, Work};
use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;
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

/// Follows a rollup until told to stop, and has its batches proven, and settled if there is a settler.
pub async fn follow(
    followed: Followed,
    coordinator: Coordinator,
    settler: Option<Settler>,
    stop: CancellationToken,
) {
    let told = coordinator.clone();
    let telling = tell_troubles(followed.stream.status(), move |cause| told.cannot_follow(cause));
    tokio::select! {
        () = telling => {}
        () = follow_events(followed, coordinator, settler, stop) => {}
    }
}

async fn follow_events(
    followed: Followed,
    coordinator: Coordinator,
    settler: Option<Settler>,
    stop: CancellationToken,
) {
    let Followed { mut stream, proven, statement, services, at_once, cycle_limit } = followed;
    let lines = services.into_iter().map(|(prover, service)| Line {
        prover,
        service,
        places: Places::new(at_once),
        settler: settler.clone(),
    });
    let mut batches = Batches {
        coordinator,
        lines: lines.collect(),
        settler,
        statement,
        cycle_limit,
        proven,
        standing: BTreeMap::new(),
        open: BTreeMap::new(),
        proving: JoinSet::new(),
        stop: stop.clone(),
    };
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = stream.next() => event,
            // Those that have ended are put away.
            Some(_) = batches.proving.join_next() => continue,
        };
        tracing::debug!(%event, "the chain moved");
        match event {
            ChainEvent::Checkpointed(checkpoint) => {
                batches.standing.insert(checkpoint.number, checkpoint);
                if checkpoint.number > batches.proven {
                    batches.begin(checkpoint);
                }
            }
            ChainEvent::Pruned { to, .. } => {
                batches.prune(to);
            }
            ChainEvent::Proven { checkpoint, .. } => {
                for again in batches.verified(checkpoint) {
                    batches.begin(again);
                }
            }
            ChainEvent::Finalized { checkpoint } => {
                batches.standing = batches.standing.split_off(&checkpoint.next());
            }
            ChainEvent::BlocksAdded { .. } => {}
        }
        stream.acknowledge();
    }
    batches.proving.shutdown().await;
}

/// The batches of a rollup, and what proves them.
struct Batches {
    coordinator: Coordinator,
    lines: Vec<Line>,
    settler: Option<Settler>,
    statement: Statement,
    cycle_limit: Option<NonZeroU64>,
    proven: CheckpointNumber,
    /// Those on L1 whose verification is not final: a reorg of L1 may take it back.
    standing: BTreeMap<CheckpointNumber, Checkpoint>,
    open: BTreeMap<CheckpointNumber, CancellationToken>,
    proving: JoinSet<()>,
    stop: CancellationToken,
}

impl Batches {
    fn begin(&mut self, checkpoint: Checkpoint) {
        if let Some(settler) = &self.settler {
            settler.add(&checkpoint);
        }
        let cancel = self.stop.child_token();
        // One that is told again begins anew, and finds what is finished.
        if let Some(before) = self.open.insert(checkpoint.number, cancel.clone()) {
            before.cancel();
        }
        let request = RangeRequest {
            checkpoint,
            range: RangeSpec::of(&checkpoint),
            statement: self.statement,
            cycle_limit: self.cycle_limit,
        };
        for line in &self.lines {
            let telling = Telling {
                coordinator: self.coordinator.clone(),
                number: checkpoint.number,
                prover: line.prover,
                cancel: cancel.clone(),
            };
            telling.tell(Stage::Making, None);
            self.proving.spawn(line.clone().run(request, telling));
        }
    }

    fn prune(&mut self, to: CheckpointNumber) {
        self.standing.split_off(&to.next());
        for (_, gone) in self.open.split_off(&to.next()) {
            gone.cancel();
        }
        self.coordinator.pruned(to);
        if let Some(settler) = &self.settler {
            settler.prune(to);
        }
    }

    /// L1 has verified up to here. What it had verified before and has not now, after a reorg, is to be settled again.
    fn verified(&mut self, through: CheckpointNumber) -> Vec<Checkpoint> {
        if let Some(settler) = &self.settler {
            settler.verify(through);
        }
        let rest = self.open.split_off(&through.next());
        for (_, settled) in std::mem::replace(&mut self.open, rest) {
            settled.cancel();
        }
        // After that: nobody tells of what is settled.
        self.coordinator.verified(through);
        let before = std::mem::replace(&mut self.proven, through);
        if through < before {
            tracing::warn!(
                from = through.next().0,
                to = before.0,
                "L1 has taken back that it verified batches: they are settled again"
            );
        } else {
            tracing::info!(batch = through.0, "L1 has verified the batches up to this one");
        }
        let taken_back = self.standing.range(through.next()..).take_while(|(number, _)| **number <= before);
        taken_back.map(|(_, checkpoint)| *checkpoint).collect()
    }
}

/// How long a batch that failed for so many times in a row waits.
fn again_after(number: CheckpointNumber, times: u32) -> Duration {
    AGAIN.wait(times, Jitter::of(number.0.wrapping_mul(31).wrapping_add(u64::from(times))))
}

/// What makes the proofs of one type.
#[derive(Clone)]
struct Line {
    prover: ProverType,
    service: Arc<dyn ProofService>,
    places: Places,
    settler: Option<Settler>,
}

impl Line {
    /// Has a batch proven, and settled if that is wanted, for as long as it takes.
    async fn run(self, request: RangeRequest, telling: Telling) {
        let (checkpoint, cancel) = (&request.checkpoint, &telling.cancel);
        loop {
            // An earlier process may have begun it.
            let pause = self.settler.as_ref().map(|settler| settler.pause(checkpoint, self.prover));
            if let Some(pause) = pause.filter(|pause| !pause.is_zero())
                && cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none()
            {
                return;
            }
            let Some(proof) = self.prove(&request, &telling).await else { return };
            telling.tell(Stage::Proven, None);
            let Some(settler) = &self.settler else { return };
            let offer = settler.offer(checkpoint, self.prover, proof.proof.clone());
            let Some(Some(discard)) = cancel.run_until_cancelled(offer).await else { return };
            telling.tell(Stage::Making, Some(format!("the last one was refused: {}", discard.cause)));
            let deleting = self.delete(checkpoint.number, &proof, &discard.cause);
            if cancel.run_until_cancelled(deleting).await.is_none() {
                return;
            }
            settler.deleted(checkpoint, self.prover);
        }
    }

    /// Has a refused proof deleted, for as long as its store is away: otherwise it would be found, and L1 shown it, again.
    async fn delete(&self, number: CheckpointNumber, proof: &RangeProof, cause: &str) {
        let mut times = 0;
        while !self.service.refuse(&proof.proof, cause).await {
            times += 1;
            tokio::time::sleep(again_after(number, times)).await;
        }
    }

    /// Nothing where it is not needed any more, or never can be proven.
    async fn prove(&self, request: &RangeRequest, telling: &Telling) -> Option<RangeProof> {
        let (number, prover, cancel) = (request.checkpoint.number.0, self.prover, &telling.cancel);
        // The oldest has its place first, also where it is made anew: no batch after it is settled before.
        let _place = cancel.run_until_cancelled(self.places.take(request.checkpoint.number)).await?;
        let mut times = 0;
        loop {
            let heard = telling.clone();
            let work = Work::new(cancel.clone(), move |note| heard.hear(note));
            let error = match self.service.prove_range(request, &work).await {
                Ok(proof) => {
                    let (proves_nothing, bytes) = (!prover.proves(), proof.proof.len());
                    tracing::info!(batch = number, %prover, proves_nothing, bytes, "a batch is proven");
                    return Some(proof);
                }
                Err(error) => error,
            };
            if cancel.is_cancelled() {
                return None;
            }
            if let JobError::Refuted { cause } = error {
                tracing::error!(
                    event = "checkpoint_refuted", batch = number, %prover, cause,
                    "a batch is not proven: its blocks refute it"
                );
                telling.tell(Stage::Refuted, Some(cause));
                return None;
            }
            times += 1;
            let stage = if times < PERSISTENT { Stage::Making } else { Stage::Failing };
            telling.tell(stage, Some(error.to_string()));
            let again = again_after(request.checkpoint.number, times);
            let again_in_s = again.as_secs();
            tracing::warn!(
                event = "proof_failed", batch = number, %prover, cause = %error, again_in_s,
                "a batch cannot be proven now"
            );
            cancel.run_until_cancelled(tokio::time::sleep(again)).await?;
        }
    }
}
