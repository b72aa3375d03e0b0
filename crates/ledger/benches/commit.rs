//! Commits a second, by the number of changes in each: what group commit is worth. On the file system of the target
//! folder, because the one of temporary files is often memory.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use proofmill_ledger::{
    Batch, Change, Ledger, ProofRecord, ProofStatus, TaskRecord, TaskRecordState, Timestamp,
};
use proofmill_localstore::LocalPostgres;
use proofmill_primitives::{ProverType, TaskKind, Weight};
use tokio::runtime::Runtime;

fn proof() -> ProofRecord {
    ProofRecord {
        id: "proof".into(),
        prover: ProverType::OpenVm,
        status: ProofStatus::Pending,
        requester: vec![7; 20],
        execution: None,
        program: "program".into(),
        stdin: "stdin".into(),
        stdin_private: false,
        proof: None,
        options: None,
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
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
        completed_at: None,
    }
}

fn task(number: u64) -> TaskRecord {
    TaskRecord {
        id: format!("task-{number:032}").into(),
        proof: "proof".into(),
        kind: TaskKind::ProveShard,
        weight: Weight::gb(4),
        parent: Some("controller".into()),
        inputs: vec![format!("key-{number:064}").into()],
        outputs: vec![format!("key-{number:064}").into()],
        metadata: "{\"index\":12}".into(),
        requester: "0x0707070707070707070707070707070707070707".into(),
        state: TaskRecordState::Pending { retries: 0, history: None, last_failure: None },
    }
}

fn engines(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ledger = runtime.block_on(Ledger::open(&folder.path().join("ledger.sqlite"))).unwrap();
    commits(c, "sqlite", &runtime, &ledger);
    if LocalPostgres::is_there() {
        // On this machine and without flushes: what is measured is what the statements cost.
        let server = LocalPostgres::start().unwrap();
        let ledger = runtime.block_on(Ledger::open_postgres(&server.url(), "bench")).unwrap();
        commits(c, "postgres", &runtime, &ledger);
    }
}

fn commits(c: &mut Criterion, engine: &str, runtime: &Runtime, ledger: &Ledger) {
    runtime.block_on(ledger.commit(vec![Change::ProofInserted(Box::new(proof()))].into())).unwrap();
    runtime.block_on(ledger.commit(vec![Change::TaskInserted(Box::new(task(0)))].into())).unwrap();
    let mut number = 0u64;
    let mut group = c.benchmark_group(format!("commit/{engine}"));
    group.sample_size(20);
    for size in [1u64, 16, 256] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                || {
                    // Half of the changes add a task, half change one: what a running proof does.
                    let changes = (0..size).map(|_| {
                        number += 1;
                        let added = number / 2;
                        if number.is_multiple_of(2) {
                            Change::TaskInserted(Box::new(task(added)))
                        } else {
                            Change::TaskStateChanged {
                                task: format!("task-{:032}", added).into(),
                                state: TaskRecordState::Succeeded,
                            }
                        }
                    });
                    changes.collect::<Batch>()
                },
                |batch| runtime.block_on(ledger.commit(batch)).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    c.bench_function(&format!("proof/{engine}"), |bencher| {
        let id = "proof".into();
        bencher.iter(|| runtime.block_on(ledger.proof(&id)).unwrap());
    });
}

criterion_group!(benches, engines);
criterion_main!(benches);
