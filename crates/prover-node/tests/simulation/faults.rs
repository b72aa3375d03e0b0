//! What goes wrong: reorgs of both chains, rivals, lost files, restarts, and an operator who interferes.

use crate::{chains::clock, world::World};
use proofmill_primitives::CheckpointNumber;
use proofmill_prover_node::rules::{Config, Event, NodeState, Refused};

impl World {
    pub(crate) fn fault(&mut self) {
        match self.rng.below(15) {
            0 => self.restart(),
            1..3 => self.l1_reorg(),
            3 => self.l2_reorg(),
            4 => self.fall_back(),
            5..7 => self.rival(),
            7 => self.lose_a_file(),
            8..10 => self.retry(),
            10 => self.drop_resume(),
            11..13 => self.spoil_a_file(),
            13 => drop(self.l1.prune_if_due()),
            _ => self.answer_something(),
        }
    }

    /// The process dies. A publish in flight may come through, and nobody hears of it.
    fn restart(&mut self) {
        self.story.restarts += 1;
        if let Some((_, candidate)) = self.publishing.take()
            && self.rng.percent(50)
            && self.l1.time < candidate.deadline.0
            && self.l1.objection(&candidate).is_none()
            && self.l1.recorded(candidate.span.last) < Some(candidate.span.last)
        {
            self.accept(&candidate);
        }
        if self.pruning.take().is_some() && self.rng.percent(50) {
            self.l1.prune_if_due();
        }
        self.reading = None;
        self.jobs.clear();
        self.store.waited.clear();
        self.inbox.clear();
        let config: Config = self.node.config().clone();
        self.node = NodeState::new(config).wanting(self.kept.iter().copied());
        self.ledger.restarted();
        self.resume();
    }

    /// L1 loses its newest checkpoints above the proven tip. The proposer posts the same blocks again, cut the same way or
    /// another.
    fn l1_reorg(&mut self) {
        let above = self.l1.pending().0 - self.l1.proven.0;
        if above == 0 {
            return;
        }
        self.story.l1_reorgs += 1;
        let lost = 1 + self.rng.below(above.min(4));
        let gone = self.l1.checkpoints.split_off((self.l1.pending().0 - lost) as usize);
        let slot = clock().slot_at(self.l1.time);
        if self.rng.percent(60) {
            // The same blocks, one slot later at the most.
            let mut last = self.l1.checkpoints.last().map(|last| last.slot);
            for mut checkpoint in gone {
                let next = last.map_or(checkpoint.slot, |last| checkpoint.slot.max(last.next()));
                if next > slot {
                    break;
                }
                if self.rng.percent(30) && next < slot {
                    checkpoint.slot = next.next();
                } else {
                    checkpoint.slot = next;
                }
                last = Some(checkpoint.slot);
                self.l1.checkpoints.push(checkpoint);
            }
        }
    }

    /// The L2 node goes to another branch above what is proven; sometimes it comes back.
    fn l2_reorg(&mut self) {
        let proven = self.l1.get(self.l1.proven).map_or(0, |proven| proven.blocks.last());
        let head = self.l2.head();
        if head <= proven {
            return;
        }
        self.story.l2_reorgs += 1;
        let first = proven + 1 + self.rng.below(head - proven);
        let old = self.l2.hashes.split_off(first as usize);
        let blocks = 1 + self.rng.below(old.len() as u64 + 2);
        self.l2.grow(&mut self.rng, blocks);
        for _ in 0..self.rng.below(4) {
            self.tell_chain();
        }
        if self.rng.percent(40) {
            self.l2.hashes.truncate(first as usize);
            self.l2.hashes.extend(old);
        }
    }

    /// A reorg of L1 takes the last submission away.
    fn fall_back(&mut self) {
        let Some((proven, recorded)) = self.l1.before.take() else { return };
        // Not what the window has closed on since: it would be pruned.
        let first = self.l1.get(proven.next());
        let open = first.is_some_and(|first| self.l1.time < clock().deadline(clock().epoch_of(first.slot)));
        if open {
            self.story.fallbacks += 1;
            self.story.unconfirmed += u64::from(self.l1.recorded != recorded);
            (self.l1.proven, self.l1.recorded) = (proven, recorded);
        }
    }

    /// Another prover proves a part of the next epoch.
    fn rival(&mut self) {
        let Some(first) = self.l1.get(self.l1.proven.next()) else { return };
        let epoch = clock().epoch_of(first.slot);
        let of_it = |number: CheckpointNumber| {
            let there = self.l1.get(number).filter(|checkpoint| self.l2.has(checkpoint));
            there.is_some_and(|checkpoint| clock().epoch_of(checkpoint.slot) == epoch)
        };
        let most = (1..).take_while(|ahead| of_it(CheckpointNumber(self.l1.proven.0 + ahead))).count() as u64;
        if most > 0 && self.l1.time < clock().deadline(epoch) {
            self.story.rivals += 1;
            let last = CheckpointNumber(self.l1.proven.0 + 1 + self.rng.below(most));
            self.l1.prove(last, &mut self.l2);
        }
    }

    fn lose_a_file(&mut self) {
        let ranges: Vec<_> = self.store.ranges.iter().copied().collect();
        if let Some(key) = self.rng.pick(&ranges) {
            self.store.ranges.remove(key);
            self.store.bad_ranges.remove(key);
        }
        let roots: Vec<_> = self.store.roots.iter().copied().collect();
        if let Some(key) = self.rng.pick(&roots) {
            self.store.roots.remove(key);
            self.store.bad_roots.remove(key);
        }
    }

    /// A file is whole, and what it holds is no proof.
    fn spoil_a_file(&mut self) {
        let ranges: Vec<_> = self.store.ranges.iter().copied().collect();
        self.store.bad_ranges.extend(self.rng.pick(&ranges));
        let roots: Vec<_> = self.store.roots.iter().copied().collect();
        self.store.bad_roots.extend(self.rng.pick(&roots));
    }

    /// An operator looks after what failed. What another has settled, or L1 has given up, is left alone.
    pub(crate) fn retry(&mut self) {
        for epoch in self.ledger.failed_epochs(&self.node) {
            self.ledger.asked(epoch);
            let told = self.tell(Event::Retry { epoch });
            assert!(
                matches!(
                    told,
                    Ok(())
                        | Err(Refused::AlreadyProven { .. }
                            | Refused::NoCheckpoints { .. }
                            | Refused::NothingStopped { .. }
                            | Refused::NotBegun)
                ),
                "{epoch:?}: {told:?}"
            );
        }
    }

    /// The thread is lost, and L1 read anew, without a restart.
    fn drop_resume(&mut self) {
        self.story.resyncs += 1;
        self.resume();
    }
}
