//! The workers, and indexes that find one with room without looking at all of them.

use crate::{
    Diagnosis, Time, WorkerSpec,
    queue::Avoid,
    want::{Lane, RackKey, Want, as_weight, gb},
    worker::{Load, Worker},
};
use proofmill_primitives::{Capability, Dialect, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
};

/// Where a worker stands on its racks: nowhere on the first two where it takes no task now.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    work_now: Option<u64>,
    controller_now: Option<u64>,
    work_later: u64,
    max: u64,
}

impl Place {
    /// `None` for a worker that is given nothing any more.
    fn of(worker: &Worker) -> Option<Self> {
        worker.spec.as_ref().filter(|_| !worker.draining)?;
        let kept = worker.reserved_for.is_some() || worker.runs_apart();
        let open = !kept && worker.broken.is_none() && worker.paused.is_none();
        let now = |lane| worker.memory.room_now(lane).filter(|_| open);
        Some(Self {
            work_now: now(Lane::Work),
            controller_now: now(Lane::Controller),
            work_later: worker.memory.room_later(Lane::Work),
            max: worker.memory.max,
        })
    }
}

/// Ordered by weight; the lowest id last among equals, so that reading from the end meets it first.
type Ladder = BTreeSet<(u64, Reverse<Arc<WorkerId>>)>;

/// The workers of one kind that run one prover type and speak one dialect, by what they have.
#[derive(Clone, Debug, Default)]
struct Rack {
    work_now: Ladder,
    controller_now: Ladder,
    work_later: Ladder,
    max: Ladder,
}

/// The racks that a worker stands in.
fn keys(spec: &WorkerSpec) -> BTreeSet<RackKey> {
    let dialects = || spec.dialects.iter().copied().map(Some).chain([None]);
    spec.provers.iter().flat_map(|prover| dialects().map(|dialect| (*prover, dialect, spec.kind))).collect()
}

/// From the heaviest down to `weight`.
fn descend(ladder: &Ladder, weight: u64) -> impl Iterator<Item = &WorkerId> {
    ladder.iter().rev().take_while(move |(has, _)| *has >= weight).map(|(_, Reverse(id))| &**id)
}

fn step(ladder: &mut Ladder, id: &Arc<WorkerId>, [from, to]: [Option<u64>; 2]) {
    if from != to {
        if let Some(from) = from {
            ladder.remove(&(from, Reverse(Arc::clone(id))));
        }
        if let Some(to) = to {
            ladder.insert((to, Reverse(Arc::clone(id))));
        }
    }
}

/// Every worker. Each change of one costs a few steps in trees and a look at the tasks that it holds; finding one with room costs
/// one, plus one for each worker that the task avoids.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSet {
    by_id: BTreeMap<WorkerId, Worker>,
    racks: BTreeMap<RackKey, Rack>,
    /// How many are registered and do not leave.
    serving: usize,
    /// Of those, the ones that could not use their store when they last tried.
    stumbling: usize,
    /// [`Config::controller_headroom`](crate::Config), in GB.
    headroom: u64,
}

impl WorkerSet {
    pub(crate) fn new(headroom: Weight) -> Self {
        Self {
            by_id: BTreeMap::new(),
            racks: BTreeMap::new(),
            serving: 0,
            stumbling: 0,
            headroom: gb(headroom),
        }
    }

