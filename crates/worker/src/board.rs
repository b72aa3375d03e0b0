//! Which parts of a proof are done, which are being made, and which can be made next. Plain data: the controller looks
//! after the tasks.

use crate::failure::TaskFailure;
use proofmill_backends::{Child, Node};
use std::fmt;

/// A part of a proof that has a task of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Segment(u32),
    Node(u32),
    Finish,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(index) => write!(f, "segment {index}"),
            Self::Node(index) => write!(f, "node {index}"),
            Self::Finish => f.write_str("the last step"),
        }
    }
}

impl From<Child> for Part {
    fn from(child: Child) -> Self {
        match child {
            Child::Segment(index) => Self::Segment(index),
            Child::Node(index) => Self::Node(index),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waits,
    Asked,
    Done,
}

/// Every part of one proof. A part can be made when all that it is made of is done.
#[derive(Debug)]
pub(crate) struct Board {
    tree: Vec<Node>,
    segments: Vec<Stage>,
    nodes: Vec<Stage>,
    finish: Stage,
    /// What each segment and each node is part of.
    parent_of_segment: Vec<Part>,
    parent_of_node: Vec<Part>,
    /// Parts that may have become ready since [`Board::take_ready`] looked last.
    candidates: Vec<Part>,
}

impl Board {
    /// Nothing is done. An empty tree means that the last step takes all segments.
    ///
    /// # Errors
    /// The tree is not one.
    pub(crate) fn new(segments: usize, tree: Vec<Node>) -> Result<Self, TaskFailure> {
        let mut parent_of_segment = vec![Part::Finish; segments];
        let mut parent_of_node = vec![Part::Finish; tree.len()];
        for (index, node) in tree.iter().enumerate() {
            for child in &node.children {
                let parent = match *child {
                    Child::Segment(child) => parent_of_segment.get_mut(child as usize),
                    Child::Node(child) => parent_of_node[..index].get_mut(child as usize),
                };
                let parent = parent.filter(|parent| **parent == Part::Finish).ok_or_else(|| {
                    TaskFailure::defect(format!(
                        "the prover's tree is not one: node {index} folds {child:?}, which is not there or folded already"
                    ))
                })?;
                *parent = part(index, Part::Node);
            }
        }
        let candidates =
            (0..segments).map(|index| part(index, Part::Segment)).chain([Part::Finish]).collect();
        Ok(Self {
            segments: vec![Stage::Waits; segments],
            nodes: vec![Stage::Waits; tree.len()],
            finish: Stage::Waits,
            tree,
            parent_of_segment,
            parent_of_node,
            candidates,
        })
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = Part> + use<> {
        (0..self.segments.len()).map(|index| part(index, Part::Segment))
    }

    /// Children before their parents.
    pub(crate) fn nodes(&self) -> impl DoubleEndedIterator<Item = Part> + use<> {
        (0..self.nodes.len()).map(|index| part(index, Part::Node))
    }

    pub(crate) fn tree(&self) -> &[Node] {
        &self.tree
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.tree.get(index as usize)
    }

    /// What a part is made of, in order.
    pub(crate) fn children(&self, of: Part) -> Vec<Part> {
        match of {
            Part::Segment(_) => Vec::new(),
            Part::Node(index) => self
                .node(index)
                .into_iter()
                .flat_map(|node| node.children.iter().map(|child| (*child).into()))
                .collect(),
            Part::Finish => match self.tree.len().checked_sub(1) {
                Some(root) => vec![part(root, Part::Node)],
                None => self.segments().collect(),
            },
        }
    }

    pub(crate) fn is_done(&self, part: Part) -> bool {
        self.stage(part) == Stage::Done
    }

    /// A part is there, and so all that it is made of is of no interest any more.
    pub(crate) fn done(&mut self, part: Part) {
        let mut parts = vec![part];
        while let Some(part) = parts.pop() {
            if self.stage(part) != Stage::Done {
                self.set(part, Stage::Done);
                self.candidates.extend(self.parent(part));
                parts.extend(self.children(part));
            }
        }
    }

    /// A part is to be made, or made again.
    pub(crate) fn undone(&mut self, part: Part) {
        self.set(part, Stage::Waits);
        self.candidates.push(part);
    }

    /// The parts that can be made now. Each is given once, until it is [undone](Board::undone).
    pub(crate) fn take_ready(&mut self) -> Vec<Part> {
        let mut ready = Vec::new();
        for part in std::mem::take(&mut self.candidates) {
            let complete = || self.children(part).into_iter().all(|child| self.is_done(child));
            if self.stage(part) == Stage::Waits && complete() {
                self.set(part, Stage::Asked);
                ready.push(part);
            }
        }
        ready
    }

    fn parent(&self, of: Part) -> Option<Part> {
        match of {
            Part::Segment(index) => self.parent_of_segment.get(index as usize).copied(),
            Part::Node(index) => self.parent_of_node.get(index as usize).copied(),
            Part::Finish => None,
        }
    }

    fn stage(&self, of: Part) -> Stage {
        let stage = match of {
            Part::Segment(index) => self.segments.get(index as usize),
            Part::Node(index) => self.nodes.get(index as usize),
            Part::Finish => Some(&self.finish),
        };
        stage.copied().unwrap_or(Stage::Waits)
    }

    fn set(&mut self, of: Part, to: Stage) {
        let stage = match of {
            Part::Segment(index) => self.segments.get_mut(index as usize),
            Part::Node(index) => self.nodes.get_mut(index as usize),
            Part::Finish => Some(&mut self.finish),
        };
        if let Some(stage) = stage {
            *stage = to;
        }
    }
}

/// The controller has made sure that every index fits.
fn part(index: usize, of: impl Fn(u32) -> Part) -> Part {
    of(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(children: &[Child]) -> Node {
        Node { layer: 0, children: children.to_vec() }
    }

    /// Three segments: the first two fold into node 0, that and the third into node 1.
    fn board() -> Board {
        let tree =
            vec![node(&[Child::Segment(0), Child::Segment(1)]), node(&[Child::Node(0), Child::Segment(2)])];
        Board::new(3, tree).unwrap()
    }

    #[test]
    fn a_part_is_ready_once_when_its_children_are_done() {
        let mut board = board();
        assert_eq!(board.take_ready(), [Part::Segment(0), Part::Segment(1), Part::Segment(2)]);
        board.done(Part::Segment(0));
        assert_eq!(board.take_ready(), []);
        board.done(Part::Segment(1));
        board.done(Part::Segment(2));
        assert_eq!(board.take_ready(), [Part::Node(0)]);
        board.done(Part::Node(0));
        assert_eq!(board.take_ready(), [Part::Node(1)]);
        board.done(Part::Node(1));
        assert_eq!(board.take_ready(), [Part::Finish]);
    }

    #[test]
    fn what_a_finished_node_is_made_of_is_not_made() {
        let mut board = board();
        board.done(Part::Node(0));
        assert_eq!(board.take_ready(), [Part::Segment(2)]);
    }

    #[test]
    fn a_lost_child_is_made_again_before_its_parent() {
        let mut board = board();
        board.take_ready();
        board.segments().for_each(|segment| board.done(segment));
        assert_eq!(board.take_ready(), [Part::Node(0)]);
        board.undone(Part::Node(0));
        board.undone(Part::Segment(1));
        assert_eq!(board.take_ready(), [Part::Segment(1)]);
        board.done(Part::Segment(1));
        assert_eq!(board.take_ready(), [Part::Node(0)]);
    }

    #[test]
    fn without_a_tree_the_last_step_takes_all_segments() {
        let mut board = Board::new(2, Vec::new()).unwrap();
        assert_eq!(board.take_ready().len(), 2);
        board.done(Part::Segment(0));
        assert_eq!(board.take_ready(), []);
        board.done(Part::Segment(1));
        assert_eq!(board.take_ready(), [Part::Finish]);
    }

    #[test]
    fn a_tree_that_is_none_is_refused() {
        for tree in [
            vec![node(&[Child::Segment(3)])],
            vec![node(&[Child::Node(0)])],
            vec![node(&[Child::Segment(0), Child::Segment(0)])],
        ] {
            assert!(Board::new(3, tree).is_err());
        }
    }
}
