//! Starting, asking and stopping a node.

use super::{
    clock::Clock,
    context::{Context, NodeConfig, Parts},
    follow::follow,
    locks::ContentLocks,
    owner::{Message, Outlets, Owner},
    requests::Requests,
    stored::{Holding, Refusing},
};
use crate::{
    NodeError,
    rules::{Entry, NodeState, Snapshot, Started},
};
use proofmill_primitives::Epoch;
use std::sync::Arc;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many changes a listener may be behind before it misses some.
const CHANGES: usize = 4_096;

/// A prover node that runs. Ends when it is dropped, or in good order by [`stop`](Self::stop).
#[derive(Debug)]
pub struct ProverNode {
    handle: NodeHandle,
    /// Until they were seen to end.
    follower: Option<JoinHandle<()>>,
    owner: Option<JoinHandle<()>>,
    stop: CancellationToken,
    _stop_with_me: DropGuard,
}

/// Asks and watches a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    owner: mpsc::UnboundedSender<Message>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    changes: broadcast::Sender<Arc<Entry>>,
}

impl ProverNode {
    /// Starts a node. It reads L1 to find where to begin; until that succeeds its snapshot says why.
    ///
    /// # Errors
    ///
    /// [`NodeError::NoProverTypes`] and [`NodeError::NoProofService`] where an epoch could never be proven;
    /// [`NodeError::RequestStore`] where it cannot be read what operators asked for.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(config: NodeConfig, parts: Parts) -> Result<Self, NodeError> {
        let wanted = &config.rules.provers;
        if wanted.is_empty() {
            return Err(NodeError::NoProverTypes);
        }
        if let Some(prover) = wanted.iter().find(|prover| !parts.provers.contains_key(prover)) {
            return Err(NodeError::NoProofService { prover: *prover });
        }
        let Parts { chain, mut provers, settlement, blocks, proofs, requests, failures } = parts;
        provers.retain(|prover, _| wanted.contains(prover));
        let state = NodeState::new(config.rules.clone()).wanting(requests.wanted()?);
        let (messages, inbox) = mpsc::unbounded_channel();
        let (shown, snapshots) = watch::channel(Arc::new(state.snapshot()));
        let (changes, _) = broadcast::channel(CHANGES);
        let context = Arc::new(Context {
            config,
            provers,
            settlement,
            blocks,
            proofs,
            failures,
            locks: ContentLocks::default(),
            holding: Holding::default(),
            refusing: Refusing::default(),
            clock: Clock::start(),
            owner: messages.clone(),
        });
        let stop = CancellationToken::new();
        let outlets = Outlets { changes: changes.clone(), requests: Requests::kept_in(requests) };
        let owner = Owner::new(Arc::clone(&context), state, inbox, shown, outlets);
        let following = stop.clone();
        let follower = tokio::spawn(async move {
            // Its future holds nothing that must be put away.
            following.run_until_cancelled(follow(context, chain)).await;
        });
        Ok(Self {
            handle: NodeHandle { owner: messages, snapshots, changes },
            follower: Some(follower),
            owner: Some(tokio::spawn(owner.live(stop.clone()))),
            _stop_with_me: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Asks and watches it.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Waits until the node has ended by itself, which it does only by a bug. What is left of it can still be stopped.
    ///
    /// # Errors
    ///
    /// [`NodeError::Panicked`].
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        tokio::select! {
            ended = join(&mut self.follower) => ended,
            ended = join(&mut self.owner) => ended,
        }
    }

    /// Stops: the chain stream, then the sessions, then a publish in flight (waited for at most 30 s by default), then the
    /// provers. Finished proofs are stored; what was under way is asked for again at the next start.
    ///
    /// # Errors
    ///
    /// [`NodeError::Panicked`], unless [`ended`](Self::ended) has said so.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.cancel();
        let (follower, owner) = (join(&mut self.follower).await, join(&mut self.owner).await);
        follower.and(owner)
    }
}

/// Waits for the end of a task, which is told only once.
async fn join(task: &mut Option<JoinHandle<()>>) -> Result<(), NodeError> {
    let Some(running) = task else { return Ok(()) };
    let ended = running.await;
    *task = None;
    ended.map_err(|panic| NodeError::Panicked { cause: panic.to_string() })
}

impl NodeHandle {
    /// Proves what there is of an epoch now, and publishes it. The answer comes when the request is kept: a restart forgets none
    /// that was answered.
    ///
    /// # Errors
    ///
    /// [`NodeError::Refused`] with the reason; [`NodeError::NotKept`], where it is done nevertheless; [`NodeError::Stopped`].
    pub async fn start_proof(&self, epoch: Epoch) -> Result<Started, NodeError> {
        let (answer, answered) = oneshot::channel();
        self.owner.send(Message::StartProof(epoch, answer)).map_err(|_| NodeError::Stopped)?;
        answered.await.map_err(|_| NodeError::Stopped)?
    }

    /// Tries the stopped and failed checkpoints and sessions of an epoch again.
    ///
    /// # Errors
    ///
    /// [`NodeError::Refused`] with the reason, also where none has stopped or failed; [`NodeError::Stopped`].
    pub async fn retry(&self, epoch: Epoch) -> Result<(), NodeError> {
        let (answer, answered) = oneshot::channel();
        self.owner.send(Message::Retry(epoch, answer)).map_err(|_| NodeError::Stopped)?;
        Ok(answered.await.map_err(|_| NodeError::Stopped)??)
    }

    /// The state, kept up to date; with very many checkpoints a moment behind.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Every change from now on. A listener that is too slow misses some, and is told how many.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.changes.subscribe()
    }
}
