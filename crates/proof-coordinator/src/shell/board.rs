//! What an operator sees of the batches that wait for proofs: which proofs each has, which it waits for and since when, and who makes them.
//!
//! The desk knows what provers can be given now. Whoever has batches proven ([`follow`](crate::follow)) knows more: a batch whose input is
//! not ready lies on no desk, and a proof that is there does neither. Both are joined here when somebody looks.

use crate::rules::{Held, ProofLevel, Shown, SlotShown};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Of so many batches it is told, the first ones: each is a few series to Prometheus.
const MOST: usize = 256;

/// The batches that wait for proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBatches {
    /// The first of them, in order; at most 256.
    pub first: Vec<OpenBatch>,
    /// How many more there are.
    pub more: usize,
}

/// A batch that waits for a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBatch {
    /// The checkpoint; of an epoch proof, its last one.
    pub number: CheckpointNumber,
    /// What it is a proof of.
    pub level: ProofLevel,
    /// Its proofs, as far as they are known: those that it has, and those that it waits for.
    pub proofs: BTreeMap<ProverType, ProofStatus>,
}

/// How a proof of a batch stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofStatus {
    /// Where it stands.
    pub state: ProofState,
    /// For how long it is waited for, held by its prover, or there.
    pub for_: Duration,
    /// What went wrong with it last, or keeps it from going on.
    pub trouble: Option<String>,
}

/// Where a proof of a batch stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofState {
    /// Its input is not ready for provers yet.
    Preparing,
    /// No prover has it.
    Waiting,
    /// A prover has it.
    Held {
        /// The prover.
        by: String,
        /// After so long it goes to the next prover that asks. Nothing is left once the prover is late.
        left: Duration,
    },
    /// It is there.
    Proven,
    /// It can never be: its blocks refute the batch.
    Refuted,
}

impl ProofState {
    /// The name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Waiting => "waiting",
            Self::Held { .. } => "held",
            Self::Proven => "proven",
            Self::Refuted => "refuted",
        }
    }
}

/// How far somebody is who has a batch proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The proof is being made.
    Making,
    /// It is being made, and failed again and again.
    Failing,
    /// It is there.
    Proven,
    /// It can never be.
    Refuted,
}

/// What was told of a proof.
#[derive(Clone, Debug)]
struct Told {
    stage: Stage,
    since: Timestamp,
    trouble: Option<String>,
}

/// A row of what is shown: of a batch that is told of there is one, whatever it is known by on the desk.
type Row = (CheckpointNumber, ProofLevel, Option<[u8; 32]>);

/// What is told of the batches of a rollup, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Board(BTreeMap<CheckpointNumber, BTreeMap<ProverType, Told>>);

