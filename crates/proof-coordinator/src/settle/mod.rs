//! Batches that have every proof go to L1: the async around the rules of [`Settling`].

mod metrics;
mod parts;
mod status;

pub use parts::{BatchCall, BatchSettlement, Evidence, NotReady, RefusedProof};
pub use status::{BatchGas, QuotedCall, SettledCall, SettlingStatus};

use crate::{
    rules::{Call, CallEnded, CallReceipt, Consequence, Discard, NextCall, Settling, SettlingConfig, Why},
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
    /// Told when it does not do; dropped when it is not needed any more.
    told: oneshot::Sender<Told>,
}

/// Why an offer is no more.
enum Told {
    /// The proof is refused.
    Refused(Discard),
    /// What stands for it on L1 is not taken: it is to be made ready anew.
    NotAttested,
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

    /// Has a proof settled. Comes back where it is refused: then it is to be deleted, and made anew [after](Discard::after) a while;
    /// and with nothing where it is not needed any more.
    pub(crate) async fn offer(
        &self,
        checkpoint: &Checkpoint,
        prover: ProverType,
        proof: Bytes,
    ) -> Option<Discard> {
        let (number, content) = (checkpoint.number, checkpoint.commitment);
        let range = RangeSpec::of(checkpoint);
        loop {
            let submitted = match self.make_ready(number, prover, &proof).await {
                Ok(submitted) => submitted,
                Err(cause) => {
                    let discard = {
                        let mut state = self.0.lock();
                        let jitter = self.jitter(number);
                        state.rules.refuse(number, content, prover, cause, jitter)?
                    };
                    self.put_aside(&RefusedProof { discard: discard.clone(), range, proof }).await;
                    return Some(discard);
                }
            };
            let (told, tells) = oneshot::channel();
            {
                let mut state = self.0.lock();
                let bytes = calldata(&submitted);
                if !state.rules.proven(number, content, prover, bytes) {
                    return None;
                }
                let offer = Offer { content, submitted, range, proof: proof.clone(), told };
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

    /// A proof as L1 takes it, however long that takes; or why it is refused.
    async fn make_ready(
        &self,
        number: CheckpointNumber,
        prover: ProverType,
        proof: &Bytes,
    ) -> Result<SubmittedProof, String> {
        let mut times = 0;
        loop {
            let cause = match self.0.settlement.ready(number, prover, proof).await {
                Ok(submitted) => return Ok(submitted),
                Err(NotReady::Refused { cause }) => return Err(cause),
                Err(NotReady::Away { cause }) => cause,
            };
            times += 1;
            let again = READY_AGAIN.wait(times, Jitter::of(number.0.wrapping_add(times.into())));
            let again_in_s = again.as_secs();
            tracing::warn!(batch = number.0, %prover, cause, again_in_s, "a proof cannot be made ready for L1 now");
            tokio::time::sleep(again).await;
        }
    }

    fn jitter(&self, number: CheckpointNumber) -> Jitter {
        Jitter::of(number.0.wrapping_mul(31).wrapping_add(self.0.clock.now().as_millis()))
    }

    async fn ended(&self, call: Call, ended: CallEnded) {
        let (consequences, mut refused) = {
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
                        let offer = state.offers.remove(&(discard.number, discard.prover));
                        refused.extend(offer.map(|offer| (discard.clone(), offer)));
                    }
                    Consequence::Again { call, why: Why::NotAttested, .. } => state.ready_anew(call.first),
                    _ => {}
                }
            }
            state.show();
            (consequences, refused)
        };
        consequences.iter().for_each(tell);
        for (discard, offer) in refused.drain(..) {
            let Offer { range, proof, told, .. } = offer;
            self.put_aside(&RefusedProof { discard: discard.clone(), range, proof }).await;
            // Whoever had it made may have gone.
            let _ = told.send(Told::Refused(discard));
        }
    }

