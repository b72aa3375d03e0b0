//! One proof as the cluster remembers it: its record, and how its tasks came along.

use crate::convert::narrow;
use proofmill_fault::Fault;
use proofmill_ledger::{ProofRecord, ProofStatus, Timestamp};
use proofmill_primitives::{ProofMode, TaskId, TaskKind, Weight, WorkerId};
use proofmill_scheduler::Counts;
use proofmill_wire::operator::{KindProgress, PlannedKind, ProofPhase, ProofProgress, WorkerShare};
use std::{cmp::Reverse, collections::BTreeMap};
use tokio::sync::watch;

/// A proof that is live, or ended not long ago.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: ProofRecord,
    /// Its tasks, as of the last change while it was live.
    counts: BTreeMap<TaskKind, Counts>,
    /// When its first task beside the controller was begun.
    begun: Option<Timestamp>,
    /// Why its waiting tasks can be given to nobody, as the scheduler says.
    pub(crate) stuck: Option<String>,
    /// Which task a worker gave back because it cannot do it or cannot use its store, and why.
    pub(crate) given_back: Option<GivenBack>,
    /// What its running tasks wait for, as their workers say it; those that do not wait are not here.
    waits: BTreeMap<TaskId, String>,
    /// Why something that it still needs will find no worker.
    pub(crate) foreseen: Option<String>,
    planned: BTreeMap<TaskKind, Planned>,
    busy_ms: BTreeMap<TaskKind, u64>,
    workers: BTreeMap<WorkerId, Share>,
    instructions: u64,
    public_values: Vec<u8>,
    /// Turns at every change.
    changed: watch::Sender<()>,
}

/// A task that came back.
#[derive(Debug)]
pub(crate) struct GivenBack {
    pub(crate) task: TaskId,
    /// For the sake of the store, which is the same for all.
    pub(crate) of_the_store: bool,
    pub(crate) text: String,
}

/// The tasks of one kind that a plan foresees.
#[derive(Debug, Clone, Copy)]
struct Planned {
    count: u32,
    /// The heaviest of them; nothing where that is not known.
    weight: Weight,
}

#[derive(Debug, Default)]
struct Share {
    tasks: u32,
    busy_ms: u64,
    peak_memory_mb: u32,
}

impl Entry {
    pub(crate) fn new(record: ProofRecord) -> Self {
        let instructions = record.execution.as_ref().map_or(0, |execution| execution.cycles);
        // Of one that has ended the tasks are not known any more.
        let plan = record.plan.as_deref().filter(|_| !record.status.has_ended());
        let planned = plan.map(read_plan).unwrap_or_default();
        Self {
            record,
            counts: BTreeMap::new(),
            begun: None,
            stuck: None,
            given_back: None,
            waits: BTreeMap::new(),
            foreseen: None,
            planned,
            busy_ms: BTreeMap::new(),
            workers: BTreeMap::new(),
            instructions,
            public_values: Vec::new(),
            changed: watch::Sender::new(()),
        }
    }

