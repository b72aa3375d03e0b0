//! Proof services, the proof store and L1 submission, as the shell around the rules does them.

use crate::{chains::boundary_of, world::World};
use proofmill_primitives::ProverType;
use proofmill_prover_node::rules::{
    Candidate, EpochSpec, Event, Executed, JobError, JobId, JobNote, Origin, Progress, ProofCost,
    PruneOutcome, PublishOutcome, RangeDone, RangeSpec, Receipt, RootDone, RootError, SplitPoint,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(crate) enum Job {
    Range { prover: ProverType, range: RangeSpec },
    Split { prover: ProverType, range: RangeSpec, at: u64 },
    Root { prover: ProverType, span: EpochSpec, ranges: Vec<RangeSpec>, checkpoints: Vec<u32> },
}

type Key = (ProverType, RangeSpec);

/// What survives restarts.
#[derive(Default)]
pub(crate) struct ProofStore {
    pub(crate) ranges: BTreeSet<Key>,
    splits: BTreeMap<Key, SplitPoint>,
    pub(crate) roots: BTreeSet<(ProverType, EpochSpec)>,
    /// Jobs that began while another one made the same.
    pub(crate) waited: BTreeSet<JobId>,
    /// Those of them that do not hold.
    pub(crate) bad_ranges: BTreeSet<Key>,
    pub(crate) bad_roots: BTreeSet<(ProverType, EpochSpec)>,
}

impl ProofStore {
    pub(crate) fn keep_split(&mut self, prover: ProverType, range: RangeSpec, split: SplitPoint) {
        self.splits.insert((prover, range), split);
    }

    fn release(&mut self, through: u64) -> usize {
        let before = self.ranges.len();
        let stays = |key: &Key| key.1.blocks.last() > through;
        self.ranges.retain(stays);
        self.roots.retain(|(_, span)| span.range.blocks.last() > through);
        self.splits.retain(|key, _| stays(key));
        self.bad_ranges.retain(stays);
        self.bad_roots.retain(|(_, span)| span.range.blocks.last() > through);
        before - self.ranges.len()
    }

    pub(crate) fn count_through(&self, through: u64) -> usize {
        let roots = self.roots.iter().map(|(_, span)| span.range);
        self.ranges
            .iter()
            .map(|key| key.1)
            .chain(roots)
            .filter(|range| range.blocks.last() <= through)
            .count()
    }
}

fn range_done(range: RangeSpec, origin: Origin) -> RangeDone {
    let blocks = range.blocks.len();
    let cost = ProofCost::default();
    let executed = Executed { gas_used: blocks * 21_000, transactions: blocks };
    RangeDone { executed, proof_bytes: 100, cost, origin }
}

fn root_done(origin: Origin) -> RootDone {
    RootDone { proof_bytes: 100, cost: ProofCost::default(), origin }
}

fn discarded() -> JobNote {
    JobNote::Discarded { cause: "it does not verify".into() }
}

impl World {
    /// What is in the store is answered at once; the rest takes its time.
    pub(crate) fn start(&mut self, id: JobId, job: Job) {
        if let Job::Range { prover, range } = job {
            let key = (prover, range);
            if self.discard_range(key) {
                self.inbox.push_back(Event::JobNoted { job: id, note: discarded() });
            }
            if self.store.ranges.contains(&key) {
                self.inbox
                    .push_back(Event::RangeEnded { job: id, result: Ok(range_done(range, Origin::Reused)) });
            } else if let Some(split) = self.store.splits.get(&key) {
                self.story.splits_found += 1;
                self.inbox.push_back(Event::RangeSplit { job: id, split: *split });
            }
        }
        if self.jobs.values().any(|other| is_same_range(other, &job)) {
            self.store.waited.insert(id);
        }
        assert!(self.jobs.insert(id, job).is_none(), "a job number is used twice");
    }

    /// Removes a range proof that does not hold.
    fn discard_range(&mut self, key: Key) -> bool {
        let bad = self.store.bad_ranges.remove(&key);
        self.story.ranges_discarded += u64::from(bad);
        bad && self.store.ranges.remove(&key)
    }

    fn discard_root(&mut self, key: (ProverType, EpochSpec)) -> bool {
        let bad = self.store.bad_roots.remove(&key);
        self.story.roots_discarded += u64::from(bad);
        bad && self.store.roots.remove(&key)
    }

    /// Mostly the work ends; sometimes it was just done, and its answer comes late.
    pub(crate) fn cancel(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let answered = self.inbox.iter().any(|event| answers(event, id));
        if !answered && self.rng.percent(20) {
            self.story.late += 1;
            let event = self.done(id, &job);
            self.inbox.push_back(event);
        }
    }

    pub(crate) fn release(&mut self, through: u64) {
        self.story.released += self.store.release(through) as u64;
    }

    /// Some job comes to its end.
    pub(crate) fn run_job(&mut self) {
        let waiting: Vec<_> = self.jobs.keys().copied().collect();
        let Some(id) = self.rng.pick(&waiting).copied() else { return };
        let job = self.jobs[&id].clone();
        if let Some(at) = self.inbox.iter().position(|event| answers(event, id)) {
            // Found in the store: the answer is on its way.
            let event = self.inbox.remove(at).unwrap();
            self.jobs.remove(&id);
            return self.tell(event).unwrap();
        }
        if !self.calm && self.rng.percent(10) {
            let note = JobNote::Progress(Progress { done: 1, total: 2, running: true });
            return self.tell(Event::JobNoted { job: id, note }).unwrap();
        }
        self.jobs.remove(&id);
        let event = match self.mishap(&job) {
            None => self.done(id, &job),
            Some(error) => match job {
                Job::Root { .. } => Event::RootEnded { job: id, result: Err(error.into()) },
                _ => Event::RangeEnded { job: id, result: Err(error) },
            },
        };
        self.tell(event.clone()).unwrap();
        if !self.calm && self.rng.percent(3) {
            self.tell(event).unwrap();
        }
    }

    /// What goes wrong with a job, if something does. Some ranges are too much for a prover, always.
    fn mishap(&mut self, job: &Job) -> Option<JobError> {
        let cause = || "bad luck".to_owned();
        if let Job::Range { prover: ProverType::OpenVm, range } = job
            && range.blocks.len() > 2
            && range.last_hash[0] < 60
        {
            return Some(JobError::CannotExecute { cause: cause() });
        }
        if self.calm {
            return None;
        }
        let refuted = matches!(job, Job::Range { .. }) && self.rng.percent(1);
        match self.rng.below(100) {
            _ if refuted => Some(JobError::Refuted { cause: cause() }),
            0..8 => Some(JobError::Failed { cause: cause() }),
            8..10 => Some(JobError::CannotExecute { cause: cause() }),
            10..18 => Some(JobError::Unavailable { cause: cause() }),
            18 => Some(JobError::Cancelled),
            19 => Some(JobError::BadProof { cause: cause() }),
            _ => None,
        }
    }

    /// The work is done. Nothing that is in the store may have been made again.
    fn done(&mut self, id: JobId, job: &Job) -> Event {
        match job {
            // The shell has one job at a time for the same content: the second finds what the first has made.
            Job::Range { prover, range }
                if self.store.waited.remove(&id) && self.store.ranges.contains(&(*prover, *range)) =>
            {
                Event::RangeEnded { job: id, result: Ok(range_done(*range, Origin::Reused)) }
            }
            Job::Range { prover, range } => {
                self.story.ranges_made += 1;
                // Whichever of several is first makes it.
                let others = self.jobs.iter().filter(|(_, other)| is_same_range(other, job));
                self.store.waited.extend(others.map(|(other, _)| *other).filter(|other| *other != id));
                assert!(self.store.ranges.insert((*prover, *range)), "{range} was made twice by {prover}");
                Event::RangeEnded { job: id, result: Ok(range_done(*range, Origin::Made)) }
            }
            Job::Split { range, at, .. } => {
                let split = SplitPoint { at: *at, hash: self.block_of(*range, *at) };
                Event::RangeSplit { job: id, split }
            }
            Job::Root { prover, span, ranges, checkpoints } => {
                let result = self.aggregate(*prover, *span, ranges, checkpoints);
                Event::RootEnded { job: id, result }
            }
        }
    }

    fn aggregate(
        &mut self,
        prover: ProverType,
        span: EpochSpec,
        ranges: &[RangeSpec],
        checkpoints: &[u32],
    ) -> Result<RootDone, RootError> {
        let links = ranges.windows(2).all(|pair| {
            pair[0].last_hash == pair[1].parent_hash && pair[0].blocks.last() + 1 == pair[1].blocks.first()
        });
        assert!(links, "ranges with gaps: {ranges:?}");
        assert_eq!(RangeSpec::spanning(&ranges[0], ranges.last().unwrap()), Some(span.range));
        // What the aggregation program would commit to.
        let (mut left, mut commitment) = (ranges, span.from_commitment);
        for count in checkpoints {
            let (of_it, rest) = left.split_at(*count as usize);
            commitment = of_it
                .last()
                .map(|range| boundary_of(range.blocks.last(), range.last_hash))
                .unwrap()
                .commit(commitment);
            left = rest;
        }
        assert!(
            left.is_empty() && commitment == span.to_commitment,
            "not the checkpoints' ends: {checkpoints:?}"
        );
        self.discard_root((prover, span));
        if let Some(bad) = ranges.iter().copied().find(|range| self.discard_range((prover, *range))) {
            return Err(RootError::BadPart { range: bad, cause: "it does not verify".into() });
        }
        if let Some(lost) = ranges.iter().find(|range| !self.store.ranges.contains(&(prover, **range))) {
            self.story.ranges_lost += 1;
            return Err(RootError::PartLost { range: *lost });
        }
        let origin = if self.store.roots.insert((prover, span)) { Origin::Made } else { Origin::Reused };
        self.story.roots_made += u64::from(origin == Origin::Made);
        Ok(root_done(origin))
    }

    /// The hash of a block on the branch of a range. Blocks of one branch that is gone have made-up hashes.
    fn block_of(&self, range: RangeSpec, at: u64) -> alloy_primitives::B256 {
        let canonical = |number: u64| self.l2.hashes.get(number as usize).copied();
        if canonical(range.blocks.last()) == Some(range.last_hash) {
            canonical(at).unwrap()
        } else {
            alloy_primitives::keccak256([range.last_hash.as_slice(), &at.to_le_bytes()].concat())
        }
    }

    pub(crate) fn read_tip(&mut self) {
        let Some(pass) = self.reading else { return };
        let tip =
            if !self.calm && self.rng.percent(15) { Err("no answer".into()) } else { Ok(self.l1.view()) };
        self.reading = None;
        self.tell(Event::TipRead { pass, tip }).unwrap();
    }

    /// The publish in flight comes to its end.
    pub(crate) fn publish(&mut self) {
        let Some((pass, candidate)) = self.publishing.take() else { return };
        let lost = [ProverType::Exec, ProverType::OpenVm]
            .into_iter()
            .find(|prover| !self.store.roots.contains(&(*prover, candidate.span.spec)));
        let cause = || "bad luck".to_owned();
        let luck = if self.calm { 100 } else { self.rng.below(100) };
        let outcome = if let Some(prover) = lost {
            PublishOutcome::RootLost { prover }
        } else if let Some(prover) = self.bad_root(&candidate) {
            PublishOutcome::BadProof { prover, cause: cause() }
        } else if self.l1.time >= candidate.deadline.0 {
            PublishOutcome::WindowClosed
        } else if let Some(cause) = self.l1.objection(&candidate) {
            self.story.stale += 1;
            PublishOutcome::Stale { cause }
        } else if self.l1.recorded(candidate.span.last) >= Some(candidate.span.last) {
            self.story.recorded += 1;
            PublishOutcome::AlreadyRecorded
        } else if luck < 12 {
            PublishOutcome::Unavailable { cause: cause() }
        } else if luck < 14 {
            PublishOutcome::Refused { cause: cause() }
        } else if luck < 24 {
            // L1 refuses what holds here, and what was stored is removed.
            self.story.l1_refusals += 1;
            let prover = if self.rng.percent(50) { ProverType::Exec } else { ProverType::OpenVm };
            assert!(self.store.roots.remove(&(prover, candidate.span.spec)));
            PublishOutcome::BadProof { prover, cause: cause() }
        } else {
            self.accept(&candidate);
            PublishOutcome::Published(Receipt {
                transaction: candidate.span.state_root,
                block: 1,
                gas_used: 1,
                fee: 1,
            })
        };
        let refused = match &outcome {
            PublishOutcome::BadProof { prover, .. } => Some(self.ledger.refused(candidate.session, *prover)),
            _ => None,
        };
        self.tell(Event::PublishEnded { pass, outcome }).unwrap();
        if let Some(refused) = refused {
            self.ledger.check_refused(candidate.session, refused);
        }
    }

    /// The prune in flight comes to its end.
    pub(crate) fn prune(&mut self) {
        let Some(pass) = self.pruning.take() else { return };
        let outcome = if !self.calm && self.rng.percent(25) {
            self.story.prunes_delayed += 1;
            PruneOutcome::Unavailable { cause: "bad luck".into() }
        } else if self.l1.prune_if_due() {
            self.story.prunes += 1;
            PruneOutcome::Pruned(Receipt { transaction: Default::default(), block: 1, gas_used: 1, fee: 1 })
        } else {
            self.story.prunes_overtaken += 1;
            PruneOutcome::NothingDue
        };
        self.tell(Event::PruneEnded { pass, outcome }).unwrap();
    }

    /// The type whose epoch proof does not hold; it is removed.
    fn bad_root(&mut self, candidate: &Candidate) -> Option<ProverType> {
        let mut types = [ProverType::Exec, ProverType::OpenVm].into_iter();
        types.find(|prover| self.discard_root((*prover, candidate.span.spec)))
    }

    /// L1 takes a candidate.
    pub(crate) fn accept(&mut self, candidate: &Candidate) {
        self.story.published += 1;
        self.l1.prove(candidate.span.last, &mut self.l2);
        let epoch = self.l1.epoch_of(candidate.span.last).unwrap();
        self.l1.recorded.insert(epoch, candidate.span.last);
    }
}

fn is_same_range(one: &Job, other: &Job) -> bool {
    matches!((one, other), (Job::Range { prover, range }, Job::Range { prover: by, range: of }) if prover == by && range == of)
}

pub(crate) fn answers(event: &Event, id: JobId) -> bool {
    matches!(event, Event::RangeEnded { job, .. } | Event::RangeSplit { job, .. } | Event::RootEnded { job, .. } if *job == id)
}
