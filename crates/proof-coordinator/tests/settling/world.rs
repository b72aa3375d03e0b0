//! A simulated L1 with rivals, reorgs, dear gas and verifiers that refuse, provers, and news that come late.

use crate::{Story, noted};
use alloy_primitives::B256;
use proofmill_fault::Jitter;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_proof_coordinator::rules::{
    Call, CallCaps, CallEnded, CallReceipt, Consequence, NextCall, ProofOf, Quote, Refused, Settling,
    SettlingConfig, Why,
};
use proofmill_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

const TYPES: [ProverType; 2] = [ProverType::Exec, ProverType::OpenVm];
const CAPS: CallCaps = CallCaps { gas: 3_000_000, bytes: 4_000 };
/// Noise ends here; then everything must come to rest.
const QUIET: u64 = 900_000;
const END: u64 = 14_400_000;

type Key = (u64, ProverType);

/// A checkpoint on L1.
#[derive(Clone, Copy)]
struct OnL1 {
    content: B256,
}

pub(crate) struct World {
    rng: Rng,
    pub(crate) story: Story,
    now: u64,
    dry: bool,
    // L1.
    checkpoints: Vec<OnL1>,
    verified: u64,
    /// How many versions of a proof its verifier refuses: a few of them, or for ever.
    refused: BTreeMap<Key, u32>,
    names_types: bool,
    paused_until: u64,
    dear_until: u64,
    // What is told late.
    told: u64,
    // Provers.
    versions: BTreeMap<(B256, ProverType), u32>,
    proving: BTreeMap<(u64, B256, ProverType), u64>,
    // What is under test, what outlives its process, and what a model knows of it.
    rules: Settling,
    rows: BTreeMap<ProofOf, Refused>,
    under_way: Option<(u64, Call, Vec<B256>)>,
    alone_until: Option<u64>,
    /// The next call has no more batches than that.
    payable: Option<u64>,
    discards: BTreeMap<(u64, B256, ProverType), u32>,
    /// Those of which a proof was made anew and refused again.
    failing: BTreeSet<(u64, B256)>,
    /// Proofs that are made ready for L1 anew: they stay what they are.
    ready_anew: BTreeSet<(u64, B256, ProverType)>,
}

fn rules(verified: u64) -> Settling {
    let config = SettlingConfig { needed: TYPES.into(), caps: CAPS };
    Settling::new(config, CheckpointNumber(verified))
}

/// What says nothing of the batches of a call: that it was not made, or began with another one than L1 wants.
const fn keeps_together(why: Why) -> bool {
    matches!(why, Why::NotMade | Why::TooDear { .. } | Why::NotNext { .. })
}

fn bytes_of(content: B256, prover: ProverType) -> u64 {
    300 + u64::from(content[0]) * 4 + prover.name().len() as u64
}

