//! The workers, what each holds, and indexes that find one with room without looking at all of them.

use crate::{Diagnosis, Time, WorkerSpec, queue::Avoid};
use proofmill_primitives::{Capability, Dialect, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
};

/// Whether a task waits for others of its proof while it holds its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// It does: it ends only after others have run.
    Controller,
    /// It does not: it ends by itself.
    Work,
}

impl Lane {
    pub(crate) const fn of(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Controller | TaskKind::UtilVkeyMapController => Self::Controller,
            _ => Self::Work,
        }
    }
}

/// What tells the tasks of one proof apart for those who could take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort {
    pub(crate) kind: TaskKind,
    pub(crate) weight: Weight,
    pub(crate) dialect: Option<Dialect>,
}

/// What a task asks of a worker. Tasks that want the same can stand in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Want {
    pub(crate) prover: ProverType,
    /// Any where nothing is said.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) capability: Capability,
    pub(crate) lane: Lane,
    /// GB; wider than [`Weight`], so that sums are exact.
    pub(crate) weight: u64,
}

impl Want {
    /// `None` for a kind that is never given out.
    pub(crate) fn new(prover: ProverType, sort: Sort) -> Option<Self> {
        let Sort { kind, weight, dialect } = sort;
        match kind.needs() {
            Capability::None => None,
            capability => {
                Some(Self { prover, dialect, capability, lane: Lane::of(kind), weight: gb(weight) })
            }
        }
    }

    /// Where workers of one kind stand that could take it.
    fn rack(self, kind: WorkerKind) -> RackKey {
        (self.prover, self.dialect, kind)
    }

    /// The kinds of worker that can take it, those that can take nothing else first: an `all` worker is left for what
    /// has no other place.
    pub(crate) const fn hosts(self) -> [WorkerKind; 2] {
        match self.capability {
            Capability::Gpu => [WorkerKind::Gpu, WorkerKind::All],
            _ => [WorkerKind::Cpu, WorkerKind::All],
        }
    }
}

pub(crate) fn gb(weight: Weight) -> u64 {
    u64::from(weight.as_gb())
}

fn as_weight(gb: u64) -> Weight {
    Weight::gb(u32::try_from(gb).unwrap_or(u32::MAX))
}

/// What one task takes of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) weight: u64,
    pub(crate) lane: Lane,
}

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    name: Arc<WorkerId>,
    /// `None` while it is only known from before a restart and has not come back.
    pub(crate) spec: Option<WorkerSpec>,
    pub(crate) tasks: BTreeMap<TaskId, Load>,
    current: u64,
    controllers: u64,
    pub(crate) last_heartbeat: Time,
    pub(crate) draining: bool,
    /// Since when it has no stream.
    pub(crate) broken: Option<Time>,
    pub(crate) reserved_for: Option<TaskId>,
}

impl Worker {
    fn absent(id: WorkerId, now: Time) -> Self {
        Self {
            name: Arc::new(id),
            spec: None,
            tasks: BTreeMap::new(),
            current: 0,
            controllers: 0,
            last_heartbeat: now,
            draining: false,
            broken: None,
            reserved_for: None,
        }
    }

    pub(crate) fn current_weight(&self) -> Weight {
        as_weight(self.current)
    }

    /// What is left of its maximum; `None` where it is absent or holds more than its maximum.
    pub(crate) fn free(&self) -> Option<u64> {
        gb(self.spec.as_ref()?.max_weight).checked_sub(self.current)
    }

    fn max(&self) -> u64 {
        self.spec.as_ref().map_or(0, |spec| gb(spec.max_weight))
    }

    /// What a task of the lane could take if everything but controllers had ended, and of those `put_back`.
    fn cleared(&self, lane: Lane, put_back: u64, headroom: u64) -> u64 {
        let all = self.spec.as_ref().is_some_and(|spec| spec.kind == WorkerKind::All);
        let controllers = self.controllers - put_back;
        let standing = self.max().saturating_sub(controllers);
        match lane {
            Lane::Controller if all && controllers > 0 => standing.saturating_sub(headroom),
            _ => standing,
        }
    }

    /// What a task of the lane may take.
    fn room(&self, lane: Lane, headroom: u64) -> Option<u64> {
        Some(self.free()?.min(self.cleared(lane, 0, headroom)))
    }

    /// Whether it could take what is wanted if it held nothing.
    pub(crate) fn could(&self, want: &Want) -> bool {
        !self.draining
            && self.spec.as_ref().is_some_and(|spec| {
                spec.kind.can(want.capability)
                    && spec.provers.contains(&want.prover)
                    && want.dialect.is_none_or(|dialect| spec.dialects.contains(&dialect))
                    && gb(spec.max_weight) >= want.weight
            })
    }

