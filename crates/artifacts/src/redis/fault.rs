//! What an answer of Redis means. Servers say it by the word with which an error begins, of each command of a transaction for itself.

use super::node::Node;
use crate::{ArtifactError, ArtifactKind};
use ::redis::{ErrorKind, RedisError, ServerError};
use proofmill_primitives::ArtifactId;
use std::sync::Arc;

/// Words of a server that will answer later: it starts, fails over, is busy, or waits for its disk or for its replicas.
const LATER: [&str; 9] = [
    "LOADING",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "READONLY",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "UNBLOCKED",
];

/// Words of a server in cluster mode.
const CLUSTER: [&str; 3] = ["MOVED", "ASK", "CROSSSLOT"];

const LOOK_AT_ACCESS: &str = "check user, password and database of the address, and that the user may run scripts and all commands \
     on its keys";

const NO_CLUSTER: &str = "name servers that are not in cluster mode: an artifact lies under several keys of one server, and clients of the \
     SP1 cluster choose the server themselves";

/// A server says the same of a wrong password and of too many clients, as far as the client crate passes it on.
const LOOK_AT_PASSWORD: &str = "check user and password of the address; if they are right, raise the server's maxclients, or end \
     some of its clients";

/// An address that is none. It is not shown: it may hold a password.
pub(super) fn no_address(place: &str, cause: impl ToString) -> ArtifactError {
    ArtifactError::Refused {
        doing: "use Redis",
        place: place.to_owned(),
        cause: cause.to_string(),
        remedy: "write each server as redis://[user]:password@host:port/database (rediss:// for TLS), with commas between them, and \
                 a password's special characters percent-encoded"
            .into(),
    }
}

/// What an error means for whatever was being done.
pub(super) fn of(node: &Node, doing: &'static str, error: &RedisError) -> ArtifactError {
    let (place, cause) = (node.place().to_owned(), error.to_string());
    let errors = of_server(error);
    let remedy = if is_any(&errors, &CLUSTER) {
        NO_CLUSTER
    } else if is_away(error, &errors) {
        return ArtifactError::Away { doing, place, cause };
    } else if error.kind() == ErrorKind::AuthenticationFailed {
        LOOK_AT_PASSWORD
    } else {
        LOOK_AT_ACCESS
    };
    ArtifactError::Refused { doing, place, cause, remedy: remedy.into() }
}

/// What an error means for a blob that was being read: one under whose name is something else is damaged.
pub(super) fn of_read(node: &Node, id: &ArtifactId, kind: ArtifactKind, error: &RedisError) -> ArtifactError {
    if says(error, "WRONGTYPE") || error.kind() == ErrorKind::UnexpectedReturnType {
        let detail = format!("Redis has something else under its name: {error}");
        return ArtifactError::Damaged { id: id.clone(), kind, detail };
    }
    of(node, "read an artifact", error)
}

/// Whether nothing was stored because there is no memory for it.
pub(super) fn is_full(error: &RedisError) -> bool {
    says(error, "OOM")
}

/// Whether a server gives what it has, and takes nothing because it cannot write its snapshots: its disk is full, most likely.
pub(super) fn is_of_its_disk(error: &RedisError) -> bool {
    says(error, "MISCONF")
}

/// Whether another connection may come to another answer: this one was refused by the server (as against one that could not be made,
/// and a command that was refused), or nothing is answered on it, or its server was the master when it was made.
pub(super) fn is_of_connection(error: &RedisError) -> bool {
    let is_other = matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::UnexpectedReturnType);
    let was_refused = !is_other && of_server(error).is_empty();
    was_refused || error.is_timeout() || says(error, "READONLY")
}

/// A server that restarts, fails over, has too many clients or cannot be reached.
fn is_away(error: &RedisError, errors: &[(usize, ServerError)]) -> bool {
    let too_many =
        |error: &ServerError| error.details().is_some_and(|it| it.contains("max number of clients"));
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound)
        || is_any(errors, &LATER)
        || errors.iter().any(|(_, error)| too_many(error))
}

/// Whether a server's errors begin with a word, or tell of a script's that does: older servers put that in the middle.
fn says(error: &RedisError, word: &str) -> bool {
    let in_script = format!("-{word} ");
    of_server(error).iter().any(|(_, error)| {
        error.code() == word || error.details().is_some_and(|details| details.contains(&in_script))
    })
}

fn is_any(errors: &[(usize, ServerError)], words: &[&str]) -> bool {
    errors.iter().any(|(_, error)| words.contains(&error.code()))
}

/// What a server said, of each command that it refused.
fn of_server(error: &RedisError) -> Arc<[(usize, ServerError)]> {
    error.clone().into_server_errors().unwrap_or_default()
}
