//! The prover node's parts put together, and its answers to `proofmill status`.

use crate::{
    cli,
    local::Site,
    observe::{self, Observed},
    pulling::Serving,
    settle::{L1Settlement, Snarks},
    sides::{Ours, Place, ours, sides},
    wiring,
};
use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::Registry;
use proofmill_chain::{DEVELOPMENT_CHAIN, Publishers, Rollup, Signer, StreamOptions};
use proofmill_client::{ClusterClient, ClusterProver};
use proofmill_ledger::{DataDir, ProcessLock};
use proofmill_primitives::{Epoch, ProofMode, ProverType};
use proofmill_prover_node::{
    NodeConfig, NodeHandle, Parts, Prover, ProverNode,
    parts::{ChainFeed, FsProofs, FsRequests, Statement},
    rules::{Config, CostRules, Started},
};
use proofmill_service::{ClusterService, L1Verifiers, NodeSide, ProofService, PullService};
use proofmill_wire::{
    Connections,
    node::{
        EpochRequest, SnapshotResponse, StartProofResponse,
        prover_node_service_server::{ProverNodeService, ProverNodeServiceServer},
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// A prover node that runs, and what it follows.
pub(crate) struct Running {
    pub(crate) node: ProverNode,
    pub(crate) rollup: Rollup,
    /// Whom its proofs name.
    pub(crate) prover: Address,
    /// What an operator may look at.
    pub(crate) observed: Observed,
    makers: Makers,
    ending: CancellationToken,
    /// One process keeps the proofs and the requests of a rollup in a folder.
    _lock: ProcessLock,
}

impl Running {
    /// Waits until a part of it has ended by itself, which it does only by a bug.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        tokio::select! {
            ended = self.makers.ended() => ended,
            ended = self.node.ended() => Ok(ended?),
        }
    }

    /// Ends in good order. A publish in flight is waited for; proofs that are being made go on in the cluster, or at the next start.
    pub(crate) async fn stop(self) -> Result<()> {
        self.ending.cancel();
        let stopped = self.node.stop().await;
        self.makers.stop().await;
        Ok(stopped?)
    }
}

/// Who makes the proofs.
enum Makers {
    Cluster(ClusterClient, Arc<dyn ArtifactStore>),
    /// What provers that pull ask.
    Pullers(Serving),
    /// A cluster and a worker in this process.
    Here(Site),
}

impl Makers {
    /// Does not come back while all is well.
    async fn ended(&mut self) -> Result<()> {
        match self {
            Self::Cluster(..) => std::future::pending().await,
            Self::Pullers(serving) => serving.ended().await,
            Self::Here(site) => Err(site.failed().await),
        }
    }

    async fn stop(self) {
        if let Self::Here(site) = self {
            site.stop().await;
        }
    }
}

