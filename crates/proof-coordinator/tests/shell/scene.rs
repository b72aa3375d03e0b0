//! A coordinator on a free port, and a client. Beside `exec` there is a second type, which stands in for OpenVM: what is looked at here
//! is who is given what, and not how it is proven.

use proofmill_artifacts::FsArtifacts;
use proofmill_backends::{Backend, ExecBackend, Proof, Registry};
use proofmill_client::programs;
use proofmill_fault::Code;
use proofmill_ledger::Ledger;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProofMode, ProverType};
use proofmill_proof_coordinator::{
    Coordinator, CoordinatorConfig, CoordinatorError,
    rules::{BatchId, ProofLevel},
    serve,
};
use proofmill_service::{JobError, JobNote, Pulled, Pullers, Sought, Wanted, Work};
use proofmill_stand_in::StandIn;
use proofmill_wire::prover::{
    self, AssignRequest, GiveBackRequest, ReadInputRequest, SubmitRequest, assign_response,
    proof_coordinator_service_client::ProofCoordinatorServiceClient, submit_response,
};
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

/// How long a prover may hold a batch.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Longer than anything here takes, also where the machine does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The shortest pause of a prover after a fault. On a machine that stands still for as long, it is over before it is looked at.
const PAUSE: Duration = Duration::from_millis(750);

/// Whether a pause may be over that began since.
pub(crate) fn may_be_over(since: Instant) -> bool {
    since.elapsed() >= PAUSE
}

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    database: Option<String>,
    pub(crate) coordinator: Coordinator,
    client: ProofCoordinatorServiceClient<Channel>,
    pub(crate) cancel: CancellationToken,
    ending: CancellationToken,
    server: JoinHandle<Result<(), CoordinatorError>>,
}

fn registry() -> Registry {
    Registry::default().with(Arc::new(ExecBackend::default())).with(Arc::new(StandIn::default()))
}

/// The range program of a type.
fn version(prover: ProverType) -> ProgramVersion {
    programs::range_version(&*registry().get(prover).unwrap()).unwrap()
}

/// A batch of this number.
pub(crate) fn wanted(number: u64, prover: ProverType) -> Wanted {
    let sought = Sought {
        number: CheckpointNumber(number),
        level: ProofLevel::Range,
        content: [number as u8; 32],
        prover,
        program: version(prover),
    };
    Wanted {
        sought,
        stdin: format!("input {number}").into_bytes().into(),
        says: [vec![number as u8; 64], vec![number as u8; 32]],
        note: format!("note {number}").into_bytes().into(),
        cycle_limit: None,
    }
}

/// A proof that says what is wanted.
pub(crate) fn proof(of: &Wanted) -> Proof {
    let public_values = of.says[0].clone();
    Proof {
        prover: of.sought.prover,
        mode: ProofMode::Compressed,
        program: of.sought.program,
        public_values,
        body: Vec::new(),
    }
}

pub(crate) fn batch_of(batch: prover::BatchId) -> BatchId {
    let content = batch.content.try_into().unwrap();
    BatchId { number: CheckpointNumber(batch.number), level: ProofLevel::Range, content }
}

fn message(batch: &BatchId) -> Option<prover::BatchId> {
    let level = prover::Level::Range.into();
    Some(prover::BatchId { number: batch.number.0, level, content: batch.content.to_vec() })
}

async fn start(
    folder: &Path,
    database: Option<&str>,
    needed: &[ProverType],
    timeout: Duration,
    registry: &Registry,
    ending: CancellationToken,
) -> Result<Coordinator, CoordinatorError> {
    let ledger = match database {
        None => Ledger::open(&folder.join("assignments.sqlite")).await,
        Some(url) => Ledger::open_postgres(url, "coordinator").await,
    };
    let ledger = ledger.unwrap();
    let artifacts = Arc::new(FsArtifacts::open(&folder.join("artifacts")).unwrap());
    let config = CoordinatorConfig { needed: needed.iter().copied().collect(), timeout };
    Coordinator::start(config, ledger, artifacts, registry, ending).await
}

