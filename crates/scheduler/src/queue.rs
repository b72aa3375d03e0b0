//! The tasks that wait, in the order in which they are to be given out.

use crate::want::Want;
use proofmill_primitives::{TaskId, TaskKind, WorkerId};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
};

/// Who a task goes to only where there is nobody else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Avoid {
    /// Where it failed.
    pub(crate) workers: BTreeSet<WorkerId>,
    /// The builds that do not understand it.
    pub(crate) builds: BTreeSet<String>,
    /// Workers with so many GB or fewer were too small for it.
    pub(crate) memory: Option<u64>,
}

impl Avoid {
    pub(crate) const fn nobody() -> &'static Self {
        const NOBODY: &Avoid = &Avoid { workers: BTreeSet::new(), builds: BTreeSet::new(), memory: None };
        NOBODY
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty() && self.builds.is_empty() && self.memory.is_none()
    }

    pub(crate) fn worker(id: &WorkerId) -> Self {
        Self { workers: BTreeSet::from([id.clone()]), ..Self::default() }
    }
}

/// Tasks that the same workers can take stand in one line, so that its head says whether any of them can go. There are
/// as many lines as there are prover types, halves and weights in use, and one for each proof's set of avoided workers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineKey {
    pub(crate) want: Want,
    /// Where a task of this proof (by number) has been tried: it goes elsewhere while there is an elsewhere.
    pub(crate) avoided: Option<(u64, Avoid)>,
}

/// First part of a task's place in line. The same for all under policies that do not look at requesters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupTurn {
    /// What the requester's running GPU tasks weigh, in GB.
    pub(crate) share: u64,
    pub(crate) requester: Arc<str>,
}

/// Second part: the proof's place in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProofTurn {
    /// What the policy goes by: nothing, a weight in GB, or a deadline in ms.
    pub(crate) major: u64,
    /// Proofs are numbered in the order of their creation.
    pub(crate) number: u64,
}

/// Last part: the task's place in its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskTurn {
    rank: u8,
    /// Tasks are numbered in the order of their creation.
    pub(crate) number: u64,
}

impl TaskTurn {
    pub(crate) const fn new(kind: TaskKind, number: u64) -> Self {
        let rank = match kind {
            TaskKind::ShrinkWrap | TaskKind::PlonkWrap | TaskKind::Groth16Wrap => 0,
            TaskKind::RecursionReduce | TaskKind::RecursionDeferred => 1,
            _ => 2,
        };
        Self { rank, number }
    }
}

/// A task's whole place in line.
pub(crate) type Turn<'a> = (&'a GroupTurn, &'a ProofTurn, &'a TaskTurn);

type Tasks = BTreeMap<TaskTurn, TaskId>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    groups: BTreeMap<GroupTurn, BTreeMap<ProofTurn, Tasks>>,
    /// The same tasks by the numbers of their proof and of themselves, whatever the policy.
    by_age: BTreeMap<(u64, u64), TaskId>,
}

impl Line {
    /// Who is next by the policy.
    pub(crate) fn head(&self) -> Option<(Turn<'_>, &TaskId)> {
        let (group, proofs) = self.groups.first_key_value()?;
        let (proof, tasks) = proofs.first_key_value()?;
        let (task, id) = tasks.first_key_value()?;
        Some(((group, proof, task), id))
    }

    /// The first task of the oldest proof.
    pub(crate) fn oldest(&self) -> Option<&TaskId> {
        self.by_age.first_key_value().map(|(_, id)| id)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    lines: BTreeMap<LineKey, Line>,
}

impl Queues {
    pub(crate) fn lines(&self) -> btree_map::Iter<'_, LineKey, Line> {
        self.lines.iter()
    }

    pub(crate) fn push(
        &mut self,
        key: LineKey,
        (group, proof, task): (GroupTurn, ProofTurn, TaskTurn),
        id: TaskId,
    ) {
        let line = self.lines.entry(key).or_default();
        line.by_age.insert((proof.number, task.number), id.clone());
        line.groups.entry(group).or_default().entry(proof).or_default().insert(task, id);
    }

    pub(crate) fn remove(&mut self, key: &LineKey, (group, proof, task): Turn<'_>) {
        let Some(line) = self.lines.get_mut(key) else { return };
        line.by_age.remove(&(proof.number, task.number));
        if let Some(proofs) = line.groups.get_mut(group) {
            if let Some(tasks) = proofs.get_mut(proof) {
                tasks.remove(task);
                if tasks.is_empty() {
                    proofs.remove(proof);
                }
            }
            if proofs.is_empty() {
                line.groups.remove(group);
            }
        }
        if line.groups.is_empty() {
            self.lines.remove(key);
        }
    }

    /// A requester's share changed: its tasks move as one, in each line.
    pub(crate) fn move_group(&mut self, from: &GroupTurn, to: &GroupTurn) {
        for line in self.lines.values_mut() {
            if let Some(proofs) = line.groups.remove(from) {
                line.groups.insert(to.clone(), proofs);
            }
        }
    }

    /// A proof's share changed: its tasks move as one, in each line.
    pub(crate) fn move_proof(&mut self, group: &GroupTurn, from: &ProofTurn, to: ProofTurn) {
        for line in self.lines.values_mut() {
            if let Some(proofs) = line.groups.get_mut(group)
                && let Some(tasks) = proofs.remove(from)
            {
                proofs.insert(to, tasks);
            }
        }
    }
}
