//! What an execution has told of its shards.
//!
//! One that starts over tells of all of them again, after what was told before. Ours calls them by the same names. One of a node of the
//! SP1 cluster gives new names, and may cut them elsewhere than the one before it: what both have told together is no proof. Only the
//! last one has come to its end.

use proofmill_primitives::ArtifactId;
use sp1_hypercube::air::{ShardBoundary, ShardRange};
use std::collections::BTreeMap;

/// The shards of an execution, as it told of them.
#[derive(Default)]
pub(super) struct Told {
    /// By their proofs: which message was the last that told of one, and what it is of.
    shards: BTreeMap<ArtifactId, (usize, ShardRange)>,
    messages: usize,
}

impl Told {
    /// Takes the next message. Whether it tells of a shard that was not told of before.
    pub(super) fn add(&mut self, proof: ArtifactId, range: ShardRange) -> bool {
        self.messages += 1;
        self.shards.insert(proof, (self.messages, range)).is_none()
    }

    /// The shards that belong together, in the order in which they join: precompiles, deferred proofs, execution, memory. That is the
    /// order of their ranges; shards of precompiles have all the same.
    pub(super) fn shards(self) -> Vec<(ShardRange, ArtifactId)> {
        let count = self.shards.len();
        // Where several begin at the same place, the one that was told of last.
        let mut by_start: BTreeMap<ShardBoundary, (usize, ShardRange, ArtifactId)> = BTreeMap::new();
        let mut precompiles = Vec::new();
        for (proof, (message, range)) in self.shards {
            if range == ShardRange::precompile() {
                precompiles.push((message, range, proof));
                continue;
            }
            let known = by_start.get(&range.start());
            if known.is_none_or(|(earlier, ..)| *earlier < message) {
                by_start.insert(range.start(), (message, range, proof));
            }
        }
        let mut shards: Vec<(ShardRange, ArtifactId)> = Vec::with_capacity(count);
        if by_start.len() + precompiles.len() == count {
            shards.extend(by_start.into_values().map(|(_, range, proof)| (range, proof)));
            shards.extend(precompiles.into_iter().map(|(_, range, proof)| (range, proof)));
        } else {
            // The last execution has told of each place at which one of its shards begins, and after the ones before it.
            let (mut at, mut began) = (ShardBoundary::initial(), usize::MAX);
            while let Some((message, range, proof)) = by_start.remove(&at) {
                if range.start().timestamp < range.end().timestamp {
                    began = began.min(message);
                }
                at = range.end();
                shards.push((range, proof));
            }
            // Events of precompiles are put together when the shards that leave them were told of.
            let last = precompiles.into_iter().filter(|(message, ..)| *message > began);
            shards.extend(last.map(|(_, range, proof)| (range, proof)));
        }
        shards.sort();
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(from: u64, to: u64) -> ShardRange {
        ShardRange { timestamp_range: (from, to), deferred_proof_range: (1, 1), ..ShardRange::default() }
    }

    fn memory(at: u64, from: u64, to: u64) -> ShardRange {
        ShardRange {
            initialized_address_range: (from, to),
            finalized_address_range: (from, to),
            ..executed(at, at)
        }
    }

    fn told(messages: &[(&str, ShardRange)]) -> Vec<String> {
        let mut told = Told::default();
        for (proof, range) in messages {
            told.add((*proof).into(), *range);
        }
        told.shards().into_iter().map(|(_, proof)| proof.to_string()).collect()
    }

    #[test]
    fn shards_are_in_the_order_in_which_they_join_however_they_are_told_of() {
        let messages = [
            ("memory-2", memory(90, 8, 16)),
            ("second", executed(40, 90)),
            ("precompile-b", ShardRange::precompile()),
            ("memory-1", memory(90, 0, 8)),
            ("first", executed(1, 40)),
            ("precompile-a", ShardRange::precompile()),
            ("deferred", ShardRange::deferred(0, 1)),
        ];
        let order = ["precompile-a", "precompile-b", "deferred", "first", "second", "memory-1", "memory-2"];
        assert_eq!(told(&messages), order);
        // Told again under the same names.
        assert_eq!(told(&[messages, messages].concat()), order);
    }

    /// The first one was lost on its way; the second is of a node with room for longer shards.
    #[test]
    fn of_an_execution_that_started_over_under_other_names_only_the_last_counts() {
        let first = [
            ("a-deferred", ShardRange::deferred(0, 1)),
            ("a-first", executed(1, 40)),
            ("a-second", executed(40, 60)),
            ("a-precompile", ShardRange::precompile()),
        ];
        let second = [
            ("b-second", executed(60, 90)),
            ("b-deferred", ShardRange::deferred(0, 1)),
            ("b-first", executed(1, 60)),
            ("b-memory", memory(90, 0, 16)),
            ("b-precompile", ShardRange::precompile()),
        ];
        let order = ["b-precompile", "b-deferred", "b-first", "b-second", "b-memory"];
        assert_eq!(told(&[&first[..], &second].concat()), order);
        // And so of one whose shards are those of the first, and of a third that has the names of the first.
        let third = [&first[..], &[("a-third", executed(60, 90)), ("a-memory", memory(90, 0, 16))]].concat();
        let order = ["a-precompile", "a-deferred", "a-first", "a-second", "a-third", "a-memory"];
        assert_eq!(told(&[&first[..], &second, &third].concat()), order);
    }

    #[test]
    fn only_what_was_not_told_of_before_is_new() {
        let mut told = Told::default();
        assert!(told.add("a".into(), executed(1, 2)));
        assert!(!told.add("a".into(), executed(1, 2)));
        assert!(told.add("b".into(), executed(2, 3)));
    }
}
