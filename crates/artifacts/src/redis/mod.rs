//! Blobs in Redis, as the artifact clients of the SP1 cluster keep them there (`succinctlabs/sp1-cluster` at `9864f8b`,
//! `crates/artifact/src/redis.rs`):
//!
//! | what | how |
//! |---|---|
//! | node | [`node_of`]: a hash of the id, modulo the number of nodes, in the order in which they are named |
//! | bytes | one zstd stream |
//! | small | a string at `<id>` |
//! | large | a hash at `<id>:chunks`: pieces under `0`, `1`, …, and their number under `__n`, without which it is none |
//! | expiry | 6 hours; programs have none |
//! | who needs it | a set at `refs:<id>`, with the expiry of what is no program |
//!
//! A blob is removed with the last member of its set; a set that is empty does not exist in Redis, so whoever leaves one that was
//! never there removes the blob, too. Removing a blob leaves its set alone: it may be made again. The kind is no part of the key. A
//! blob in pieces is written under a key of its own, with an expiry of two minutes, and gets its name when it is whole.
//!
//! Their clients cut what has more than 32 MiB, packed, into pieces of 32 MiB, and read pieces of any number and size, whatever the size of
//! the whole. Ours have 4 MiB at the most ([`SLICE`]): each goes out while the next one is packed. A blob is in pieces if it has more than
//! 32 MiB unpacked and more than 4 MiB packed.
//!
//! Older ones (up to 2.6; OP Succinct pins 2.1.2) write no `__n`. A program or an input is uploaded before anybody is asked to use it, so
//! such a hash is whole. Of what tasks exchange it may be half of one.

mod fault;
mod node;
mod script;

use crate::{
    ArtifactError, ArtifactKind, DEFAULT_LIMIT, Removed, Reply,
    packing::{self, BrokeOff, IN_FLIGHT, NotUnpacked, Packed, Pieces, Unpacking},
    raw::{Look, Peers, RawStore, is_framed, most},
};
use ::redis::{Value, cmd, pipe};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use node::Node;
pub use node::Notice;
use proofmill_primitives::ArtifactId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

/// For how long a piece is kept that its writer never gives a name.
const STAGED_FOR: Duration = Duration::from_secs(120);

/// The field with the number of pieces.
const COUNT: &str = "__n";

/// Bytes of a piece of ours, at the most: little enough for buffers to be used again, and enough to be sent in one go.
const SLICE: usize = 4 << 20;

/// How many ids are renewed with one command.
const RENEWED_AT_ONCE: usize = 256;

/// How Redis is used. Its `Debug` shows of the servers how many there are: an address may hold a password.
#[derive(Clone)]
pub struct RedisOptions {
    /// The servers: `redis://[user]:password@host:port/database`, or `rediss://` for TLS. Every client must name the same ones
    /// in the same order.
    pub nodes: Vec<String>,
    /// For how long a blob is kept that nobody renews; the SP1 cluster's clients: 6 hours.
    pub lifetime: Duration,
    /// Bytes above which a blob is cut into pieces; the SP1 cluster's clients: 32 MiB.
    pub piece: usize,
    /// The most bytes that a blob may have, unpacked.
    pub limit: u64,
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, lifetime, piece, limit } = self;
        f.debug_struct("RedisOptions")
            .field("nodes", &nodes.len())
            .field("lifetime", lifetime)
            .field("piece", piece)
            .field("limit", limit)
            .finish()
    }
}

impl RedisOptions {
    /// As the SP1 cluster's clients use it.
    pub fn new(nodes: Vec<String>) -> Self {
        Self { nodes, lifetime: Duration::from_secs(6 * 3600), piece: 32 << 20, limit: DEFAULT_LIMIT }
    }
}

/// Blobs in one or several Redis servers. Connects when it is first used, and again after the connection is lost.
#[derive(Clone, Debug)]
pub struct RedisArtifacts {
    nodes: Arc<[Node]>,
    lifetime: Duration,
    piece: usize,
    limit: u64,
}

