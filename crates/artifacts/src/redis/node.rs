//! One server.

use super::{fault, script};
use crate::ArtifactError;
use ::redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cmd,
    io::tcp::TcpSettings,
};
use proofmill_primitives::ArtifactId;
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long an answer may take, pieces of a blob on the way included.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The first pause before a server that is away is asked again what should be changed about it; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Connections to each server: a piece of a blob holds up what follows on the same one. Those after the first are made when they
/// are needed.
const CONNECTIONS: usize = 4;

/// What nobody stores anything under: to find out what a server thinks of our commands.
const PROBE: &str = "proofmill-probe";

/// What an operator should change about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It throws blobs away that are in use, when its memory is full.
    Evicts {
        /// The server's address.
        place: String,
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// Nothing limits its memory: the system ends it when there is none left.
    Unlimited {
        /// The server's address.
        place: String,
    },
    /// It copies another server, and takes no writes.
    Replica {
        /// The server's address.
        place: String,
    },
}

impl Notice {
    pub(crate) fn warn(&self) {
        tracing::warn!(notice = %self, "the artifact store needs another setting");
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts { place, policy } => write!(
                f,
                "Redis at {place} has the eviction policy {policy}: artifacts of proofs in progress are lost when its memory is \
                 full; set `maxmemory-policy noeviction`"
            ),
            Self::Unlimited { place } => write!(
                f,
                "Redis at {place} has no maxmemory: it grows until the system ends it, with all artifacts; set `maxmemory` below \
                 the memory of its machine or cgroup"
            ),
            Self::Replica { place } => write!(
                f,
                "Redis at {place} is a replica, which takes no artifacts: name its master, or an address that follows the master"
            ),
        }
    }
}

#[derive(Clone)]
pub(super) struct Node {
    place: Arc<str>,
    connections: Arc<[Connection]>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.place).finish()
    }
}

/// One connection. It is made when it is first used, and again after it is lost.
struct Connection {
    client: Client,
    answer_within: Duration,
    manager: Mutex<ConnectionManager>,
    /// How many answers are to come on it.
    waiting: AtomicUsize,
}

impl Connection {
    fn new(client: Client, answer_within: Duration) -> RedisResult<Self> {
        let manager = Mutex::new(manager(&client, answer_within)?);
        Ok(Self { client, answer_within, manager, waiting: AtomicUsize::new(0) })
    }

