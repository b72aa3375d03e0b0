//! Which coordinator a prover asks next, and when.
//!
//! A prover serves several coordinators, in turn. Each is asked again after a pause that follows from its last answer: at once
//! where it gave work, soon where it has none, after pauses that grow where it is away or wants another version, and hardly ever
//! where it does not need the prover's type. No answer ends a prover: releases, rules and networks change.

use proofmill_fault::{Jitter, Patience};
use proofmill_ledger::Timestamp;
use std::time::Duration;

/// Where there is nothing to do: batches come every few seconds at most.
const IDLE: Patience = Patience::pauses(Duration::from_millis(500), Duration::from_secs(5));
/// Where what it gave came to nothing before it could be proven: its input cannot be read, say.
const NOTHING: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));
/// Where it is away.
const AWAY: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));
/// Where it wants another version: until one of the two is another release.
const MISMATCH: Patience = Patience::pauses(Duration::from_secs(5), Duration::from_secs(300));
/// Where it does not need the type: until its rollup has other rules.
const NOT_NEEDED: Duration = Duration::from_secs(1_800);

/// What a coordinator answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Work.
    Assigned,
    /// Nothing now. It says itself when to ask again.
    Nothing {
        /// After so long.
        after: Duration,
    },
    /// It does not need the type.
    NotNeeded,
    /// It wants another version of the programs, or speaks another one of this protocol.
    Mismatch,
    /// Nobody answers.
    Away,
}

impl Heard {
    /// Whether two answers are of the same sort: what is told once is not told again.
    pub fn is_as(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// What a prover does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It asks the coordinator at this place of its list.
    Ask(usize),
    /// It waits.
    Wait(Duration),
}

/// The coordinators of a prover.
#[derive(Clone, Debug)]
pub struct Round {
    coordinators: Vec<Coordinator>,
    /// Who is asked first the next time.
    turn: usize,
}

#[derive(Clone, Debug, Default)]
struct Coordinator {
    not_before: Timestamp,
    last: Option<Heard>,
    /// How often in a row it answered like that.
    times: u32,
    /// How often in a row what it gave came to nothing.
    in_vain: u32,
    /// So many proofs it is to take. Until it has, it would give the same batches again.
    to_take: u32,
    /// It did not take one in time, which is kept for it.
    is_kept_for: bool,
}

impl Round {
    /// A round of so many coordinators, of which none was asked.
    pub fn new(coordinators: usize) -> Self {
        Self { coordinators: vec![Coordinator::default(); coordinators], turn: 0 }
    }

    /// Whom to ask now, or how long to wait.
    pub fn next(&self, now: Timestamp) -> Next {
        let count = self.coordinators.len();
        let in_turn = (0..count).map(|step| (self.turn + step) % count);
        let wait = |place: &usize| {
            let not_before = self.coordinators.get(*place).map_or(Timestamp::MAX, |it| it.not_before);
            not_before.as_millis().saturating_sub(now.as_millis())
        };
        let is_free = |place: &usize| self.coordinators.get(*place).is_some_and(|it| it.to_take == 0);
        // The first of those for which there is the least to wait.
        match in_turn.filter(is_free).min_by_key(wait).map(|place| (place, wait(&place))) {
            Some((place, 0)) => Next::Ask(place),
            Some((_, wait)) => Next::Wait(Duration::from_millis(wait)),
            None => Next::Wait(NOT_NEEDED),
        }
    }

    /// A coordinator has answered; whether that is news.
    pub fn heard(&mut self, now: Timestamp, place: usize, heard: Heard, jitter: Jitter) -> bool {
        self.turn = (place + 1) % self.coordinators.len().max(1);
        let Some(coordinator) = self.coordinators.get_mut(place) else { return false };
        let is_news = coordinator.last.is_none_or(|last| !last.is_as(&heard));
        coordinator.times = if is_news { 1 } else { coordinator.times.saturating_add(1) };
        coordinator.last = Some(heard);
        let pause = match heard {
            Heard::Assigned => Duration::ZERO,
            // What it says is believed as far as it is sensible.
            Heard::Nothing { after } => {
                after.min(Duration::from_secs(60)).max(IDLE.wait(coordinator.times, jitter))
            }
            Heard::NotNeeded => jitter.spread(NOT_NEEDED),
            Heard::Mismatch => MISMATCH.wait(coordinator.times, jitter),
            Heard::Away => AWAY.wait(coordinator.times, jitter),
        };
        coordinator.wait(now, pause);
        is_news
    }

    /// What a coordinator gave came to nothing, before it could be proven: it is not asked at once, as one that gives work is.
    pub fn came_to_nothing(&mut self, now: Timestamp, place: usize, jitter: Jitter) {
        let Some(coordinator) = self.coordinators.get_mut(place) else { return };
        coordinator.in_vain = coordinator.in_vain.saturating_add(1);
        coordinator.wait(now, NOTHING.wait(coordinator.in_vain, jitter));
    }

    /// A proof is being handed in to a coordinator: the others are asked meanwhile.
    pub fn hands_in(&mut self, place: usize) {
        if let Some(coordinator) = self.coordinators.get_mut(place) {
            (coordinator.to_take, coordinator.in_vain) = (coordinator.to_take + 1, 0);
        }
    }

    /// It has taken the proof, or does not get it: not now, where it `is_kept` for it.
    pub fn handed_in(&mut self, place: usize, is_kept: bool) {
        if let Some(coordinator) = self.coordinators.get_mut(place) {
            coordinator.to_take = coordinator.to_take.saturating_sub(1);
            coordinator.is_kept_for |= is_kept;
        }
    }

