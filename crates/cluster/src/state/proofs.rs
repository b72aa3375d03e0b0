//! Requests for proofs.

use super::{State, new_task_id, no_such_proof};
use crate::{
    convert,
    entry::{Entry, GivenBack},
};
use proofmill_fault::{At, Fault};
use proofmill_ledger::{
    Change, Execution, ExecutionStatus, ProofRecord, ProofStatus, ProofUpdate, Timestamp,
};
use proofmill_primitives::{ProofId, ProofMode, TaskId, TaskKind, WorkerId};
use proofmill_scheduler::{Event, TaskSpec, TaskState};
use proofmill_wire::{operator::ReportPlanRequest, text};
use tonic::Status;

impl State {
    /// Takes a request, which may name a SNARK, and creates its first task. The caller has made sure that the ledger knows no proof of this
    /// id, or else that it is in `proofs`.
    pub(crate) fn create_proof(
        &mut self,
        record: ProofRecord,
        snark: Option<&str>,
    ) -> Result<TaskId, Status> {
        let root = self.root(&record, snark);
        self.create_proof_with(record, root)
    }

    /// The first task of a request.
    pub(crate) fn root(&self, record: &ProofRecord, snark: Option<&str>) -> TaskSpec {
        let is_execution = crate::entry::mode(record) == Some(ProofMode::Execute);
        let kind = if is_execution { TaskKind::ExecuteOnly } else { TaskKind::Controller };
        TaskSpec {
            id: new_task_id(),
            proof: record.id.clone(),
            kind,
            weight: self.config.root_weight(record.prover, kind),
            parent: None,
            inputs: convert::root_inputs(record, snark),
            outputs: record.proof.clone().into_iter().collect(),
            dialect: None,
            metadata: convert::root_metadata(record.prover),
            requester: convert::proof_spec(record).requester,
        }
    }

    /// The same with another first task.
    pub(crate) fn create_proof_with(
        &mut self,
        record: ProofRecord,
        root: TaskSpec,
    ) -> Result<TaskId, Status> {
        let spec = convert::proof_spec(&record);
        if self.proofs.contains_key(&record.id) {
            return Err(Status::already_exists(format!("the proof {} exists already", record.id)));
        }
        let (id, task, prover) = (record.id.clone(), root.id.clone(), record.prover);
        let mode = crate::entry::mode(&record).map(tracing::field::display);
        tracing::info!(proof = %id, %prover, mode, "a proof is asked for");
        // First in the batch: its tasks refer to it.
        self.batch.push(Change::ProofInserted(Box::new(record.clone())));
        self.proofs.insert(id.clone(), Entry::new(record));
        // The scheduler cannot know of it: it learns of proofs here alone, and the task's id is new.
        self.feed(Event::ProofCreated { proof: spec, root })?;
        self.foresee_wrap(&id);
        self.tell_diagnosis(&id);
        Ok(task)
    }

