//! Records to work with: one of each by hand, and any by chance.

use proofmill_ledger::{
    AssignmentKey, AssignmentRecord, Batch, Change, Execution, ExecutionFailure, ExecutionStatus,
    ProofFilter, ProofRecord, ProofStatus, ProofUpdate, RefusalRecord, TaskRecord, TaskRecordState,
    Timestamp,
};
use proofmill_primitives::{ArtifactId, ProverType, TaskKind, Weight};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A pending proof with nothing but the fields that must be there.
pub(crate) fn proof(id: &str) -> ProofRecord {
    ProofRecord {
        id: id.into(),
        prover: ProverType::OpenVm,
        status: ProofStatus::Pending,
        requester: b"somebody".to_vec(),
        execution: None,
        program: "elf".into(),
        stdin: "input".into(),
        stdin_private: false,
        proof: None,
        options: Some("2".into()),
        cycle_limit: None,
        gas_limit: None,
        deadline: None,
        handled: false,
        metadata: String::new(),
        extra_data: None,
        scheduled_by: None,
        failure_cause: None,
        diagnosis: None,
        plan: None,
        created_at: Timestamp::from_millis(1_000),
        updated_at: Timestamp::from_millis(1_000),
        completed_at: None,
    }
}

/// A task that waits.
pub(crate) fn task(id: &str, proof: &str) -> TaskRecord {
    TaskRecord {
        id: id.into(),
        proof: proof.into(),
        kind: TaskKind::ProveShard,
        weight: Weight::gb(4),
        parent: None,
        inputs: vec!["segment".into()],
        outputs: vec!["proof-of-segment".into()],
        metadata: "{}".into(),
        requester: "somebody".into(),
        state: TaskRecordState::Pending { retries: 0, history: None, last_failure: None },
    }
}

/// Few ids, so that changes meet; among them what a client might send to do harm.
const PROOFS: [&str; 5] = ["p", "P", "p\0q", "'; DROP TABLE proofs; --", "\u{1f980}"];
const TASKS: [&str; 7] = ["t1", "t2", "t3", "t4", "t5", "", "t\0"];

pub(crate) fn proof_ids() -> impl Iterator<Item = &'static str> {
    PROOFS.into_iter()
}

pub(crate) fn keys() -> impl Iterator<Item = [u8; 32]> {
    (0..3).map(|byte| [byte; 32])
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => 0u64..5,
        1 => any::<u64>(),
    ]
    .prop_map(Timestamp::from_millis)
}

fn artifact() -> impl Strategy<Value = ArtifactId> {
    any::<String>().prop_map(ArtifactId::new)
}

fn status() -> impl Strategy<Value = ProofStatus> {
    select(ProofStatus::ALL)
}

fn execution() -> impl Strategy<Value = Execution> {
    let parts = (
        select(ExecutionStatus::ALL),
        option::of(select(ExecutionFailure::ALL)),
        any::<u64>(),
        any::<u64>(),
        vec(any::<u8>(), 0..40),
    );
    parts.prop_map(|(status, failure, cycles, gas, public_values_hash)| Execution {
        status,
        failure,
        cycles,
        gas,
        public_values_hash,
    })
}

fn any_proof() -> impl Strategy<Value = ProofRecord> {
    let names = (select(&PROOFS[..]), artifact(), artifact(), option::of(artifact()), option::of(artifact()));
    let made = (
        select(&ProverType::ALL[..]),
        prop_oneof![3 => Just(ProofStatus::Pending), 1 => status()],
        option::of(execution()),
        vec(any::<u8>(), 0..30),
    );
    let limits = (
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(moment()),
        any::<bool>(),
        any::<bool>(),
    );
    let texts = (
        any::<String>(),
        option::of(any::<String>()),
        option::of(select(vec!["a", "b"])),
        option::of(any::<String>()),
        option::of(any::<String>()),
        option::of(any::<String>()),
    );
    let times = (moment(), moment(), option::of(moment()));
    (names, made, limits, texts, times).prop_map(
        |(
            (id, program, stdin, proof, options),
            (prover, status, execution, requester),
            (cycle_limit, gas_limit, deadline, handled, stdin_private),
            (metadata, extra_data, scheduled_by, failure_cause, diagnosis, plan),
            (created_at, updated_at, completed_at),
        )| ProofRecord {
            id: id.into(),
            prover,
            status,
            requester,
            execution,
            program,
            stdin,
            stdin_private,
            proof,
            options,
            cycle_limit,
            gas_limit,
            deadline,
            handled,
            metadata,
            extra_data,
            scheduled_by: scheduled_by.map(str::to_owned),
            failure_cause,
            diagnosis,
            plan,
            created_at,
            updated_at,
            completed_at,
        },
    )
}

fn update() -> impl Strategy<Value = ProofUpdate> {
    let parts = (
        option::of(status()),
        option::of(execution()),
        option::of(moment()),
        option::of(any::<bool>()),
        option::of(any::<String>()),
        option::of(any::<String>()),
        option::of(artifact()),
        option::of(any::<String>()),
    );
    parts.prop_map(|(status, execution, deadline, handled, metadata, extra_data, proof, failure_cause)| {
        ProofUpdate { status, execution, deadline, handled, metadata, extra_data, proof, failure_cause }
    })
}

