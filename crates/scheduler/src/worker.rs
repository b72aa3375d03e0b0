//! A worker: what it can, what it holds, whether it is there.

use crate::{
    Time, WorkerSpec,
    memory::Memory,
    want::{Lane, Want},
};
use proofmill_primitives::{TaskId, WorkerId};
use std::{collections::BTreeMap, sync::Arc};

/// What one task takes of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) weight: u64,
    pub(crate) lane: Lane,
    /// It was given out to run beside no other work.
    pub(crate) apart: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) name: Arc<WorkerId>,
    /// `None` while it is only known from before a restart and has not come back, and while it is being removed.
    pub(crate) spec: Option<WorkerSpec>,
    pub(crate) tasks: BTreeMap<TaskId, Load>,
    pub(crate) memory: Memory,
    pub(crate) last_heartbeat: Time,
    pub(crate) draining: bool,
    /// Since when it has no stream.
    pub(crate) broken: Option<Time>,
    /// Until when it is given nothing new, because it could not use its store.
    pub(crate) paused: Option<Time>,
    /// So many times in a row it could not.
    pub(crate) stumbles: u32,
    pub(crate) reserved_for: Option<TaskId>,
}

impl Worker {
    pub(crate) fn absent(id: WorkerId, now: Time) -> Self {
        Self {
            name: Arc::new(id),
            spec: None,
            tasks: BTreeMap::new(),
            memory: Memory::default(),
            last_heartbeat: now,
            draining: false,
            broken: None,
            paused: None,
            stumbles: 0,
            reserved_for: None,
        }
    }

    pub(crate) fn hold(&mut self, task: TaskId, load: Load) {
        self.memory.hold(load.lane, load.weight);
        self.tasks.insert(task, load);
    }

    pub(crate) fn release(&mut self, task: &TaskId) {
        if let Some(load) = self.tasks.remove(task) {
            self.memory.release(load.lane, load.weight);
        }
    }

    /// Whether it runs a task apart, and so is given nothing else.
    pub(crate) fn runs_apart(&self) -> bool {
        self.tasks.values().any(|load| load.apart)
    }

    /// Whether what is wanted and what it holds may run beside each other. Several tasks were killed together, and any of them may
    /// have been too much: each runs apart from other work from then on, so that the next time it is known which one it is.
    /// What waits for others may be there: it may be this very one that it waits for. None is given to it meanwhile.
    pub(crate) fn goes_with(&self, want: &Want) -> bool {
        !self.runs_apart() && self.in_the_way_of(want) == 0
    }

    /// Whether it may go on with a task that it had. What waits for others may be beside one that runs apart.
    pub(crate) fn may_keep(&self, want: &Want) -> bool {
        want.lane.waits() || self.goes_with(want)
    }

    /// So many tasks must end before what is wanted may run beside those that are left.
    pub(crate) fn in_the_way_of(&self, want: &Want) -> usize {
        self.tasks.values().filter(|load| want.apart && !load.lane.waits()).count()
    }

    /// Whether it could take what is wanted if it held nothing.
    pub(crate) fn suits(&self, want: &Want) -> bool {
        !self.draining
            && self.spec.as_ref().is_some_and(|spec| {
                spec.kind.can(want.capability)
                    && spec.provers.contains(&want.prover)
                    && want.dialect.is_none_or(|dialect| spec.dialects.contains(&dialect))
                    && self.memory.max >= want.weight
            })
    }

    /// Whether it has room for what is wanted now, kept free for another task or not.
    pub(crate) fn has_room_now(&self, want: &Want) -> bool {
        self.suits(want)
            && self.broken.is_none()
            && self.paused.is_none()
            && self.goes_with(want)
            && self.memory.room_now(want.lane).is_some_and(|room| room >= want.weight)
    }

    /// Whether it will have room for what is wanted once all work has ended.
    pub(crate) fn has_room_later(&self, want: &Want) -> bool {
        self.has_room_without(want, [])
    }

    /// The same where some of its tasks are put back besides.
    pub(crate) fn has_room_without(&self, want: &Want, put_back: impl IntoIterator<Item = Load>) -> bool {
        let mut memory = self.memory;
        for load in put_back {
            memory.release(load.lane, load.weight);
        }
        self.suits(want) && memory.room_later(want.lane) >= want.weight
    }
}