    /// Workers came or went: looks again whether the proofs under way can be finished.
    pub(super) fn foresee_wraps(&mut self) {
        let wraps = |entry: &Entry| matches!(entry.mode(), Some(ProofMode::Plonk | ProofMode::Groth16));
        let live = self.proofs.iter().filter(|(_, entry)| entry.is_live() && wraps(entry));
        for proof in live.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.foresee_wrap(&proof);
            self.tell_diagnosis(&proof);
        }
    }

    /// Finds out whether the workers present could take all that a proof which ends with a wrap still needs: by its plan, which tells what
    /// each of its tasks weighs, and before there is one by the least that the wrap may take.
    fn foresee_wrap(&mut self, proof: &ProofId) {
        let Some(entry) = self.proofs.get_mut(proof).filter(|entry| entry.is_live()) else { return };
        let wrap = match entry.mode() {
            Some(ProofMode::Plonk) => TaskKind::PlonkWrap,
            Some(ProofMode::Groth16) => TaskKind::Groth16Wrap,
            _ => return,
        };
        let prover = entry.record.prover;
        let held = self.config.root_weight(prover, TaskKind::Controller);
        let mut ahead = entry.ahead();
        if !entry.tells_weights() {
            ahead.push((wrap, self.config.wrap_weight(prover, wrap)));
        }
        let foresee = |(kind, weight)| self.scheduler.foresee(prover, kind, weight, held);
        let text = ahead.into_iter().find_map(foresee).map(|diagnosis| diagnosis.to_string());
        if let Some(text) = text.as_ref().filter(|text| entry.foreseen.as_ref() != Some(*text)) {
            tracing::warn!(%proof, diagnosis = text, "cannot be finished by the workers present");
        }
        entry.foreseen = text;
    }

    /// A worker gave a task back because it cannot do it, or cannot use its store. Others may; where none can, the task goes round until
    /// one does, and that is to be known by whoever waits. While a store is away, the first task that misses it speaks for all.
    pub(super) fn given_back(&mut self, proof: &ProofId, task: &TaskId, kind: TaskKind, fault: &Fault) {
        let Some(entry) = self.proofs.get_mut(proof) else { return };
        let cause = &fault.text;
        let (of_the_store, text) = match fault.at() {
            At::Store if entry.given_back.as_ref().is_some_and(|first| first.task != *task) => return,
            At::Store => (true, format!("{kind} waits for the artifact store: {cause}")),
            _ => (false, format!("{kind} was given back, and goes to other workers: {cause}")),
        };
        entry.given_back = Some(GivenBack { task: task.clone(), of_the_store, text });
        self.tell_diagnosis(proof);
    }

    /// Something else came of a task. One that is done has what it gives in the store: others, which may take long, do not wait for it.
    pub(super) fn taken_up(&mut self, proof: &ProofId, task: &TaskId, is_done: bool) {
        let Some(entry) = self.proofs.get_mut(proof) else { return };
        let is_over = |given: &mut GivenBack| given.task == *task || is_done && given.of_the_store;
        if entry.given_back.take_if(is_over).is_some() {
            self.tell_diagnosis(proof);
        }
    }

    /// A worker says what a task that it runs waits for, or that it does not wait any more.
    pub(super) fn waits(&mut self, worker: &WorkerId, task: &TaskId, said: Option<&str>) {
        let running = self.scheduler.task(task).and_then(|(spec, state)| match state {
            TaskState::Running { worker: by, .. } if by == worker => Some((spec.proof.clone(), spec.kind)),
            _ => None,
        });
        // What is said of another one is late.
        let Some((proof, kind)) = running else { return };
        let Some(entry) = self.proofs.get_mut(&proof) else { return };
        let text = said.map(|said| format!("{kind} on {worker}: {said}"));
        if entry.waits(task, text.as_deref()) {
            match said {
                Some(cause) => tracing::warn!(%proof, %task, %worker, cause, "a running task waits"),
                None => tracing::info!(%proof, %task, %worker, "a running task goes on"),
            }
            self.tell_diagnosis(&proof);
        }
    }

    /// Makes known what keeps a proof waiting, where that changed.
    pub(super) fn tell_diagnosis(&mut self, proof: &ProofId) {
        let Some(entry) = self.proofs.get_mut(proof).filter(|entry| entry.is_live()) else { return };
        let diagnosis = entry.diagnosis().cloned();
        if entry.record.diagnosis != diagnosis {
            entry.record.diagnosis.clone_from(&diagnosis);
            entry.touch();
            self.batch.push(Change::ProofDiagnosed { proof: proof.clone(), diagnosis });
        }
    }

    /// Lets the scheduler know of the end or a fault of a proof or a task. What has ended before stays as it is: saying so again does
    /// no harm.
    pub(crate) fn feed_if_live(&mut self, event: Event) -> Result<(), Status> {
        match self.feed(event) {
            Err(status) if status.code() == tonic::Code::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// A proof of `CreateDummyProof` only holds tasks that somebody asks for one by one. As in the SP1 cluster, it is over once none of
    /// them is under way: nobody else would end it before its deadline.
    pub(super) fn end_dummy(&mut self, proof: ProofId) -> Result<(), Status> {
        let is_dummy = |entry: &Entry| entry.is_live() && entry.mode().is_none();
        if !self.proofs.get(&proof).is_some_and(is_dummy) {
            return Ok(());
        }
        let counts = self.scheduler.progress(&proof).into_iter().flatten();
        let mut tasks = counts.filter(|(kind, _)| **kind != TaskKind::MarkerDeferredRecord);
        if tasks.any(|(_, counts)| counts.pending + counts.running > 0) {
            return Ok(());
        }
        self.feed_if_live(Event::ProofCompleted { proof })
    }

    /// What a controller says about its proof at the end; a proof that has ended keeps what was said then.
    pub(crate) fn end_proof_with(
        &mut self,
        proof: &ProofId,
        extra_data: Option<String>,
        event: Event,
    ) -> Result<(), Status> {
        if self.proofs.get(proof).is_some_and(Entry::is_live) {
            self.keep_extra_data(proof, extra_data);
        }
        self.feed_if_live(event)
    }

    /// Keeps what a worker says at the end of a proof. One that says very much has made the proof all the same, or given it up.
    pub(super) fn keep_extra_data(&mut self, proof: &ProofId, said: Option<String>) {
        let extra_data = said.map(|said| text::brief(said, convert::MAX_KEPT));
        self.update_proof(proof, ProofUpdate { extra_data, ..ProofUpdate::default() });
    }

    /// What a client may change of a request. The caller has made sure that there is one, here or in the ledger alone: a change of
    /// one that is nowhere would be the end of this process.
    pub(crate) fn update_proof(&mut self, proof: &ProofId, update: ProofUpdate) {
        let at = Timestamp::now();
        let ProofUpdate { execution, deadline, handled, metadata, extra_data, .. } = update;
        let stored = ProofUpdate {
            execution: execution.clone(),
            deadline,
            handled,
            metadata: metadata.clone(),
            extra_data: extra_data.clone(),
            ..ProofUpdate::default()
        };
        if let Some(entry) = self.proofs.get_mut(proof) {
            let record = &mut entry.record;
            record.execution = execution.or(record.execution.take());
            record.deadline = deadline.or(record.deadline);
            record.handled = handled.unwrap_or(record.handled);
            record.metadata = metadata.unwrap_or(std::mem::take(&mut record.metadata));
            record.extra_data = extra_data.or(record.extra_data.take());
            record.updated_at = at;
            entry.touch();
        }
        self.batch.push(Change::ProofUpdated { proof: proof.clone(), update: Box::new(stored), at });
    }

    /// A client's other deadline, for the proof's place among others and for when it fails. One that has ended has neither.
    pub(crate) fn move_deadline(&mut self, proof: &ProofId, deadline: Timestamp) -> Result<(), Status> {
        if !self.proofs.get(proof).is_some_and(Entry::is_live) {
            return Ok(());
        }
        self.feed(Event::DeadlineMoved { proof: proof.clone(), deadline: convert::time(deadline) })
    }

    /// A controller tells what its proof will take.
    pub(crate) fn plan(&mut self, request: ReportPlanRequest) -> Result<(), Status> {
        let proof = ProofId::from(request.proof_id);
        let entry = self.proofs.get_mut(&proof).filter(|entry| entry.record.status == ProofStatus::Pending);
        let entry = entry.ok_or_else(|| no_such_proof(&proof))?;
        let plan = entry.plan(request.instructions, request.public_values, &request.kinds);
        self.batch.push(Change::ProofPlanned { proof: proof.clone(), plan });
        let execution = Execution {
            status: ExecutionStatus::Executed,
            failure: None,
            cycles: request.instructions,
            gas: 0,
            public_values_hash: Vec::new(),
        };
        // Its controller is on a worker that is set up for it.
        entry.given_back = None;
        self.update_proof(&proof, ProofUpdate { execution: Some(execution), ..ProofUpdate::default() });
        self.foresee_wrap(&proof);
        self.tell_diagnosis(&proof);
        Ok(())
    }
}