    /// Tells at every change.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn touch(&self) {
        self.changed.send_replace(());
    }

    /// How its tasks came along until `now`.
    pub(crate) fn count(&mut self, counts: &BTreeMap<TaskKind, Counts>, now: Timestamp) {
        self.counts.clone_from(counts);
        let begun = |(kind, counts): (&TaskKind, &Counts)| {
            *kind != TaskKind::Controller && counts.running + counts.succeeded > 0
        };
        if self.begun.is_none() && counts.iter().any(begun) {
            self.begun = Some(now);
        }
    }

    /// What the controller found that the proof will take; what the next coordinator is to know of it.
    pub(crate) fn plan(
        &mut self,
        instructions: u64,
        public_values: Vec<u8>,
        kinds: &[PlannedKind],
    ) -> String {
        self.instructions = instructions;
        self.public_values = public_values;
        self.planned = kinds
            .iter()
            .filter_map(|planned| {
                let kind = TaskKind::ALL.into_iter().find(|kind| kind.name() == planned.kind)?;
                Some((kind, Planned { count: planned.count, weight: Weight::gb(planned.weight) }))
            })
            .collect();
        let plan = written_plan(&self.planned);
        self.record.plan = Some(plan.clone());
        plan
    }

    /// Whether its plan tells what tasks weigh. Those of the SP1 cluster's layout do not.
    pub(crate) fn tells_weights(&self) -> bool {
        self.planned.values().any(|planned| planned.weight > Weight::ZERO)
    }

    /// The kinds of tasks that its plan foresees and that are not all done, with the weight of the heaviest of each, heaviest first. None
    /// where its plan [tells no weights](Self::tells_weights).
    pub(crate) fn ahead(&self) -> Vec<(TaskKind, Weight)> {
        let is_ahead = |kind: &TaskKind, planned: &Planned| {
            let succeeded = self.counts.get(kind).map_or(0, |counts| counts.succeeded);
            planned.weight > Weight::ZERO && narrow(succeeded) < planned.count
        };
        let ahead = self.planned.iter().filter(|of| is_ahead(of.0, of.1));
        let mut ahead: Vec<_> = ahead.map(|(kind, planned)| (*kind, planned.weight)).collect();
        ahead.sort_by_key(|(_, weight)| Reverse(*weight));
        ahead
    }

    /// A worker's account of a task that it finished.
    pub(crate) fn account(&mut self, kind: TaskKind, worker: WorkerId, busy_ms: u64, peak_memory_mb: u32) {
        let busy = self.busy_ms.entry(kind).or_default();
        // What a worker says of itself is not to be trusted.
        *busy = busy.saturating_add(busy_ms);
        let share = self.workers.entry(worker).or_default();
        share.tasks += 1;
        share.busy_ms = share.busy_ms.saturating_add(busy_ms);
        share.peak_memory_mb = share.peak_memory_mb.max(peak_memory_mb);
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.record.status.has_ended()
    }

    /// What a running task waits for now; nothing where it does not. Gives whether that is another thing than before.
    pub(crate) fn waits(&mut self, task: &TaskId, text: Option<&str>) -> bool {
        let before = match text {
            Some(text) => self.waits.insert(task.clone(), text.to_owned()),
            None => self.waits.remove(task),
        };
        before.as_deref() != text
    }

    /// What keeps it waiting: first what keeps its tasks from being given out, then what those that run wait for, of which the first one
    /// speaks for all, and last what will keep it waiting.
    pub(crate) fn diagnosis(&self) -> Option<&String> {
        let given_back = || self.given_back.as_ref().map(|given| &given.text);
        let waits = || self.waits.values().next();
        self.stuck.as_ref().or_else(given_back).or_else(waits).or(self.foreseen.as_ref())
    }

    /// It has ended.
    pub(crate) fn end(&mut self, status: ProofStatus, fault: Option<&Fault>, at: Timestamp) {
        (self.stuck, self.given_back, self.foreseen) = (None, None, None);
        self.waits.clear();
        let record = &mut self.record;
        record.status = status;
        record.failure_cause = fault.map(Fault::encode);
        record.diagnosis = None;
        record.completed_at = Some(at);
        record.updated_at = at;
        if status == ProofStatus::Completed {
            // What still ran when it was completed is done: the controller that completed it.
            for counts in self.counts.values_mut() {
                counts.succeeded += std::mem::take(&mut counts.running);
            }
        }
        self.touch();
    }

    /// How many bytes are kept of what the program commits to.
    pub(crate) const fn public_values(&self) -> usize {
        self.public_values.len()
    }

    /// Keeps them no longer.
    pub(crate) fn forget_public_values(&mut self) {
        self.public_values = Vec::new();
    }

    pub(crate) fn mode(&self) -> Option<ProofMode> {
        mode(&self.record)
    }

    /// All that is known of it.
    pub(crate) fn progress(&self) -> ProofProgress {
        let workers = self
            .workers
            .iter()
            .map(|(worker, share)| WorkerShare {
                worker_id: worker.to_string(),
                tasks: share.tasks,
                busy_ms: share.busy_ms,
                peak_memory_mb: share.peak_memory_mb,
            })
            .collect();
        ProofProgress { public_values: self.public_values.clone(), workers, ..self.summary() }
    }

    /// The same for a list of many, without what grows with the program and the fleet.
    pub(crate) fn summary(&self) -> ProofProgress {
        let record = &self.record;
        let kinds = TaskKind::ALL
            .into_iter()
            .filter(|kind| self.counts.contains_key(kind) || self.planned.contains_key(kind))
            .map(|kind| {
                let counts = self.counts.get(&kind).copied().unwrap_or_default();
                KindProgress {
                    kind: kind.name().into(),
                    pending: narrow(counts.pending),
                    running: narrow(counts.running),
                    succeeded: narrow(counts.succeeded),
                    planned: self.planned.get(&kind).map_or(0, |planned| planned.count),
                    busy_ms: self.busy_ms.get(&kind).copied().unwrap_or(0),
                }
            })
            .collect();
        let fault = record.failure_cause.as_deref().map(Fault::decode);
        ProofProgress {
            fault: fault.as_ref().map(|fault| fault.code.to_string()).unwrap_or_default(),
            proof_id: record.id.to_string(),
            prover: record.prover.name().into(),
            mode: self.mode().map_or_else(String::new, |mode| mode.name().into()),
            phase: phase(record.status).into(),
            cause: fault.map(|fault| fault.text).unwrap_or_default(),
            diagnosis: record.diagnosis.clone().unwrap_or_default(),
            kinds,
            created_at_ms: record.created_at.as_millis(),
            ended_at_ms: record.completed_at.map_or(0, |at| at.as_millis()),
            proof_artifact_id: record.proof.as_ref().map(ToString::to_string).unwrap_or_default(),
            instructions: self.instructions,
            public_values: Vec::new(),
            workers: Vec::new(),
            begun_at_ms: self.begun.map_or(0, Timestamp::as_millis),
        }
    }
}

