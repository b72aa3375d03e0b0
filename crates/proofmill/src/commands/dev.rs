//! `proofmill dev`.

use crate::{
    cli,
    commands::worker::guard,
    dev::{Chains, Found, Kept, Launcher, Memory, Role, Show},
    figures::Figures,
    held_port::HeldPort,
    node::{self, Running},
    observe::{self, Observed},
    place,
    progress::duration,
    report::thousands,
    room, stop, wiring,
};
use eyre::{Result, WrapErr, bail};
use proofmill_artifacts::FsArtifacts;
use proofmill_backends::{Registry, SnarkVariant};
use proofmill_client::files;
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_devnet::{DevKeys, L1Verifier};
use proofmill_ledger::{DataDir, Ledger};
use proofmill_primitives::{ProofMode, ProverType, Weight};
use proofmill_srs::Setup;
use proofmill_worker::memory;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::broadcast::error::RecvError, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How often everything is looked at.
const BEAT: Duration = Duration::from_millis(500);

/// The whole tree.
struct Tree {
    chains: Chains,
    workers: Vec<Kept>,
    attestors: Attestors,
    running: Running,
    /// The cluster, and the answers to `proofmill status`.
    roles: JoinSet<Result<()>>,
    launcher: Launcher,
    stop: CancellationToken,
    /// Owned for as long as the cluster runs.
    _dir: DataDir,
}