pub(crate) async fn start_without_verifier() -> CoordinatorError {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::default().with(Arc::new(ExecBackend::default()));
    let needed = [ProverType::Exec, ProverType::Sp1];
    let stop = CancellationToken::new();
    start(folder.path(), None, &needed, TIMEOUT, &registry, stop).await.err().unwrap()
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap(), None, TIMEOUT, &registry()).await
    }

    /// With another `exec`.
    pub(crate) async fn with_exec(exec: Arc<dyn Backend>) -> Self {
        Self::on(tempfile::tempdir().unwrap(), None, TIMEOUT, &registry().with(exec)).await
    }

    /// With another time-out.
    pub(crate) async fn with_timeout(timeout: Duration) -> Self {
        Self::on(tempfile::tempdir().unwrap(), None, timeout, &registry()).await
    }

    /// With its ledger in a database.
    pub(crate) async fn on_postgres(url: &str) -> Self {
        Self::on(tempfile::tempdir().unwrap(), Some(url.to_owned()), TIMEOUT, &registry()).await
    }

    async fn on(
        folder: tempfile::TempDir,
        database: Option<String>,
        timeout: Duration,
        registry: &Registry,
    ) -> Self {
        let ending = CancellationToken::new();
        let needed = [ProverType::Exec, ProverType::OpenVm];
        let coordinator =
            start(folder.path(), database.as_deref(), &needed, timeout, registry, ending.clone())
                .await
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(coordinator.clone(), listener, ending.clone()));
        let channel = proofmill_wire::endpoint(&address).unwrap().connect().await.unwrap();
        let client = ProofCoordinatorServiceClient::new(channel);
        Self { folder, database, coordinator, client, cancel: CancellationToken::new(), ending, server }
    }

    /// Another process on the same folder or database.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, database, coordinator, client, cancel, ending, server } = self;
        drop((coordinator, client));
        ending.cancel();
        cancel.cancel();
        server.abort();
        Self::on(folder, database, TIMEOUT, &registry()).await
    }

    /// The artifact store is away, or back.
    pub(crate) fn hide_artifacts(&self, away: bool) {
        let [there, aside] = ["artifacts", "aside"].map(|name| self.folder.path().join(name));
        if away {
            std::fs::rename(&there, &aside).unwrap();
            std::fs::write(&there, b"no folder").unwrap();
        } else {
            std::fs::remove_file(&there).unwrap();
            std::fs::rename(&aside, &there).unwrap();
        }
    }

    /// Every file of the artifact store becomes another one of its length, or goes.
    pub(crate) fn lose_artifacts(&self, all: bool) {
        let mut folders = vec![self.folder.path().join("artifacts")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if all {
                    std::fs::remove_file(path).unwrap();
                } else {
                    let length = std::fs::read(&path).unwrap().len();
                    std::fs::write(path, vec![7; length]).unwrap();
                }
            }
        }
    }

    /// What another one's artifact store has is in this one's, too.
    pub(crate) fn take_artifacts_of(&self, other: &Self) {
        let mut folders = vec![PathBuf::from("artifacts")];
        while let Some(folder) = folders.pop() {
            let (from, to) = (other.folder.path().join(&folder), self.folder.path().join(&folder));
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                if entry.path().is_dir() {
                    folders.push(folder.join(entry.file_name()));
                } else {
                    std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
                }
            }
        }
    }

    /// How its server ended, once it has.
    pub(crate) async fn ended(self) -> Result<(), CoordinatorError> {
        self.server.await.unwrap()
    }

    /// Somebody wants a proof, and waits.
    pub(crate) async fn want(&self, wanted: Wanted) -> JoinHandle<Result<Pulled, JobError>> {
        self.want_and_hear(wanted).await.0
    }

    /// The same, with what is said meanwhile.
    pub(crate) async fn want_and_hear(
        &self,
        wanted: Wanted,
    ) -> (JoinHandle<Result<Pulled, JobError>>, Arc<Mutex<String>>) {
        let notes = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&notes);
        let hear = move |note: JobNote| *heard.lock().unwrap() += &format!("{note:?}\n");
        let (coordinator, work) = (self.coordinator.clone(), Work::new(self.cancel.clone(), hear));
        let (number, prover) = (wanted.sought.number, wanted.sought.prover);
        let waiting = tokio::spawn(async move { coordinator.prove(wanted, &work).await });
        // Until it lies on the desk, or is found.
        let is_there = || {
            let shown = self.coordinator.shown();
            shown.iter().any(|shown| shown.batch.number == number && shown.prover == prover)
        };
        let end = Instant::now() + PATIENCE;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if is_there() || waiting.is_finished() {
                return (waiting, notes);
            }
            assert!(Instant::now() < end, "batch {number} is not waited for");
        }
    }

    pub(crate) async fn assign(&self, name: &str, prover_type: &str) -> assign_response::Outcome {
        let version = version(prover_type.parse().unwrap()).0.to_vec();
        let (range_version, aggregation_version) = (version.clone(), version);
        let (prover, prover_type) = (name.to_owned(), prover_type.to_owned());
        let request = AssignRequest { prover, prover_type, range_version, aggregation_version };
        self.client.clone().assign(request).await.unwrap().into_inner().outcome.unwrap()
    }

    pub(crate) async fn submit(
        &self,
        name: &str,
        prover_type: &str,
        batch: &BatchId,
        proof: &Proof,
    ) -> submit_response::Outcome {
        let (prover, prover_type) = (name.to_owned(), prover_type.to_owned());
        let request = SubmitRequest { prover, prover_type, batch: message(batch), proof: proof.encode() };
        self.client.clone().submit(request).await.unwrap().into_inner().outcome.unwrap()
    }

    /// Somebody hands a proof in, who may go before it is answered.
    pub(crate) fn submitting(&self, name: &str, batch: &BatchId, proof: &Proof) -> JoinHandle<()> {
        let (mut client, prover, prover_type) = (self.client.clone(), name.to_owned(), "exec".to_owned());
        let request = SubmitRequest { prover, prover_type, batch: message(batch), proof: proof.encode() };
        tokio::spawn(async move { drop(client.submit(request).await) })
    }

    pub(crate) async fn give_back(&self, name: &str, batch: &BatchId, fault: Option<(Code, &str)>) {
        let (fault, cause) =
            fault.map(|(code, cause)| (code.to_string(), cause.to_owned())).unwrap_or_default();
        let (prover, prover_type) = (name.to_owned(), "exec".to_owned());
        let request = GiveBackRequest { prover, prover_type, batch: message(batch), fault, cause };
        self.client.clone().give_back(request).await.unwrap();
    }

    pub(crate) async fn input(&self, name: &str, batch: &BatchId) -> Result<Vec<Vec<u8>>, Status> {
        let (prover, prover_type) = (name.to_owned(), "exec".to_owned());
        let request = ReadInputRequest { prover, prover_type, batch: message(batch) };
        let mut stream = self.client.clone().read_input(request).await?.into_inner();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.message().await? {
            pieces.push(piece.bytes);
        }
        Ok(pieces)
    }

    async fn sqlite(&self) -> SqliteConnection {
        let path = self.folder.path().join("assignments.sqlite");
        SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
    }

    /// Waits until the ledger has so many assignments: what is on its way into it may take a while.
    pub(crate) async fn has_rows(&self, expected: i64) {
        let end = Instant::now() + PATIENCE;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let rows = self.rows().await;
            if rows == expected {
                return;
            }
            assert!(Instant::now() < end, "{rows} assignments, and not {expected}");
        }
    }

    async fn rows(&self) -> i64 {
        let count = "SELECT count(*) FROM coordinator.assignments";
        if let Some(url) = &self.database {
            let mut connection = PgConnection::connect(url).await.unwrap();
            return sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        }
        let mut connection = self.sqlite().await;
        sqlx::query_scalar("SELECT count(*) FROM assignments").fetch_one(&mut connection).await.unwrap()
    }

    /// Another process holds the database for longer than anybody waits.
    pub(crate) async fn lock_ledger(&self) -> SqliteConnection {
        let mut connection = self.sqlite().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    }
}