    fn place(&self, headroom: u64) -> Option<Place> {
        self.spec.as_ref().filter(|_| !self.draining)?;
        let open = self.reserved_for.is_none() && self.broken.is_none();
        Some(Place {
            work: self.room(Lane::Work, headroom).filter(|_| open),
            controller: self.room(Lane::Controller, headroom).filter(|_| open),
            max: self.max(),
            standing: self.cleared(Lane::Work, 0, headroom),
        })
    }
}

/// Where a worker stands in the indexes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    work: Option<u64>,
    controller: Option<u64>,
    max: u64,
    standing: u64,
}

/// Ordered by weight; the lowest id last among equals, so that reading from the end meets it first.
type Ladder = BTreeSet<(u64, Reverse<Arc<WorkerId>>)>;

/// Prover type, dialect and kind of worker. Without a dialect, those of any.
type RackKey = (ProverType, Option<Dialect>, WorkerKind);

/// The workers of one kind that run one prover type and speak one dialect, by what they have.
#[derive(Clone, Debug, Default)]
struct Rack {
    work: Ladder,
    controller: Ladder,
    max: Ladder,
    standing: Ladder,
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

fn step(ladder: &mut Ladder, id: &Arc<WorkerId>, from: Option<u64>, to: Option<u64>) {
    if from != to {
        if let Some(from) = from {
            ladder.remove(&(from, Reverse(Arc::clone(id))));
        }
        if let Some(to) = to {
            ladder.insert((to, Reverse(Arc::clone(id))));
        }
    }
}

/// Every worker. Each change of one costs a few steps in trees; finding one with room costs one, plus one for each
/// worker that the task avoids.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSet {
    by_id: BTreeMap<WorkerId, Worker>,
    racks: BTreeMap<RackKey, Rack>,
    serving: usize,
    headroom: u64,
}

