//! What a person sees while a rollup is settled: a line for everything that happened, and how far what runs is.

use crate::{cli::LogFormat, progress::duration};
use proofmill_prover_node::rules::{
    CandidateEnd, Change, Origin, PieceState, Progress, RootState, SessionState, Snapshot, StoppedBy,
};
use std::time::{Duration, Instant};

/// How often a line says how far the provers are, where that has changed.
const EVERY: Duration = Duration::from_secs(15);

/// How often it says so where nothing has: a task may take many minutes.
const EVERY_UNCHANGED: Duration = Duration::from_secs(60);

/// Prints to standard error, or where that is for machines logs.
#[derive(Debug)]
pub(crate) struct Show {
    start: Instant,
    format: LogFormat,
    last: Option<Said>,
}

/// What was said last of how far the provers are.
#[derive(Debug)]
struct Said {
    text: String,
    first: Instant,
    last: Instant,
}

impl Show {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self { start: Instant::now(), format, last: None }
    }

    /// One line, with the time since the start.
    pub(crate) fn line(&self, text: &str) {
        match self.format {
            LogFormat::Text => eprintln!("[{}] {text}", duration(self.start.elapsed())),
            LogFormat::Json => tracing::info!(said = text, "dev"),
        }
    }

    /// Something that happened. Machines read it in the node's own record of it.
    pub(crate) fn change(&self, change: &Change) {
        if let (LogFormat::Text, Some(text)) = (self.format, describe(change)) {
            self.line(&text);
        }
    }

    /// How far everything is: said now and then. The log says what holds the node up.
    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) {
        self.progress(running(snapshot));
    }

    fn progress(&mut self, text: String) {
        let now = Instant::now();
        match &mut self.last {
            _ if text.is_empty() => self.last = None,
            Some(said) if said.text == text => {
                if now - said.last < EVERY_UNCHANGED {
                    return;
                }
                said.last = now;
                let unchanged = duration(now - said.first);
                self.line(&format!("{text} (unchanged for {unchanged})"));
            }
            Some(said) if now - said.last < EVERY => {}
            _ => {
                self.line(&text);
                self.last = Some(Said { text, first: now, last: now });
            }
        }
    }
}

/// What runs now.
fn running(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    for status in &snapshot.checkpoints {
        for (prover, track) in &status.tracks {
            for piece in &track.pieces {
                if let PieceState::Proving { progress, .. } = &piece.state {
                    let (number, so_far) = (status.checkpoint.number, steps(*progress));
                    parts.push(format!(
                        "checkpoint {number}: blocks {} by {prover}, {so_far}",
                        piece.range.blocks
                    ));
                }
            }
        }
    }
    for session in &snapshot.sessions {
        for (prover, root) in &session.roots {
            if let RootState::Aggregating { progress, .. } = &root.state {
                parts.push(format!(
                    "epoch {}: aggregation by {prover}, {}",
                    session.spec.epoch,
                    steps(*progress)
                ));
            }
        }
    }
    parts.join("; ")
}

fn steps(progress: Option<Progress>) -> String {
    progress.map_or_else(|| "asking for its proof".into(), |progress| progress.to_string())
}

