//! Copies of finished proofs, for whoever wants to verify them: the node keeps its own.

use bytes::Bytes;
use proofmill_client::{StatedProof, Statement, files};
use proofmill_primitives::ProverType;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Puts a proof into a file, whole or not at all; beside another one that is there.
pub(super) async fn export<S: Statement>(
    path: &Path,
    proof: &StatedProof<S>,
    bytes: &Bytes,
) -> io::Result<()> {
    let (path, bytes, prover) = (path.to_owned(), bytes.clone(), proof.proof.prover);
    let written = tokio::task::spawn_blocking(move || files::save_beside(&path, prover, &bytes));
    written.await.map_err(io::Error::other)?.map(drop)
}

/// The file of a range proof; with its type where there are proofs of several.
pub(super) fn range_file(first: &u64, last: &u64, of: Option<ProverType>) -> String {
    match of {
        None => format!("{first}-{last}.bin"),
        Some(prover) => format!("{first}-{last}-{prover}.bin"),
    }
}

/// The file of an epoch proof, likewise.
pub(super) fn epoch_file(first: &u64, last: &u64, of: Option<ProverType>) -> String {
    format!("epoch-{}", range_file(first, last, of))
}

/// Removes the copy of a bad proof by a prover of this type, if it is still there.
pub(super) async fn withdraw(path: &Path, prover: ProverType, bad: &Bytes) {
    let (path, bad) = (path.to_owned(), bad.clone());
    let is_bad = move |place: &PathBuf| std::fs::read(place).is_ok_and(|there| there == bad);
    let removed = tokio::task::spawn_blocking(move || {
        let mut places = files::places(&path, prover);
        places.find(is_bad).map_or(Ok(()), std::fs::remove_file)
    });
    if let Ok(Err(error)) = removed.await {
        tracing::warn!(%error, "the copy of a proof that does not hold cannot be removed");
    }
}
