//! A session on this machine.

use super::{default_prover, follow::Followed, live::Live, processes::Processes, roles::Cast};
use crate::{cli, dev::Launcher, held_port::HeldPort, keys};
use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::Registry;
use proofmill_bench::{
    leftover::ProcessId,
    page::Batches,
    steps::{Binary, Chains, L1, Load, Ports, Shape, Step},
    watch::Watch,
};
use proofmill_ledger::{DataDir, LockError, ProcessLock};
use proofmill_loadgen::AccountKeys;
use proofmill_primitives::ProverType;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Where the chains are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) l1_rpc: Url,
    pub(super) l2_rpc: Url,
    pub(super) rollup: Address,
}

/// What a session has, and what it has come to.
pub(super) struct Session<'a> {
    pub(super) run: &'a cli::Run,
    pub(super) registry: &'a Registry,
    pub(super) prover: ProverType,
    pub(super) shape: Shape,
    /// Of all sessions.
    pub(super) root: PathBuf,
    /// Of this one: logs and report stay.
    pub(super) folder: PathBuf,
    pub(super) launcher: Launcher,
    pub(super) processes: Processes,
    pub(super) live: Live,
    /// What is measured, where it is built for this.
    pub(super) binary: Option<PathBuf>,
    pub(super) revision: String,
    /// L1 of an earlier session, which is not this one's child.
    pub(super) found_l1: Option<ProcessId>,
    pub(super) l1_rpc: Option<Url>,
    pub(super) place: Option<Place>,
    /// Where it is told how full the batches are.
    pub(super) metrics: Option<Url>,
    /// Since when nothing answers there.
    pub(super) metrics_lost: Option<Instant>,
    /// What was told.
    pub(super) batches: Batches,
    pub(super) followed: Followed,
    pub(super) watch: Watch,
    /// Where its processes listen.
    pub(super) ports: Ports,
    /// Those of them that no user named, for as long as this session runs.
    pub(super) held: Vec<HeldPort>,
    /// How many accounts send.
    pub(super) accounts: usize,
    /// How often the load was started.
    pub(super) rounds: u32,
    /// Since when batches are waited for: first the load's, then the provers'.
    pub(super) waiting_since: Instant,
    /// From the start of the provers to the last batch.
    pub(super) proved_for: Duration,
}