/// Connects to everything, and starts. `payers` pay on L1, in this order.
pub(crate) async fn start(
    global: &cli::Global,
    args: &cli::ProverNode,
    registry: &Registry,
    payers: (Signer, Vec<Signer>),
    observed: Observed,
) -> Result<Running> {
    let rollup = wiring::rollup_of_role(&args.chains, &observed).await?;
    let l2 = wiring::l2_of_role(&args.l2, Some(rollup.config().chain_id), &observed).await?;
    wiring::check_snark(global, rollup.l1().chain_id())?;
    let ending = CancellationToken::new();
    let place = Place {
        data_dir: &global.data_dir,
        genesis: args.following.genesis.as_ref(),
        gather_within: args.following.gather_within(),
        registry,
        rollup: &rollup,
        chain: &l2,
        ending: &ending,
    };
    let folder = folder(&global.data_dir, rollup.l1().chain_id(), rollup.address());
    let lock = wiring::lock(&folder, "node.lock", "proves this rollup")?;
    let ours = ours(place).await?;
    let rollup = ours.rollup.clone();
    let config = rollup.config().clone();
    let statement = Statement {
        chain_id: config.chain_id,
        config_hash: config.config_hash,
        rollup: rollup.address(),
        prover: args.prover_id.unwrap_or_else(|| payers.0.address()),
    };
    let publishers = wiring::publishers(rollup.l1(), payers, &args.sending, &observed).await?;
    observe::watch_accounts(&publishers, &observed, &ending);
    let settlement = settlement(&rollup, publishers, args, registry).await?;
    for verifier in settlement.verifiers() {
        wiring::check_taken(global, registry, verifier).await?;
    }
    for prover in settlement.insecure() {
        let warning = format!(
            "INSECURE: L1 verifies {prover} proofs by a SNARK on the setup for development, which anybody can make of anything"
        );
        tracing::warn!("{warning}");
        observed.warn(warning);
    }
    let (provers, makers) = provers(global, args, &settlement, place, &ours).await?;
    if let Makers::Pullers(serving) = &makers {
        observed.coordinator(serving.coordinator.clone());
    }

    let mut rules = Config::new(config.clock, config.proof_types.iter().map(|of| of.prover));
    rules.max_pending_jobs = args.proving.max_pending_jobs;
    rules.max_range_jobs = args.proving.max_range_jobs;
    rules.settled = args.proving.settled_epochs;
    rules.proving_delay = Duration::from_secs(args.proving.proving_delay);
    check_delay(&rules)?;
    rules.prune_after = match (args.proving.disable_publish, args.proving.prune_after) {
        (true, _) => None,
        (false, Some(said)) => said.wait(),
        (false, None) => rules.prune_after,
    };
    rules.cost = CostRules {
        warn_above: args.cost.cost_warning,
        cycle_limit: args.cycle_limit,
        time: Duration::from_secs(args.timeout),
    };
    if args.observing.metrics_listen.is_some() {
        observed.batches(observe::watch_batches(rollup.clone(), l2.clone(), ending.clone()));
    }
    let poll = args.following.poll_every();
    let parts = Parts {
        chain: Box::new(ChainFeed::new(
            rollup.clone(),
            l2.clone(),
            StreamOptions::default().poll_every(poll),
        )?),
        provers,
        settlement: Arc::new(settlement),
        blocks: Arc::new(l2),
        proofs: Arc::new(FsProofs::open(&folder.join("proofs"))?),
        requests: Arc::new(FsRequests::new(folder.join("requests.json"))),
        failures: wiring::failures_of_role(args.proving.failures.as_deref(), &global.data_dir).await?,
    };
    let mut config = NodeConfig::new(rules, statement);
    config.look_every = poll;
    let node = ProverNode::start(config, parts)?;
    let snapshots = node.handle().snapshots();
    let published = snapshots.clone();
    observed.published(move || published.borrow().published().collect());
    let problems = move || snapshots.borrow().problems.iter().map(ToString::to_string).collect();
    observed.started(problems);
    Ok(Running { node, rollup, prover: statement.prover, observed, makers, ending, _lock: lock })
}

/// The rules would wait no longer than they may. Whoever sets more is told so, and not given less.
fn check_delay(rules: &Config) -> Result<()> {
    let (wanted, longest) = (rules.proving_delay, rules.longest_delay());
    if wanted > longest {
        bail!(
            "--proving-delay {} is more than a quarter of this rollup's proof submission window: {} seconds are the most, so that there is \
             time to prove",
            wanted.as_secs(),
            longest.as_secs()
        );
    }
    Ok(())
}

async fn settlement(
    rollup: &Rollup,
    publishers: Publishers,
    args: &cli::ProverNode,
    registry: &Registry,
) -> Result<L1Settlement> {
    let settlement = L1Settlement::new(rollup.clone(), publishers, &args.attestor, registry).await?;
    if !args.proving.disable_publish {
        return Ok(settlement);
    }
    tracing::warn!("nothing is submitted to L1: --disable-publish");
    Ok(settlement.estimating())
}