    /// Keeps the evidence of a proof that is refused, before it is deleted.
    async fn put_aside(&self, refused: &RefusedProof) {
        let Discard { number, prover, cause, times, after } = &refused.discard;
        metrics::refused(&refused.discard);
        if *times > 1 {
            tracing::error!(
                event = "proof_refused", batch = number.0, %prover, cause, times, again_in_s = after.as_secs(),
                "a batch is not settled: its proof was made anew, and is refused again"
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

    /// The proofs of a batch are to be made ready for L1 anew: whoever offers them does so.
    fn ready_anew(&mut self, number: CheckpointNumber) {
        for prover in ProverType::ALL {
            if let Some(offer) = self.offers.remove(&(number, prover)) {
                // Whoever had it made may have gone.
                let _ = offer.told.send(Told::NotAttested);
            }
        }
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

/// The log of a transaction that failed.
fn tell_spent(call: &Call, spent: &CallReceipt) {
    tracing::warn!(
        first = call.first.0,
        last = call.last.0,
        transaction = %spent.transaction,
        l1_block = spent.block,
        gas = spent.gas_used,
        fee_wei = spent.fee,
        "a transaction failed on L1, and is paid for"
    );
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::rules::CallCaps;
    use alloy_primitives::TxHash;
    use futures::future::BoxFuture;
    use proofmill_primitives::{BlockRange, Slot};
    use std::collections::VecDeque;

    const EXEC: ProverType = ProverType::Exec;
    const FIRST: CheckpointNumber = CheckpointNumber(1);

    /// A contract that answers as it is told, and what it was shown.
    #[derive(Debug, Default)]
    struct Contract {
        answers: Mutex<VecDeque<CallEnded>>,
        /// For which batches signatures were asked for.
        signed: Mutex<Vec<CheckpointNumber>>,
        shown: Mutex<Vec<Vec<u8>>>,
        kept: Mutex<u32>,
    }

    impl BatchSettlement for Contract {
        fn ready<'a>(
            &'a self,
            number: CheckpointNumber,
            _: ProverType,
            _: &'a Bytes,
        ) -> BoxFuture<'a, Result<SubmittedProof, NotReady>> {
            let mut signed = self.signed.lock().unwrap();
            signed.push(number);
            let proof = vec![signed.len() as u8].into();
            Box::pin(async move { Ok(SubmittedProof { public_values: Default::default(), proof }) })
        }

        fn verify(&self, call: BatchCall) -> BoxFuture<'_, CallEnded> {
            let shown = call.batches[0][&EXEC].proof.to_vec();
            self.shown.lock().unwrap().push(shown);
            let ended = self.answers.lock().unwrap().pop_front().unwrap();
            Box::pin(async move { ended })
        }
    }

    impl Evidence for Contract {
        fn keep<'a>(&'a self, _: &'a RefusedProof) -> BoxFuture<'a, ()> {
            *self.kept.lock().unwrap() += 1;
            Box::pin(async {})
        }
    }

    fn failed(why: Why) -> CallEnded {
        CallEnded::Failed { why, cause: why.name().to_owned(), spent: None }
    }

    fn checkpoint() -> Checkpoint {
        let hash = B256::repeat_byte;
        Checkpoint {
            number: FIRST,
            slot: Slot(1),
            blocks: BlockRange::new(1, 2).unwrap(),
            parent_hash: hash(1),
            last_hash: hash(2),
            state_root: hash(3),
            last_timestamp: 4,
            parent_commitment: hash(5),
            commitment: hash(6),
        }
    }

    /// A settler of one batch that runs; L1 answers with this, and then that it is settled.
    fn settler(answers: impl IntoIterator<Item = CallEnded>) -> (Settler, Arc<Contract>) {
        let receipt = CallReceipt { transaction: TxHash::ZERO, block: 1, gas_used: 50_000, fee: 1 };
        let answers = answers.into_iter().chain([CallEnded::Settled(receipt)]).collect();
        let contract = Arc::new(Contract { answers: Mutex::new(answers), ..Contract::default() });
        let config = SettlingConfig { needed: [EXEC].into(), caps: CallCaps::default() };
        let (l1, evidence) = (Arc::clone(&contract), Arc::clone(&contract));
        let settler = Settler::new(config, CheckpointNumber(0), Address::ZERO, l1, evidence);
        settler.add(&checkpoint());
        let running = settler.clone();
        tokio::spawn(async move { running.run(CancellationToken::new()).await });
        (settler, contract)
    }

    async fn is_settled(settler: &Settler) {
        while settler.status().settled < FIRST {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        settler.verify(FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn signatures_that_l1_does_not_take_are_asked_for_anew() {
        let (settler, contract) = settler([failed(Why::NotAttested)]);
        let checkpoint = checkpoint();
        let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a proof"));
        let both = async { tokio::join!(offer, is_settled(&settler)) };
        let (discard, ()) = tokio::time::timeout(Duration::from_secs(600), both).await.unwrap();
        assert_eq!(discard, None, "the proof is at fault");
        assert_eq!(*contract.shown.lock().unwrap(), [[1], [2]], "the same signatures are shown again");
        assert_eq!(*contract.signed.lock().unwrap(), [FIRST, FIRST]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_that_is_refused_again_and_again_is_evidence_each_time_and_does_not_end_settlement() {
        let refused = || failed(Why::InvalidProof(Some(EXEC)));
        let (settler, contract) = settler([refused(), refused(), refused()]);
        let checkpoint = checkpoint();
        for times in 1..=3 {
            let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a proof"));
            let offer = tokio::time::timeout(Duration::from_secs(600), offer).await;
            let discard = offer.unwrap().unwrap();
            assert_eq!((discard.times, discard.after.is_zero()), (times, times == 1), "{discard:?}");
            assert_eq!((*contract.kept.lock().unwrap(), settler.problems().is_empty()), (times, times == 1));
        }
        let offer = settler.offer(&checkpoint, EXEC, Bytes::from_static(b"a better one"));
        let both = async { tokio::join!(offer, is_settled(&settler)) };
        let (discard, ()) = tokio::time::timeout(Duration::from_secs(600), both).await.unwrap();
        assert_eq!(discard, None);
        assert_eq!(settler.problems(), Vec::<String>::new());
    }
}