impl World {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let names_types = rng.percent(70);
        let dry = rng.percent(10);
        Self {
            rng,
            story: Story::default(),
            now: 1_000,
            dry,
            checkpoints: Vec::new(),
            verified: 0,
            refused: BTreeMap::new(),
            names_types,
            paused_until: 0,
            dear_until: 0,
            told: 0,
            versions: BTreeMap::new(),
            proving: BTreeMap::new(),
            rules: rules(0),
            rows: BTreeMap::new(),
            under_way: None,
            alone_until: None,
            payable: None,
            discards: BTreeMap::new(),
            failing: BTreeSet::new(),
            ready_anew: BTreeSet::new(),
        }
    }

    pub(crate) fn live(&mut self) {
        while self.now < END && !(self.now > QUIET && self.is_at_rest()) {
            self.now += self.rng.between(100, 4_000);
            if self.now < QUIET {
                self.noise();
            }
            self.news();
            self.prove();
            self.answer();
            self.call();
            self.keep();
        }
        self.check_end();
    }

    fn pending(&self) -> u64 {
        self.checkpoints.len() as u64
    }

    fn at(&self, number: u64) -> Option<OnL1> {
        self.checkpoints.get(number as usize - 1).copied()
    }

    fn noise(&mut self) {
        if self.rng.percent(25) {
            let mut content = B256::ZERO;
            content.0[..8].copy_from_slice(&self.rng.next().to_le_bytes());
            self.checkpoints.push(OnL1 { content });
            let number = self.pending();
            for prover in TYPES {
                if self.rng.percent(6) {
                    let versions =
                        if self.rng.percent(10) { u32::MAX } else { self.rng.between(1, 3) as u32 };
                    self.refused.insert((number, prover), versions);
                }
            }
        }
        if self.rng.percent(3) && self.verified < self.pending() {
            let through = self.rng.between(self.verified + 1, self.pending().min(self.verified + 3));
            self.verified = through;
            self.story.rivals += 1;
        }
        if self.rng.percent(2) && self.verified > 0 && !self.dry {
            self.verified -= self.rng.between(1, self.verified.min(3));
            self.story.reorgs += 1;
        }
        if self.rng.percent(1) && self.pending() > self.verified {
            // A reorg of L1, or the window has closed: what is unproven is gone, and comes again otherwise.
            let to = self.rng.between(self.verified, self.pending() - 1);
            self.checkpoints.truncate(to as usize);
            self.refused.retain(|(number, _), _| *number <= to);
            self.rules.prune(CheckpointNumber(to));
            self.alone_until = self.alone_until.filter(|last| *last <= to);
            self.discards.retain(|(number, _, _), _| *number <= to);
            self.failing.retain(|(number, _)| *number <= to);
            self.story.prunes += 1;
        }
        if self.rng.percent(2) {
            self.dear_until = self.now + self.rng.between(5_000, 60_000);
        }
        if self.rng.percent(1) {
            self.paused_until = self.now + self.rng.between(5_000, 60_000);
        }
        if self.rng.percent(2) {
            self.restart();
        }
    }

    /// Killed, and started again: the transaction that was sent may be included nevertheless.
    fn restart(&mut self) {
        self.story.restarts += 1;
        self.keep();
        if let Some((_, call, contents)) = self.under_way.take()
            && self.rng.percent(50)
        {
            let _ = self.execute(call, &contents);
        }
        self.told = self.verified;
        self.rules = rules(self.verified);
        self.rules.restore(self.rows.clone());
        (self.alone_until, self.payable) = (None, None);
        // How often a proof was refused is known to the next process, too.
        self.forget_settled();
        self.story.refusals_remembered += self.discards.len() as u64;
        self.ready_anew.clear();
        self.proving.clear();
    }

    fn forget_settled(&mut self) {
        let told = self.told;
        self.discards.retain(|(number, _, _), _| *number > told);
        self.failing.retain(|(number, _)| *number > told);
    }

    /// What the process makes durable; it is what the model knows.
    fn keep(&mut self) {
        noted(&mut self.rules, &mut self.rows);
        let rows: BTreeMap<_, _> =
            self.rows.iter().map(|(of, kept)| ((of.number.0, of.content, of.prover), kept.times)).collect();
        assert_eq!(rows, self.discards);
    }

    /// What the chain tells, late.
    fn news(&mut self) {
        if self.now < QUIET && self.rng.percent(50) {
            return;
        }
        self.told = self.verified;
        self.rules.verify(CheckpointNumber(self.told));
        self.forget_settled();
        for number in self.told + 1..=self.pending() {
            let content = self.at(number).unwrap().content;
            self.rules.add(CheckpointNumber(number), content);
            assert!(self.rules.is(CheckpointNumber(number), content));
            for prover in TYPES {
                let done = self.now + self.rng.between(0, 20_000);
                self.proving.entry((number, content, prover)).or_insert(done);
            }
        }
    }

    fn prove(&mut self) {
        let due: Vec<_> =
            self.proving.iter().filter(|(_, at)| **at <= self.now && **at > 0).map(|(key, _)| *key).collect();
        for (number, content, prover) in due {
            if self.rules.proven(CheckpointNumber(number), content, prover, bytes_of(content, prover)) {
                // It lies there until somebody refuses it.
                self.proving.insert((number, content, prover), 0);
                if !self.ready_anew.remove(&(number, content, prover)) {
                    *self.versions.entry((content, prover)).or_default() += 1;
                }
            } else {
                self.proving.remove(&(number, content, prover));
            }
        }
        // What left L1, or was verified, is forgotten; if it comes back it is offered again, and its refusals count anew.
        let is = |number: u64, content| self.rules.is(CheckpointNumber(number), content);
        self.proving.retain(|(number, content, _), _| is(*number, *content));
        self.ready_anew.retain(|(number, content, _)| is(*number, *content));
    }

    fn call(&mut self) {
        // Once they are settled the others go together again, also when a reorg then takes them back.
        if self.alone_until.is_some_and(|last| self.rules.settled().0 >= last) {
            self.alone_until = None;
        }
        match self.rules.next(Timestamp::from_millis(self.now)) {
            NextCall::Wait(_) => {}
            NextCall::Make(call) => {
                assert!(self.under_way.is_none(), "two at a time");
                self.check_call(call);
                let contents = (call.first.0..=call.last.0).map(|number| self.content_of(number)).collect();
                self.under_way = Some((self.now + self.rng.between(0, 15_000), call, contents));
            }
        }
        assert!(
            matches!(self.rules.next(Timestamp::from_millis(self.now)), NextCall::Wait(_)),
            "a second call while one is under way"
        );
    }

    /// What the rules have under a number: L1 may have something else already.
    fn content_of(&self, number: u64) -> B256 {
        let mut known = self
            .proving
            .keys()
            .filter(|(of, content, _)| *of == number && self.rules.is(CheckpointNumber(number), *content));
        known.next().map(|(_, content, _)| *content).expect("a batch that nobody knows")
    }

    fn check_call(&mut self, call: Call) {
        assert!(self.payable.take().is_none_or(|most| call.batches() <= most), "nobody can pay for {call}");
        assert!(call.first <= call.last && call.first.0 > 0);
        let (mut bytes, mut types) = (0, 0);
        for number in call.first.0..=call.last.0 {
            let content = self.content_of(number);
            for prover in TYPES {
                assert_eq!(
                    self.proving.get(&(number, content, prover)),
                    Some(&0),
                    "no {prover} proof of {number}"
                );
                bytes += bytes_of(content, prover);
                types += 1;
            }
        }
        if call.batches() > 1 {
            self.story.together += 1;
            assert!(bytes <= CAPS.bytes && types * 10_000 <= CAPS.gas, "{call} is too large");
            assert_eq!(self.alone_until, None, "{call} should go one by one");
        } else {
            self.story.alone += 1;
        }
    }

    fn failed_for(&self, why: Why) -> CallEnded {
        CallEnded::Failed { why, cause: why.name().to_owned(), spent: None }
    }

    /// What L1 does with a call.
    fn execute(&mut self, call: Call, contents: &[B256]) -> CallEnded {
        if self.now < self.paused_until {
            return self.failed_for(Why::Paused);
        }
        if call.first.0 != self.verified + 1 {
            return self.failed_for(Why::NotNext { expected: CheckpointNumber(self.verified + 1) });
        }
        for (number, content) in (call.first.0..).zip(contents) {
            if self.at(number).is_none_or(|there| there.content != *content) {
                return self.failed_for(Why::OtherCheckpoints);
            }
            if self.now < QUIET && self.rng.percent(2) {
                return self.failed_for(Why::NotAttested);
            }
            for prover in TYPES {
                let refused = self.refused.get(&(number, prover)).copied().unwrap_or(0);
                let version = self.versions.get(&(*content, prover)).copied().unwrap_or(0);
                if version <= refused {
                    return self.failed_for(Why::InvalidProof(self.names_types.then_some(prover)));
                }
            }
        }
        let quote = 21_000 + 50_000 * call.batches();
        if self.dry {
            return CallEnded::Unsent(Quote { gas: quote, fee: 1 });
        }
        self.verified = call.last.0;
        CallEnded::Settled(CallReceipt { transaction: B256::ZERO, block: 1, gas_used: quote, fee: 1 })
    }

    fn answer(&mut self) {
        let Some((at, call, contents)) = self.under_way.clone() else { return };
        if at > self.now {
            return;
        }
        self.under_way = None;
        let ended = if self.now < self.dear_until {
            self.failed_for(Why::NotMade)
        } else if self.now < QUIET && self.rng.percent(3) {
            let payable = self.rng.between(0, call.batches() - 1);
            self.payable = Some(payable).filter(|most| *most > 0);
            self.failed_for(Why::TooDear { payable })
        } else if self.now < QUIET && self.rng.percent(3) {
            // It is included after all, later; or it is not.
            if self.rng.percent(50) {
                let _ = self.execute(call, &contents);
            }
            self.failed_for(Why::NotIncluded)
        } else {
            self.execute(call, &contents)
        };
        let (was, jitter) = (ended.clone(), Jitter::of(self.rng.next()));
        let consequences = self.rules.ended(Timestamp::from_millis(self.now), ended, jitter);
        for consequence in consequences {
            self.follows(call, &contents, &was, consequence);
        }
        if let CallEnded::Failed { why, .. } = was
            && !keeps_together(why)
            && call.batches() > 1
        {
            self.alone_until = Some(call.last.0);
        }
    }

    fn follows(&mut self, call: Call, contents: &[B256], ended: &CallEnded, consequence: Consequence) {
        match consequence {
            Consequence::Settled(of, _) => {
                assert_eq!(of, call);
                self.story.settled += call.batches();
                let failed_before =
                    |(number, content): (u64, &B256)| self.failing.contains(&(number, *content));
                self.story.recovered +=
                    (call.first.0..).zip(contents).filter(|of| failed_before(*of)).count() as u64;
            }
            Consequence::Quoted(..) => self.story.quoted += 1,
            Consequence::SettledBefore(through) => {
                assert!(through.0 <= self.verified);
                self.story.settled_before += 1;
            }
            Consequence::OneByOne { why, .. } => {
                assert!(call.batches() > 1 && !keeps_together(why), "{why:?}");
                self.story.one_by_one += 1;
            }
            Consequence::Again { why, after, .. } => {
                let fewer = matches!(why, Why::TooDear { payable } if payable > 0);
                assert!(
                    if fewer { after.is_zero() } else { (1..=75).contains(&after.as_secs()) },
                    "{after:?}"
                );
                assert!(call.batches() == 1 || keeps_together(why));
                self.story.again += 1;
                self.story.fewer += u64::from(fewer);
                if why == Why::NotAttested {
                    self.story.not_attested += 1;
                    for prover in TYPES {
                        let key = (call.first.0, contents[0], prover);
                        let done = self.now + self.rng.between(100, 5_000);
                        self.proving.insert(key, done);
                        self.ready_anew.insert(key);
                    }
                }
            }
            Consequence::Discard(discard) => {
                let CallEnded::Failed { why: Why::InvalidProof(named), .. } = ended else {
                    panic!("{ended:?} costs a proof")
                };
                assert_eq!((call.batches(), discard.number), (1, call.first));
                assert!(named.is_none_or(|named| named == discard.prover), "another type's proof is deleted");
                let times = self.discards.entry((call.first.0, contents[0], discard.prover)).or_default();
                *times += 1;
                assert_eq!(*times, discard.times);
                let least = match discard.times {
                    1 => 0,
                    // A minute, twice as long each time, half an hour; spread by a quarter.
                    times => (60_u64 << (times - 2).min(5)).min(1_800) * 7 / 10,
                };
                let after = discard.after.as_secs();
                assert!((least..=least * 2).contains(&after), "{discard:?}");
                self.story.discarded += 1;
                if discard.times > 1 {
                    self.story.refused_again += 1;
                    self.failing.insert((call.first.0, contents[0]));
                }
                let done = self.now + after * 1_000 + self.rng.between(1_000, 20_000);
                self.proving.insert((call.first.0, contents[0], discard.prover), done);
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        let next = self.at(self.verified + 1);
        let stands = next.is_none_or(|next| {
            self.failing.contains(&(self.verified + 1, next.content))
                && self.is_refused_for_ever(self.verified + 1)
        });
        self.under_way.is_none() && (stands || self.dry) && self.told == self.verified
    }

    fn is_refused_for_ever(&self, number: u64) -> bool {
        TYPES.iter().any(|prover| self.refused.get(&(number, *prover)) == Some(&u32::MAX))
    }

    fn check_end(&mut self) {
        self.story.ended += 1;
        if self.dry {
            assert_eq!(self.story.settled, 0, "a dry run settles nothing");
            return;
        }
        if self.verified == self.pending() {
            self.story.all_settled += 1;
            assert_eq!((self.rules.ready(), self.rules.open()), (0, 0));
            return;
        }
        // What stands still says so, and only a verifier that goes on refusing makes it stand still.
        let next = self.verified + 1;
        let content = self.at(next).unwrap().content;
        assert!(self.failing.contains(&(next, content)), "batch {next} of {} hangs", self.pending());
        assert!(self.is_refused_for_ever(next));
        let said = self.rules.problems().join("\n");
        assert!(said.contains(&format!("batch {next} is not settled")), "{said}");
        self.story.stands_still += 1;
    }
}
