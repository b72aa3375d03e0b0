//! What an answer of Redis means.

use super::node::Node;
use crate::{ArtifactError, ArtifactKind};
use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use proofmill_primitives::ArtifactId;

const LOOK_AT_ACCESS: &str = "check user, password and database of the address, and that the user may run scripts and all commands on its keys";

/// An address that is none. It is not shown: it may hold a password.
pub(super) fn no_address(place: &str, cause: impl ToString) -> ArtifactError {
    ArtifactError::Refused {
        doing: "use Redis",
        place: place.to_owned(),
        cause: cause.to_string(),
        remedy: "write each server as redis://[user]:password@host:port/database, with commas between them"
            .into(),
    }
}

/// What an error means for whatever was being done.
pub(super) fn of(node: &Node, doing: &'static str, error: &RedisError) -> ArtifactError {
    let (place, cause) = (node.place().to_owned(), error.to_string());
    if is_away(error) {
        ArtifactError::Away { doing, place, cause }
    } else {
        ArtifactError::Refused { doing, place, cause, remedy: LOOK_AT_ACCESS.into() }
    }
}

/// What an error means for a blob that was being read: one under whose name is something else is damaged.
pub(super) fn of_read(node: &Node, id: &ArtifactId, kind: ArtifactKind, error: &RedisError) -> ArtifactError {
    let foreign = error.code() == Some("WRONGTYPE") || error.kind() == ErrorKind::UnexpectedReturnType;
    if foreign || error.to_string().contains("WRONGTYPE") {
        let detail = format!("Redis has something else under its name: {error}");
        return ArtifactError::Damaged { id: id.clone(), kind, detail };
    }
    of(node, "read an artifact", error)
}

/// Whether nothing was stored because there is no memory for it.
pub(super) fn is_full(error: &RedisError) -> bool {
    error.code() == Some("OOM") || error.to_string().contains("OOM")
}

/// A server that restarts, fails over or cannot be reached.
fn is_away(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        _ => error.is_io_error() || error.is_connection_dropped() || error.is_timeout(),
    }
}
