//! Copies of finished proofs, for whoever wants to verify them: the node keeps its own.

use bytes::Bytes;
use proofmill_client::{StatedProof, Statement, files};
use std::{io, path::Path};
use tokio::sync::Mutex;

/// Puts a proof into a file, whole or not at all. What proves nothing does not take the place of what does.
pub(super) async fn export<S: Statement>(
    path: &Path,
    proof: &StatedProof<S>,
    bytes: &Bytes,
) -> io::Result<()> {
    /// Proofs of several types come for the same file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let (path, bytes, proves) = (path.to_owned(), bytes.clone(), proof.proof.prover.proves());
    let written = tokio::task::spawn_blocking(move || {
        if !proves && files::holds_a_proof(&path) {
            return Ok(());
        }
        files::save(&path, &bytes)
    });
    written.await.map_err(io::Error::other)?
}

/// The file of a range proof.
pub(super) fn range_file(first: &u64, last: &u64) -> String {
    format!("{first}-{last}.bin")
}

/// The file of an epoch proof.
pub(super) fn epoch_file(first: &u64, last: &u64) -> String {
    format!("epoch-{first}-{last}.bin")
}

/// Removes the copy of a bad proof, if it is still that.
pub(super) async fn withdraw(path: &Path, bad: &Bytes) {
    let (path, bad) = (path.to_owned(), bad.clone());
    let removed = tokio::task::spawn_blocking(move || match std::fs::read(&path) {
        Ok(there) if there == bad => std::fs::remove_file(&path),
        _ => Ok(()),
    });
    if let Ok(Err(error)) = removed.await {
        tracing::warn!(%error, "the copy of a proof that does not hold cannot be removed");
    }
}
