//! What is in the proof store, checked before it is used; and what becomes of a proof that does not hold: its evidence is kept,
//! its service is told, and it is removed, so that nobody finds it again.

use super::{
    context::{Context, Prover},
    upload,
};
use crate::{
    parts::{BadProof, EpochKey, EpochProof, Flaw, RangeKey, RangeProof, StoredRange},
    rules::{ProofLevel, RangeSpec},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::ContentKey;
use proofmill_primitives::ProverType;
use proofmill_program::PublicValues;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Of how many proofs it is remembered that they hold.
const REMEMBERED: usize = 4_096;

/// How long keeping the evidence may hold up what asked for the proof.
const EVIDENCE: Duration = Duration::from_secs(30);

/// Why a proof is refused that may well hold.
const OF_SOMETHING_ELSE: &str = "it is of something else than what it is kept as";

/// Proofs that were found to hold: a publish looks at its proof at every try, and to verify takes a while.
#[derive(Debug, Default)]
pub(super) struct Holding(Mutex<BTreeSet<ContentKey>>);

impl Holding {
    fn knows(&self, key: &ContentKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    fn add(&self, key: ContentKey) {
        let mut holding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if holding.len() >= REMEMBERED {
            holding.clear();
        }
        holding.insert(key);
    }
}

/// What is found in the store.
pub(super) enum Stored<T> {
    /// It is there, and a proof holds.
    Good(T),
    /// Nothing that can be read.
    Nothing,
    /// It did not hold, and is removed.
    Bad { cause: String },
}

impl Context {
    /// What the store has of a range.
    ///
    /// # Errors
    /// The store, or what checks proofs, cannot be used now.
    pub(super) async fn stored_range(
        &self,
        prover: &Prover,
        key: &RangeKey,
    ) -> Result<Stored<StoredRange>, String> {
        let stored = self.proofs.range(key).await.map_err(|error| error.to_string())?;
        let proof = match stored {
            Some(StoredRange::Proof(proof)) => proof,
            Some(split) => return Ok(Stored::Good(split)),
            None => return Ok(Stored::Nothing),
        };
        let content = content(key.prover, &proof.values, &proof.proof);
        let checked = match key.is_of(&proof.values) {
            true => self.check(content, prover.service.check_range(&proof)).await,
            false => Err(Flaw::Bad { cause: OF_SOMETHING_ELSE.to_owned() }),
        };
        match checked {
            Ok(()) => Ok(Stored::Good(StoredRange::Proof(proof))),
            Err(Flaw::Unreadable) => {
                tracing::warn!(range = %key.range, "a stored proof cannot be read, and is made again");
                Ok(Stored::Nothing)
            }
            Err(Flaw::Unchecked { cause }) => Err(cause),
            Err(Flaw::Bad { cause }) => {
                self.discard_range(prover, key, &proof, &cause).await?;
                Ok(Stored::Bad { cause })
            }
        }
    }

    /// The epoch proof that the store has.
    ///
    /// # Errors
    /// As of [`stored_range`](Self::stored_range).
    pub(super) async fn stored_epoch(
        &self,
        prover: &Prover,
        key: &EpochKey,
    ) -> Result<Stored<EpochProof>, String> {
        let stored = self.proofs.epoch(key).await.map_err(|error| error.to_string())?;
        let Some(proof) = stored else { return Ok(Stored::Nothing) };
        let content = content(key.prover, &proof.values, &proof.proof);
        let checked = match key.is_of(&proof.values) {
            true => self.check(content, prover.service.check_epoch(&proof)).await,
            false => Err(Flaw::Bad { cause: OF_SOMETHING_ELSE.to_owned() }),
        };
        match checked {
            Ok(()) => Ok(Stored::Good(proof)),
            Err(Flaw::Unreadable) => {
                tracing::warn!(span = %key.span, "a stored epoch proof cannot be read, and is made again");
                Ok(Stored::Nothing)
            }
            Err(Flaw::Unchecked { cause }) => Err(cause),
            Err(Flaw::Bad { cause }) => {
                self.discard_epoch(prover, key, &proof, &cause).await?;
                Ok(Stored::Bad { cause })
            }
        }
    }

    /// A proof that its service has just made, and verified.
    pub(super) fn holds(&self, prover: ProverType, values: &impl PublicValues, proof: &Bytes) {
        self.holding.add(content(prover, values, proof));
    }

    async fn check(&self, content: ContentKey, check: BoxFuture<'_, Result<(), Flaw>>) -> Result<(), Flaw> {
        if !self.holding.knows(&content) {
            check.await?;
            self.holding.add(content);
        }
        Ok(())
    }

    async fn discard_range(
        &self,
        prover: &Prover,
        key: &RangeKey,
        proof: &RangeProof,
        cause: &str,
    ) -> Result<(), String> {
        let bad = self.bad(ProofLevel::Range, key.prover, key.range, &proof.proof, cause);
        self.put_aside(prover, bad).await;
        self.proofs.remove_range(key).await.map_err(|error| error.to_string())
    }

    /// Removes an epoch proof that does not hold, or that L1 refuses.
    ///
    /// # Errors
    /// The store cannot be used now.
    pub(super) async fn discard_epoch(
        &self,
        prover: &Prover,
        key: &EpochKey,
        proof: &EpochProof,
        cause: &str,
    ) -> Result<(), String> {
        let bad = self.bad(ProofLevel::Epoch, key.prover, key.span.range, &proof.proof, cause);
        self.put_aside(prover, bad).await;
        self.proofs.remove_epoch(key).await.map_err(|error| error.to_string())
    }

    fn bad(
        &self,
        level: ProofLevel,
        prover: ProverType,
        range: RangeSpec,
        proof: &Bytes,
        cause: &str,
    ) -> BadProof {
        let (at, cause) = (self.clock.now(), cause.to_owned());
        BadProof { level, prover, range, checkpoint: None, cause, at, proof: proof.clone() }
    }

    /// Keeps the evidence, and has the service hand out nothing like it. Neither keeps the proof from being removed.
    async fn put_aside(&self, prover: &Prover, bad: BadProof) {
        let (level, range, cause) = (bad.level.name(), bad.range, bad.cause.clone());
        tracing::error!(
            event = "proof_refused", level, prover = %bad.prover, %range, cause,
            "a proof does not hold, and is removed"
        );
        prover.service.refuse(&bad.proof, &cause).await;
        // Its removal does not wait for a store that is away.
        if tokio::time::timeout(EVIDENCE, upload::keep_bad(self, bad)).await.is_err() {
            tracing::error!(level, %range, "a bad proof is not kept as evidence yet: that goes on, and it is removed");
        }
    }
}

/// By all that a check looks at.
fn content(prover: ProverType, values: &impl PublicValues, proof: &Bytes) -> ContentKey {
    ContentKey::of(&[b"checked", prover.name().as_bytes(), &values.to_bytes(), proof])
}
