//! Which batches go to L1, and when.
//!
//! All consecutive batches after the last one that is verified, and that have a proof of every needed type, go in one call,
//! as many as fit ([`CallCaps`]). One call is under way at a time. Where L1 refuses a call with several, its batches go one
//! by one; where it only begins with another batch than L1 wants, those from that one on go together. Where a single one
//! fails because L1 finds its proof not valid, that proof is deleted and made anew: at once, and where the next one is
//! refused too, after pauses that grow, also over restarts; what comes after the batch waits. Where nobody can pay for all,
//! as many go as somebody can pay for. Everything else is tried again after pauses that grow.

mod call;
mod caps;
mod refusals;

pub use call::{Call, CallEnded, CallReceipt, Consequence, Discard, Quote, Why};
pub use caps::CallCaps;
pub use refusals::{ProofOf, RefusalNote, Refused};

use super::PERSISTENT;
use alloy_primitives::B256;
use caps::{Costs, Load};
use proofmill_fault::{Jitter, Patience};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use refusals::Refusals;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The pauses before a call is tried again.
const AGAIN: Patience = Patience::pauses(Duration::from_secs(2), Duration::from_secs(60));
/// Where only time, or somebody else, can change it.
const LATER: Duration = Duration::from_secs(60);
/// A receipt that the chain's own news does not confirm for so long is doubted: a reorg may have taken it away.
const DOUBT: Duration = Duration::from_secs(60);

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct SettlingConfig {
    /// The prover types whose proofs L1 wants of each batch.
    pub needed: BTreeSet<ProverType>,
    /// What a call may take.
    pub caps: CallCaps,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextCall {
    /// Make this call. Its end must be told by [`Settling::ended`].
    Make(Call),
    /// Nothing until something happens, or until so much time has passed.
    Wait(Option<Duration>),
}

/// The batches that are not verified, and how they come to be.
#[derive(Clone, Debug)]
pub struct Settling {
    config: SettlingConfig,
    batches: BTreeMap<CheckpointNumber, Batch>,
    refusals: Refusals,
    /// By the chain's news.
    verified: CheckpointNumber,
    /// By a receipt, or by the contract's word: ahead of the news. And since when.
    ahead: Option<(CheckpointNumber, Timestamp)>,
    /// Until the batch with this number is settled, each goes alone.
    one_by_one: Option<CheckpointNumber>,
    /// The next call has no more batches than that: nobody can pay for more.
    most: Option<u64>,
    under_way: Option<UnderWay>,
    /// What was told last of what a call would take.
    quoted: Option<Call>,
    costs: Costs,
    tries: u32,
    not_before: Timestamp,
    held_up: Option<String>,
}

#[derive(Clone, Debug)]
struct Batch {
    content: B256,
    /// What each proof takes in calldata.
    proofs: BTreeMap<ProverType, u64>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    call: Call,
    /// Of the first batch.
    content: B256,
}

impl Settling {
    /// L1 has verified the batches up to this one; nothing else is known yet.
    pub fn new(config: SettlingConfig, verified: CheckpointNumber) -> Self {
        Self {
            config,
            batches: BTreeMap::new(),
            refusals: Refusals::default(),
            verified,
            ahead: None,
            one_by_one: None,
            most: None,
            under_way: None,
            quoted: None,
            costs: Costs::default(),
            tries: 0,
            not_before: Timestamp::default(),
            held_up: None,
        }
    }

    /// What an earlier process knew of refused proofs. What is verified meanwhile is forgotten.
    pub fn restore(&mut self, before: impl IntoIterator<Item = (ProofOf, Refused)>) {
        let verified = self.verified;
        self.refusals.restore(before);
        self.refusals.forget(|of| of.number <= verified);
    }

    /// What the next process is to know of refused proofs, in order, since this was asked last.
    #[must_use]
    pub fn take_notes(&mut self) -> Vec<RefusalNote> {
        self.refusals.take_notes()
    }

    /// A batch is on L1. `content` says which: another one may come with the same number. What is known of the same one stays.
    pub fn add(&mut self, number: CheckpointNumber, content: B256) {
        if number <= self.verified || self.is(number, content) {
            return;
        }
        self.batches.insert(number, Batch { content, proofs: BTreeMap::new() });
        self.refusals.forget(|of| of.number == number && of.content != content);
    }

    /// The batches above this one are not on L1 any more.
    pub fn prune(&mut self, to: CheckpointNumber) {
        self.batches.split_off(&to.next());
        self.refusals.forget(|of| of.number > to);
        // What comes with their numbers are other batches: nothing was heard of those.
        self.one_by_one = self.one_by_one.filter(|last| *last <= to);
        self.start_afresh();
        self.forget_quote();
    }

    /// The chain's news: L1 has verified the batches up to this one. Fewer than before after a reorg.
    pub fn verify(&mut self, through: CheckpointNumber) {
        if through < self.verified || self.ahead.is_some_and(|(ahead, _)| ahead <= through) {
            self.ahead = None;
        }
        if through > self.verified {
            self.batches = self.batches.split_off(&through.next());
            self.refusals.forget(|of| of.number <= through);
            self.start_afresh();
        }
        self.verified = through;
        self.forget_quote();
    }

    /// A proof of a batch is there, and takes so many bytes in calldata; whether it is wanted.
    pub fn proven(
        &mut self,
        number: CheckpointNumber,
        content: B256,
        prover: ProverType,
        bytes: u64,
    ) -> bool {
        let Some(batch) = self.batch(number, content) else { return false };
        batch.proofs.insert(prover, bytes);
        true
    }

    /// A proof is refused: by L1, or before it goes there, by those who were to sign for it.
    pub fn refuse(&mut self, now: Timestamp, of: ProofOf, cause: String, jitter: Jitter) -> Option<Discard> {
        self.batch(of.number, of.content)?.proofs.remove(&of.prover);
        Some(self.refusals.refuse(now, of, cause, jitter))
    }

    /// The proof that was refused just now has this hash, and is still there. Until it is [gone](Self::gone), nobody has it settled again, the
    /// next process neither.
    pub fn remains(&mut self, of: &ProofOf, proof: B256) {
        self.refusals.set_remains(of, Some(proof));
    }

    /// The evidence of the last refused proof is kept, and it is deleted. The same one may come again: there are provers that make the same
    /// bytes each time.
    pub fn gone(&mut self, of: &ProofOf) {
        self.refusals.set_remains(of, None);
    }

    /// What was decided of a proof with this hash, if it was refused and is still there.
    pub fn remaining(&self, now: Timestamp, of: &ProofOf, proof: B256) -> Option<Discard> {
        self.refusals.remaining(now, of, proof)
    }

    /// How long it is yet until a proof is made anew, where those before were refused.
    pub fn pause(&self, now: Timestamp, of: &ProofOf) -> Duration {
        self.refusals.pause(now, of)
    }

    /// Whether the batch of a number is this one.
    pub fn is(&self, number: CheckpointNumber, content: B256) -> bool {
        self.batches.get(&number).is_some_and(|batch| batch.content == content)
    }

    /// The batch of a number, if it is this one.
    fn batch(&mut self, number: CheckpointNumber, content: B256) -> Option<&mut Batch> {
        self.batches.get_mut(&number).filter(|batch| batch.content == content)
    }

    /// What to do now.
    pub fn next(&mut self, now: Timestamp) -> NextCall {
        if self.under_way.is_some() {
            return NextCall::Wait(None);
        }
        if let Some(wait) = until(now, self.not_before) {
            return NextCall::Wait(Some(wait));
        }
        let doubted = self.ahead.map(|(_, since)| after(since, DOUBT));
        if doubted.is_some_and(|at| now >= at) {
            self.ahead = None;
        }
        let first = self.settled().next();
        if self.one_by_one.is_some_and(|last| first > last) {
            self.one_by_one = None;
        }
        let Some(call) = self.fill(first) else {
            return NextCall::Wait(self.ahead.and_then(|(_, since)| until(now, after(since, DOUBT))));
        };
        let Some(batch) = self.batches.get(&first).filter(|_| self.quoted != Some(call)) else {
            return NextCall::Wait(None);
        };
        self.under_way = Some(UnderWay { call, content: batch.content });
        NextCall::Make(call)
    }

    /// The batches from this one on that go in one call.
    fn fill(&self, first: CheckpointNumber) -> Option<Call> {
        let (mut call, mut load, mut number) = (None, Load::empty(), first);
        while let Some(batch) = self.batches.get(&number).filter(|batch| batch.is_ready(&self.config.needed))
        {
            load = load.with(&self.costs, batch.proofs.len(), batch.proofs.values().sum());
            let is_enough = self.one_by_one.is_some()
                || self.most.is_some_and(|most| number.0 - first.0 >= most)
                || !load.fits(&self.config.caps);
            // One alone is tried whatever it takes: L1 has the last word.
            if call.is_some() && is_enough {
                break;
            }
            call = Some(Call { first, last: number });
            number = number.next();
        }
        call
    }

    /// The call that is under way has ended.
    pub fn ended(&mut self, now: Timestamp, ended: CallEnded, jitter: Jitter) -> Vec<Consequence> {
        let Some(UnderWay { call, content }) = self.under_way.take() else { return Vec::new() };
        self.most = None;
        let (why, cause) = match ended {
            CallEnded::Settled(receipt) => {
                self.start_afresh();
                self.costs.measure(receipt.gas_used, call.batches());
                self.ahead = Some((call.last, now)).filter(|(last, _)| *last > self.verified);
                return vec![Consequence::Settled(call, receipt)];
            }
            CallEnded::Unsent(quote) => {
                self.start_afresh();
                self.quoted = Some(call);
                return vec![Consequence::Quoted(call, quote)];
            }
            CallEnded::Failed { why, cause, .. } => (why, cause),
        };
        let mut consequences = Vec::new();
        if let Why::NotNext { expected } = why {
            let before = self.settled();
            let settled = CheckpointNumber(expected.0.saturating_sub(1));
            self.ahead = Some((settled, now)).filter(|_| settled > self.verified);
            if settled > before {
                consequences.push(Consequence::SettledBefore(settled));
            }
        }
        if call.batches() > 1 && why.is_of_several() {
            self.one_by_one = Some(call.last);
            consequences.push(Consequence::OneByOne { call, why, cause });
            return consequences;
        }
        match why {
            Why::InvalidProof(blamed) => {
                let Some(batch) = self.batch(call.first, content) else { return consequences };
                let given = batch.proofs.keys().copied();
                let refused: Vec<_> = given.filter(|of| blamed.is_none_or(|blamed| blamed == *of)).collect();
                for prover in refused {
                    let of = ProofOf { number: call.first, content, prover };
                    let discard = self.refuse(now, of, cause.clone(), jitter);
                    consequences.extend(discard.map(Consequence::Discard));
                }
                if consequences.is_empty() {
                    // It blames one that was not given.
                    consequences.push(self.again(now, call, Why::Refused, cause, jitter));
                }
            }
            Why::NotAttested => {
                // They stay, and are waited for until they are ready anew.
                if let Some(batch) = self.batch(call.first, content) {
                    batch.proofs.clear();
                }
                consequences.push(self.again(now, call, why, cause, jitter));
            }
            // As many as somebody can pay for go at once.
            Why::TooDear { payable } if (1..call.batches()).contains(&payable) => {
                self.most = Some(payable);
                consequences.push(Consequence::Again { call, why, cause, after: Duration::ZERO });
            }
            // Nothing is wrong: what is next is known now.
            Why::NotNext { expected } if expected > call.first => self.tries = 0,
            _ => consequences.push(self.again(now, call, why, cause, jitter)),
        }
        consequences
    }

    fn again(&mut self, now: Timestamp, call: Call, why: Why, cause: String, jitter: Jitter) -> Consequence {
        self.tries = self.tries.saturating_add(1);
        let wait = match why {
            Why::WindowClosed => LATER,
            _ => AGAIN.wait(self.tries, jitter),
        };
        self.not_before = after(now, wait);
        // What passes by itself in seconds is only in the log.
        if self.tries >= PERSISTENT || why == Why::WindowClosed {
            self.held_up = Some(format!("{call}: {cause}"));
        }
        Consequence::Again { call, why, cause, after: wait }
    }

    /// Nothing is known against a call now.
    fn start_afresh(&mut self) {
        (self.tries, self.not_before, self.held_up) = (0, Timestamp::default(), None);
    }

    fn forget_quote(&mut self) {
        self.quoted = None;
    }

    /// The last batch that is settled, as far as known.
    pub fn settled(&self) -> CheckpointNumber {
        self.ahead.map_or(self.verified, |(ahead, _)| ahead.max(self.verified))
    }

    /// How many batches could go to L1 now: consecutive ones that have every proof.
    pub fn ready(&self) -> usize {
        let first = self.settled().next();
        let ready = |(at, (number, batch)): &(usize, (&CheckpointNumber, &Batch))| {
            number.0 == first.0 + *at as u64 && batch.is_ready(&self.config.needed)
        };
        self.batches.range(first..).enumerate().take_while(ready).count()
    }

    /// How many batches are on L1 and not settled.
    pub fn open(&self) -> usize {
        self.batches.range(self.settled().next()..).count()
    }

    /// What is under way.
    pub fn under_way(&self) -> Option<Call> {
        self.under_way.map(|under_way| under_way.call)
    }

    /// What keeps batches from being settled.
    pub fn problems(&self) -> Vec<String> {
        let open = self.refusals.failing().filter(|(of, _)| self.is(of.number, of.content));
        let failing = open.map(|(ProofOf { number, prover, .. }, Refused { times, cause, .. })| {
            format!(
                "batch {number} is not settled, and no batch after it: its {prover} proof was made {times} times and refused each \
                 time ({cause}); see `proofmill failures`; it is made again after pauses that grow, up to half an hour"
            )
        });
        failing.chain(self.held_up.clone()).collect()
    }
}

impl Batch {
    fn is_ready(&self, needed: &BTreeSet<ProverType>) -> bool {
        needed.iter().all(|prover| self.proofs.contains_key(prover))
    }
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_add(wait))
}

fn until(now: Timestamp, at: Timestamp) -> Option<Duration> {
    let left = at.as_millis().checked_sub(now.as_millis()).filter(|left| *left > 0)?;
    Some(Duration::from_millis(left))
}
