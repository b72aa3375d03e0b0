//! What can be made durable.

use crate::{
    AssignmentKey, AssignmentRecord, ProofRecord, ProofUpdate, RefusalRecord, TaskRecord, TaskRecordState,
    Timestamp,
};
use proofmill_primitives::{ProofId, TaskId};

/// One change to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A proof is asked for.
    ProofInserted(Box<ProofRecord>),
    /// Some fields of a proof change.
    ProofUpdated {
        /// Which.
        proof: ProofId,
        /// What.
        update: Box<ProofUpdate>,
        /// When: its new [`ProofRecord::updated_at`].
        at: Timestamp,
    },
    /// What keeps a proof waiting changed; `None` when nothing does any more.
    ProofDiagnosed {
        /// Which.
        proof: ProofId,
        /// What, for people.
        diagnosis: Option<String>,
    },
    /// What a proof will take is known, or known anew.
    ProofPlanned {
        /// Which.
        proof: ProofId,
        /// What: only the coordinator knows what that means.
        plan: String,
    },
    /// A task is known. Its proof must be.
    TaskInserted(Box<TaskRecord>),
    /// A task's state changed.
    TaskStateChanged {
        /// Which.
        task: TaskId,
        /// Its state now.
        state: TaskRecordState,
    },
    /// A task has something to say to whoever follows it. Forgotten with the task; nothing happens where there is none.
    TaskSaid {
        /// Which.
        task: TaskId,
        /// What; only the two of them know what it means.
        payload: Vec<u8>,
    },
    /// The tasks of a proof are of no interest any more. Nothing happens where there are none.
    TasksForgotten {
        /// Whose.
        proof: ProofId,
    },
    /// The proof answers for this content from now on: [`Ledger::proof_by_content`](crate::Ledger::proof_by_content)
    /// finds it. It takes the place of another one.
    ContentProven {
        /// What was proven: a hash of program version, input and mode.
        key: [u8; 32],
        /// By which proof.
        proof: ProofId,
    },
    /// No proof answers for this content any more, because its artifact is gone, say. Nothing happens where none did.
    ContentForgotten {
        /// What was proven.
        key: [u8; 32],
    },
    /// A prover that pulls holds a batch. It takes the place of whoever held it.
    BatchAssigned(Box<AssignmentRecord>),
    /// Nobody holds the batch any more. Nothing happens where nobody did.
    AssignmentEnded(Box<AssignmentKey>),
    /// A proof of a batch is refused. It takes the place of what was known of those before.
    ProofRefused(Box<RefusalRecord>),
    /// That proofs of a batch were refused is of no interest any more. Nothing happens where none was.
    RefusalForgotten(Box<AssignmentKey>),
}

/// Changes that become durable together, in order: all of them, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(Vec<Change>);

impl Batch {
    /// No changes yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one at the end.
    pub fn push(&mut self, change: Change) {
        self.0.push(change);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes in order.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }
}

impl From<Vec<Change>> for Batch {
    fn from(changes: Vec<Change>) -> Self {
        Self(changes)
    }
}

impl FromIterator<Change> for Batch {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        Self(changes.into_iter().collect())
    }
}

impl Extend<Change> for Batch {
    fn extend<I: IntoIterator<Item = Change>>(&mut self, changes: I) {
        self.0.extend(changes);
    }
}