/// Runs a session: measures, reports and ends everything, whatever happens in between.
pub(super) async fn run(
    global: &cli::Global,
    run: &cli::Run,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<()> {
    DataDir::mark(&global.data_dir)?;
    // Processes have other working folders.
    let root = fs::canonicalize(&global.data_dir)?.join("bench");
    fs::create_dir_all(&root).wrap_err_with(|| format!("cannot make the folder {}", root.display()))?;
    let _one_at_a_time = lock(&root.join("bench.lock"))?;
    let stop = stop_with_input(run, stop);
    let mut session = Session::new(global, run, registry, &root)?;
    let outcome = tokio::select! {
        outcome = session.measure() => outcome,
        () = stop.cancelled() => Err(eyre!("stopped before {} batches were proven", run.batches())),
    };
    if let Err(error) = &outcome {
        session.live.line(&format!("it does not go on: {error:#}"));
    }
    let reported = session.report(&outcome);
    let ended = session.tear_down().await;
    session.live.end();
    outcome.and(reported).and(ended)
}

impl<'a> Session<'a> {
    fn new(global: &cli::Global, run: &'a cli::Run, registry: &'a Registry, root: &Path) -> Result<Self> {
        let prover = run.prover.or_else(|| default_prover(registry, run.gpu())).ok_or_else(|| {
            eyre!(
                "this binary has no prover type that proves: build one that has (`make build`), or name one that proves nothing \
                 (--prover exec)"
            )
        })?;
        let folder = root.join(run.name());
        if folder.join("report.json").exists() {
            bail!("{} has a report already: choose another --name", folder.display());
        }
        // A line that is no key is said before anything is started.
        let accounts = run.account_keys.as_deref().map(AccountKeys::from_file).transpose()?;
        let pays = accounts.is_some() || keys::set(keys::LOAD_KEY).is_some();
        let shape = Shape {
            binary: if run.git_ref.is_some() || run.source.is_some() { Binary::Built } else { Binary::This },
            chains: if run.l2_rpc.is_some() { Chains::There } else { Chains::Own },
            load: if run.l2_rpc.is_none() || pays { Load::Sent } else { Load::Others },
            l1: if run.keep_l1 { L1::Stays } else { L1::Ends },
        };
        // What is measured is read from the logs: they say it whatever this process logs.
        let own = cli::Global {
            data_dir: folder.clone(),
            log_filter: "warn,proofmill=info".to_owned(),
            log_format: cli::LogFormat::Text,
            ..global.clone()
        };
        let place = match (&run.l1_rpc, &run.l2_rpc, run.rollup) {
            (Some(l1), Some(l2), Some(rollup)) => {
                Some(Place { l1_rpc: l1.clone(), l2_rpc: l2.clone(), rollup })
            }
            _ => None,
        };
        Ok(Self {
            run,
            registry,
            prover,
            shape,
            root: root.to_owned(),
            launcher: Launcher::new(&own),
            processes: Processes::new(&folder)?,
            folder,
            live: Live::new(),
            binary: None,
            revision: format!("this binary, {}", env!("CARGO_PKG_VERSION")),
            found_l1: None,
            l1_rpc: None,
            place,
            metrics: run.l2_metrics.clone(),
            metrics_lost: None,
            followed: Followed::default(),
            batches: Batches::new(),
            watch: Watch::new(run.batches().get()),
            ports: Ports { l2: [run.l2_port.get(), run.metrics_port.get()], ..Ports::default() },
            held: Vec::new(),
            accounts: accounts.map_or(run.accounts.get() as usize, |keys| keys.len()),
            rounds: 0,
            waiting_since: Instant::now(),
            proved_for: Duration::ZERO,
        })
    }

    /// Where the processes keep what they work on. It goes with the session.
    pub(super) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Who plays which part.
    pub(super) fn cast(&self) -> Cast<'a> {
        let helper = self.registry.helper(self.prover).map(|helper| helper.binary().to_owned());
        Cast { run: self.run, prover: self.prover, work: self.work(), binary: self.binary.clone(), helper }
    }

    /// All steps until the batches are proven.
    async fn measure(&mut self) -> Result<()> {
        if !self.prover.proves() {
            self.live.line("note: `exec` runs the programs natively and PROVES NOTHING");
        }
        for step in Step::all(self.shape) {
            match step {
                Step::Report | Step::TearDown => break,
                step => self.live.line(step.words()),
            }
            match step {
                Step::Prepare => self.prepare().await?,
                Step::Build => self.build().await?,
                Step::StartL1 => self.start_l1().await?,
                Step::StartL2 => self.start_l2().await?,
                Step::StartLoad => self.start_load().await?,
                Step::StartCoordinator => self.start_coordinator().await?,
                Step::StartProvers => self.start_provers()?,
                Step::Prove => self.prove().await?,
                Step::Report | Step::TearDown => {}
            }
        }
        Ok(())
    }
}

/// Cancelled with `stop`, and where the session is another process's: when that one is gone.
fn stop_with_input(run: &cli::Run, stop: &CancellationToken) -> CancellationToken {
    let stop = stop.child_token();
    if run.ends_with_input {
        let ended = stop.clone();
        // Not of the runtime: it would wait for the thread, which waits for input.
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            while input.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
            ended.cancel();
        });
    }
    stop
}

fn lock(path: &Path) -> Result<ProcessLock> {
    let mut lock = ProcessLock::take(path).map_err(|error| match error {
        LockError::Held(by) => eyre!(
            "a session runs already here (process {}): wait for its end, or choose another --data-dir and other ports",
            by.unwrap_or_default()
        ),
        LockError::Io(error) => eyre!("cannot lock {}: {error}", path.display()),
    })?;
    lock.sign().wrap_err_with(|| format!("cannot write {}", path.display()))?;
    Ok(lock)
}
