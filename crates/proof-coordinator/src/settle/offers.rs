//! What the lock of a settler guards: the rules, and the proofs that wait to be settled.

use super::{
    metrics,
    parts::BatchCall,
    remembered::{self, Remembered},
    status::History,
    unready::Unready,
};
use crate::{
    rules::{Call, Discard, NextCall, Settling, SettlingConfig},
    shell::{Journal, Receipt},
};
use alloy_primitives::Address;
use bytes::Bytes;
use proofmill_chain::{ProofSet, SubmittedProof};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::oneshot;

pub(super) struct State {
    pub(super) rules: Settling,
    pub(super) offers: BTreeMap<(CheckpointNumber, ProverType), Offer>,
    pub(super) history: History,
    pub(super) unready: Unready,
    journal: Journal,
}

/// A proof that waits to be settled.
pub(super) struct Offer {
    pub(super) checkpoint: Checkpoint,
    pub(super) submitted: SubmittedProof,
    pub(super) proof: Bytes,
    /// Told when it does not do; dropped when it is not needed any more.
    pub(super) told: oneshot::Sender<Told>,
}

/// Why an offer is no more.
pub(super) enum Told {
    /// The proof is refused.
    Refused(Discard),
    /// What stands for it on L1 is not taken: it is to be made ready anew.
    NotAttested,
}

impl State {
    pub(super) fn new(config: SettlingConfig, verified: CheckpointNumber, remembered: Remembered) -> Self {
        let Remembered { before, journal } = remembered;
        let mut rules = Settling::new(config, verified);
        rules.restore(before);
        let (offers, history, unready) = (BTreeMap::new(), History::default(), Unready::default());
        let mut state = Self { rules, offers, history, unready, journal };
        drop(state.keep());
        state
    }

    /// The call to make now, in the name of a prover, or how long to wait for one.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        prover: Address,
    ) -> Result<(Call, BatchCall), Option<Duration>> {
        let call = match self.rules.next(now) {
            NextCall::Make(call) => call,
            NextCall::Wait(wait) => return Err(wait),
        };
        let proofs = |number: u64| {
            let number = CheckpointNumber(number);
            let of_it =
                self.offers.range((number, ProverType::ALL[0])..).take_while(|((of, _), _)| *of == number);
            of_it.map(|((_, prover), offer)| (*prover, offer.submitted.clone())).collect::<ProofSet>()
        };
        let batches = (call.first.0..=call.last.0).map(proofs).collect();
        Ok((call, BatchCall { first: call.first, prover, batches }))
    }

    /// The proofs of a batch are to be made ready for L1 anew: whoever offers them does so.
    pub(super) fn ready_anew(&mut self, number: CheckpointNumber) {
        for prover in ProverType::ALL {
            if let Some(offer) = self.offers.remove(&(number, prover)) {
                // Whoever had it made may have gone.
                let _ = offer.told.send(Told::NotAttested);
            }
        }
    }

    /// The rules have changed their mind: what is not needed any more is dropped, so that whoever waits is told; what the next process is
    /// to know is kept.
    pub(super) fn changed(&mut self) {
        let rules = &self.rules;
        self.offers.retain(|(number, _), offer| rules.is(*number, offer.checkpoint.commitment));
        drop(self.keep());
        self.show();
    }

    pub(super) fn show(&self) {
        metrics::standing(self.rules.settled().0, self.rules.open(), self.rules.ready());
    }

    /// Hands over what the next process is to know. Who deletes a refused proof waits for the receipt.
    pub(super) fn keep(&mut self) -> Receipt {
        let notes = self.rules.take_notes();
        self.journal.keep(notes.into_iter().map(remembered::change).collect())
    }
}
