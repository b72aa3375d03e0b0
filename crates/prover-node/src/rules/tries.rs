//! What follows from an error of a proof service. The policy of [`proofmill_fault`] decides, as it does in the cluster below: what is
//! away is waited for and costs no try, what a prover fails at is tried again some time later, what cannot work is given up. What
//! giving up means (a split, a stop, a refutation) is for whoever asks.
//!
//! Two of its answers mean nothing here: *elsewhere*, because each prover type has one service, and what is *lost*, because a service
//! makes again what is not there, or says that it is not available.

use super::{JobError, JobId, Time, config::job_patience};
use proofmill_fault::{Decision, Event, Fault, History, Jitter};
use std::time::Duration;

/// When a job failed, within what window, and how many tries it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) job: JobId,
    pub(crate) now: Time,
    pub(crate) window: Duration,
    pub(crate) tries: u32,
}

impl Ended {
    /// When it is tried again; nothing where it is given up.
    pub(crate) fn again(self, history: &mut History, error: &JobError) -> Option<Time> {
        let Self { job, now, window, tries } = self;
        let (fault, jitter) = (Fault::from(error), Jitter::of(job.0));
        let event = Event { fault: &fault, worker: None, now_ms: now.as_millis(), others: false, jitter };
        match job_patience(tries, window).decide(history, event) {
            Decision::Again { after, .. } => Some(now.after(after)),
            Decision::GiveUp => None,
        }
    }
}