    /// Whether a coordinator that answered is to be handed in now what is kept for it: once, as soon as it has use for the prover again.
    pub fn takes_kept(&mut self, place: usize, heard: Heard) -> bool {
        let has_use = matches!(heard, Heard::Assigned | Heard::Nothing { .. });
        let coordinator = self.coordinators.get_mut(place).filter(|_| has_use);
        coordinator.is_some_and(|it| std::mem::take(&mut it.is_kept_for))
    }
}

impl Coordinator {
    fn wait(&mut self, now: Timestamp, pause: Duration) {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.not_before = Timestamp::from_millis(now.as_millis().saturating_add(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Jitter = Jitter::NONE;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + secs)
    }

    #[test]
    fn coordinators_are_asked_in_turn() {
        let mut round = Round::new(3);
        for place in [0, 1, 2, 0, 1] {
            assert_eq!(round.next(at(0)), Next::Ask(place));
            round.heard(at(0), place, Heard::Assigned, NONE);
        }
    }

    #[test]
    fn one_that_has_no_use_for_the_prover_does_not_keep_it_from_the_others() {
        for heard in [Heard::NotNeeded, Heard::Mismatch, Heard::Away] {
            let mut round = Round::new(2);
            round.heard(at(0), 0, heard, NONE);
            for _ in 0..10 {
                assert_eq!(round.next(at(0)), Next::Ask(1), "{heard:?}");
                round.heard(at(0), 1, Heard::Assigned, NONE);
            }
        }
    }

    #[test]
    fn pauses_grow_and_are_never_endless() {
        for (heard, first, last) in
            [(Heard::Away, 1, 60), (Heard::Mismatch, 5, 300), (Heard::NotNeeded, 1_800, 1_800)]
        {
            let (mut round, mut now, mut pauses) = (Round::new(1), 0, Vec::new());
            for _ in 0..20 {
                assert_eq!(round.next(at(now)), Next::Ask(0));
                round.heard(at(now), 0, heard, NONE);
                let Next::Wait(wait) = round.next(at(now)) else { panic!("{heard:?} is asked at once") };
                pauses.push(wait.as_millis().div_ceil(1_000));
                now += wait.as_secs() + 1;
            }
            assert_eq!((pauses.first(), pauses.last()), (Some(&first), Some(&last)), "{heard:?}");
            assert!(pauses.is_sorted());
            // As soon as it answers otherwise, they begin anew.
            assert!(round.heard(at(now), 0, Heard::Nothing { after: Duration::ZERO }, NONE));
            assert!(!round.heard(at(now), 0, Heard::Nothing { after: Duration::ZERO }, NONE));
        }
    }

    #[test]
    fn one_that_is_to_take_a_proof_does_not_keep_the_prover_from_the_others() {
        let mut round = Round::new(2);
        round.heard(at(0), 0, Heard::Assigned, NONE);
        round.hands_in(0);
        for hour in 0..10 {
            assert_eq!(round.next(at(hour * 3_600)), Next::Ask(1));
            round.heard(at(hour * 3_600), 1, Heard::Assigned, NONE);
        }
        round.hands_in(1);
        assert!(matches!(round.next(at(40_000)), Next::Wait(_)), "it would be given what it has proven");
        round.handed_in(0, false);
        assert_eq!(round.next(at(40_000)), Next::Ask(0));
    }

    #[test]
    fn one_that_is_to_take_several_proofs_is_asked_after_the_last() {
        let mut round = Round::new(1);
        for _ in 0..3 {
            round.hands_in(0);
        }
        for _ in 0..3 {
            assert!(matches!(round.next(at(0)), Next::Wait(_)), "it would be given what it has proven");
            round.handed_in(0, false);
        }
        assert_eq!(round.next(at(0)), Next::Ask(0));
    }

    #[test]
    fn what_is_kept_for_a_coordinator_is_handed_in_once_when_it_is_back() {
        let mut round = Round::new(2);
        let nothing = Heard::Nothing { after: Duration::ZERO };
        round.hands_in(0);
        round.handed_in(0, true);
        for heard in [Heard::Away, Heard::Mismatch, Heard::NotNeeded] {
            assert!(!round.takes_kept(0, heard), "{heard:?}");
        }
        assert!(!round.takes_kept(1, nothing), "it is kept for another one");
        assert!(round.takes_kept(0, nothing));
        assert!(!round.takes_kept(0, nothing));
        // It does not take it now either.
        round.hands_in(0);
        round.handed_in(0, true);
        assert!(round.takes_kept(0, Heard::Assigned));
    }

    #[test]
    fn work_that_comes_to_nothing_is_not_asked_for_at_once_again() {
        let (mut round, mut now, mut pauses) = (Round::new(1), 0, Vec::new());
        for _ in 0..20 {
            assert_eq!(round.next(at(now)), Next::Ask(0));
            round.heard(at(now), 0, Heard::Assigned, NONE);
            round.came_to_nothing(at(now), 0, NONE);
            let Next::Wait(wait) = round.next(at(now)) else { panic!("it is asked at once") };
            pauses.push(wait.as_millis().div_ceil(1_000));
            now += wait.as_secs() + 1;
        }
        assert_eq!((pauses.first(), pauses.last()), (Some(&1), Some(&60)));
        assert!(pauses.is_sorted());
        round.hands_in(0);
        round.handed_in(0, false);
        round.came_to_nothing(at(now), 0, NONE);
        assert!(matches!(round.next(at(now)), Next::Wait(wait) if wait <= Duration::from_secs(1)));
    }

    #[test]
    fn a_coordinator_cannot_send_a_prover_to_sleep() {
        let mut round = Round::new(1);
        round.heard(at(0), 0, Heard::Nothing { after: Duration::MAX }, NONE);
        assert_eq!(round.next(at(0)), Next::Wait(Duration::from_secs(60)));
    }
}
