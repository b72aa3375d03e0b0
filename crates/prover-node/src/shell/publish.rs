//! To L1 and back.

use super::{context::Context, stored::Stored};
use crate::{
    parts::EpochSubmission,
    rules::{Candidate, Event, L1View, Pass, PublishOutcome},
};
use std::{collections::BTreeMap, time::Duration};

/// How long a look at L1 may take.
const LOOK: Duration = Duration::from_secs(30);

/// What L1 shows, or why it cannot be seen.
pub(super) async fn look(context: &Context) -> Result<L1View, String> {
    match tokio::time::timeout(LOOK, context.settlement.view()).await {
        Ok(view) => view.map_err(|away| away.cause),
        Err(_) => Err(format!("no answer within {} s", LOOK.as_secs())),
    }
}

/// Carries out [`Action::ReadTip`](crate::rules::Action::ReadTip).
pub(super) async fn read_tip(context: &Context, pass: Pass) -> Event {
    Event::TipRead { pass, tip: look(context).await }
}

/// Carries out [`Action::Publish`](crate::rules::Action::Publish).
pub(super) async fn publish(context: &Context, pass: Pass, candidate: Candidate) -> Event {
    Event::PublishEnded { pass, outcome: submit(context, candidate).await }
}

/// Carries out [`Action::Prune`](crate::rules::Action::Prune).
pub(super) async fn prune(context: &Context, pass: Pass) -> Event {
    Event::PruneEnded { pass, outcome: context.settlement.prune().await }
}

async fn submit(context: &Context, candidate: Candidate) -> PublishOutcome {
    let mut proofs = BTreeMap::new();
    for (kind, prover) in &context.provers {
        let key = context.epoch_key(*kind, prover, candidate.span.spec);
        match context.stored_epoch(prover, &key).await {
            Ok(Stored::Good(proof)) => proofs.insert(*kind, proof),
            Ok(Stored::Nothing) => {
                let epoch = candidate.epoch;
                tracing::warn!(prover = %kind, %epoch, "an epoch proof is not in the store any more: it is made again");
                return PublishOutcome::RootLost { prover: *kind };
            }
            Ok(Stored::Bad { cause }) => return PublishOutcome::BadProof { prover: *kind, cause },
            Err(cause) => return PublishOutcome::Unavailable { cause },
        };
    }
    let submission = EpochSubmission {
        epoch: candidate.epoch,
        first: candidate.span.first,
        last: candidate.span.last,
        prover: context.config.statement.prover,
        proofs: proofs.clone(),
    };
    let outcome = context.settlement.submit(submission).await;
    let PublishOutcome::BadProof { prover: kind, cause } = &outcome else { return outcome };
    // Before anybody asks for it again.
    let discarded = match (context.provers.get(kind), proofs.get(kind)) {
        (Some(prover), Some(proof)) => {
            let key = context.epoch_key(*kind, prover, candidate.span.spec);
            context.discard_epoch(prover, &key, proof, cause).await
        }
        _ => Err(format!("L1 refuses a {kind} proof, and none was submitted: {cause}")),
    };
    match discarded {
        Ok(()) => outcome,
        // It is submitted once more, and refused.
        Err(cause) => PublishOutcome::Unavailable { cause },
    }
}
