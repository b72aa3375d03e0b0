//! The coordinator's process around the rules, as the shell is: what it has in memory, and what outlives it.

use crate::{Rng, provers::version};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_proof_coordinator::rules::{BatchId, Desk, DeskConfig, Found, Held, ProofLevel, Record};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) type Key = (BatchId, ProverType);

/// What outlives the process.
#[derive(Default)]
pub(crate) struct Durable {
    pub(crate) rows: BTreeMap<Key, Held>,
    pub(crate) proofs: BTreeSet<Key>,
    /// Inputs, by batch: for which program versions there is one.
    pub(crate) inputs: BTreeMap<BatchId, BTreeSet<ProgramVersion>>,
}

impl Durable {
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Held(batch, prover, held) => self.rows.insert((*batch, *prover), held.clone()),
            Record::Ended(batch, prover) => self.rows.remove(&(*batch, *prover)),
        };
    }

    pub(crate) fn found(&self, key: &Key, needs: Option<ProgramVersion>) -> Found {
        Found {
            proof: self.proofs.contains(key),
            version: needs,
            inputs: self.inputs.get(&key.0).cloned().unwrap_or_default(),
        }
    }
}

pub(crate) fn desk(needed: &BTreeSet<ProverType>) -> Desk {
    let timeout = Duration::from_millis(crate::model::TIMEOUT);
    Desk::new(DeskConfig { needed: needed.clone(), timeout })
}

/// A batch, and the version that it is for.
pub(crate) fn batch(number: u64, rng: &mut Rng, upgraded_at: u64) -> (BatchId, ProgramVersion) {
    let level = if number.is_multiple_of(5) { ProofLevel::Epoch } else { ProofLevel::Range };
    let content = [rng.next() as u8; 32];
    let needs = version(if number < upgraded_at { 1 } else { 2 });
    (BatchId { number: CheckpointNumber(number), level, content }, needs)
}

/// A clock that may jump.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clock {
    offset: i64,
}

impl Clock {
    /// Some hours are behind every moment here, so that nothing is before the beginning.
    const BEGAN: i64 = 1_000_000_000;

    pub(crate) const fn at(self, now: u64) -> u64 {
        (Self::BEGAN + now as i64 + self.offset) as u64
    }

    pub(crate) const fn moment(self, now: u64) -> Timestamp {
        Timestamp::from_millis(self.at(now))
    }

    pub(crate) const fn jump(&mut self, rng: &mut Rng) {
        let by = rng.between(0, 7_200_000) as i64 - 3_600_000;
        self.offset += by;
    }
}