fn state() -> impl Strategy<Value = TaskRecordState> {
    prop_oneof![
        (any::<u32>(), history(), option::of(any::<String>())).prop_map(
            |(retries, history, last_failure)| {
                TaskRecordState::Pending { retries, history, last_failure }
            }
        ),
        (any::<String>(), moment(), any::<u32>(), history()).prop_map(|(worker, since, retries, history)| {
            TaskRecordState::Running { worker: worker.into(), since, retries, history }
        }),
        Just(TaskRecordState::Succeeded),
        any::<String>().prop_map(|cause| TaskRecordState::Failed { cause }),
    ]
}

fn history() -> impl Strategy<Value = Option<String>> {
    option::of(any::<String>())
}

fn any_task() -> impl Strategy<Value = TaskRecord> {
    let names = (select(&TASKS[..]), select(&PROOFS[..]), option::of(select(&TASKS[..])));
    let work = (select(&TaskKind::ALL[..]), any::<u32>(), vec(artifact(), 0..3), vec(artifact(), 0..3));
    (names, work, any::<String>(), any::<String>(), state()).prop_map(
        |((id, proof, parent), (kind, weight, inputs, outputs), metadata, requester, state)| TaskRecord {
            id: id.into(),
            proof: proof.into(),
            kind,
            weight: Weight::gb(weight),
            parent: parent.map(Into::into),
            inputs,
            outputs,
            metadata,
            requester,
            state,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let proof = || select(&PROOFS[..]);
    let key = || (0u8..3).prop_map(|byte| [byte; 32]);
    prop_oneof![
        4 => any_proof().prop_map(|record| Change::ProofInserted(Box::new(record))),
        4 => (proof(), update(), moment())
            .prop_map(|(proof, update, at)| Change::ProofUpdated { proof: proof.into(), update: Box::new(update), at }),
        1 => (proof(), option::of(any::<String>()))
            .prop_map(|(proof, diagnosis)| Change::ProofDiagnosed { proof: proof.into(), diagnosis }),
        1 => (proof(), any::<String>()).prop_map(|(proof, plan)| Change::ProofPlanned { proof: proof.into(), plan }),
        6 => any_task().prop_map(|record| Change::TaskInserted(Box::new(record))),
        4 => (select(&TASKS[..]), state())
            .prop_map(|(task, state)| Change::TaskStateChanged { task: task.into(), state }),
        3 => (select(&TASKS[..]), vec(any::<u8>(), 0..4))
            .prop_map(|(task, payload)| Change::TaskSaid { task: task.into(), payload }),
        1 => proof().prop_map(|proof| Change::TasksForgotten { proof: proof.into() }),
        2 => (key(), proof()).prop_map(|(key, proof)| Change::ContentProven { key, proof: proof.into() }),
        1 => key().prop_map(|key| Change::ContentForgotten { key }),
        3 => assignment_change(),
        3 => refusal_change(),
    ]
}

fn assignment_key() -> impl Strategy<Value = AssignmentKey> {
    (0u64..3, select(&["range", "epoch"][..]), 0u8..2, select(&ProverType::ALL[..])).prop_map(
        |(number, level, content, prover)| AssignmentKey {
            number,
            level: level.to_owned(),
            content: [content; 32],
            prover,
        },
    )
}

fn refusal_change() -> impl Strategy<Value = Change> {
    let remains = || option::of((0u8..2).prop_map(|byte| [byte; 32]));
    let refused = option::of((any::<u32>(), any::<String>(), moment(), remains()));
    (assignment_key(), refused).prop_map(|(key, refused)| match refused {
        Some((times, cause, again_at, remains)) => {
            Change::ProofRefused(Box::new(RefusalRecord { key, times, cause, again_at, remains }))
        }
        None => Change::RefusalForgotten(Box::new(key)),
    })
}

fn assignment_change() -> impl Strategy<Value = Change> {
    (assignment_key(), option::of((any::<String>(), moment()))).prop_map(|(key, held)| match held {
        Some((holder, since)) => Change::BatchAssigned(Box::new(AssignmentRecord { key, holder, since })),
        None => Change::AssignmentEnded(Box::new(key)),
    })
}

/// Batches of any changes. Short ones mostly, because one bad change refuses all of a batch.
pub(crate) fn batches(how_many: usize) -> impl Strategy<Value = Vec<Batch>> {
    vec(vec(change(), 0..5).prop_map(Batch::from), 1..how_many)
}

pub(crate) fn filter() -> impl Strategy<Value = ProofFilter> {
    let parts = (
        vec(status(), 0..3),
        vec(select(ExecutionStatus::ALL), 0..3),
        option::of(moment()),
        option::of(any::<bool>()),
        option::of(select(vec!["a", "b", "c"])),
        option::of(0u32..4),
        0u32..3,
    );
    parts.prop_map(
        |(statuses, execution_statuses, minimum_deadline, handled, scheduled_by, limit, offset)| {
            ProofFilter {
                statuses,
                execution_statuses,
                minimum_deadline,
                handled,
                scheduled_by: scheduled_by.map(str::to_owned),
                limit,
                offset,
            }
        },
    )
}