    fn manager(&self) -> ConnectionManager {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A manager connects again where a connection is lost, and only there. Whoever asks next is to find out what the server says then
    /// also where a connection was refused: by a password that was wrong, or a server that had too many clients; where nothing is
    /// answered: what is between a server and us may drop a connection without a word, and it is minutes until the system notices;
    /// and where a server takes no writes: its name may lead to another master.
    fn after<T>(&self, outcome: RedisResult<T>) -> RedisResult<T> {
        if outcome.as_ref().is_err_and(fault::is_of_connection)
            && let Ok(another) = manager(&self.client, self.answer_within)
        {
            *self.manager.lock().unwrap_or_else(PoisonError::into_inner) = another;
        }
        outcome
    }
}

/// Whoever asks decides for how long to ask again.
fn manager(client: &Client, answer_within: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(100))
        .set_max_delay(Duration::from_millis(500))
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(answer_within));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// A call that waits for its answer on a connection.
struct Turn<'a>(&'a Connection);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    pub(super) fn new(url: &str) -> Result<Self, ArtifactError> {
        Self::answering_within(url, ANSWER_WITHIN)
    }

    fn answering_within(url: &str, time: Duration) -> Result<Self, ArtifactError> {
        proofmill_http::use_ring();
        let refused = |place: &str, error: RedisError| fault::no_address(place, error.category());
        let info = url.trim().into_connection_info().map_err(|error| refused("", error))?;
        let place: Arc<str> = info.addr().to_string().into();
        // The end of a blob does not wait for word that its beginning has arrived.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(|error| refused(&place, error))?;
        let connections = (0..CONNECTIONS).map(|_| Connection::new(client.clone(), time));
        let connections =
            connections.collect::<RedisResult<Vec<_>>>().map_err(|error| refused(&place, error))?;
        Ok(Self { place, connections: connections.into() })
    }

    /// Host and port.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The first of the connections on which the fewest answers are to come: what is asked for one after the other goes over one.
    fn turn(&self) -> Turn<'_> {
        let waiting = |connection: &&Connection| connection.waiting.load(Ordering::Relaxed);
        let best = self.connections.iter().min_by_key(waiting).unwrap_or(&self.connections[0]);
        best.waiting.fetch_add(1, Ordering::Relaxed);
        Turn(best)
    }

    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let turn = self.turn();
        let mut manager = turn.0.manager();
        turn.0.after(command.query_async(&mut manager).await)
    }

    pub(super) async fn pipe<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let turn = self.turn();
        let mut manager = turn.0.manager();
        turn.0.after(commands.query_async(&mut manager).await)
    }

    /// Something that only this server's state explains.
    pub(super) fn fault(&self, doing: &'static str, cause: &str) -> ArtifactError {
        ArtifactError::Away { doing, place: self.place.to_string(), cause: cause.to_owned() }
    }

    /// Why a blob could not be stored.
    pub(super) async fn not_stored(
        &self,
        id: &ArtifactId,
        needed: usize,
        error: RedisError,
    ) -> ArtifactError {
        let needed = needed as u64;
        if fault::is_of_its_disk(&error) {
            // Whoever made it would find its input, make it again, and come to the same.
            let place = format!("Redis at {} ({error})", self.place);
            return ArtifactError::NoSpace { id: id.clone(), place, needed, available: 0 };
        }
        if !fault::is_full(&error) {
            return fault::of(self, "store an artifact", &error);
        }
        let available = match self.memory().await {
            Ok(memory) => memory.limit.saturating_sub(memory.used),
            Err(_) => 0,
        };
        let place = format!("Redis at {}", self.place);
        ArtifactError::NoSpace { id: id.clone(), place, needed, available }
    }

    /// What an operator should change; an error where no artifact can be kept here at all.
    pub(super) async fn notices(&self) -> Result<Vec<Notice>, ArtifactError> {
        let failed = |error| fault::of(self, "ask whether it is as it should be", &error);
        let info = self.info(None).await.map_err(failed)?;
        let memory = info.memory();
        // Two keys, as of each artifact: a server in cluster mode refuses them.
        let mut look = cmd("EVAL");
        look.arg(script::LOOK)
            .arg(2)
            .arg(PROBE)
            .arg(format!("{PROBE}:chunks"))
            .arg(1)
            .arg(super::COUNT)
            .arg(0);
        let _: i64 = self.command(&look).await.map_err(failed)?;
        let place = || self.place.to_string();
        let mut notices = Vec::new();
        if memory.limit == 0 {
            notices.push(Notice::Unlimited { place: place() });
        }
        if memory.policy != "noeviction" {
            notices.push(Notice::Evicts { place: place(), policy: memory.policy });
        }
        if info.value("role") == Some("slave") {
            notices.push(Notice::Replica { place: place() });
        }
        Ok(notices)
    }

    /// The same of a server that is away, as soon as it is there.
    pub(super) async fn notices_once_there(&self) -> Result<Vec<Notice>, ArtifactError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.notices().await {
                Err(ArtifactError::Away { .. }) => {}
                answer => return answer,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn memory(&self) -> Result<Memory, RedisError> {
        Ok(self.info(Some("memory")).await?.memory())
    }

    /// `INFO`, because hosted servers have no `CONFIG`: a section of it, or all of the usual ones.
    async fn info(&self, section: Option<&str>) -> Result<Info, RedisError> {
        let mut info = cmd("INFO");
        if let Some(section) = section {
            info.arg(section);
        }
        self.command(&info).await.map(Info)
    }
}

/// What a server says of itself, line by line.
struct Info(String);

impl Info {
    fn value(&self, key: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
    }

    fn memory(&self) -> Memory {
        let number = |key: &str| self.value(key).and_then(|value| value.parse().ok()).unwrap_or(0);
        Memory {
            used: number("used_memory"),
            limit: number("maxmemory"),
            policy: self.value("maxmemory_policy").unwrap_or("noeviction").to_owned(),
        }
    }
}

/// A server's memory, in bytes; a limit of 0 is none.
struct Memory {
    used: u64,
    limit: u64,
    policy: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Instant;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
    };

    /// Answers what a client says when it connects, and then `PING`, unless there is nothing to be said to it.
    async fn serve(stream: TcpStream, pong: &str) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let said = match &*line {
                "CLIENT" => "+OK\r\n",
                "PING" => pong,
                _ => continue,
            };
            if write.write_all(said.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// A firewall forgets a connection, or the machine of a server is replaced: nothing is answered to whoever goes on using it. A
    /// master becomes a replica, and its name another server's.
    #[tokio::test]
    async fn a_connection_that_leads_nowhere_is_made_anew() {
        for first in ["", "-READONLY You can't write against a read only replica.\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("redis://{}", listener.local_addr().unwrap());
            tokio::spawn(async move {
                let mut pong = first;
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, pong));
                    pong = "+PONG\r\n";
                }
            });
            let node = Node::answering_within(&url, Duration::from_millis(300)).unwrap();
            let ping = async || node.command::<String>(&cmd("PING")).await;
            ping().await.unwrap_err();
            let until = Instant::now() + Duration::from_secs(300);
            let answer = loop {
                match ping().await {
                    Ok(answer) => break answer,
                    Err(error) => assert!(Instant::now() < until, "{error}"),
                }
            };
            assert_eq!(answer, "PONG");
        }
    }
}
