//! Starting the processes of a session, each when the one before is ready.

use super::{
    prepare::{KeptL1, kept_l1, kept_l1_file, remove},
    processes,
    roles::{COORDINATOR, L1, L2, prover_name},
    session::{Place, Session},
};
use crate::{
    cli::Room,
    dev::{Orphan, Role},
    held_port::HeldPort,
    keys, room,
};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_bench::steps;
use proofmill_chain::{L1 as L1Client, PoolOptions};
use proofmill_devnet::{Description, DevKeys, l1_options};
use proofmill_primitives::Weight;
use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};
use url::Url;

/// How long a process may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether it is.
const EVERY: Duration = Duration::from_millis(100);

impl Session<'_> {
    pub(super) async fn start_l1(&mut self) -> Result<()> {
        if let Some(kept) = kept_l1(&self.root)? {
            let rpc = local(kept.port)?;
            if answers(&rpc).await {
                self.live
                    .line(&format!("L1 of an earlier session is at {rpc}: the contracts get another salt"));
                (self.found_l1, self.l1_rpc) = (Some(kept.id), Some(rpc));
                self.ports.l1 = Some(kept.port);
                return Ok(());
            }
            processes::end(&kept.id).await?;
            remove(&kept_l1_file(&self.root))?;
            self.live.line("L1 of an earlier session does not answer: it is ended, and another is started");
        }
        let port = self.hold_port().wrap_err("cannot find a free port for L1")?;
        self.ports.l1 = Some(port);
        let (program, words) = l1_options().port(port).command_line()?;
        let role = Role { name: L1.to_owned(), binary: Some(program), words, environment: Vec::new() };
        let orphan = match self.shape.l1 {
            steps::L1::Stays => Orphan::GoesOn,
            steps::L1::Ends => Orphan::Ends,
        };
        self.processes.start(&self.launcher.of_others(), &role, orphan)?;
        let rpc = local(port)?;
        self.until_ready(L1, async || Ok(answers(&rpc).await)).await?;
        if let (steps::L1::Stays, Some(id)) = (self.shape.l1, self.processes.id(L1)) {
            let path = kept_l1_file(&self.root);
            fs::write(&path, serde_json::to_vec_pretty(&KeptL1 { id, port })?)
                .wrap_err_with(|| format!("cannot write {}", path.display()))?;
        }
        self.l1_rpc = Some(rpc);
        Ok(())
    }

    pub(super) async fn start_l2(&mut self) -> Result<()> {
        let l1 = self.l1_rpc.clone().ok_or_else(|| eyre!("there is no L1; please report it"))?;
        let role = self.cast().l2(&l1);
        self.start(&role)?;
        let (file, pid) = (self.work().join(L2).join("localnet.json"), self.processes.pid(L2));
        self.until_ready(L2, async || {
            Ok(Description::read(&file)?.is_some_and(|there| Some(there.pid) == pid))
        })
        .await?;
        let there = Description::read(&file)?.ok_or_else(|| eyre!("{} is gone", file.display()))?;
        self.live
            .line(&format!("L2 is at {}, the contract {} on {}", there.l2_rpc, there.rollup, there.l1_rpc));
        self.place = Some(Place { l1_rpc: there.l1_rpc, l2_rpc: there.l2_rpc, rollup: there.rollup });
        self.metrics = Some(local(self.run.metrics_port.get())?.join("metrics")?);
        Ok(())
    }

    /// Starts a round of the load.
    pub(super) fn send(&mut self) -> Result<()> {
        let key = match self.shape.chains {
            steps::Chains::Own => Some(DevKeys::funder_text().to_string()),
            steps::Chains::There => env::var(keys::LOAD_KEY).ok(),
        };
        let role = self.cast().load(&self.there()?, key);
        self.rounds += 1;
        self.start(&role)
    }

    pub(super) async fn start_load(&mut self) -> Result<()> {
        self.send()?;
        self.waiting_since = Instant::now();
        // Where nobody tells of batches before the coordinator does, there is nothing to wait for.
        while self.metrics.is_some() && self.batches.is_empty() {
            self.look(&[L2.to_owned()]).await?;
        }
        Ok(())
    }

    pub(super) async fn start_coordinator(&mut self) -> Result<()> {
        let mut hold = || self.hold_port().wrap_err("cannot find a free port for the proof coordinator");
        let (listen, metrics) = (hold()?, hold()?);
        let role = self.cast().coordinator(&self.there()?, listen, metrics);
        self.ports.coordinator = Some([listen, metrics]);
        self.start(&role)?;
        let listens = async || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, listen)).is_ok());
        self.until_ready(COORDINATOR, listens).await?;
        if self.metrics.is_none() {
            self.metrics = Some(local(metrics)?.join("metrics")?);
        }
        Ok(())
    }

    pub(super) fn start_provers(&mut self) -> Result<()> {
        let [coordinator, _] =
            self.ports.coordinator.ok_or_else(|| eyre!("there is no coordinator; please report it"))?;
        let share = self.share()?;
        for number in 1..=self.run.provers.get() {
            let role = self.cast().prover(number, coordinator, share);
            self.start(&role)?;
        }
        self.waiting_since = Instant::now();
        Ok(())
    }

    /// A port for a process of this session, and for nobody else until its end.
    fn hold_port(&mut self) -> io::Result<u16> {
        let port = HeldPort::any()?;
        let number = port.number();
        self.held.push(port);
        Ok(number)
    }

    /// What each of several provers may use of this machine's memory. One alone is told nothing.
    ///
    /// # Errors
    /// It is too little for a proof.
    pub(super) fn share(&self) -> Result<Option<Weight>> {
        // Another revision's tasks may weigh something else: its provers say it themselves.
        let backend = match self.shape.binary {
            steps::Binary::This => self.registry.get(self.prover).ok(),
            steps::Binary::Built => None,
        };
        let all = proofmill_worker::memory::max_weight(None)?;
        // Provers are told nothing else.
        let segment_memory = Room::default().segment_memory;
        room::share(backend.as_deref(), segment_memory, all, self.run.provers)
    }

    /// The processes that must go on until the end.
    pub(super) fn needed(&self) -> Vec<String> {
        let chains = [L2.to_owned()].into_iter().filter(|_| self.shape.chains == steps::Chains::Own);
        let provers = (1..=self.run.provers.get()).map(prover_name);
        chains.chain([COORDINATOR.to_owned()]).chain(provers).collect()
    }

    /// Starts a process that ends with this one, and follows its log.
    fn start(&mut self, role: &Role) -> Result<()> {
        self.followed.add(self.launcher.log(&role.name));
        self.processes.start(&self.launcher, role, Orphan::Ends)
    }

    pub(super) fn there(&self) -> Result<Place> {
        self.place.clone().ok_or_else(|| eyre!("there are no chains; please report it"))
    }

    /// Waits until a process is ready.
    async fn until_ready(&mut self, name: &str, is_ready: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !is_ready().await? {
            if self.processes.has_ended(name)? {
                bail!("{name} ended before it was ready: see {}", self.launcher.log(name).display());
            }
            if start.elapsed() > PATIENCE {
                let log = self.launcher.log(name);
                bail!("{name} is not ready after {} s: see {}", PATIENCE.as_secs(), log.display());
            }
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    }
}

fn local(port: u16) -> Result<Url> {
    Ok(Url::parse(&format!("http://127.0.0.1:{port}/"))?)
}

async fn answers(rpc: &Url) -> bool {
    L1Client::connect(PoolOptions::new(rpc.clone()), None).await.is_ok()
}