    pub(crate) fn iter(&self) -> btree_map::Iter<'_, WorkerId, Worker> {
        self.by_id.iter()
    }

    pub(crate) fn get(&self, id: &WorkerId) -> Option<&Worker> {
        self.by_id.get(id)
    }

    /// One that is registered.
    pub(crate) fn present(&self, id: &WorkerId) -> Option<&Worker> {
        self.get(id).filter(|worker| worker.spec.is_some())
    }

    /// Which build one is of, where it says so.
    pub(crate) fn build(&self, id: &WorkerId) -> Option<&String> {
        let spec = self.get(id)?.spec.as_ref()?;
        Some(&spec.build).filter(|build| !build.is_empty())
    }

    /// Changes a worker by `change`, and the indexes with it. `change` leaves the `spec` as it is.
    fn change(&mut self, id: &WorkerId, change: impl FnOnce(&mut Worker)) {
        let Some(worker) = self.by_id.get_mut(id) else { return };
        let from = Place::of(worker);
        let stumbled = from.is_some() && worker.stumbles > 0;
        change(worker);
        let to = Place::of(worker);
        self.serving += usize::from(to.is_some());
        self.serving -= usize::from(from.is_some());
        self.stumbling += usize::from(to.is_some() && worker.stumbles > 0);
        self.stumbling -= usize::from(stumbled);
        let Some(spec) = worker.spec.as_ref().filter(|_| from != to) else { return };
        let id = &worker.name;
        for key in keys(spec) {
            let rack = self.racks.entry(key).or_default();
            let now = |lane: fn(&Place) -> Option<u64>| [from, to].map(|at| at.as_ref().and_then(lane));
            step(&mut rack.work_now, id, now(|at| at.work_now));
            step(&mut rack.controller_now, id, now(|at| at.controller_now));
            step(&mut rack.work_later, id, now(|at| Some(at.work_later)));
            step(&mut rack.max, id, now(|at| Some(at.max)));
        }
    }

    /// A worker registered, for the first time or again; its tasks stay with it.
    pub(crate) fn open(&mut self, spec: WorkerSpec, now: Time) {
        let id = spec.id.clone();
        // Off every rack first: the new spec may belong on others.
        self.change(&id, |worker| worker.draining = true);
        let worker = self.by_id.entry(id.clone()).or_insert_with(|| Worker::absent(id.clone(), now));
        worker.memory.max = gb(spec.max_weight);
        worker.memory.headroom = if spec.kind == WorkerKind::All { self.headroom } else { 0 };
        worker.spec = Some(spec);
        worker.last_heartbeat = now;
        worker.broken = None;
        // It may have come back mended.
        worker.paused = None;
        worker.draining = true;
        self.change(&id, |worker| worker.draining = false);
    }

    pub(crate) fn heard(&mut self, id: &WorkerId, now: Time) {
        if let Some(worker) = self.by_id.get_mut(id) {
            worker.last_heartbeat = now;
        }
    }

    /// It has a stream again, and is given nothing into it.
    pub(crate) fn come_back(&mut self, id: &WorkerId, now: Time) {
        self.heard(id, now);
        self.change(id, |worker| worker.broken = None);
    }

    /// The clock went back: nobody was heard of in the future.
    pub(crate) fn forget_future(&mut self, now: Time) {
        for worker in self.by_id.values_mut() {
            worker.last_heartbeat = worker.last_heartbeat.min(now);
            worker.broken = worker.broken.map(|since| since.min(now));
            worker.paused = worker.paused.map(|until| until.min(now));
        }
    }

    pub(crate) fn drain(&mut self, id: &WorkerId) {
        self.change(id, |worker| worker.draining = true);
    }

    /// Its stream broke.
    pub(crate) fn break_off(&mut self, id: &WorkerId, now: Time) {
        self.change(id, |worker| worker.broken = worker.broken.or(Some(now)));
    }

    /// It could not use its store: it is given nothing new until the moment that `pause` names for so many times in a row.
    /// What it holds may say the same meanwhile.
    pub(crate) fn stumble(&mut self, id: &WorkerId, pause: impl FnOnce(u32) -> Time) {
        self.change(id, |worker| {
            if worker.paused.is_none() {
                worker.stumbles = worker.stumbles.saturating_add(1);
                worker.paused = Some(pause(worker.stumbles));
            }
        });
    }

    /// It finished a task, and so could use its store.
    pub(crate) fn works(&mut self, id: &WorkerId) {
        if self.get(id).is_some_and(|worker| worker.stumbles > 0) {
            self.change(id, |worker| (worker.stumbles, worker.paused) = (0, None));
        }
    }

    /// Ends the pauses that are over; whether there was one.
    pub(crate) fn wake(&mut self, now: Time) -> bool {
        let over = |worker: &Worker| worker.paused.is_some_and(|until| until <= now);
        let rested = self.by_id.iter().filter(|(_, worker)| over(worker)).map(|(id, _)| id.clone());
        let rested: Vec<_> = rested.collect();
        for id in &rested {
            self.change(id, |worker| worker.paused = None);
        }
        !rested.is_empty()
    }

    /// Whether so many workers cannot use their store that it is the store and not they. A handful is never that many: each of
    /// them may have lost its own way there.
    pub(crate) const fn most_stumble(&self) -> bool {
        const HANDFUL: usize = 16;
        self.stumbling > HANDFUL && self.stumbling * 2 > self.serving
    }

    pub(crate) fn avoids(&self, avoid: &Avoid, id: &WorkerId) -> bool {
        let has = || self.get(id).map_or(0, |worker| worker.memory.max);
        avoid.workers.contains(id)
            || (!avoid.builds.is_empty() && self.build(id).is_some_and(|build| avoid.builds.contains(build)))
            || avoid.memory.is_some_and(|memory| has() <= memory)
    }

    pub(crate) fn reserve(&mut self, id: &WorkerId, task: Option<TaskId>) {
        self.change(id, |worker| worker.reserved_for = task);
    }

    /// It takes and is told nothing any more. What it holds is still to be taken from it before it is removed.
    pub(crate) fn leave(&mut self, id: &WorkerId) {
        self.change(id, |worker| worker.draining = true);
        if let Some(worker) = self.by_id.get_mut(id) {
            worker.spec = None;
            worker.memory.max = 0;
        }
    }

    pub(crate) fn remove(&mut self, id: &WorkerId) {
        self.by_id.remove(id);
    }

    /// Gives the worker a task. One that is not known becomes an absent worker, as after a restart.
    pub(crate) fn hold(&mut self, id: &WorkerId, task: TaskId, load: Load, now: Time) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.clone(), Worker::absent(id.clone(), now));
        }
        self.change(id, |worker| worker.hold(task, load));
    }

    /// Takes a task away from the worker.
    pub(crate) fn release(&mut self, id: &WorkerId, task: &TaskId) {
        self.change(id, |worker| worker.release(task));
    }

    /// The worker with the most room for what is wanted, among those that are not kept for another task. One that could not
    /// use its store when it last tried comes last, where that is not so of most. For what is to run apart it looks at each that has
    /// room.
    pub(crate) fn pick(&self, want: &Want, avoid: &Avoid) -> Option<&WorkerId> {
        let stumbles = |id: &WorkerId| self.get(id).is_some_and(|worker| worker.stumbles > 0);
        let beside = |id: &WorkerId| self.get(id).is_some_and(|worker| worker.goes_with(want));
        let among = |steady: bool| {
            want.hosts().into_iter().find_map(|kind| {
                let rack = self.racks.get(&want.rack(kind))?;
                let ladder = match want.lane {
                    Lane::Work | Lane::Execution => &rack.work_now,
                    Lane::Controller => &rack.controller_now,
                };
                let mut roomy = descend(ladder, want.weight);
                roomy.find(|id| {
                    !(self.avoids(avoid, id) || steady && stumbles(id)) && (!want.apart || beside(id))
                })
            })
        };
        match self.stumbling > 0 && !self.most_stumble() {
            true => among(true).or_else(|| among(false)),
            false => among(false),
        }
    }

    /// Whether some worker could ever take what is wanted beside what those of its proof hold there that wait for others.
    pub(crate) fn possible(&self, want: &Want, held: &BTreeMap<WorkerId, u64>, avoid: &Avoid) -> bool {
        let fits = |id: &WorkerId| match held.get(id) {
            Some(held) => {
                self.get(id).is_some_and(|worker| worker.suits(&Want { weight: want.weight + held, ..*want }))
            }
            None => true,
        };
        let least = want.weight.max(avoid.memory.map_or(0, |memory| memory.saturating_add(1)));
        let mut large = self.racks_for(want).flat_map(|rack| descend(&rack.max, least));
        large.any(|id| !self.avoids(avoid, id) && fits(id))
    }

    /// Whether some worker will have room for what is wanted once all work has ended.
    pub(crate) fn any_has_room_later(&self, want: &Want, avoid: &Avoid) -> bool {
        match want.lane {
            Lane::Work | Lane::Execution => {
                let mut roomy = self.racks_for(want).flat_map(|rack| descend(&rack.work_later, want.weight));
                roomy.any(|id| !self.avoids(avoid, id))
            }
            // Looks at all: the headroom depends on more than one number. Asked only for controllers that wait long.
            Lane::Controller => {
                let mut workers = self.by_id.iter();
                workers.any(|(id, worker)| !self.avoids(avoid, id) && worker.has_room_later(want))
            }
        }
    }

    /// The racks of those that could take what is wanted if they were large enough.
    fn racks_for(&self, want: &Want) -> impl Iterator<Item = &Rack> {
        want.hosts().into_iter().filter_map(|kind| self.racks.get(&want.rack(kind)))
    }

    /// The largest maximum in each of them.
    fn maxima(&self, want: &Want) -> impl Iterator<Item = u64> {
        self.racks_for(want).filter_map(|rack| rack.max.last().map(|(max, _)| *max))
    }

    /// Why nobody present could ever take the task; `None` where somebody could.
    pub(crate) fn diagnose(
        &self,
        kind: TaskKind,
        want: &Want,
        held: &BTreeMap<WorkerId, u64>,
    ) -> Option<Diagnosis> {
        if self.possible(want, held, Avoid::nobody()) {
            return None;
        }
        let Some(largest) = self.maxima(want).max() else {
            let (prover, any) = (want.prover, Want { dialect: None, ..*want });
            let mut all = [WorkerKind::Cpu, WorkerKind::Gpu, WorkerKind::All].into_iter();
            let stands = |kind| self.racks.get(&any.rack(kind)).is_some_and(|rack| !rack.max.is_empty());
            let needs = if want.capability == Capability::Gpu { WorkerKind::Gpu } else { WorkerKind::Cpu };
            return Some(match want.dialect {
                // There are such workers, but they speak otherwise.
                Some(dialect) if self.maxima(&any).next().is_some() => {
                    Diagnosis::NoWorkerOfDialect { kind, prover, dialect }
                }
                _ if all.any(stands) => Diagnosis::NoWorkerOfKind { kind, prover, needs },
                _ => Diagnosis::NoWorkerOfType { kind, prover, workers: self.serving },
            });
        };
        // Only the workers that hold the proof's controllers and executions are large enough, if any is: name the least of what is held.
        let held = held.iter().filter(|(id, _)| self.get(id).is_some_and(|worker| worker.suits(want)));
        let held = held.map(|(_, held)| *held).min().unwrap_or(0);
        let (needs, held, largest) = (as_weight(want.weight), as_weight(held), as_weight(largest));
        Some(Diagnosis::NoWorkerLargeEnough { kind, needs, held, largest })
    }

    /// Whether some of these workers speaks it.
    pub(crate) fn speaks<'a>(
        &self,
        mut workers: impl Iterator<Item = &'a WorkerId>,
        dialect: Dialect,
    ) -> bool {
        let spec = |id: &WorkerId| self.get(id).and_then(|worker| worker.spec.as_ref());
        workers.any(|id| spec(id).is_some_and(|spec| spec.dialects.contains(&dialect)))
    }

    /// [`WorkerSet::diagnose`] for a task that does not exist yet: the largest worker may be where its controller sits.
    pub(crate) fn foresee(&self, kind: TaskKind, want: &Want, held: Weight) -> Option<Diagnosis> {
        let large = self.racks_for(want).flat_map(|rack| descend(&rack.max, want.weight));
        let held = match large.take(2).collect::<Vec<_>>().as_slice() {
            [only] => BTreeMap::from([((*only).clone(), gb(held))]),
            _ => BTreeMap::new(),
        };
        self.diagnose(kind, want, &held)
    }
}
