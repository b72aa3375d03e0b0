//! Where a command leaves what it makes. It is tried before anything is made, which may take hours.

use eyre::{Result, WrapErr, bail};
use proofmill_client::files;
use proofmill_primitives::ProverType;
use std::path::{Path, PathBuf};

/// Tries whether a file can be saved where this flag says, or its default.
///
/// # Errors
/// It cannot.
pub(crate) fn check(path: &Path, flag: &str) -> Result<()> {
    files::check_place(path)
        .wrap_err_with(|| format!("cannot write {}: name another place with {flag}", path.display()))
}

/// Where a proof is saved.
#[derive(Clone, Debug)]
pub(crate) enum ProofPlace {
    /// Where --output says: what is there gives its place, unless it would be to what proves nothing.
    Named(PathBuf),
    /// Where nobody named a place: a proof that is there keeps it, and the new one stands beside it.
    Default(PathBuf),
}

impl ProofPlace {
    /// The place that is named, or this one.
    pub(crate) fn new(named: Option<&Path>, default: PathBuf) -> Self {
        named.map_or(Self::Default(default), |named| Self::Named(named.to_owned()))
    }

    /// Tries whether a proof by a prover of this type can be saved.
    ///
    /// # Errors
    /// It cannot, or must not.
    pub(crate) fn check(&self, prover: ProverType) -> Result<()> {
        match self {
            Self::Named(path) => check_proof(path, prover),
            Self::Default(path) => check(path, "--output"),
        }
    }

    /// Saves a proof; where it is.
    ///
    /// # Errors
    /// It cannot be saved, or must not.
    pub(crate) fn save(&self, prover: ProverType, file: &[u8]) -> Result<PathBuf> {
        let (path, saved) = match self {
            Self::Named(path) => {
                spare_a_proof(path, prover)?;
                (path, files::save(path, file).map(|()| path.clone()))
            }
            Self::Default(path) => (path, files::save_beside(path, prover, file)),
        };
        saved.wrap_err_with(|| format!("cannot write {}: name another place with --output", path.display()))
    }
}

/// Tries whether a proof by a prover of this type can be saved where --output says.
///
/// # Errors
/// It cannot be saved, or must not.
pub(crate) fn check_proof(path: &Path, prover: ProverType) -> Result<()> {
    spare_a_proof(path, prover)?;
    check(path, "--output")
}

/// Refuses to put what proves nothing in the place of what proves something.
fn spare_a_proof(path: &Path, prover: ProverType) -> Result<()> {
    if !prover.proves() && files::holds_a_proof(path) {
        bail!(
            "{} holds a real proof, which a file of `exec` must not replace: name another with --output",
            path.display()
        );
    }
    Ok(())
}