impl Board {
    /// A proof of a batch is at this stage.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        number: CheckpointNumber,
        prover: ProverType,
        stage: Stage,
        trouble: Option<String>,
    ) {
        let told = self.0.entry(number).or_default().entry(prover);
        let told = told.or_insert(Told { stage, since: now, trouble: None });
        // One that is made anew is waited for from now on.
        if (told.stage == Stage::Proven) != (stage == Stage::Proven) {
            told.since = now;
        }
        (told.stage, told.trouble) = (stage, trouble);
    }

    /// The proof does not go on for now; without a cause it does.
    pub(super) fn held_up(&mut self, number: CheckpointNumber, prover: ProverType, cause: Option<String>) {
        let told = self.0.get_mut(&number).and_then(|proofs| proofs.get_mut(&prover));
        let Some(told) = told else { return };
        // That it is being made again does not make its failures forgotten.
        if cause.is_some() || told.stage == Stage::Making {
            told.trouble = cause;
        }
    }

    /// L1 has verified the batches up to this one.
    pub(super) fn verified(&mut self, through: CheckpointNumber) {
        self.0 = self.0.split_off(&through.next());
    }

    /// Those above this one are not there any more.
    pub(super) fn pruned(&mut self, to: CheckpointNumber) {
        self.0.split_off(&to.next());
    }

    /// The first batch that cannot be proven, for an operator.
    pub(super) fn problem(&self) -> Option<String> {
        let mut proofs = self.0.iter().flat_map(|(number, proofs)| proofs.iter().map(move |of| (number, of)));
        proofs.find_map(|(number, (prover, told))| {
            let cause = told.trouble.as_deref().unwrap_or("see its log");
            match told.stage {
                Stage::Failing => {
                    Some(format!("batch {number} cannot be proven by {prover}, and is tried again: {cause}"))
                }
                Stage::Refuted => {
                    Some(format!("batch {number} is never proven by {prover}: its blocks refute it: {cause}"))
                }
                Stage::Making | Stage::Proven => None,
            }
        })
    }

    /// The batches that wait for proofs, with what lies on the desk.
    pub(super) fn open(&self, now: Timestamp, timeout: Duration, desk: Vec<Shown>) -> OpenBatches {
        let told = self.0.iter().map(|(number, proofs)| {
            let proofs = proofs.iter().map(|(prover, told)| (*prover, told.status(now)));
            ((*number, ProofLevel::Range, None), proofs.collect())
        });
        let mut batches: BTreeMap<Row, BTreeMap<ProverType, ProofStatus>> = told.collect();
        for Shown { batch, prover, state, since } in desk {
            let is_told = batch.level == ProofLevel::Range && self.0.contains_key(&batch.number);
            let key = (batch.number, batch.level, (!is_told).then_some(batch.content));
            let proofs = batches.entry(key).or_default();
            let told = proofs.remove(&prover);
            let waited = told.as_ref().map_or_else(|| now.since(since), |told| told.for_);
            let (state, for_) = match state {
                SlotShown::Waiting => (ProofState::Waiting, waited),
                SlotShown::Held(Held { by, since }) => {
                    let held = now.since(since);
                    let (by, left) = (by.as_str().to_owned(), timeout.saturating_sub(held));
                    (ProofState::Held { by, left }, held)
                }
                SlotShown::Proven => (ProofState::Proven, waited),
            };
            proofs.insert(prover, ProofStatus { state, for_, trouble: told.and_then(|told| told.trouble) });
        }
        batches.retain(|_, proofs| proofs.values().any(|proof| proof.state != ProofState::Proven));
        let more = batches.len().saturating_sub(MOST);
        let first = batches.into_iter().take(MOST);
        let first = first.map(|((number, level, _), proofs)| OpenBatch { number, level, proofs });
        OpenBatches { first: first.collect(), more }
    }
}