impl WorkerSet {
    pub(crate) fn new(headroom: Weight) -> Self {
        Self { by_id: BTreeMap::new(), racks: BTreeMap::new(), serving: 0, headroom: gb(headroom) }
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

    /// Changes a worker by `change`, and the indexes with it. `change` leaves the `spec` as it is.
    fn change(&mut self, id: &WorkerId, change: impl FnOnce(&mut Worker)) {
        let Some(worker) = self.by_id.get_mut(id) else { return };
        let from = worker.place(self.headroom);
        change(worker);
        let to = worker.place(self.headroom);
        self.serving += usize::from(to.is_some());
        self.serving -= usize::from(from.is_some());
        let Some(spec) = worker.spec.as_ref().filter(|_| from != to) else { return };
        let id = &worker.name;
        for key in keys(spec) {
            let rack = self.racks.entry(key).or_default();
            step(&mut rack.work, id, from.and_then(|at| at.work), to.and_then(|at| at.work));
            step(
                &mut rack.controller,
                id,
                from.and_then(|at| at.controller),
                to.and_then(|at| at.controller),
            );
            step(&mut rack.max, id, from.map(|at| at.max), to.map(|at| at.max));
            step(&mut rack.standing, id, from.map(|at| at.standing), to.map(|at| at.standing));
        }
    }

    /// A worker registered, for the first time or again; its tasks stay with it.
    pub(crate) fn open(&mut self, spec: WorkerSpec, now: Time) {
        let id = spec.id.clone();
        // Off every rack first: the new spec may belong on others.
        self.change(&id, |worker| worker.draining = true);
        let worker = self.by_id.entry(id.clone()).or_insert_with(|| Worker::absent(id.clone(), now));
        worker.spec = Some(spec);
        worker.last_heartbeat = now;
        worker.broken = None;
        worker.draining = true;
        self.change(&id, |worker| worker.draining = false);
    }

    pub(crate) fn heard(&mut self, id: &WorkerId, now: Time) {
        if let Some(worker) = self.by_id.get_mut(id) {
            worker.last_heartbeat = now;
        }
    }

    /// The clock went back: nobody was heard of in the future.
    pub(crate) fn forget_future(&mut self, now: Time) {
        for worker in self.by_id.values_mut() {
            worker.last_heartbeat = worker.last_heartbeat.min(now);
            worker.broken = worker.broken.map(|since| since.min(now));
        }
    }

    pub(crate) fn drain(&mut self, id: &WorkerId) {
        self.change(id, |worker| worker.draining = true);
    }

    /// Its stream broke.
    pub(crate) fn break_off(&mut self, id: &WorkerId, now: Time) {
        self.change(id, |worker| worker.broken = worker.broken.or(Some(now)));
    }

    pub(crate) fn avoids(&self, avoid: &Avoid, id: &WorkerId) -> bool {
        let build = || self.get(id).and_then(|worker| worker.spec.as_ref()).map(|spec| &spec.build);
        avoid.workers.contains(id)
            || (!avoid.builds.is_empty() && build().is_some_and(|build| avoid.builds.contains(build)))
    }

    pub(crate) fn reserve(&mut self, id: &WorkerId, task: Option<TaskId>) {
        self.change(id, |worker| worker.reserved_for = task);
    }

    /// It takes and is told nothing any more.
    pub(crate) fn leave(&mut self, id: &WorkerId) {
        self.change(id, |worker| worker.draining = true);
        if let Some(worker) = self.by_id.get_mut(id) {
            worker.spec = None;
        }
    }

    pub(crate) fn remove(&mut self, id: &WorkerId) {
        self.change(id, |worker| worker.draining = true);
        self.by_id.remove(id);
    }

    /// Gives the worker a task. One that is not known becomes an absent worker, as after a restart.
    pub(crate) fn hold(&mut self, id: &WorkerId, task: TaskId, load: Load, now: Time) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.clone(), Worker::absent(id.clone(), now));
        }
        self.change(id, |worker| {
            worker.current += load.weight;
            worker.controllers += if load.lane == Lane::Controller { load.weight } else { 0 };
            worker.tasks.insert(task, load);
        });
    }

    /// Takes a task away from the worker.
    pub(crate) fn release(&mut self, id: &WorkerId, task: &TaskId) {
        self.change(id, |worker| {
            if let Some(load) = worker.tasks.remove(task) {
                worker.current -= load.weight;
                worker.controllers -= if load.lane == Lane::Controller { load.weight } else { 0 };
            }
        });
    }

    /// The worker with the most room for what is wanted, among those that are not kept for another task.
    pub(crate) fn pick(&self, want: &Want, avoid: &Avoid) -> Option<&WorkerId> {
        want.hosts().into_iter().find_map(|kind| {
            let rack = self.racks.get(&want.rack(kind))?;
            let ladder = match want.lane {
                Lane::Work => &rack.work,
                Lane::Controller => &rack.controller,
            };
            descend(ladder, want.weight).find(|id| !self.avoids(avoid, id))
        })
    }

    /// Whether this worker has room for what is wanted now, reserved or not.
    pub(crate) fn fits(&self, id: &WorkerId, want: &Want) -> bool {
        self.get(id).is_some_and(|worker| {
            worker.could(want)
                && worker.broken.is_none()
                && worker.room(want.lane, self.headroom).is_some_and(|room| room >= want.weight)
        })
    }

    /// Whether this worker will have room for what is wanted once everything but controllers has ended, and of those
    /// `put_back`.
    pub(crate) fn clears(&self, worker: &Worker, want: &Want, put_back: u64) -> bool {
        worker.could(want) && worker.cleared(want.lane, put_back, self.headroom) >= want.weight
    }

    /// Whether some worker could ever take what is wanted beside what the proof's controllers hold on it.
    pub(crate) fn possible(&self, want: &Want, held: &BTreeMap<WorkerId, u64>, avoid: &Avoid) -> bool {
        let fits = |id: &WorkerId| match held.get(id) {
            Some(held) => {
                self.get(id).is_some_and(|worker| worker.could(&Want { weight: want.weight + held, ..*want }))
            }
            None => true,
        };
        let mut racks = want.hosts().into_iter().filter_map(|kind| self.racks.get(&want.rack(kind)));
        racks.any(|rack| descend(&rack.max, want.weight).any(|id| !self.avoids(avoid, id) && fits(id)))
    }

    /// Whether some worker could take what is wanted once everything but controllers has ended.
    pub(crate) fn clears_by_itself(&self, want: &Want, avoid: &Avoid) -> bool {
        let mut racks = want.hosts().into_iter().filter_map(|kind| self.racks.get(&want.rack(kind)));
        match want.lane {
            Lane::Work => {
                racks.any(|rack| descend(&rack.standing, want.weight).any(|id| !self.avoids(avoid, id)))
            }
            // Looks at all: the headroom depends on more than one number. Asked only for controllers that wait long.
            Lane::Controller => {
                let mut workers = self.by_id.iter();
                workers.any(|(id, worker)| !self.avoids(avoid, id) && self.clears(worker, want, 0))
            }
        }
    }

    fn maxima(&self, want: &Want) -> impl Iterator<Item = u64> {
        let racks = want.hosts().into_iter().filter_map(|kind| self.racks.get(&want.rack(kind)));
        racks.filter_map(|rack| rack.max.last().map(|(max, _)| *max))
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
        // Only the workers that hold the proof's controllers are large enough, if any is: name the least of what is held.
        let held = held.iter().filter(|(id, _)| self.get(id).is_some_and(|worker| worker.could(want)));
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
        let mut large = want.hosts().into_iter().filter_map(|kind| self.racks.get(&want.rack(kind)));
        let large: Vec<_> =
            large.by_ref().flat_map(|rack| descend(&rack.max, want.weight).take(2)).take(2).collect();
        let held = match large.as_slice() {
            [only] => BTreeMap::from([((*only).clone(), gb(held))]),
            _ => BTreeMap::new(),
        };
        self.diagnose(kind, want, &held)
    }
}
