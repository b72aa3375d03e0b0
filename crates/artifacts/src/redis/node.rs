//! One server.

use super::fault;
use crate::ArtifactError;
use ::redis::{
    Client, Cmd, FromRedisValue, Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cmd,
};
use proofmill_primitives::ArtifactId;
use std::{
    fmt,
    sync::{
        Arc,
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

/// Connections to each server: a piece of a blob holds up what follows on the same one.
const CONNECTIONS: usize = 4;

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
}

impl Notice {
    pub(crate) fn warn(&self) {
        tracing::warn!(notice = %self, "the artifact store may lose artifacts");
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
        }
    }
}

#[derive(Clone)]
pub(super) struct Node {
    place: Arc<str>,
    connections: Arc<[ConnectionManager]>,
    next: Arc<AtomicUsize>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.place).finish()
    }
}

impl Node {
    pub(super) fn new(url: &str) -> Result<Self, ArtifactError> {
        proofmill_http::use_ring();
        let client = Client::open(url.trim()).map_err(|error| fault::no_address("", error.category()))?;
        let place: Arc<str> = client.get_connection_info().addr().to_string().into();
        // Whoever asks decides for how long to ask again.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(100))
            .set_max_delay(Duration::from_millis(500))
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connect = || ConnectionManager::new_lazy_with_config(client.clone(), config.clone());
        let connections = (0..CONNECTIONS).map(|_| connect()).collect::<Result<Vec<_>, _>>();
        let connections = connections.map_err(|error| fault::no_address(&place, error.category()))?;
        Ok(Self { place, connections: connections.into(), next: Arc::default() })
    }

    /// Host and port.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn connection(&self) -> ConnectionManager {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.connections[next % self.connections.len()].clone()
    }

    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        command.query_async(&mut self.connection()).await
    }

    pub(super) async fn pipe<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        commands.query_async(&mut self.connection()).await
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
        if !fault::is_full(&error) {
            return fault::of(self, "store an artifact", &error);
        }
        let available = match self.memory().await {
            Ok(memory) => memory.limit.saturating_sub(memory.used),
            Err(_) => 0,
        };
        let place = format!("Redis at {}", self.place);
        ArtifactError::NoSpace { id: id.clone(), place, needed: needed as u64, available }
    }

    pub(super) async fn notices(&self) -> Result<Vec<Notice>, ArtifactError> {
        let memory =
            self.memory().await.map_err(|error| fault::of(self, "ask how much memory it has", &error))?;
        let place = || self.place.to_string();
        let mut notices = Vec::new();
        if memory.limit == 0 {
            notices.push(Notice::Unlimited { place: place() });
        }
        if memory.policy != "noeviction" {
            notices.push(Notice::Evicts { place: place(), policy: memory.policy });
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

    /// `INFO`, because hosted servers have no `CONFIG`.
    async fn memory(&self) -> Result<Memory, RedisError> {
        let info: String = self.command(cmd("INFO").arg("memory")).await?;
        let value = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let number = |key: &str| value(key).and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        Ok(Memory {
            used: number("used_memory"),
            limit: number("maxmemory"),
            policy: value("maxmemory_policy").unwrap_or("noeviction").trim().to_owned(),
        })
    }
}

/// A server's memory, in bytes; a limit of 0 is none.
struct Memory {
    used: u64,
    limit: u64,
    policy: String,
}
