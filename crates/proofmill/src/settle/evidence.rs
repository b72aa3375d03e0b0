//! What is kept of a batch's proof that is refused: the proof, and what it can be made from again.

use futures::future::BoxFuture;
use proofmill_primitives::ProverType;
use proofmill_proof_coordinator::RefusedProof;
use proofmill_prover_node::{
    parts::{
        BadProof, FailureId, FailureRecord, FailureStore, FailureStoreError, Kept, MissingFile, NewFile,
        ProgramPair, RangeRequest, Statement, Subject,
    },
    rules::{ProofLevel, RangeSpec, Time},
};
use proofmill_service::ProofService;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Within this time the input of a record is built: the proof is not made anew before.
const INPUT: Duration = Duration::from_secs(15);
/// Within this time it is written. A store that is too slow or too full for it gets the rest alone: the proof is deleted afterwards.
const WRITTEN: Duration = Duration::from_secs(10);
/// The input is the same in all records of a batch and type. It is built for so many of them.
const WITH_INPUT: u32 = 3;

/// Keeps refused proofs where a prover node keeps its failures, for `proofmill failures`.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) store: FailureStore,
    pub(crate) statement: Statement,
    pub(crate) programs: BTreeMap<ProverType, ProgramPair>,
    /// What makes the proofs, and knows what they are made from.
    pub(crate) services: BTreeMap<ProverType, Arc<dyn ProofService>>,
}

impl Evidence {
    async fn record(&self, refused: &RefusedProof) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let subject = Subject::BadProof(BadProof {
            level: ProofLevel::Range,
            prover: refused.discard.prover,
            range: RangeSpec::of(&refused.checkpoint),
            checkpoint: Some(refused.checkpoint),
            cause: refused.discard.cause.clone(),
            at: Time::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            proof: refused.proof.clone(),
        });
        let id = FailureId::of(&subject);
        // The same proof, made anew: nothing new is known of it.
        if self.store.record(&id).await.is_ok() {
            return tracing::warn!(%id, store = %self.store, "failure recorded before: the same proof");
        }
        let input = self.input(refused).await;
        let kept = match tokio::time::timeout(WRITTEN, self.write(&subject, refused, input)).await {
            Ok(Ok(kept)) => Ok(kept),
            // On a full disk there may be room for the rest.
            Ok(Err(error)) => {
                self.write(&subject, refused, Err(format!("it could not be written: {error}"))).await
            }
            Err(_) => {
                let cause = format!("it could not be written within {} s", WRITTEN.as_secs());
                self.write(&subject, refused, Err(cause)).await
            }
        };
        match kept {
            Ok(Kept::New | Kept::Already) => tracing::warn!(%id, store = %self.store, "failure recorded"),
            Err(error) => tracing::error!(%id, %error, "failure not recorded"),
        }
    }

    async fn write(
        &self,
        subject: &Subject,
        refused: &RefusedProof,
        input: Result<NewFile, String>,
    ) -> Result<Kept, FailureStoreError> {
        let (mut files, mut missing) = (vec![NewFile::bad_proof(refused.proof.clone())], Vec::new());
        match input {
            Ok(input) => files.push(input),
            Err(cause) => missing.push(MissingFile { range: RangeSpec::of(&refused.checkpoint), cause }),
        }
        let record = FailureRecord {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            statement: self.statement,
            programs: self.programs.clone(),
            epoch_modes: BTreeMap::new(),
            subject: subject.clone(),
            files: files.iter().map(NewFile::described).collect(),
            missing,
        };
        self.store.keep(&record, &files).await
    }

    /// What the proof is made from, for a rerun.
    async fn input(&self, refused: &RefusedProof) -> Result<NewFile, String> {
        let (checkpoint, range) = (refused.checkpoint, RangeSpec::of(&refused.checkpoint));
        if refused.discard.times > WITH_INPUT {
            return Err(format!(
                "it is built for the first {WITH_INPUT} refused proofs of these blocks alone: their records have it, if L2's nodes \
                 gave it"
            ));
        }
        let service = self.services.get(&refused.discard.prover).ok_or("nothing makes its proofs")?;
        let request = RangeRequest { checkpoint, range, statement: self.statement, cycle_limit: None };
        match tokio::time::timeout(INPUT, service.input(&request)).await {
            Ok(input) => Ok(NewFile::input(range, input?)),
            Err(_) => Err(format!("L2's nodes did not give it within {} s", INPUT.as_secs())),
        }
    }
}

impl proofmill_proof_coordinator::Evidence for Evidence {
    fn keep<'a>(&'a self, refused: &'a RefusedProof) -> BoxFuture<'a, ()> {
        Box::pin(self.record(refused))
    }
}
