//! Records of failures.

use super::context::Context;
use crate::{
    parts::{
        BadProof, FailureId, FailureRecord, FailureStore, Kept, MissingFile, NewFile, ProgramPair,
        StoredRange, Subject,
    },
    rules::{Failure, FailurePiece, RangeSpec},
};
use proofmill_fault::{Jitter, Patience};
use std::{collections::BTreeSet, time::Duration};
use tokio::task::JoinHandle;

/// How often a record is tried to be kept: about half an hour.
const TRIES: u32 = 40;
/// The waits between tries.
const PATIENCE: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));

/// Carries out [`Action::Upload`](crate::rules::Action::Upload).
pub(super) async fn upload(context: &Context, failure: Failure) {
    let (files, missing) = gather(context, &failure).await;
    let record = record(context, Subject::Failure(failure), &files, missing);
    keep(context.failures.clone(), record, files).await;
}

/// Keeps a proof that did not hold. That goes on where nobody waits for it.
pub(super) fn keep_bad(context: &Context, bad: BadProof) -> JoinHandle<()> {
    let files = vec![NewFile::bad_proof(bad.proof.clone())];
    let record = record(context, Subject::BadProof(bad), &files, Vec::new());
    tokio::spawn(keep(context.failures.clone(), record, files))
}

fn record(
    context: &Context,
    subject: Subject,
    files: &[NewFile],
    missing: Vec<MissingFile>,
) -> FailureRecord {
    let pair = |prover: &super::Prover| ProgramPair {
        range: prover.range_program,
        aggregation: prover.aggregation_program,
    };
    FailureRecord {
        release: env!("CARGO_PKG_VERSION").to_owned(),
        statement: context.config.statement,
        programs: context.provers.iter().map(|(kind, prover)| (*kind, pair(prover))).collect(),
        epoch_modes: context.provers.iter().map(|(kind, prover)| (*kind, prover.epoch_mode)).collect(),
        subject,
        files: files.iter().map(NewFile::described).collect(),
        missing,
    }
}

async fn keep(store: FailureStore, record: FailureRecord, files: Vec<NewFile>) {
    let id = FailureId::of(&record.subject);
    for tries in 1..=TRIES {
        match store.keep(&record, &files).await {
            Ok(Kept::New) => return tracing::warn!(%id, %store, "failure recorded"),
            Ok(Kept::Already) => return tracing::info!(%id, %store, "failure recorded before"),
            Err(error) if tries == TRIES => tracing::error!(%id, %error, "failure not recorded: given up"),
            Err(error) => {
                let again = PATIENCE.wait(tries, Jitter::of(tries.into()));
                tracing::error!(%id, %error, again_in_s = again.as_secs(), "failure not recorded");
                tokio::time::sleep(again).await;
            }
        }
    }
}

/// What a rerun needs of each range: its proof, or else the program's input. Inputs are the same for every prover type.
async fn gather(context: &Context, failure: &Failure) -> (Vec<NewFile>, Vec<MissingFile>) {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    let mut inputs: BTreeSet<RangeSpec> = BTreeSet::new();
    for piece in &failure.pieces {
        if let Some(proof) = stored(context, piece).await {
            files.push(proof);
        } else if inputs.insert(piece.range) {
            match input(context, failure, piece).await {
                Ok(input) => files.push(input),
                Err(cause) => missing.push(MissingFile { range: piece.range, cause }),
            }
        }
    }
    (files, missing)
}

async fn stored(context: &Context, piece: &FailurePiece) -> Option<NewFile> {
    let prover = context.provers.get(&piece.prover)?;
    let key = context.range_key(piece.prover, prover, piece.range);
    match context.proofs.range(&key).await {
        Ok(Some(StoredRange::Proof(proof))) => {
            Some(NewFile::range_proof(piece.prover, piece.range, proof.proof))
        }
        _ => None,
    }
}

async fn input(context: &Context, failure: &Failure, piece: &FailurePiece) -> Result<NewFile, String> {
    let prover = context.provers.get(&piece.prover).ok_or("nothing makes its proofs")?;
    let of_it = failure.checkpoints.iter().find(|checkpoint| checkpoint.number == piece.checkpoint);
    let checkpoint = of_it.ok_or("its checkpoint is not known")?;
    let input = prover.service.input(&context.request(*checkpoint, piece.range)).await?;
    Ok(NewFile::input(piece.range, input))
}