/// Where a node keeps what it has of a rollup. Each has a folder of its own: what is old is found by block numbers, and those
/// are the same everywhere.
pub(crate) fn folder(data_dir: &Path, l1_chain_id: u64, rollup: Address) -> PathBuf {
    data_dir.join("node").join(format!("{l1_chain_id}-{rollup:#x}"))
}

/// Who makes the proofs of these types, as the settings say.
async fn makers(
    global: &cli::Global,
    args: &cli::ProverNode,
    place: Place<'_>,
    types: Vec<ProverType>,
) -> Result<Makers> {
    let Place { data_dir, registry, rollup, ending, .. } = place;
    let artifacts = async || wiring::artifacts(&args.store, &data_dir.join("artifacts")).await;
    Ok(match args.service {
        cli::Service::Cluster => {
            Makers::Cluster(wiring::cluster_of_role(&args.cluster).await?, artifacts().await?)
        }
        cli::Service::Pull => {
            let folder = folder(data_dir, rollup.l1().chain_id(), rollup.address());
            let (artifacts, stop) = (artifacts().await?, ending.clone());
            Makers::Pullers(Serving::start(&args.serving, &folder, types, artifacts, registry, stop).await?)
        }
        cli::Service::Local => {
            for prover in &types {
                registry.get(*prover).wrap_err("--service local proves with this binary alone")?;
            }
            args.site().check_room(registry, &types)?;
            wiring::check_maker(global, registry, &types, args.room.max_weight).await?;
            // The data folder may be a cluster's, too.
            let own = cli::Global { data_dir: data_dir.join("local"), ..global.clone() };
            DataDir::mark(&own.data_dir)?;
            Makers::Here(Site::of_role(&own, &args.site(), registry, types).await?)
        }
    })
}

/// A proof service for each type that the rollup asks for, and who makes its proofs.
async fn provers(
    global: &cli::Global,
    args: &cli::ProverNode,
    settlement: &L1Settlement,
    place: Place<'_>,
    ours: &Ours,
) -> Result<(BTreeMap<ProverType, Prover>, Makers)> {
    let Place { data_dir, registry, rollup, .. } = place;
    let sides = sides(place, ours);
    if matches!(args.service, cli::Service::Local)
        && sides.iter().any(|(of, _)| settlement.epoch_mode(of.prover) == ProofMode::Plonk)
    {
        wiring::check_memory(global, proofmill_worker::memory::max_weight(args.room.max_weight)?)?;
    }
    let makers = makers(global, args, place, sides.iter().map(|(of, _)| of.prover).collect()).await?;
    let evidence = Some(data_dir.join("bad"));
    let development = rollup.l1().chain_id() == DEVELOPMENT_CHAIN;
    let verifiers: Arc<dyn L1Verifiers> =
        Arc::new(Snarks { settlement: settlement.clone(), named: global.snark });
    let mut provers = BTreeMap::new();
    for (of, side) in sides {
        let (backend, joined) = (registry.checker(of.prover)?, settlement.epoch_mode(of.prover));
        let by_tasks = |prover: ClusterProver, side: NodeSide| -> Arc<dyn ProofService> {
            let prover = ClusterProver { joined, development, evidence: evidence.clone(), ..prover };
            let verifiers = verifiers.clone();
            Arc::new(ClusterService { prover, side, verifiers, warn_above: args.cost.cost_warning })
        };
        let service: Arc<dyn ProofService> = match &makers {
            Makers::Cluster(client, artifacts) => {
                let prover = ClusterProver {
                    client: client.clone(),
                    artifacts: artifacts.clone(),
                    backend,
                    timeout: Duration::from_secs(args.timeout),
                    cycle_limit: None,
                    joined,
                    development,
                    evidence: None,
                };
                by_tasks(prover, side)
            }
            Makers::Here(site) => {
                // Nobody else makes them.
                backend
                    .check_mode(joined)
                    .wrap_err_with(|| format!("--service local is to make {} proofs for L1", of.prover))?;
                by_tasks(site.prover(backend, None), side)
            }
            Makers::Pullers(_) if joined == ProofMode::Plonk => bail!(
                "L1 verifies a SNARK of each epoch's {} proof, and provers that pull make none: use --service cluster or local",
                of.prover
            ),
            Makers::Pullers(serving) => {
                let pullers = Arc::new(serving.coordinator.clone());
                Arc::new(PullService { pullers, backend, side })
            }
        };
        let (range_program, aggregation_program) = (of.range_key, of.aggregation_key);
        let epoch_mode = joined;
        provers.insert(of.prover, Prover { service, range_program, aggregation_program, epoch_mode });
    }
    Ok((provers, makers))
}

