//! `proofmill dev`.

use crate::{
    cli,
    commands::worker::guard,
    dev::{Chains, Found, Kept, Launcher, Memory, Role, Show},
    figures::Figures,
    node::{self, Running},
    observe::{self, Observed},
    progress::duration,
    report::thousands,
    stop, wiring,
};
use eyre::{Result, WrapErr, bail};
use proofmill_artifacts::FsArtifacts;
use proofmill_backends::{Registry, SnarkVariant};
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_devnet::{DevKeys, L1Verifier};
use proofmill_ledger::{DataDir, Ledger};
use proofmill_primitives::{ProverType, Weight};
use proofmill_srs::Setup;
use proofmill_worker::memory;
use std::{
    net::TcpListener as StdListener,
    path::{Path, PathBuf},
    sync::Arc,
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
    attestors: Vec<Kept>,
    running: Running,
    /// The cluster, and the answers to `proofmill status`.
    roles: JoinSet<Result<()>>,
    launcher: Launcher,
    stop: CancellationToken,
    /// Owned for as long as the cluster runs.
    _dir: DataDir,
}

pub(crate) async fn run(global: &cli::Global, args: cli::Dev, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let start = Instant::now();
    let mut show = Show::new();
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
        tree = Tree::start(global, &args, &registry, &show) => tree?,
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
        std::fs::write(path, serde_json::to_vec_pretty(&json)?)
            .wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    outcome
}

impl Tree {
    async fn start(global: &cli::Global, args: &cli::Dev, registry: &Registry, show: &Show) -> Result<Self> {
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
        if args.localnet.l1_verifier != L1Verifier::Attestors
            && args.localnet.prover.contains(&ProverType::OpenVm)
        {
            check_memory(global, &crews)?;
        }
        wiring::check_helpers(registry, &args.localnet.prover).await?;
        // One `dev` at a time: this fails where another one runs.
        let dir = DataDir::open(folder)?;
        let (chains, found) = Chains::start(folder, &launcher, &args.localnet, show).await?;
        let there = &chains.description;
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
        let cluster = Cluster::start(cluster_config(args), ledger, artifacts).await?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.wrap_err("cannot listen on a free local port")?;
        let coordinator = format!("http://{}", listener.local_addr()?);
        let (stop, mut roles) = (CancellationToken::new(), JoinSet::new());
        let serving = stop.clone();
        roles.spawn(async move { Ok(cluster.serve(listener, serving).await?) });

        let workers = workers(folder, &launcher, args, crews, &coordinator)?;
        let (attestors, addresses) = attestors(folder, &launcher, args, &chains)?;
        let node_args = node_args(args, &chains, coordinator.clone(), addresses);
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
            attestors.len()
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
        let others = self.workers.iter().chain(&self.attestors).filter_map(Kept::pid);
        [std::process::id(), self.chains.description.pid].into_iter().chain(others)
    }

    /// Starts again what ended. Meanwhile a worker's tasks go on elsewhere, and a proof waits for its attestors.
    fn look_after(&mut self, show: &Show) -> Result<()> {
        if !self.chains.are_alive()? {
            bail!("the chains ended: see {}", self.launcher.log("localnet").display());
        }
        for kept in self.workers.iter_mut().chain(&mut self.attestors) {
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
        let others = self.workers.into_iter().chain(self.attestors);
        futures::future::join_all(others.map(Kept::stop)).await;
        let ended = async { while self.roles.join_next().await.is_some() {} };
        drop(tokio::time::timeout(Duration::from_secs(5), ended).await);
        self.chains.stop().await;
    }
}

fn cluster_config(args: &cli::Dev) -> ClusterConfig {
    let mut config = ClusterConfig::default();
    // A worker that hosts a controller must have room for a segment beside it, or it would idle meanwhile.
    let largest = args.workers.iter().map(|room| room.weight).max();
    let largest = largest.map(|most| most.saturating_sub(Weight::gb(1)));
    config.scheduler.controller_headroom =
        largest.map_or(args.segment_memory, |most| most.min(args.segment_memory));
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

/// Refuses a SNARK that no worker of OpenVM has the memory for.
fn check_memory(global: &cli::Global, crews: &[Crew]) -> Result<()> {
    let of_openvm = crews.iter().filter(|crew| crew.provers.contains(&ProverType::OpenVm));
    let weights = of_openvm.flat_map(|crew| &crew.weights).map(|weight| memory::max_weight(*weight));
    let weights = weights.collect::<Result<Vec<_>, _>>()?;
    let largest = weights.iter().copied().max().unwrap_or(Weight::ZERO);
    // The proof's controller may be on another one.
    let room = if weights.len() > 1 { largest + Weight::gb(1) } else { largest };
    wiring::check_memory(global, room)
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

/// None where nothing is to be attested.
fn attestors(
    folder: &Path,
    launcher: &Launcher,
    args: &cli::Dev,
    chains: &Chains,
) -> Result<(Vec<Kept>, Vec<String>)> {
    if !args.localnet.prover.iter().any(|prover| prover.proves()) {
        return Ok((Vec::new(), Vec::new()));
    }
    let there = &chains.description;
    let start = |(index, key): (usize, &alloy_primitives::B256)| {
        // Free now; the attestor takes it in a moment.
        let listen = StdListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
        let words = vec![
            "attestor".to_owned(),
            format!("--data-dir={}", folder.display()),
            format!("--l1-rpc={}", there.l1_rpc),
            format!("--rollup={}", there.rollup),
            format!("--listen={listen}"),
        ];
        let environment = vec![(crate::keys::ATTESTOR_KEY, key.to_string())];
        let role = Role { name: format!("attestor-{}", index + 1), binary: None, words, environment };
        Ok((Kept::start(launcher, role)?, format!("http://{listen}")))
    };
    let keys = DevKeys::attestor_texts(there.attestors.len());
    let started: Vec<(Kept, String)> = keys.iter().enumerate().map(start).collect::<Result<_>>()?;
    Ok(started.into_iter().unzip())
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