pub(crate) async fn run(global: &cli::Global, args: cli::Dev, registry: Registry) -> Result<()> {
    // The chains outlive a process that is killed. Whoever asks twice that it ends wants none of them.
    let keeper = Arc::new(OnceLock::new());
    let (of_chains, folder) = (keeper.clone(), global.data_dir.clone());
    let stop = stop::on_signal_or_at_once(move || {
        if let Some(pid) = of_chains.get() {
            Chains::end_at_once(&folder, *pid);
        }
    })?;
    let start = Instant::now();
    let mut show = Show::new(global.log_format);
    for prover in args.localnet.prover.iter().filter(|prover| !prover.proves()) {
        show.line(&format!(
            "note: `{prover}` runs the programs natively and PROVES NOTHING; its L1 verifier accepts anything"
        ));
    }
    let insecure = global.snark.filter(|variant| variant.setup == Setup::Development);
    if let Some(variant) = insecure {
        show.line(&format!("note: the SNARK {variant} is INSECURE: anybody can make one of anything"));
    }
    let mut tree = tokio::select! {
        tree = Tree::start(global, &args, &registry, &show, &keeper) => tree?,
        () = stop.cancelled() => bail!("stopped"),
    };
    let (mut figures, mut memory) = (Figures::default(), Memory::default());
    let outcome = tree.watch(&args, &stop, &mut show, &mut figures, &mut memory).await;
    show.line("ending");
    tree.end().await;
    println!("{}", figures.tables());
    println!(
        "total time {}, peak memory of all processes together {} MB",
        duration(start.elapsed()),
        thousands(memory.peak_mb())
    );
    if let Some(path) = &args.report {
        let mut json = figures.json();
        json["total_ms"] = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into();
        json["peak_memory_mb"] = memory.peak_mb().into();
        json["insecure"] = insecure.map(|variant| variant.name()).into();
        files::save(path, &serde_json::to_vec_pretty(&json)?)
            .wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    outcome
}

impl Tree {
    /// `keeper` is told which process keeps the chains.
    async fn start(
        global: &cli::Global,
        args: &cli::Dev,
        registry: &Registry,
        show: &Show,
        keeper: &OnceLock<u32>,
    ) -> Result<Self> {
        let folder = &global.data_dir;
        let launcher = Launcher::new(global);
        if args.localnet.l1_verifier != L1Verifier::Attestors {
            match global.snark {
                Some(SnarkVariant::DEVELOPMENT) => {}
                Some(other) => bail!(
                    "--snark {other}: the contract of --l1-verifier takes {} alone",
                    SnarkVariant::DEVELOPMENT
                ),
                None => bail!(
                    "--l1-verifier wants a SNARK of each epoch, which nobody here makes: name one with --snark"
                ),
            }
        }
        let crews = crews(registry, args)?;
        check_rooms(global, registry, args, &crews)?;
        wiring::check_helpers(registry, &args.localnet.prover).await?;
        // One `dev` at a time: this fails where another one runs.
        let dir = DataDir::open(folder)?;
        if let Some(path) = &args.report {
            place::check(path, "--report")?;
        }
        let (chains, found) = Chains::start(folder, &launcher, &args.localnet, show).await?;
        let there = &chains.description;
        keeper.get_or_init(|| there.pid);
        show.line(&format!(
            "{}: L1 {}, L2 {}, rollup {}",
            match found {
                Found::There => "found the chains of an earlier run",
                Found::Started => "the chains are there",
            },
            there.l1_rpc,
            there.l2_rpc,
            there.rollup
        ));
        if found == Found::There {
            chains.check(&args.localnet)?;
        }
        let ledger = Ledger::open(&dir.ledger()).await?;
        let artifacts = Arc::new(FsArtifacts::open(&dir.artifacts())?);
        let cluster = Cluster::start(cluster_config(registry, args), ledger, artifacts).await?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.wrap_err("cannot listen on a free local port")?;
        let coordinator = format!("http://{}", listener.local_addr()?);
        let (stop, mut roles) = (CancellationToken::new(), JoinSet::new());
        let serving = stop.clone();
        roles.spawn(async move { Ok(cluster.serve(listener, serving).await?) });

        let workers = workers(folder, &launcher, args, crews, &coordinator)?;
        let attestors = attestors(folder, &launcher, args, &chains)?;
        let node_args = node_args(args, &chains, coordinator.clone(), attestors.addresses());
        let payers = (DevKeys::well_known(0)?.prover.into(), Vec::new());
        let observed = Observed::new("dev");
        observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
        let running = node::start(global, &node_args, registry, payers, observed).await?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.wrap_err("cannot listen on a free local port")?;
        let asked = format!("http://{}", listener.local_addr()?);
        let served = node::serve(&running, listener, stop.clone());
        roles.spawn(async move { Ok(served.await?) });
        show.line(&format!(
            "{} worker(s), {} attestor(s), a prover node: `proofmill status --cluster {coordinator} --node {asked}`",
            workers.len(),
            attestors.kept.len()
        ));
        show.line(&format!(
            "send transactions to {}: `proofmill load --rpc-url {0}`",
            chains.description.l2_rpc
        ));
        Ok(Self { chains, workers, attestors, running, roles, launcher, stop, _dir: dir })
    }

    /// Shows what happens until it is time to end.
    async fn watch(
        &mut self,
        args: &cli::Dev,
        stop: &CancellationToken,
        show: &mut Show,
        figures: &mut Figures,
        memory: &mut Memory,
    ) -> Result<()> {
        let handle = self.running.node.handle();
        let (mut changes, snapshots) = (handle.changes(), handle.snapshots());
        let clock = *self.running.rollup.clock();
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                change = changes.recv() => match change {
                    Ok(entry) => show.change(&entry.change),
                    Err(RecvError::Lagged(missed)) => show.line(&format!("({missed} lines left out)")),
                    Err(RecvError::Closed) => bail!("the prover node ended by itself"),
                },
                ended = self.running.node.ended() => {
                    ended?;
                    bail!("the prover node ended by itself");
                }
                Some(role) = self.roles.join_next() => {
                    role.wrap_err("a role panicked")??;
                    bail!("the cluster ended by itself");
                }
                _ = beat.tick() => {
                    let snapshot = snapshots.borrow().clone();
                    show.snapshot(&snapshot);
                    figures.observe(&clock, &snapshot);
                    memory.look(self.pids());
                    self.look_after(show)?;
                    if args.until_settled.is_some_and(|epochs| figures.settled() as u64 >= epochs) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        let others = self.workers.iter().chain(&self.attestors.kept).filter_map(Kept::pid);
        [std::process::id(), self.chains.description.pid].into_iter().chain(others)
    }

    /// Starts again what ended. Meanwhile a worker's tasks go on elsewhere, and a proof waits for its attestors.
    fn look_after(&mut self, show: &Show) -> Result<()> {
        if !self.chains.are_alive()? {
            bail!("the chains ended: see {}", self.launcher.log("localnet").display());
        }
        for kept in self.workers.iter_mut().chain(&mut self.attestors.kept) {
            kept.look_after(&self.launcher, show)?;
        }
        Ok(())
    }

    /// Ends everything, from the node down to the chains.
    async fn end(mut self) {
        if let Err(error) = self.running.stop().await {
            tracing::warn!(%error, "the prover node did not end in good order");
        }
        self.stop.cancel();
        let others = self.workers.into_iter().chain(self.attestors.kept);
        futures::future::join_all(others.map(Kept::stop)).await;
        let ended = async { while self.roles.join_next().await.is_some() {} };
        drop(tokio::time::timeout(Duration::from_secs(5), ended).await);
        self.chains.stop().await;
    }
}

fn cluster_config(registry: &Registry, args: &cli::Dev) -> ClusterConfig {
    let mut config = ClusterConfig::default();
    // A worker that hosts controllers must have room for any other task beside them, and beside the execution that waits for it too, or it
    // would idle meanwhile.
    let backends = args.localnet.prover.iter().filter_map(|prover| registry.get(*prover).ok());
    let heaviest = backends.map(|backend| {
        room::heaviest_task(&*backend, args.segment_memory, ProofMode::Compressed)
            + room::execution(&*backend, args.segment_memory)
    });
    let heaviest = heaviest.max();
    let headroom = heaviest.map_or(args.segment_memory, |heaviest| heaviest.max(args.segment_memory));
    let largest = args.workers.iter().map(|room| room.weight).max();
    let largest = largest.map(|most| most.saturating_sub(Weight::gb(1)));
    config.scheduler.controller_headroom = largest.map_or(headroom, |most| most.min(headroom));
    config
}

/// The workers of one binary.
#[derive(Debug, PartialEq, Eq)]
struct Crew {
    /// Another one than this.
    binary: Option<PathBuf>,
    provers: Vec<ProverType>,
    /// One worker for each; nothing is all that the machine has.
    weights: Vec<Option<Weight>>,
}

/// Which binaries are needed, and which workers of each.
fn crews(registry: &Registry, args: &cli::Dev) -> Result<Vec<Crew>> {
    let mut crews: Vec<Crew> = Vec::new();
    for prover in args.localnet.prover.iter().copied() {
        // Where this binary can neither prove nor check it, that is said at once.
        registry.checker(prover)?;
        let binary = registry.helper(prover).map(|helper| helper.binary().to_owned());
        match crews.iter_mut().find(|crew| crew.binary == binary) {
            Some(crew) => crew.provers.push(prover),
            None => crews.push(Crew { binary, provers: vec![prover], weights: Vec::new() }),
        }
    }
    if let Some(unknown) = args
        .workers
        .iter()
        .filter_map(|room| room.prover)
        .find(|prover| !args.localnet.prover.contains(prover))
    {
        bail!("--workers names a worker for {unknown}, which --prover does not ask for");
    }
    let several = crews.len() > 1;
    for crew in &mut crews {
        let of_it = |room: &&cli::WorkerRoom| room.prover.is_none_or(|prover| crew.provers.contains(&prover));
        crew.weights = args.workers.iter().filter(of_it).map(|room| Some(room.weight)).collect();
        if crew.weights.is_empty() && several {
            let provers: Vec<_> = args.localnet.prover.iter().map(|prover| format!("{prover}=GB")).collect();
            bail!(
                "the prover types are those of several binaries, whose workers share this machine: say how much memory those \
                 of each may use, with --workers {}",
                provers.join(",")
            );
        }
        if crew.weights.is_empty() {
            crew.weights.push(None);
        }
    }
    Ok(crews)
}

/// Refuses workers that would end at once, again and again, because they do not fit into the machine's memory, and those none of which
/// has room for a proof's heaviest task, or for the SNARK that L1 wants, once the proof's controller has its place.
fn check_rooms(global: &cli::Global, registry: &Registry, args: &cli::Dev, crews: &[Crew]) -> Result<()> {
    for crew in crews {
        let rooms =
            crew.weights.iter().map(|weight| memory::max_weight(*weight)).collect::<Result<Vec<_>, _>>();
        let rooms = rooms.wrap_err("no worker can be started as --workers (PROOFMILL_WORKERS) says")?;
        room::check(registry, &crew.provers, args.segment_memory, ProofMode::Compressed, &rooms)?;
        if args.localnet.l1_verifier != L1Verifier::Attestors && crew.provers.contains(&ProverType::OpenVm) {
            // What one has beside the controller, and that: where there are several it may be on another one.
            let controller = Weight::gb(1);
            wiring::check_memory(global, room::left_beside(&rooms, [controller]) + controller)?;
        }
    }
    Ok(())
}

fn workers(
    folder: &Path,
    launcher: &Launcher,
    args: &cli::Dev,
    crews: Vec<Crew>,
    coordinator: &str,
) -> Result<Vec<Kept>> {
    let all = crews.into_iter().flat_map(|Crew { binary, provers, weights }| {
        let provers = provers.iter().map(|prover| prover.name()).collect::<Vec<_>>().join(",");
        weights.into_iter().map(move |weight| (binary.clone(), provers.clone(), weight))
    });
    let start = |(index, (binary, provers, weight)): (usize, (Option<PathBuf>, String, Option<Weight>))| {
        let name = format!("worker-{}", index + 1);
        let mut words = vec![
            "worker".to_owned(),
            format!("--data-dir={}", folder.display()),
            format!("--coordinator={coordinator}"),
            format!("--id={name}"),
            format!("--prover={provers}"),
            format!("--segment-memory={}", args.segment_memory.as_gb()),
        ];
        words.extend(weight.map(|weight| format!("--max-weight={}", weight.as_gb())));
        // This process starts it again.
        let environment = vec![(guard::UNGUARDED, "1".to_owned())];
        Kept::start(launcher, Role { name, binary, words, environment })
    };
    all.enumerate().map(start).collect()
}

/// The attestors, and where they listen.
#[derive(Default)]
struct Attestors {
    kept: Vec<Kept>,
    /// Held, so that nobody else listens there before they do, or while one is started again.
    ports: Vec<HeldPort>,
}

impl Attestors {
    fn addresses(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("http://{}", port.address())).collect()
    }
}

/// None where nothing is to be attested.
fn attestors(folder: &Path, launcher: &Launcher, args: &cli::Dev, chains: &Chains) -> Result<Attestors> {
    let mut attestors = Attestors::default();
    if !args.localnet.prover.iter().any(|prover| prover.proves()) {
        return Ok(attestors);
    }
    let there = &chains.description;
    for (index, key) in DevKeys::attestor_texts(there.attestors.len()).iter().enumerate() {
        let port = HeldPort::any().wrap_err("cannot find a free port for an attestor")?;
        let words = vec![
            "attestor".to_owned(),
            format!("--data-dir={}", folder.display()),
            format!("--l1-rpc={}", there.l1_rpc),
            format!("--rollup={}", there.rollup),
            format!("--listen={}", port.address()),
        ];
        let environment = vec![(crate::keys::ATTESTOR_KEY, key.to_string())];
        let role = Role { name: format!("attestor-{}", index + 1), binary: None, words, environment };
        attestors.kept.push(Kept::start(launcher, role)?);
        attestors.ports.push(port);
    }
    Ok(attestors)
}

fn node_args(args: &cli::Dev, chains: &Chains, cluster: String, attestors: Vec<String>) -> cli::ProverNode {
    let there = &chains.description;
    cli::ProverNode {
        chains: cli::Chains {
            l1: cli::L1 { l1_rpc: vec![there.l1_rpc.clone()], l1_chain_id: Some(there.l1_chain_id) },
            rollup: there.rollup,
        },
        l2: cli::L2 { l2_rpc: vec![there.l2_rpc.clone()] },
        following: cli::Following::default(),
        service: cli::Service::Cluster,
        serving: cli::Serving::default(),
        cluster,
        room: cli::Room::default(),
        store: cli::Store::default(),
        attestor: attestors,
        sending: cli::Sending::default(),
        // What is served is that of the whole tree.
        observing: args.observing.clone(),
        prover_id: None,
        paying: cli::Paying::default(),
        listen: String::new(),
        proving: cli::Proving::default(),
        cycle_limit: None,
        cost: args.cost,
        timeout: 14_400,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    fn args(words: &[&str]) -> cli::Dev {
        let words = ["proofmill", "dev"].iter().chain(words);
        match cli::Cli::try_parse_from(words).unwrap().command {
            cli::Command::Dev(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    /// This binary has `exec`, and knows one that has SP1.
    fn registry() -> Registry {
        Registry::default()
            .with(Arc::new(proofmill_backends::ExecBackend::default()))
            .with_helper(ProverType::Sp1, "/there/proofmill-sp1")
    }

    #[test]
    fn each_prover_type_has_workers_of_the_binary_that_has_it() {
        let one = crews(&registry(), &args(&["--prover=exec"])).unwrap();
        let own = |weights: &[Option<u32>]| Crew {
            binary: None,
            provers: vec![ProverType::Exec],
            weights: weights.iter().map(|weight| weight.map(Weight::gb)).collect(),
        };
        assert_eq!(one, [own(&[None])]);
        let two =
            crews(&registry(), &args(&["--prover=exec,sp1", "--workers=exec=2,sp1=20,exec=3"])).unwrap();
        let sp1 = Crew {
            binary: Some("/there/proofmill-sp1".into()),
            provers: vec![ProverType::Sp1],
            weights: vec![Some(Weight::gb(20))],
        };
        assert_eq!(two, [own(&[Some(2), Some(3)]), sp1]);
        let shared = crews(&registry(), &args(&["--prover=exec,sp1", "--workers=20"])).unwrap();
        assert_eq!(shared.iter().map(|crew| crew.weights.len()).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_worker_that_the_machine_has_no_memory_for_is_refused() {
        let check = |workers: &str| {
            let words = ["proofmill", "dev", workers];
            let cli::Cli { global, .. } = cli::Cli::try_parse_from(words).unwrap();
            let args = args(&[workers]);
            check_rooms(&global, &registry(), &args, &crews(&registry(), &args).unwrap())
        };
        check("--workers=1,1").unwrap();
        check("--workers=2").unwrap();
        let said = check("--workers=1").unwrap_err().to_string();
        assert!(
            said.contains("1 GB beside the 1 GB of its controller") && said.contains("give one 2 GB"),
            "{said}"
        );
        let said = format!("{:#}", check("--workers=1,100000").unwrap_err());
        assert!(said.contains("--workers") && said.contains("100000 GB, but the machine"), "{said}");
    }

    #[test]
    fn what_is_missing_for_a_prover_type_is_said() {
        let said = |words: &[&str]| crews(&registry(), &args(words)).unwrap_err().to_string();
        let unknown = said(&["--prover=exec,openvm"]);
        assert!(unknown.contains("--binary openvm=FILE"), "{unknown}");
        let memory = said(&["--prover=exec,sp1"]);
        assert!(memory.contains("--workers exec=GB,sp1=GB"), "{memory}");
        let half = said(&["--prover=exec,sp1", "--workers=exec=2"]);
        assert!(half.contains("--workers exec=GB,sp1=GB"), "{half}");
        let stranger = said(&["--prover=exec", "--workers=sp1=2"]);
        assert!(stranger.contains("a worker for sp1"), "{stranger}");
    }
}