impl RedisArtifacts {
    /// Reads the options. Must be called inside a tokio runtime; asks nobody.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Refused`] where no server is named, or one by what is no address.
    pub fn new(options: &RedisOptions) -> Result<Self, ArtifactError> {
        let nodes = options.nodes.iter().map(|url| Node::new(url)).collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(fault::no_address("", "no server is named"));
        }
        let (lifetime, piece) = (options.lifetime.max(Duration::from_secs(1)), options.piece.max(1));
        Ok(Self { nodes: nodes.into(), lifetime, piece, limit: options.limit })
    }

    /// What an operator should change about the servers: without it, blobs that are in use may be lost, or none are taken.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Away`] or [`ArtifactError::Refused`] where one does not answer, or refuses.
    pub async fn notices(&self) -> Result<Vec<Notice>, ArtifactError> {
        let mut notices = Vec::new();
        for node in self.nodes.iter() {
            notices.extend(node.notices().await?);
        }
        Ok(notices)
    }

    /// Warns of what [`notices`](Self::notices) says of each server as soon as that is there.
    pub(crate) fn warn_once_there(&self) {
        for node in self.nodes.iter() {
            let node = node.clone();
            tokio::spawn(async move {
                match node.notices_once_there().await {
                    Ok(notices) => notices.iter().for_each(Notice::warn),
                    Err(error) => tracing::error!(%error, "the artifact store cannot be used"),
                }
            });
        }
    }

    fn node(&self, id: &ArtifactId) -> &Node {
        &self.nodes[node_of(id.as_str(), self.nodes.len())]
    }

    /// The size of the pieces of a blob that has so many bytes: what has no more than one of them is a string.
    fn piece_of(&self, length: usize) -> usize {
        if length > self.piece { self.piece.min(SLICE) } else { self.piece }
    }

    /// Seconds until a blob of a kind expires; 0 for never.
    const fn expiry_of(&self, kind: ArtifactKind) -> u64 {
        if matches!(kind, ArtifactKind::Program) { 0 } else { self.lifetime.as_secs() }
    }

    async fn write_string(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        bytes: Bytes,
    ) -> Result<(), ArtifactError> {
        let (node, key) = (self.node(id), id.as_str());
        let mut set = cmd("SET");
        set.arg(key).arg(&*bytes);
        if let expiry @ 1.. = self.expiry_of(kind) {
            set.arg("EX").arg(expiry);
        }
        // Whoever reads prefers the pieces.
        let mut both = pipe();
        both.atomic().add_command(set).ignore().cmd("UNLINK").arg(pieces_of(id)).ignore();
        let stored: Result<(), _> = node.pipe(&both).await;
        match stored {
            Ok(()) => Ok(()),
            Err(error) => Err(node.not_stored(id, bytes.len(), error).await),
        }
    }

    async fn write_pieces(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        pieces: Pieces,
    ) -> Result<(), ArtifactError> {
        let staged = format!("{}:stage_{}", pieces_of(id), uuid::Uuid::now_v7().simple());
        let result = self.stage_and_name(id, kind, &staged, pieces).await;
        if result.is_err() {
            // Otherwise it expires.
            let _: Result<Value, _> = self.node(id).command(cmd("UNLINK").arg(&staged)).await;
        }
        result
    }

    async fn stage_and_name(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        staged: &str,
        pieces: Pieces,
    ) -> Result<(), ArtifactError> {
        let node = self.node(id);
        let stage = async |(index, piece): (usize, Result<Bytes, BrokeOff>)| {
            let piece = piece.map_err(|broke_off| node.fault("store an artifact", &broke_off.to_string()))?;
            let mut both = pipe();
            both.atomic().cmd("HSET").arg(staged).arg(index).arg(&*piece).ignore();
            both.cmd("EXPIRE").arg(staged).arg(STAGED_FOR.as_secs()).ignore();
            let stored: Result<(), _> = node.pipe(&both).await;
            match stored {
                Ok(()) => Ok(1),
                Err(error) => Err(node.not_stored(id, piece.len(), error).await),
            }
        };
        let pieces = pieces.into_stream().enumerate().map(stage).buffer_unordered(IN_FLIGHT);
        let count = pieces.try_fold(0_usize, async |all, one| Ok(all + one)).await?;
        let mut name = cmd("EVAL");
        name.arg(script::NAME).arg(3).arg(staged).arg(pieces_of(id)).arg(id.as_str());
        name.arg(count).arg(self.expiry_of(kind)).arg(COUNT);
        match node.command(&name).await {
            Ok(1) => Ok(()),
            Ok(_) => Err(node.fault("store an artifact", "its pieces were gone before it was whole")),
            Err(error) => Err(node.not_stored(id, 0, error).await),
        }
    }

    /// The blob, from one string or from pieces. One that is replaced between two of its pieces seems damaged.
    async fn read_packed(&self, id: &ArtifactId, kind: ArtifactKind) -> Result<Bytes, ArtifactError> {
        let node = self.node(id);
        let failed = |error| fault::of_read(node, id, kind, &error);
        let number = || {
            let mut number = cmd("HGET");
            number.arg(pieces_of(id)).arg(COUNT);
            number
        };
        // No transaction: a full server takes none.
        let mut look = pipe();
        look.add_command(number()).cmd("GET").arg(id.as_str());
        let (count, string): (Option<usize>, Option<Vec<u8>>) = node.pipe(&look).await.map_err(failed)?;
        let most = most(self.limit);
        let not_unpacked = |cause: NotUnpacked| cause.of(id, kind, self.limit);
        let count = match (count, string) {
            (Some(count), _) => count,
            (None, Some(string)) => {
                return packing::unpack(string.into(), most).await.map_err(not_unpacked);
            }
            (None, None) => {
                // Pieces may have got their name between the two answers; and older clients of the SP1 cluster wrote no number.
                let mut again = pipe();
                again.cmd("HLEN").arg(pieces_of(id)).add_command(number());
                let (fields, number): (usize, Option<usize>) = node.pipe(&again).await.map_err(failed)?;
                number.unwrap_or(fields)
            }
        };
        if count == 0 {
            return Err(ArtifactError::Missing { id: id.clone(), kind });
        }
        let piece = async |index: usize| -> Result<Option<Vec<u8>>, ArtifactError> {
            node.command(cmd("HGET").arg(pieces_of(id)).arg(index)).await.map_err(failed)
        };
        let unpacking = Unpacking::start(most);
        let mut pieces = stream::iter(0..count).map(piece).buffered(IN_FLIGHT);
        while let Some(piece) = pieces.try_next().await? {
            let Some(piece) = piece else {
                let detail = "some of its pieces are not there".to_owned();
                return Err(ArtifactError::Damaged { id: id.clone(), kind, detail });
            };
            if !unpacking.add(piece.into()).await {
                break;
            }
        }
        drop(pieces);
        unpacking.finish().await.map_err(not_unpacked)
    }

    /// Runs a script that sets when blobs expire: it gets their keys, and a number of seconds. A node that is away does not keep it from
    /// the others.
    async fn expire_all(
        &self,
        ids: &BTreeSet<ArtifactId>,
        script: &'static str,
        after: Duration,
        doing: &'static str,
    ) -> Result<(), ArtifactError> {
        let mut of_node: BTreeMap<usize, Vec<&ArtifactId>> = BTreeMap::new();
        for id in ids {
            of_node.entry(node_of(id.as_str(), self.nodes.len())).or_default().push(id);
        }
        let mut outcome = Ok(());
        for (node, ids) in of_node {
            let node = &self.nodes[node];
            for some in ids.chunks(RENEWED_AT_ONCE) {
                let mut expire = cmd("EVAL");
                expire.arg(script).arg(some.len() * 3);
                for id in some {
                    expire.arg(id.as_str()).arg(pieces_of(id)).arg(holders_of(id));
                }
                expire.arg(after.as_secs().max(1));
                let set: Result<Value, _> = node.command(&expire).await;
                if let Err(error) = set {
                    outcome = outcome.and(Err(fault::of(node, doing, &error)));
                    break;
                }
            }
        }
        outcome
    }
}

