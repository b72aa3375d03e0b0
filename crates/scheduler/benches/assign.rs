//! What one assignment costs as the cluster grows: a task ends and the next one is given out, on workers that are all
//! busy, with ten tasks waiting for each. Prints the cost at each size over that at ten workers; a cost that
//! grows with log(workers) at most quadruples from 10 to 10,000.

use criterion::{BenchmarkId, Criterion, Throughput};
use proofmill_primitives::{Dialect, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{Action, Config, Event, Policy, ProofSpec, Scheduler, TaskSpec, Time, WorkerSpec};
use std::{
    collections::VecDeque,
    hint::black_box,
    time::{Duration, Instant},
};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const WAITING_PER_WORKER: usize = 10;
const PROOFS: usize = 100;

struct Cluster {
    scheduler: Scheduler,
    running: VecDeque<(WorkerId, TaskId)>,
    born: usize,
}

fn shard(number: usize) -> TaskSpec {
    TaskSpec {
        id: TaskId::new(format!("task_{number:012}")),
        proof: format!("proof_{}", number % PROOFS).into(),
        kind: TaskKind::ProveShard,
        weight: TaskKind::ProveShard.default_weight(),
        parent: None,
        inputs: vec![],
        outputs: vec![],
        dialect: Some(Dialect::UNNAMED),
        metadata: String::new(),
        requester: String::new(),
    }
}

impl Cluster {
    fn new(workers: usize, policy: Policy) -> Self {
        let config = Config { policy, ..Config::default() };
        let mut cluster = Self { scheduler: Scheduler::new(config), running: VecDeque::new(), born: 0 };
        for worker in 0..workers {
            let spec = WorkerSpec {
                id: format!("worker_{worker:06}").into(),
                kind: WorkerKind::Gpu,
                max_weight: Weight::gb(24),
                provers: vec![ProverType::OpenVm],
                dialects: vec![Dialect::UNNAMED],
                build: String::new(),
            };
            cluster.tell(Event::WorkerOpened(spec));
        }
        for proof in 0..PROOFS {
            let root = shard(cluster.born);
            cluster.born += 1;
            let (id, requester) = (format!("proof_{proof}").into(), format!("requester_{}", proof % 10));
            let proof = ProofSpec { id, prover: ProverType::OpenVm, requester, deadline: None };
            cluster.tell(Event::ProofCreated { proof, root });
        }
        while cluster.born < workers * (6 + WAITING_PER_WORKER) + PROOFS {
            cluster.create();
        }
        cluster
    }

    fn tell(&mut self, event: Event) {
        let actions = self.scheduler.handle(Time::from_millis(1), event).unwrap_or_default();
        for action in black_box(actions) {
            if let Action::Assign { worker, task } = action {
                self.running.push_back((worker, task.id));
            }
        }
    }

    fn create(&mut self) {
        self.tell(Event::TaskCreated(shard(self.born)));
        self.born += 1;
    }

    /// One task ends, which gives out another; then one more comes to wait, so that the queue stays as long.
    fn turn(&mut self) {
        if let Some((worker, task)) = self.running.pop_front() {
            self.tell(Event::TaskCompleted { worker, task });
        }
        self.create();
    }
}

fn time_of_turns(cluster: &mut Cluster, turns: u64) -> Duration {
    let began = Instant::now();
    for _ in 0..turns {
        cluster.turn();
    }
    began.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for policy in Policy::ALL {
        let mut group = criterion.benchmark_group(format!("assign/{policy}"));
        group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(2));
        let mut baseline = None;
        for size in SIZES {
            let mut cluster = Cluster::new(size, policy);
            group.bench_function(BenchmarkId::from_parameter(size), |bench| {
                bench.iter_custom(|turns| time_of_turns(&mut cluster, turns));
            });
            let turns = 20_000;
            let each = time_of_turns(&mut cluster, turns).as_secs_f64() / turns as f64;
            let baseline = *baseline.get_or_insert(each);
            println!(
                "{policy}: {size:>6} workers {:>7.2} us, {:.2} times that of ten",
                each * 1e6,
                each / baseline
            );
        }
        group.finish();
    }
    criterion.final_summary();
}