impl Told {
    fn status(&self, now: Timestamp) -> ProofStatus {
        let state = match self.stage {
            Stage::Making | Stage::Failing => ProofState::Preparing,
            Stage::Proven => ProofState::Proven,
            Stage::Refuted => ProofState::Refuted,
        };
        ProofStatus { state, for_: now.since(self.since), trouble: self.trouble.clone() }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::rules::{BatchId, ProverName};

    const EXEC: ProverType = ProverType::Exec;
    const OPENVM: ProverType = ProverType::OpenVm;
    const TIMEOUT: Duration = Duration::from_secs(600);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + secs)
    }

    fn on_desk(number: u64, content: u8, prover: ProverType, state: SlotShown) -> Shown {
        let batch =
            BatchId { number: CheckpointNumber(number), level: ProofLevel::Range, content: [content; 32] };
        Shown { batch, prover, state, since: at(0) }
    }

    fn held(by: &str, since: u64) -> SlotShown {
        SlotShown::Held(Held { by: ProverName::new(by).unwrap(), since: at(since) })
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_batch_tells_what_it_has_and_what_it_waits_for_and_who_makes_that() {
        let (mut board, number) = (Board::default(), CheckpointNumber(7));
        for prover in [EXEC, OPENVM] {
            board.tell(at(0), number, prover, Stage::Making, None);
        }
        let look = |board: &Board, now: u64, desk: Vec<Shown>| {
            let mut open = board.open(at(now), TIMEOUT, desk);
            assert_eq!((open.first.len(), open.more), (1, 0));
            open.first.remove(0).proofs
        };
        let is = |state, for_: u64| ProofStatus { state, for_: secs(for_), trouble: None };
        let seen = look(&board, 5, vec![on_desk(7, 1, EXEC, SlotShown::Waiting)]);
        assert_eq!(seen[&EXEC], is(ProofState::Waiting, 5));
        assert_eq!(seen[&OPENVM], is(ProofState::Preparing, 5), "it lies on no desk");
        board.tell(at(10), number, EXEC, Stage::Proven, None);
        let seen = look(&board, 40, vec![on_desk(7, 1, OPENVM, held("a", 20))]);
        assert_eq!(seen[&EXEC], is(ProofState::Proven, 30));
        let by = || "a".to_owned();
        assert_eq!(seen[&OPENVM], is(ProofState::Held { by: by(), left: secs(580) }, 20));
        let seen = look(&board, 1_000, vec![on_desk(7, 1, OPENVM, held("a", 20))]);
        assert_eq!(seen[&OPENVM], is(ProofState::Held { by: by(), left: secs(0) }, 980), "it is late");
        // L1 refuses the one that is there: it is waited for from then on.
        board.tell(at(50), number, EXEC, Stage::Making, Some("L1 refuses it".to_owned()));
        let seen = look(&board, 60, Vec::new());
        let trouble = Some("L1 refuses it".to_owned());
        assert_eq!(seen[&EXEC], ProofStatus { trouble, ..is(ProofState::Preparing, 10) });
        // What has every proof waits for none.
        for prover in [EXEC, OPENVM] {
            board.tell(at(70), number, prover, Stage::Proven, None);
        }
        assert_eq!(board.open(at(80), TIMEOUT, Vec::new()), OpenBatches::default());
    }

    #[test]
    fn parts_of_a_batch_that_nobody_tells_of_are_rows_of_their_own() {
        let desk = vec![
            on_desk(7, 1, EXEC, SlotShown::Waiting),
            on_desk(7, 2, EXEC, held("a", 3)),
            on_desk(8, 3, EXEC, SlotShown::Proven),
        ];
        let open = Board::default().open(at(9), TIMEOUT, desk);
        let states: Vec<_> =
            open.first.iter().map(|batch| (batch.number.0, batch.proofs[&EXEC].state.name())).collect();
        assert_eq!(states, [(7, "waiting"), (7, "held")]);
    }

    #[test]
    fn what_fails_again_and_again_is_a_problem_until_it_is_settled_or_gone() {
        let tell = |board: &mut Board, number: u64, stage, trouble: &str| {
            board.tell(at(0), CheckpointNumber(number), EXEC, stage, Some(trouble.to_owned()));
        };
        let mut board = Board::default();
        tell(&mut board, 1, Stage::Making, "once");
        assert_eq!(board.problem(), None);
        tell(&mut board, 2, Stage::Failing, "the node is away");
        tell(&mut board, 3, Stage::Refuted, "another state root");
        assert!(board.problem().unwrap().contains("batch 2 cannot be proven by exec"));
        // It goes on, and has not ended well yet.
        board.held_up(CheckpointNumber(2), EXEC, None);
        assert!(board.problem().unwrap().contains("the node is away"));
        board.verified(CheckpointNumber(2));
        let said = board.problem().unwrap();
        assert!(said.contains("batch 3 is never proven") && said.contains("another state root"), "{said}");
        board.pruned(CheckpointNumber(2));
        assert_eq!(board.problem(), None);
    }

    #[test]
    fn thousands_of_batches_are_told_of_by_a_bounded_number() {
        let mut board = Board::default();
        for number in 1..=1_000 {
            board.tell(at(0), CheckpointNumber(number), EXEC, Stage::Making, None);
        }
        let open = board.open(at(1), TIMEOUT, Vec::new());
        assert_eq!((open.first.len(), open.more), (MOST, 1_000 - MOST));
        assert_eq!(open.first[0].number.0, 1);
    }
}