/// The node of an id: bytes are added to a hash that is multiplied by 16777619 for each, from 0, in 64 bits.
fn node_of(id: &str, nodes: usize) -> usize {
    let hash = id.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(16_777_619).wrapping_add(byte.into()));
    usize::try_from(hash % nodes.max(1) as u64).unwrap_or_default()
}

/// Whether clients store it before they ask for a proof with it.
const fn is_uploaded(kind: ArtifactKind) -> bool {
    match kind {
        ArtifactKind::Program | ArtifactKind::Stdin | ArtifactKind::PrivateStdin => true,
        ArtifactKind::Intermediate | ArtifactKind::Exchanged | ArtifactKind::Proof => false,
    }
}

fn pieces_of(id: &ArtifactId) -> String {
    format!("{id}:chunks")
}

fn holders_of(id: &ArtifactId) -> String {
    format!("refs:{id}")
}

impl RawStore for RedisArtifacts {
    fn peers(&self) -> Peers {
        Peers::Sp1Cluster
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn write<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, parts: Vec<Bytes>) -> Reply<'a, ()> {
        Box::pin(async move {
            let size = self.piece_of(parts.iter().map(Bytes::len).sum());
            match packing::pack(parts, size, !is_framed(kind)).await {
                Ok(Packed::Whole(packed)) => self.write_string(id, kind, packed).await,
                Ok(Packed::Pieces(pieces)) => self.write_pieces(id, kind, pieces).await,
                Err(broke_off) => Err(self.node(id).fault("store an artifact", &broke_off.to_string())),
            }
        })
    }

    fn read<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(self.read_packed(id, kind))
    }

    /// Also keeps it from expiring: who asks is about to name it.
    fn look<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Option<Look>> {
        Box::pin(async move {
            let node = self.node(id);
            let mut look = cmd("EVAL");
            look.arg(script::LOOK).arg(2).arg(id.as_str()).arg(pieces_of(id));
            look.arg(self.lifetime.as_secs()).arg(COUNT).arg(i32::from(is_uploaded(kind)));
            let there: i64 =
                node.command(&look).await.map_err(|error| fault::of(node, "look for an artifact", &error))?;
            Ok((there == 1).then_some(Look::There))
        })
    }

    fn remove<'a>(&'a self, id: &'a ArtifactId, _: ArtifactKind) -> Reply<'a, ()> {
        Box::pin(async move {
            let node = self.node(id);
            let _: Value = node
                .command(cmd("UNLINK").arg(id.as_str()).arg(pieces_of(id)))
                .await
                .map_err(|error| fault::of(node, "remove an artifact", &error))?;
            Ok(())
        })
    }

    fn hold<'a>(&'a self, id: &'a ArtifactId, holder: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            let node = self.node(id);
            let mut join = cmd("EVAL");
            join.arg(script::HOLD).arg(3).arg(holders_of(id)).arg(id.as_str()).arg(pieces_of(id));
            join.arg(self.lifetime.as_secs()).arg(holder);
            let noted: Result<Value, _> = node.command(&join).await;
            match noted {
                Ok(_) => Ok(()),
                Err(error) => Err(node.not_stored(id, holder.len(), error).await),
            }
        })
    }

    fn let_go<'a>(&'a self, id: &'a ArtifactId, holder: &'a str) -> Reply<'a, bool> {
        Box::pin(async move {
            let node = self.node(id);
            let mut leave = cmd("EVAL");
            leave
                .arg(script::LET_GO)
                .arg(3)
                .arg(holders_of(id))
                .arg(id.as_str())
                .arg(pieces_of(id))
                .arg(holder);
            let removed: i64 = node
                .command(&leave)
                .await
                .map_err(|error| fault::of(node, "note that an artifact is not needed", &error))?;
            Ok(removed == 1)
        })
    }

    /// Blobs expire by themselves.
    fn sweep<'a>(&'a self, _: Duration, _: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, Removed> {
        Box::pin(async { Ok(Removed::default()) })
    }

    fn expiry(&self) -> Option<Duration> {
        Some(self.lifetime)
    }

    fn renew<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        Box::pin(async move {
            self.expire_all(&ids, script::RENEW, self.lifetime, "keep artifacts from expiring").await
        })
    }

    fn shorten<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>, to: Duration) -> Reply<'a, ()> {
        Box::pin(async move { self.expire_all(&ids, script::SHORTEN, to, "let artifacts expire").await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get_connection_idx` of the SP1 cluster's client, worked out by hand: 97·16777619 + 98 for `ab`, and so on.
    #[test]
    fn ids_go_to_the_nodes_where_others_look_for_them() {
        assert_eq!(node_of("", 7), 0);
        assert_eq!(node_of("a", 7), 97 % 7);
        assert_eq!(node_of("ab", 1000), (97 * 16_777_619 + 98) % 1000);
        let three = (97_u64 * 16_777_619 + 98).wrapping_mul(16_777_619).wrapping_add(99);
        assert_eq!(node_of("abc", 1000) as u64, three % 1000);
        assert_eq!(node_of("artifact_01jdabc", 1), 0);
    }
}
