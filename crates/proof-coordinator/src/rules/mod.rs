//! The rules of the proof coordinator and of the provers that ask it: plain functions over state, without a clock, I/O, dice or
//! async. [`Desk`] knows which batches wait, who holds which, and whose word counts for nothing for a while. A call comes in as
//! [`Ask`] or [`Submission`], leaves as one of the outcomes in this module, and what must be durable first is a [`Record`].
//! What storage says comes in between, as [`Found`]: a batch is marked before storage is asked and unmarked after, so that no
//! two calls look at the same batch, and nothing waits for storage but who asked. [`Round`] is the other side: which
//! coordinator a prover asks next, and when. [`Settling`] says which batches go to L1, and what follows from what L1 says.

mod batch;
mod desk;
mod failures;
mod outcome;
mod pauses;
mod quiet;
mod round;
mod settling;
mod slot;
mod submissions;

pub use batch::{AskedType, BadName, BatchId, Programs, ProofLevel, ProverName};
pub use desk::{Ask, Asked, Desk, DeskConfig, Found, Hold, Record, Taken};
pub use outcome::{
    AssignOutcome, MismatchOf, NotNeeded, RefusedFor, RetryReason, SubmitOutcome, VersionMismatch,
};
pub use pauses::Pauses;
pub use quiet::{Line, Quiet};
pub use round::{Heard, Next, Round};
pub use settling::{
    Call, CallCaps, CallEnded, CallReceipt, Consequence, Discard, NextCall, ProofOf, Quote, RefusalNote,
    Refused, Settling, SettlingConfig, Why,
};
pub use slot::{Held, Shown, SlotShown};
pub use submissions::{GivenBack, Received, Submission};

/// What fails so often in a row is a problem for an operator to see; what passes by itself in seconds is only in the log.
pub(crate) const PERSISTENT: u32 = 3;
