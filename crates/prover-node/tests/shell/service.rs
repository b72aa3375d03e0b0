//! A prover of one type: takes its time, counts what it makes, and fails as it is told.

use crate::chain::Chains;
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_primitives::{Instructions, ProverType};
use proofmill_prover_node::{
    parts::{AggregationRequest, EpochProof, Flaw, ProofService, RangeProof, RangeRequest, Work},
    rules::{Executed, JobError, Progress, ProofCost, RangeSpec},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::sleep;

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Finished range proofs, in order.
    pub(crate) ranges: Vec<RangeSpec>,
    /// Finished epoch proofs.
    pub(crate) roots: Vec<RangeSpec>,
    /// Of how many ranges the checkpoints of each epoch were made.
    pub(crate) checkpoints: Vec<Vec<u32>>,
    /// Proofs that must not be handed out again, and why.
    pub(crate) refused: Vec<(Bytes, String)>,
    /// How often it cannot be told of one.
    pub(crate) deaf: usize,
    /// How often a stored proof was verified.
    pub(crate) checks: usize,
    /// Work that was stopped.
    pub(crate) cancelled: usize,
    /// What goes wrong with the next range proofs.
    pub(crate) mishaps: VecDeque<Mishap>,
    /// More blocks than that cannot be executed.
    pub(crate) most_blocks: Option<u64>,
    /// Of the encoding of its proofs: it reads those of this version only.
    pub(crate) version: u32,
    pub(crate) range_takes: Duration,
    pub(crate) root_takes: Duration,
}

#[derive(Debug)]
pub(crate) enum Mishap {
    Error(JobError),
    Panic,
    /// A proof of another rollup.
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Service {
    kind: ProverType,
    chains: Chains,
    log: Mutex<Log>,
}

impl Service {
    pub(crate) fn new(kind: ProverType, chains: Chains) -> Self {
        let log =
            Log { range_takes: Duration::from_secs(3), root_takes: Duration::from_secs(2), ..Log::default() };
        Self { kind, chains, log: Mutex::new(log) }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Blocks of the finished range proofs, sorted.
    pub(crate) fn made(&self) -> Vec<String> {
        let mut made: Vec<_> = self.log().ranges.iter().map(|range| range.blocks.to_string()).collect();
        made.sort();
        made
    }

    /// How its proofs begin.
    fn heading(&self, what: &str) -> String {
        format!("{what} in version {} of ", self.log().version)
    }

    /// A proof holds that ends with the name of its type.
    fn check(&self, what: &str, proof: &Bytes) -> Result<(), Flaw> {
        self.log().checks += 1;
        if !proof.starts_with(self.heading(what).as_bytes()) {
            Err(Flaw::Unreadable)
        } else if !proof.ends_with(self.kind.name().as_bytes()) {
            Err(Flaw::Bad { cause: "an opening does not verify".into() })
        } else {
            Ok(())
        }
    }

    async fn takes(&self, time: Duration, work: &Work) -> Result<(), JobError> {
        work.progress(Progress { done: 0, total: 1, running: true });
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = work.cancel().cancelled() => {
                self.log().cancelled += 1;
                Err(JobError::Cancelled)
            }
        }
    }
}

impl ProofService for Service {
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>> {
        Box::pin(async move {
            let takes = self.log().range_takes;
            self.takes(takes, work).await?;
            let mut values = self.chains.state().branch.values(request.range.blocks);
            request.check(&values)?;
            let heading = self.heading("range");
            let mut log = self.log();
            if log.most_blocks.is_some_and(|most| request.range.blocks.len() > most) {
                return Err(JobError::CannotExecute { cause: "more instructions than allowed".into() });
            }
            match log.mishaps.pop_front() {
                Some(Mishap::Error(error)) => return Err(error),
                Some(Mishap::Panic) => {
                    drop(log);
                    panic!("the prover has a bug");
                }
                Some(Mishap::Foreign) => values.rollup = Default::default(),
                None => log.ranges.push(request.range),
            }
            let proof = format!("{heading}{} by {}", request.range, self.kind).into();
            let instructions = Some(Instructions(1_000 * request.range.blocks.len()));
            let executed = Executed {
                gas_used: 21_000 * request.range.blocks.len(),
                transactions: request.range.blocks.len(),
            };
            let cost = ProofCost { instructions, segments: Some(2), took: takes };
            Ok(RangeProof { values, proof, executed, cost })
        })
    }

    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>> {
        Box::pin(async move {
            let takes = self.log().root_takes;
            self.takes(takes, work).await?;
            let own = request.ranges.iter().all(|range| range.proof.ends_with(self.kind.name().as_bytes()));
            assert!(own, "proofs of another type");
            self.log().roots.push(request.span.range);
            self.log().checkpoints.push(request.by.checkpoints.clone());
            let proof = format!("{}{} by {}", self.heading("epoch"), request.span, self.kind).into();
            let (values, executed) = (request.expected.clone(), request.executed());
            Ok(EpochProof { values, proof, executed, cost: ProofCost::default() })
        })
    }

    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(async { self.check("range", &proof.proof) })
    }

    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(async { self.check("epoch", &proof.proof) })
    }

    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async {
            let mut log = self.log();
            if log.deaf > 0 {
                log.deaf -= 1;
                return false;
            }
            log.refused.push((proof.clone(), cause.to_owned()));
            true
        })
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Result<Bytes, String>> {
        Box::pin(async move { Ok(format!("input of {}", request.range).into()) })
    }
}
