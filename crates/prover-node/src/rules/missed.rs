//! Epochs whose window closed without a proof: each is said once, and what led to it is kept.

use super::{
    Action, Change, CheckpointState, Failed, Failure, L1Time, L1View, expiry::expired_through,
    horizon::Horizon, node::Node, prover::CheckpointProver, session::SessionSpec, snapshot::STREAM_PATIENCE,
    turn::Turn,
};
use proofmill_primitives::{CheckpointNumber, Epoch};

/// So many missed epochs are remembered, and those whose checkpoints are still here, so that each is recorded once.
const MISSED: usize = 64;

impl Node {
    /// Whether a proof of this epoch is on its way to L1, and may still come through.
    fn is_being_published(&self, epoch: Epoch) -> bool {
        self.publishing.in_flight().and_then(|session| self.sessions.epoch_of(session)) == Some(epoch)
    }

    /// Records the epochs whose window closed without a proof: those after `before` with what is here of them, older ones, which
    /// come after a restart, when all of it is here.
    pub(super) fn record_missed(&mut self, turn: &mut Turn<'_>, high_water: Epoch, before: Option<Epoch>) {
        let (clock, l1) = (turn.desk.config.clock, self.l1.as_ref());
        let horizon = Horizon { store: &self.store, l1, high_water: Some(high_water) };
        let is_due = |epoch: &Epoch| before < Some(*epoch) || horizon.is_complete(&clock, *epoch);
        let closed = self.store.epochs().take_while(|epoch| *epoch <= high_water);
        let missed = closed.filter(|epoch| is_due(epoch) && !self.is_being_published(*epoch));
        for epoch in missed.collect::<Vec<_>>() {
            self.record_if_missed(turn, epoch);
        }
    }

    /// L1 has given up the checkpoints after `to`, and they are about to be removed here. Where their window has closed, a proof that is on
    /// its way to L1 does not come through.
    pub(super) fn record_given_up(&mut self, turn: &mut Turn<'_>, to: CheckpointNumber) {
        let Some(first) = self.store.get(to.next()).map(|prover| prover.epoch) else { return };
        let missed = self.store.epochs().filter(|epoch| *epoch >= first && Some(*epoch) <= self.high_water);
        for epoch in missed.collect::<Vec<_>>() {
            self.record_if_missed(turn, epoch);
        }
    }

    /// The window of an epoch has closed: where L1 has no proof of it, that is said once, and what led to it is kept.
    fn record_if_missed(&mut self, turn: &mut Turn<'_>, epoch: Epoch) {
        let checkpoints: Vec<_> = self.store.of(epoch).map(|prover| prover.checkpoint).collect();
        let proven = self.l1.map_or(CheckpointNumber(0), |l1| l1.proven);
        let is_proven = checkpoints.last().is_none_or(|last| last.number <= proven);
        if is_proven || !self.missed.insert(epoch) {
            return;
        }
        while self.missed.len() > MISSED && self.missed.first() < self.store.epochs().next().as_ref() {
            self.missed.pop_first();
        }
        let spec = SessionSpec::full(&turn.desk.config.clock, epoch);
        let told = self.sessions.missed(turn, spec, &self.publishing);
        let failed = self.store.of(epoch).find_map(|prover| match &prover.state {
            CheckpointState::Stopped { prover: by, range, cause, .. }
            | CheckpointState::Failed { prover: by, range, cause, .. } => {
                let refuted = matches!(prover.state, CheckpointState::Failed { .. });
                Some((Failed::Checkpoint { prover: *by, range: *range }, cause.clone(), refuted))
            }
            _ => None,
        });
        let (what, cause, kept) = failed.unwrap_or_else(|| {
            (Failed::Session { spec }, told.unwrap_or_else(|| self.why_without_session(epoch)), false)
        });
        let cause = format!("its window closed without a proof: {cause}");
        if self.unseen < Some(epoch) {
            turn.report(Change::EpochMissed { epoch, cause: cause.clone() });
        }
        // A refuted checkpoint was recorded when that was found out.
        if !kept {
            let (at, journal) = (turn.now, turn.desk.journal_of(epoch));
            let pieces = self.store.of(epoch).flat_map(CheckpointProver::pieces).collect();
            let failure = Failure { what, cause, epoch, missed: true, checkpoints, pieces, at, journal };
            turn.actions.push(Action::Upload(failure));
        }
    }

    /// A window closed on checkpoints that are not here, because the chain cannot be followed. There is nothing to keep of them, but it is
    /// said.
    pub(super) fn say_unseen(&mut self, turn: &mut Turn<'_>, l1: &L1View) {
        let Some((since, trouble)) = &self.stream_trouble else { return };
        if turn.now.since(*since) < STREAM_PATIENCE || l1.is_ahead_of(turn.now).is_some() {
            return;
        }
        let closed = l1.closes.filter(|closes| l1.time >= *closes);
        let closed = closed.map(|closes| L1Time(closes.0.saturating_sub(l1.paused)));
        let Some(epoch) = closed.and_then(|closed| expired_through(&turn.desk.config.clock, closed)) else {
            return;
        };
        let is_said = self.unseen >= Some(epoch) || self.missed.contains(&epoch);
        if is_said || self.store.of(epoch).next().is_some() {
            return;
        }
        let cause = format!(
            "its window closed without a proof: its checkpoints did not come here, because the chain cannot be followed: {trouble}"
        );
        self.unseen = Some(epoch);
        turn.report(Change::EpochMissed { epoch, cause });
    }

    /// What there was of an epoch whose window closed before it had a session.
    fn why_without_session(&self, epoch: Epoch) -> String {
        let in_state =
            |state: CheckpointState| self.store.of(epoch).filter(|prover| prover.state == state).count();
        let all = self.store.of(epoch).count();
        match (in_state(CheckpointState::Expired), in_state(CheckpointState::Proving)) {
            (expired, _) if expired == all => "it had closed before this node saw its checkpoints".to_owned(),
            (_, 0) => "no session was opened for it".to_owned(),
            (_, unproven) => format!("{unproven} of its {all} checkpoints were not proven yet"),
        }
    }
}
