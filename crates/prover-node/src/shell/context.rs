//! What every task of the node has at hand.

use super::{
    clock::Clock,
    locks::ContentLocks,
    owner::Message,
    stored::{Holding, Refusing},
};
use crate::{
    parts::{
        BlockHashes, ChainSource, EpochKey, FailureStore, ProofService, ProofStore, RangeKey, RangeRequest,
        RequestStore, Settlement, Statement, Work,
    },
    rules::{Config, EpochSpec, Event, JobId, RangeSpec},
};
use proofmill_primitives::{Checkpoint, ProgramVersion, ProofMode, ProverType};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a service may take to end work that is cancelled.
pub(super) const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// What the rules go by.
    pub rules: Config,
    /// What every proof of the rollup says.
    pub statement: Statement,
    /// How often L1 is looked at.
    pub look_every: Duration,
    /// How long a publish in flight is waited for when the node stops.
    pub publish_grace: Duration,
}

impl NodeConfig {
    /// The defaults: L1 is looked at every second, and a publish in flight is waited for 30 s.
    pub const fn new(rules: Config, statement: Statement) -> Self {
        let (look_every, publish_grace) = (Duration::from_secs(1), Duration::from_secs(30));
        Self { rules, statement, look_every, publish_grace }
    }
}

/// What makes the proofs of one type, and of which programs.
#[derive(Clone, Debug)]
pub struct Prover {
    /// Makes them.
    pub service: Arc<dyn ProofService>,
    /// The range program.
    pub range_program: ProgramVersion,
    /// The aggregation program.
    pub aggregation_program: ProgramVersion,
    /// How far epoch proofs are carried, for L1's verifier.
    pub epoch_mode: ProofMode,
}

/// What the node stands on.
pub struct Parts {
    /// Tells of the chain.
    pub chain: Box<dyn ChainSource>,
    /// One for each prover type that the rollup asks for.
    pub provers: BTreeMap<ProverType, Prover>,
    /// L1.
    pub settlement: Arc<dyn Settlement>,
    /// L2.
    pub blocks: Arc<dyn BlockHashes>,
    /// Finished proofs.
    pub proofs: Arc<dyn ProofStore>,
    /// What operators asked for.
    pub requests: Arc<dyn RequestStore>,
    /// Records of failures.
    pub failures: FailureStore,
}

/// Shared by the tasks of a node.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: NodeConfig,
    pub(super) provers: BTreeMap<ProverType, Prover>,
    pub(super) settlement: Arc<dyn Settlement>,
    pub(super) blocks: Arc<dyn BlockHashes>,
    pub(super) proofs: Arc<dyn ProofStore>,
    pub(super) failures: FailureStore,
    pub(super) locks: ContentLocks,
    pub(super) holding: Holding,
    pub(super) refusing: Refusing,
    pub(super) clock: Clock,
    pub(super) owner: mpsc::UnboundedSender<Message>,
}

impl Context {
    /// Tells the owner of the state. Fails only while the node ends.
    pub(super) fn tell(&self, event: Event) {
        drop(self.owner.send(Message::Event(event)));
    }

    pub(super) fn work(self: &Arc<Self>, job: JobId, cancel: CancellationToken) -> Work {
        let context = Arc::clone(self);
        Work::new(cancel, move |note| context.tell(Event::JobNoted { job, note }))
    }

    pub(super) const fn request(&self, checkpoint: Checkpoint, range: RangeSpec) -> RangeRequest {
        RangeRequest { checkpoint, range, statement: self.config.statement, cycle_limit: None }
    }

    pub(super) const fn range_key(&self, kind: ProverType, prover: &Prover, range: RangeSpec) -> RangeKey {
        let Statement { rollup, prover: prover_id, .. } = self.config.statement;
        RangeKey { prover: kind, program: prover.range_program, rollup, prover_id, range }
    }

    pub(super) const fn epoch_key(&self, kind: ProverType, prover: &Prover, span: EpochSpec) -> EpochKey {
        let Statement { rollup, prover: prover_id, .. } = self.config.statement;
        EpochKey {
            prover: kind,
            program: prover.aggregation_program,
            range_program: prover.range_program,
            rollup,
            prover_id,
            span,
        }
    }
}

/// Runs the work of a service. Once it is cancelled it has a while to end; what it has then is lost.
pub(super) async fn until_cancelled<T>(work: &Work, service: impl Future<Output = T>) -> Option<T> {
    let given_up = async {
        work.cancel().cancelled().await;
        tokio::time::sleep(CANCEL_GRACE).await;
    };
    tokio::select! {
        result = service => Some(result),
        () = given_up => None,
    }
}

/// The wait before a proof that could not be stored is stored again.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// Stores what took long to make, for as long as it takes. Gives up only when it is no longer wanted.
pub(super) async fn keep<E: std::fmt::Display, F: Future<Output = Result<(), E>>>(
    work: &Work,
    mut put: impl FnMut() -> F,
) -> bool {
    loop {
        let Err(error) = put().await else { return true };
        tracing::error!(%error, "a finished proof cannot be stored; trying again");
        work.held_up(format_args!("its proof is finished, but cannot be stored: {error}"));
        tokio::select! {
            () = work.cancel().cancelled() => return false,
            () = tokio::time::sleep(STORE_RETRY) => {}
        }
    }
}
