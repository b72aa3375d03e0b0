//! What is known of refused proofs over restarts: between the rules and the ledger.

use crate::{
    rules::{ProofLevel, ProofOf, RefusalNote, Refused},
    shell::Journal,
};
use alloy_primitives::B256;
use proofmill_ledger::{AssignmentKey, Change, Ledger, LedgerError, RefusalRecord};
use proofmill_primitives::CheckpointNumber;

/// What an earlier process knew of refused proofs, and where more is kept of them.
#[derive(Debug)]
pub struct Remembered {
    pub(super) before: Vec<(ProofOf, Refused)>,
    pub(super) journal: Journal,
}

impl Remembered {
    /// What the ledger has.
    pub(crate) async fn of(ledger: &Ledger, journal: Journal) -> Result<Self, LedgerError> {
        let before = ledger.refusals().await?.into_iter().filter_map(read).collect();
        Ok(Self { before, journal })
    }
}

/// What the ledger is told of a note.
pub(super) fn change(note: RefusalNote) -> Change {
    match note {
        RefusalNote::Refused(of, Refused { times, cause, again_at, remains }) => {
            let (key, remains) = (key(&of), remains.map(|hash| hash.0));
            Change::ProofRefused(Box::new(RefusalRecord { key, times, cause, again_at, remains }))
        }
        RefusalNote::Forgotten(of) => Change::RefusalForgotten(Box::new(key(&of))),
    }
}

fn key(of: &ProofOf) -> AssignmentKey {
    let ProofOf { number, content, prover } = *of;
    AssignmentKey { number: number.0, level: ProofLevel::Range.name().to_owned(), content: content.0, prover }
}

/// A row of another level, which another release may have written, counts for nothing.
fn read(row: RefusalRecord) -> Option<(ProofOf, Refused)> {
    let RefusalRecord { key, times, cause, again_at, remains } = row;
    let AssignmentKey { number, level, content, prover } = key;
    let of = ProofOf { number: CheckpointNumber(number), content: B256::from(content), prover };
    let refused = Refused { times, cause, again_at, remains: remains.map(B256::from) };
    (ProofLevel::parse(&level)? == ProofLevel::Range).then_some((of, refused))
}
