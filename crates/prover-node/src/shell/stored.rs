//! What is in the proof store, checked before it is used; and what becomes of a proof that does not hold: its evidence is kept,
//! its service is told, and it is removed, so that nobody finds it again. Which one is refused is durable first: a node that is killed
//! meanwhile goes on with that, and uses the proof no more. A store that takes nothing more, for want of space say, may still remove what
//! it has, so that the note is not waited for without end.

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
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::ProverType;
use proofmill_program::PublicValues;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Of how many proofs it is remembered that they hold.
const REMEMBERED: usize = 4_096;

/// How long keeping the evidence may hold up what asked for the proof.
const EVIDENCE: Duration = Duration::from_secs(30);

/// How often it is tried to note that a proof is refused before it is removed without a note, and the pauses between.
const NOTES: u32 = 4;
const NOTE_AGAIN: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(8));

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

/// Proofs that are refused and not removed yet: this process uses none of them, whether or not the store took a note of it.
#[derive(Debug, Default)]
pub(super) struct Refusing(Mutex<BTreeMap<ContentKey, Refusal>>);

#[derive(Debug)]
struct Refusal {
    cause: String,
    /// Its evidence is kept, or being kept.
    is_put_aside: bool,
}

impl Refusing {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContentKey, Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was not known before.
    fn begin(&self, of: ContentKey, cause: &str) -> bool {
        match self.lock().entry(of) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Refusal { cause: cause.to_owned(), is_put_aside: false });
                true
            }
        }
    }

    fn cause(&self, of: &ContentKey) -> Option<String> {
        self.lock().get(of).map(|refusal| refusal.cause.clone())
    }

    /// Whether its evidence is still to be kept: whoever asks keeps it.
    fn put_aside(&self, of: &ContentKey) -> bool {
        self.lock().get_mut(of).is_none_or(|refusal| !std::mem::replace(&mut refusal.is_put_aside, true))
    }

    fn end(&self, of: &ContentKey) {
        self.lock().remove(of);
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
        if let Some(cause) = self.refused(key.range.blocks.last(), &proof.proof).await? {
            self.discard_range(prover, key, &proof, &cause).await?;
            return Ok(Stored::Bad { cause });
        }
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
        if let Some(cause) = self.refused(key.span.range.blocks.last(), &proof.proof).await? {
            self.discard_epoch(prover, key, &proof, &cause).await?;
            return Ok(Stored::Bad { cause });
        }
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
        let block = key.range.blocks.last();
        self.mark_refused(block, &proof.proof, cause).await;
        withdraw(prover, &proof.proof, cause).await?;
        self.put_aside(self.bad(ProofLevel::Range, key.prover, key.range, &proof.proof, cause)).await;
        self.proofs.remove_range(key).await.map_err(|error| error.to_string())?;
        self.forget_refused(block, &proof.proof).await
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
        let block = key.span.range.blocks.last();
        self.mark_refused(block, &proof.proof, cause).await;
        withdraw(prover, &proof.proof, cause).await?;
        self.put_aside(self.bad(ProofLevel::Epoch, key.prover, key.span.range, &proof.proof, cause)).await;
        self.proofs.remove_epoch(key).await.map_err(|error| error.to_string())?;
        self.forget_refused(block, &proof.proof).await
    }

    /// Why a proof that is still in the store was refused: it could not be removed, or a process before this one was ended before it was.
    async fn refused(&self, block: u64, proof: &Bytes) -> Result<Option<String>, String> {
        match self.refusing.cause(&refusal(block, proof)) {
            Some(cause) => Ok(Some(cause)),
            None => self.proofs.refused(block, proof).await.map_err(|error| error.to_string()),
        }
    }

    /// Notes that a proof is refused, in this process at least.
    async fn mark_refused(&self, block: u64, proof: &Bytes, cause: &str) {
        let is_new = self.refusing.begin(refusal(block, proof), cause);
        let tries = if is_new { NOTES } else { 1 };
        for times in 1..=tries {
            match self.proofs.mark_refused(block, proof, cause).await {
                Ok(()) => return,
                Err(error) if times == tries => tracing::error!(
                    block, %error,
                    "that a proof is refused is not noted: where this process ends before the proof is removed, the next one uses it again"
                ),
                Err(error) => {
                    let again = NOTE_AGAIN.wait(times, Jitter::of(block.wrapping_add(times.into())));
                    tracing::warn!(block, %error, again_in_s = again.as_secs(), "that a proof is refused cannot be noted now");
                    tokio::time::sleep(again).await;
                }
            }
        }
    }

    /// One that was refused is removed, or was before another one of these bytes is kept, which whoever refused the first has not seen. The
    /// note of a node that was killed between removing a proof and this would have that one removed, too, without a look at it.
    pub(super) async fn forget_refused(&self, block: u64, proof: &Bytes) -> Result<(), String> {
        self.refusing.end(&refusal(block, proof));
        self.proofs.forget_refused(block, proof).await.map_err(|error| error.to_string())
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

    /// Keeps the evidence, which does not keep the proof from being removed.
    async fn put_aside(&self, bad: BadProof) {
        let (level, range) = (bad.level.name(), bad.range);
        if !self.refusing.put_aside(&refusal(range.blocks.last(), &bad.proof)) {
            return;
        }
        tracing::error!(
            event = "proof_refused", level, prover = %bad.prover, %range, cause = bad.cause,
            "a proof does not hold, and is removed"
        );
        // Its removal does not wait for a store that is away.
        if tokio::time::timeout(EVIDENCE, upload::keep_bad(self, bad)).await.is_err() {
            tracing::error!(level, %range, "a bad proof is not kept as evidence yet: that goes on, and it is removed");
        }
    }
}

/// Has the service hand out nothing like it. Until it can be told, the proof stays: the next one would be the same.
async fn withdraw(prover: &Prover, proof: &Bytes, cause: &str) -> Result<(), String> {
    let told = prover.service.refuse(proof, cause).await;
    told.then_some(()).ok_or_else(|| {
        format!(
            "a proof is refused ({cause}), and its service cannot be told yet: it would hand it out again"
        )
    })
}

/// By what the store notes of it.
fn refusal(block: u64, proof: &Bytes) -> ContentKey {
    ContentKey::of(&[b"refusal", &block.to_le_bytes(), proof])
}

/// By all that a check looks at.
fn content(prover: ProverType, values: &impl PublicValues, proof: &Bytes) -> ContentKey {
    ContentKey::of(&[b"checked", prover.name().as_bytes(), &values.to_bytes(), proof])
}