/// Answers what an operator asks, until told to stop.
pub(crate) fn serve(
    running: &Running,
    listener: TcpListener,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), tonic::transport::Error>> + Send + use<> {
    let service = Operator {
        handle: running.node.handle(),
        rollup: running.rollup.address(),
        observed: running.observed.clone(),
    };
    proofmill_wire::server()
        .add_service(ProverNodeServiceServer::new(service))
        .serve_with_incoming_shutdown(Connections::from(listener), stop.cancelled_owned())
}

struct Operator {
    handle: NodeHandle,
    rollup: Address,
    observed: Observed,
}

#[tonic::async_trait]
impl ProverNodeService for Operator {
    async fn get_snapshot(&self, _: Request<()>) -> Result<Response<SnapshotResponse>, Status> {
        let snapshot = self.handle.snapshots().borrow().clone();
        let json = serde_json::to_string(&*snapshot).map_err(|error| Status::internal(error.to_string()))?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let role_json = serde_json::to_string(&self.observed.status())
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(SnapshotResponse { json, version, rollup: self.rollup.to_vec(), role_json }))
    }

    async fn start_proof(
        &self,
        request: Request<EpochRequest>,
    ) -> Result<Response<StartProofResponse>, Status> {
        let epoch = Epoch(request.into_inner().epoch);
        let started = self
            .handle
            .start_proof(epoch)
            .await
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        let (session, joined) = match started {
            Started::Opened(session) => (session, false),
            Started::Joined(session) => (session, true),
        };
        Ok(Response::new(StartProofResponse { session: session.0, joined }))
    }

    async fn retry(&self, request: Request<EpochRequest>) -> Result<Response<()>, Status> {
        let epoch = Epoch(request.into_inner().epoch);
        self.handle.retry(epoch).await.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_primitives::SlotClock;
    use std::num::NonZeroU64;

    #[test]
    fn a_delay_that_leaves_no_time_to_prove_is_refused_with_the_longest() {
        let some = |number| NonZeroU64::new(number).unwrap();
        let clock =
            SlotClock { genesis: 0, slot_seconds: some(12), epoch_slots: some(4), window_epochs: some(2) };
        let mut rules = Config::new(clock, [ProverType::Exec]);
        rules.proving_delay = Duration::from_secs(24);
        check_delay(&rules).unwrap();
        rules.proving_delay = Duration::from_secs(25);
        let said = check_delay(&rules).unwrap_err().to_string();
        assert!(said.contains("--proving-delay 25") && said.contains("24 seconds"), "{said}");
    }

    #[test]
    fn each_rollup_has_its_own_folder() {
        let there = |l1: u64, rollup: u8| folder(Path::new("data"), l1, Address::repeat_byte(rollup));
        let rollup = "0xabababababababababababababababababababab";
        assert_eq!(there(1, 0xab), Path::new("data/node").join(format!("1-{rollup}")));
        assert_ne!(there(1, 0xab), there(1, 0xac));
        // The same deployment on two L1s has one address.
        assert_ne!(there(1, 0xab), there(2, 0xab));
    }
}
