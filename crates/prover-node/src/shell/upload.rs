//! Records of failures.

use super::context::Context;
use crate::{
    parts::{FailureId, FailureRecord, Kept, StoredRange},
    rules::{Failed, Failure},
};
use bytes::Bytes;
use std::time::Duration;

/// How often a record is tried to be kept.
const TRIES: u32 = 5;
/// The wait between tries.
const RETRY: Duration = Duration::from_secs(10);

/// Carries out [`Action::Upload`](crate::rules::Action::Upload).
pub(super) async fn upload(context: &Context, failure: Failure) {
    let id = FailureId::of(&failure);
    let record = FailureRecord { files: files(context, &failure).await, failure };
    for _ in 0..TRIES {
        match context.failures.keep(record.clone()).await {
            Ok(Kept::New) => return tracing::warn!(%id, "a failure was recorded"),
            Ok(Kept::Already) => return,
            Err(error) => tracing::error!(%id, %error, "a failure cannot be recorded"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The inputs that a rerun needs: of a checkpoint the range program's, of a session the range proofs.
async fn files(context: &Context, failure: &Failure) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    match &failure.what {
        Failed::Checkpoint { prover: kind, range } => {
            if let (Some(prover), Some(checkpoint)) = (context.provers.get(kind), failure.checkpoints.first())
            {
                let request = context.request(*checkpoint, *range);
                let input = prover.service.input(&request).await;
                files.extend(input.map(|input| (format!("range-{kind}-{}.input", range.blocks), input)));
            }
        }
        Failed::Session { ranges, .. } => {
            for (kind, ranges) in ranges {
                let Some(prover) = context.provers.get(kind) else { continue };
                for range in ranges {
                    let key = context.range_key(*kind, prover, *range);
                    if let Ok(Some(StoredRange::Proof(proof))) = context.proofs.range(&key).await {
                        let name = format!("range-{kind}-{}", range.blocks);
                        let values = proofmill_program::PublicValues::to_abi(&proof.values);
                        files.push((format!("{name}.values"), values.into()));
                        files.push((format!("{name}.proof"), proof.proof));
                    }
                }
            }
        }
    }
    files
}