/// Nothing where nobody would want to know.
fn describe(change: &Change) -> Option<String> {
    let made = |origin: &Origin| match origin {
        Origin::Made => "",
        Origin::Reused => " (found, not made again)",
    };
    Some(match change {
        Change::CheckpointAdded { id, epoch } => {
            format!("checkpoint {} landed on L1 in epoch {epoch}", id.number)
        }
        Change::RangeProven { checkpoint, prover, range, origin, .. } => {
            format!("checkpoint {checkpoint}: blocks {} proven by {prover}{}", range.blocks, made(origin))
        }
        Change::RangeCostly { checkpoint, prover, range, per_gas, warn_above, .. } => format!(
            "checkpoint {checkpoint}: blocks {} take {per_gas} instructions of {prover} for each gas, more than {warn_above}",
            range.blocks
        ),
        Change::RangeFailed { checkpoint, prover, range, cause, .. } => {
            format!("checkpoint {checkpoint}: blocks {} not proven by {prover}: {cause}", range.blocks)
        }
        Change::RangeSplit { checkpoint, range, at, .. } => {
            format!(
                "checkpoint {checkpoint}: blocks {} are proven in two parts, cut after {at}",
                range.blocks
            )
        }
        Change::CheckpointFailed { id, cause, .. } => {
            format!("checkpoint {} cannot be proven: {cause}", id.number)
        }
        Change::CheckpointStopped { id, cause, .. } => {
            format!("checkpoint {} cannot be proven now, and is tried again later: {cause}", id.number)
        }
        Change::EpochMissed { epoch, cause } => format!("epoch {epoch}: {cause}"),
        Change::Pruned { to, removed, cause } => {
            format!("{removed} checkpoints above {to} are void ({cause})")
        }
        Change::Session { spec, state, .. } => session(spec.epoch.0, state)?,
        Change::RootProven { epoch, prover, origin, .. } => {
            format!("epoch {epoch}: aggregated by {prover}{}", made(origin))
        }
        Change::RootDelayed { epoch, prover, cause, .. } => {
            format!("epoch {epoch}: not aggregated by {prover} yet: {cause}")
        }
        Change::ProofDiscarded { epoch, prover, level, range, cause } => format!(
            "epoch {epoch}: the {} proof of blocks {} by {prover} does not hold, and is removed: {cause}",
            level.name(),
            range.blocks
        ),
        Change::Publishing { epoch, .. } => format!("epoch {epoch}: submitting its proof to L1"),
        Change::PublishDelayed { epoch, cause, .. } => format!("epoch {epoch}: not submitted yet: {cause}"),
        Change::Candidate { epoch, end, .. } => match end {
            CandidateEnd::Published { receipt: Some(receipt) } => {
                format!(
                    "epoch {epoch}: SETTLED by L1 transaction {} ({} gas)",
                    receipt.transaction, receipt.gas_used
                )
            }
            CandidateEnd::Published { receipt: None } => {
                format!("epoch {epoch}: SETTLED, by a submission before a restart")
            }
            CandidateEnd::Unsent(estimate) => {
                format!("epoch {epoch}: proven, and not sent; L1 would take it for {} gas", estimate.gas)
            }
            CandidateEnd::Superseded { proven } => {
                format!("epoch {epoch}: L1 is proven up to checkpoint {proven} already")
            }
            CandidateEnd::Failed { cause } => format!("epoch {epoch}: L1 refused its proof: {cause}"),
            CandidateEnd::Expired => format!("epoch {epoch}: its proof submission window closed"),
            CandidateEnd::Withdrawn => return None,
        },
        Change::Pruning { .. } => "giving up on L1 what was not proven in time".to_owned(),
        Change::PruneDelayed { cause } => format!("what was not proven in time is not given up yet: {cause}"),
        Change::PruneEnded { receipt: Some(receipt) } => {
            format!(
                "what was not proven in time is given up by L1 transaction {} ({} gas)",
                receipt.transaction, receipt.gas_used
            )
        }
        Change::Expired { through } => format!("epochs up to {through} have expired"),
        _ => return None,
    })
}

fn session(epoch: u64, state: &SessionState) -> Option<String> {
    Some(match state {
        SessionState::AwaitingCheckpoints => format!("epoch {epoch} has ended: waiting for its range proofs"),
        SessionState::AwaitingRoot => format!("epoch {epoch}: all range proofs are there, aggregating them"),
        SessionState::Failed { cause } => format!("epoch {epoch} failed: {cause}"),
        SessionState::Stopped { by: StoppedBy::Checkpoint { number }, cause } => {
            format!("epoch {epoch} stopped: checkpoint {number} is not proven: {cause}")
        }
        SessionState::Stopped { by: StoppedBy::Itself { .. }, cause } => {
            format!("epoch {epoch} stopped, and is tried again later: {cause}")
        }
        SessionState::TimedOut => format!("epoch {epoch} was not proven in time"),
        _ => return None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::PruneCause;
    use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
    use proofmill_prover_node::rules::{L1Time, SessionId};

    /// The log does not have it besides: what the node warns of must not go without a word.
    #[test]
    fn what_is_warned_of_has_a_line() {
        let cause = || "the reason".to_owned();
        for change in [
            Change::EpochMissed { epoch: Epoch(7), cause: cause() },
            Change::RootDelayed {
                session: SessionId(1),
                epoch: Epoch(7),
                prover: ProverType::Exec,
                cause: cause(),
            },
            Change::PublishDelayed { session: SessionId(1), epoch: Epoch(7), cause: cause() },
            Change::Pruning { closed: L1Time(9) },
            Change::PruneDelayed { cause: cause() },
            Change::Pruned { to: CheckpointNumber(3), removed: 2, cause: PruneCause::L1Reorg },
        ] {
            let line = describe(&change).unwrap();
            assert!(!format!("{change:?}").contains("the reason") || line.contains("the reason"), "{line}");
        }
    }
}
