//! Provers as they are: honest, slow, failing, lying.

use crate::Rng;
use alloy_primitives::B256;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_proof_coordinator::rules::{Ask, AskedType, BatchId, Programs, ProverName, Round};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    Honest,
    /// Needs longer than the time-out, most of the time.
    Slow,
    /// Hands in garbage, for batches that it holds and for others.
    Liar,
    /// Fails, and says so.
    Failing,
    /// Its process ends in the middle of things.
    Dying,
}

/// What a prover is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Idle,
    /// It waits for an answer.
    Waiting,
    /// It proves, or hands in what it has proven.
    Proving(BatchId),
}

pub(crate) struct Prover {
    pub(crate) name: ProverName,
    pub(crate) incarnation: u64,
    pub(crate) number: usize,
    pub(crate) asked: AskedType,
    pub(crate) version: ProgramVersion,
    pub(crate) character: Character,
    pub(crate) doing: Doing,
    pub(crate) round: Round,
}

/// Program versions are small numbers here, the same for both programs.
pub(crate) const fn version(number: u8) -> ProgramVersion {
    ProgramVersion(B256::repeat_byte(number))
}

fn name(number: usize, incarnation: u64) -> ProverName {
    ProverName::new(format!("prover-{number}.{incarnation}")).unwrap()
}

impl Prover {
    pub(crate) fn new(
        number: usize,
        asked: AskedType,
        version: ProgramVersion,
        character: Character,
    ) -> Self {
        let (incarnation, doing, round) = (0, Doing::Idle, Round::new(1));
        Self { name: name(number, 0), incarnation, number, asked, version, character, doing, round }
    }

    pub(crate) fn by_chance(number: usize, rng: &mut Rng) -> Self {
        let asked = match rng.between(0, 19) {
            0 => AskedType::NotBuiltIn,
            dice => AskedType::Known(ProverType::ALL[dice as usize % 3]),
        };
        let character = match rng.between(0, 9) {
            0..5 => Character::Honest,
            5 => Character::Slow,
            6 => Character::Liar,
            7 => Character::Failing,
            _ => Character::Dying,
        };
        Self::new(number, asked, version(rng.between(1, 2) as u8), character)
    }

    /// A new process has a new name, and knows nothing of what the one before held.
    pub(crate) fn begin_anew(&mut self) {
        self.incarnation += 1;
        self.name = name(self.number, self.incarnation);
        self.doing = Doing::Idle;
        self.round = Round::new(1);
    }

    pub(crate) fn ask(&self) -> Ask {
        let programs = Programs { range: self.version, aggregation: self.version };
        Ask { by: self.name.clone(), prover: self.asked.clone(), programs }
    }

    /// How long it works on a batch, in ms.
    pub(crate) const fn proving_time(&self, rng: &mut Rng) -> u64 {
        match self.character {
            Character::Slow => rng.between(300_000, 1_500_000),
            Character::Liar | Character::Failing => rng.between(50, 3_000),
            Character::Honest | Character::Dying => rng.between(10_000, 120_000),
        }
    }
}

/// A moment that provers count in: their own clocks do not jump here.
pub(crate) const fn moment(now: u64) -> Timestamp {
    Timestamp::from_millis(now)
}
