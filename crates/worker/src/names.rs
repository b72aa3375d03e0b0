//! What the results of a proof's parts are called. A name follows from what the result is made from, so whoever makes it
//! again finds it made: for the same proof after a crash, and where a part does not depend on the proof it is for (the
//! verification of a range proof, which every epoch proof that covers the range needs), for another proof too.

use crate::board::{Board, Part};
use proofmill_artifacts::ContentKey;
use proofmill_backends::{Plan, SegmentBudget, SegmentKind};
use proofmill_primitives::{ArtifactId, Dialect};

/// The names of all results of one plan but the finished proof.
pub(crate) struct Names {
    segments: Vec<ArtifactId>,
    nodes: Vec<ArtifactId>,
}

impl Names {
    /// Of parts that are made in this dialect: another version's, or other circuits', do not fit together with them.
    pub(crate) fn of(dialect: Dialect, plan_id: &ArtifactId, plan: &Plan, board: &Board) -> Self {
        let segments = (0..)
            .zip(&plan.segments)
            .map(|(index, segment)| match segment.kind {
                SegmentKind::Execution => of_whole(plan_id, "segment", index),
                SegmentKind::Verification => {
                    ContentKey::of(&[b"verification", dialect.to_string().as_bytes(), &segment.detail])
                        .artifact()
                }
            })
            .collect();
        let mut names = Self { segments, nodes: Vec::new() };
        // Children come before their parents.
        for node in board.nodes() {
            let layer = match node {
                Part::Node(index) => board.node(index).map_or(0, |node| node.layer),
                Part::Segment(_) | Part::Finish => 0,
            };
            let layer = layer.to_le_bytes();
            let children = board.children(node);
            let parts = children
                .iter()
                .filter_map(|child| names.of_part(*child))
                .map(|name| name.as_str().as_bytes());
            let key: Vec<&[u8]> = [&b"node"[..], &layer].into_iter().chain(parts).collect();
            let name = ContentKey::of(&key).artifact();
            names.nodes.push(name);
        }
        names
    }

    /// The name of this part's result; nothing for the last step, whose result depends on the mode.
    pub(crate) fn of_part(&self, part: Part) -> Option<&ArtifactId> {
        match part {
            Part::Segment(index) => self.segments.get(index as usize),
            Part::Node(index) => self.nodes.get(index as usize),
            Part::Finish => None,
        }
    }

    /// The name of the tree's top, if there is a tree.
    pub(crate) fn top(&self) -> Option<&ArtifactId> {
        self.nodes.last()
    }
}

/// The name of the plan for an execution.
pub(crate) fn of_plan(dialect: Dialect, program: &[u8], input: &[u8], budget: SegmentBudget) -> ArtifactId {
    ContentKey::of(&[
        b"plan",
        dialect.to_string().as_bytes(),
        blake3::hash(program).as_bytes(),
        blake3::hash(input).as_bytes(),
        &budget.0.to_le_bytes(),
    ])
    .artifact()
}

/// The name of something that the whole plan and a number tell.
pub(crate) fn of_whole(plan_id: &ArtifactId, what: &str, number: u32) -> ArtifactId {
    ContentKey::of(&[what.as_bytes(), plan_id.as_str().as_bytes(), &number.to_le_bytes()]).artifact()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_backends::{Child, Execution, Node, Segment};
    use proofmill_primitives::Instructions;

    fn segment(kind: SegmentKind, detail: u8) -> Segment {
        Segment { kind, instructions: Instructions(1), detail: vec![detail] }
    }

    fn names(plan_id: &str, verifies: [u8; 2]) -> Names {
        names_of(Dialect::Own(1), plan_id, verifies)
    }

    /// Two segments of an execution and two verifications, each pair folded, and both joined.
    fn names_of(dialect: Dialect, plan_id: &str, verifies: [u8; 2]) -> Names {
        let segments = vec![
            segment(SegmentKind::Execution, 0),
            segment(SegmentKind::Execution, 0),
            segment(SegmentKind::Verification, verifies[0]),
            segment(SegmentKind::Verification, verifies[1]),
        ];
        let node = |layer, children: [Child; 2]| Node { layer, children: children.to_vec() };
        let tree = vec![
            node(0, [Child::Segment(0), Child::Segment(1)]),
            node(7, [Child::Segment(2), Child::Segment(3)]),
            node(9, [Child::Node(0), Child::Node(1)]),
        ];
        let execution = Execution { public_values: Vec::new(), instructions: Instructions(2) };
        let board = Board::new(4, tree).unwrap();
        Names::of(dialect, &plan_id.into(), &Plan { execution, segments }, &board)
    }

    fn all(names: &Names) -> Vec<&ArtifactId> {
        names.segments.iter().chain(&names.nodes).collect()
    }

    #[test]
    fn every_part_has_a_name_of_its_own() {
        let names = names("plan", [1, 2]);
        let mut all = all(&names);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn verifications_are_shared_by_plans() {
        let (one, other) = (names("one", [1, 2]), names("other", [1, 2]));
        let shared: Vec<bool> =
            all(&one).iter().zip(all(&other)).map(|(one, other)| **one == *other).collect();
        assert_eq!(shared, [false, false, true, true, false, true, false]);
        let third = names("one", [1, 3]);
        let shared: Vec<bool> =
            all(&one).iter().zip(all(&third)).map(|(one, other)| **one == *other).collect();
        assert_eq!(shared, [true, true, true, false, true, false, false]);
    }

    /// What was made by another version, or with other keys, is not found: it would be refused.
    #[test]
    fn other_dialects_share_nothing() {
        let plan =
            |dialect| of_plan(Dialect::Own(dialect), b"program", b"input", SegmentBudget(1)).to_string();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        let (one, other) =
            (names_of(Dialect::Own(1), &plan(1), [1, 2]), names_of(Dialect::Own(2), &plan(2), [1, 2]));
        assert!(all(&one).iter().zip(all(&other)).all(|(one, other)| **one != *other));
    }
}