/// A plan for the ledger: the number of the tasks of each kind, and the GB of the heaviest, by the kind's name.
fn written_plan(planned: &BTreeMap<TaskKind, Planned>) -> String {
    let of = |(kind, of): (&TaskKind, &Planned)| (kind.name(), (of.count, of.weight.as_gb()));
    let plan: BTreeMap<&str, (u32, u32)> = planned.iter().map(of).collect();
    // Names and numbers can be written.
    serde_json::to_string(&plan).unwrap_or_default()
}

/// What an earlier coordinator wrote down. What another release wrote, and this one cannot read, counts for nothing: it is told again.
fn read_plan(plan: &str) -> BTreeMap<TaskKind, Planned> {
    let read: BTreeMap<String, (u32, u32)> = serde_json::from_str(plan).unwrap_or_default();
    let known = read.into_iter().filter_map(|(name, (count, weight))| {
        let kind = TaskKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        Some((kind, Planned { count, weight: Weight::gb(weight) }))
    });
    known.collect()
}

/// What a client asked for, as decimal text in the field that it uses for that.
pub(crate) fn mode(record: &ProofRecord) -> Option<ProofMode> {
    record.options.as_ref()?.as_str().parse().ok().and_then(ProofMode::from_wire)
}

fn phase(status: ProofStatus) -> ProofPhase {
    match status {
        ProofStatus::Pending => ProofPhase::Active,
        ProofStatus::Completed => ProofPhase::Completed,
        ProofStatus::Failed => ProofPhase::Failed,
        ProofStatus::Cancelled => ProofPhase::Cancelled,
    }
}
