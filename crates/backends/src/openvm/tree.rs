//! The shape of the tree that folds the parts of a proof, as in OpenVM's own aggregation.
//!
//! Segments: layer 0 (leaf) verifies up to 4 segment proofs, fewer where memory is short, layer 1 up to 3 leaves, layer 2
//! up to 3 proofs of layer 1, and
//! every layer above up to 3 of the layer below, with one and the same circuit. Layers 0 to 2 are there even for one
//! segment: a final proof is one of layer 2 or above.
//!
//! A program that verifies proofs has a second tree beside it, over the verifications of those proofs, two and two. Its
//! root goes through the hook, which ties it to the calls that the program made, and through three more layers until it can
//! be joined with the root of the segments:
//!
//! ```text
//! segments ──leaf──internal──recursive──────────────────────────────┐
//!                                                                   join
//! verifications ──leaf──internal──recursive──hook──leaf──internal──recursive
//! ```
//!
//! For a SNARK three more steps follow the join, one after the other: the root, the static verifier, the wrapper
//! ([`snark`](super::snark)).

use super::circuit::Stage;
use crate::{Child, Node, SnarkVariant};
use openvm_sdk::config::{MAX_NUM_CHILDREN_INTERNAL, MAX_NUM_CHILDREN_LEAF};

/// How many verifications, or folds of them, a node can have.
const VERIFICATIONS: usize = 2;

/// What a node does. `level` counts the layers of one kind from below: 0 leaf, 1 internal, 2 and above recursive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Folds segments, or folds of them.
    Segments { level: u8 },
    /// Folds verifications, or folds of them.
    Verifications {
        /// The layer.
        level: u8,
        /// How many there are below in all. One alone is passed on, more are hashed in pairs, the last with padding where
        /// it has none.
        below: Below,
    },
    /// Ties the verifications to the program's calls.
    Hook,
    /// Folds the one proof of the hook.
    Hooked { level: u8 },
    /// Joins segments and verifications.
    Join,
    /// Folds the join once more and proves that with hashes of BN254's field.
    Root,
    /// Verifies the root in a Halo2 circuit.
    StaticVerifier(SnarkVariant),
    /// Verifies that in a small one.
    Wrapper(SnarkVariant),
}

/// How many parts a whole layer has below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    One,
    More,
}

const VERIFICATIONS_OF_ONE: u32 = 1 << 8;
const VERIFICATIONS_OF_MORE: u32 = 2 << 8;
const HOOK: u32 = 3 << 8;
const HOOKED: u32 = 4 << 8;
const JOIN: u32 = 5 << 8;
const ROOT: u32 = 6 << 8;
const STATIC_VERIFIER: u32 = 7 << 8;
const WRAPPER: u32 = 8 << 8;

impl From<Layer> for u32 {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Segments { level } => level.into(),
            Layer::Verifications { level, below: Below::One } => VERIFICATIONS_OF_ONE | Self::from(level),
            Layer::Verifications { level, below: Below::More } => VERIFICATIONS_OF_MORE | Self::from(level),
            Layer::Hook => HOOK,
            Layer::Hooked { level } => HOOKED | Self::from(level),
            Layer::Join => JOIN,
            Layer::Root => ROOT,
            Layer::StaticVerifier(variant) => STATIC_VERIFIER | Self::from(variant.number()),
            Layer::Wrapper(variant) => WRAPPER | Self::from(variant.number()),
        }
    }
}

impl Layer {
    /// The layer with this number, if there is one.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        let level = (number & 0xff) as u8;
        match number & !0xff {
            0 => Some(Self::Segments { level }),
            VERIFICATIONS_OF_ONE => Some(Self::Verifications { level, below: Below::One }),
            VERIFICATIONS_OF_MORE => Some(Self::Verifications { level, below: Below::More }),
            HOOK if level == 0 => Some(Self::Hook),
            HOOKED => Some(Self::Hooked { level }),
            JOIN if level == 0 => Some(Self::Join),
            ROOT if level == 0 => Some(Self::Root),
            STATIC_VERIFIER => SnarkVariant::from_number(level).map(Self::StaticVerifier),
            WRAPPER => SnarkVariant::from_number(level).map(Self::Wrapper),
            _ => None,
        }
    }

    /// How many children a node of this layer can have.
    pub(super) fn arity(self) -> usize {
        match self {
            Self::Segments { level: 0 } => MAX_NUM_CHILDREN_LEAF,
            Self::Segments { .. } => MAX_NUM_CHILDREN_INTERNAL,
            Self::Verifications { below: Below::More, .. } => VERIFICATIONS,
            Self::Verifications { below: Below::One, .. } | Self::Hook | Self::Hooked { .. } => 1,
            Self::Root | Self::StaticVerifier(_) | Self::Wrapper(_) => 1,
            Self::Join => 2,
        }
    }
}

/// The circuit of a level.
pub(super) fn stage(level: u8) -> Stage {
    match level {
        0 => Stage::Leaf,
        1 => Stage::Internal,
        _ => Stage::Recursive,
    }
}

/// The first level of the circuit that folds its own proofs.
pub(super) const RECURSIVE: u8 = 2;

/// The nodes for the segments with these indices and the verifications with those, children first, the root last. A leaf
/// has at most `per_leaf` segments.
pub(super) fn nodes(segments: &[u32], verifications: &[u32], per_leaf: usize) -> Vec<Node> {
    let mut tree = Tree { nodes: Vec::new(), per_leaf: per_leaf.clamp(1, MAX_NUM_CHILDREN_LEAF) };
    if segments.is_empty() {
        return tree.nodes;
    }
    if verifications.is_empty() {
        tree.fold_segments(segments);
        return tree.nodes;
    }
    // First, because it is the longer way to the join.
    let hooked = tree.fold_verifications(verifications);
    let (executed, level) = tree.fold_segments(segments);
    let hooked = tree.fold_hooked(hooked, level);
    tree.push(Layer::Join, &[executed, hooked]);
    tree.nodes
}

/// Continues the nodes of a compressed proof to a SNARK of it.
pub(super) fn with_snark(nodes: Vec<Node>, variant: SnarkVariant) -> Vec<Node> {
    let mut tree = Tree { nodes, per_leaf: 1 };
    for layer in [Layer::Root, Layer::StaticVerifier(variant), Layer::Wrapper(variant)] {
        // The root of a tree is its last node.
        let below = tree.nodes.len().saturating_sub(1) as u32;
        tree.push(layer, &[Child::Node(below)]);
    }
    tree.nodes
}

struct Tree {
    nodes: Vec<Node>,
    per_leaf: usize,
}

impl Tree {
    fn push(&mut self, layer: Layer, children: &[Child]) -> Child {
        self.nodes.push(Node { layer: layer.into(), children: children.to_vec() });
        // There are fewer nodes than parts and layers, so the index fits.
        Child::Node(self.nodes.len() as u32 - 1)
    }

    /// The root and its level.
    fn fold_segments(&mut self, segments: &[u32]) -> (Child, u8) {
        let mut below: Vec<Child> = segments.iter().copied().map(Child::Segment).collect();
        let mut level = 0;
        loop {
            let layer = Layer::Segments { level };
            let most = if level == 0 { self.per_leaf } else { layer.arity() };
            below = below.chunks(most).map(|children| self.push(layer, children)).collect();
            match below[..] {
                [root] if level >= RECURSIVE => return (root, level),
                _ => level += 1,
            }
        }
    }

    fn fold_verifications(&mut self, verifications: &[u32]) -> Child {
        let mut below: Vec<Child> = verifications.iter().copied().map(Child::Segment).collect();
        let mut level = 0;
        loop {
            let many = if below.len() == 1 { Below::One } else { Below::More };
            let layer = Layer::Verifications { level, below: many };
            below = below.chunks(layer.arity()).map(|children| self.push(layer, children)).collect();
            match below[..] {
                [root] if level >= RECURSIVE => return self.push(Layer::Hook, &[root]),
                _ => level += 1,
            }
        }
    }

    /// Up to the level at which the segments' root stands: what is joined must stand equally high.
    fn fold_hooked(&mut self, mut hooked: Child, up_to: u8) -> Child {
        for level in 0..=up_to {
            hooked = self.push(Layer::Hooked { level }, &[hooked]);
        }
        hooked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(segments: u32) -> Vec<Node> {
        nodes(&(0..segments).collect::<Vec<_>>(), &[], MAX_NUM_CHILDREN_LEAF)
    }

    fn with_proofs(segments: u32, proofs: u32, per_leaf: usize) -> Vec<Node> {
        let verifications: Vec<u32> = (segments..segments + proofs).collect();
        nodes(&(0..segments).collect::<Vec<_>>(), &verifications, per_leaf)
    }

    fn layers(nodes: &[Node]) -> Vec<Layer> {
        nodes.iter().filter_map(|node| Layer::from_number(node.layer)).collect()
    }

    #[test]
    fn even_one_segment_passes_all_circuits() {
        let numbers: Vec<u32> = plain(1).iter().map(|node| node.layer).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(nodes(&[], &[], 4).is_empty());
    }

    #[test]
    fn thirteen_segments() {
        let widths: Vec<(u32, usize)> =
            plain(13).iter().map(|node| (node.layer, node.children.len())).collect();
        assert_eq!(widths, [(0, 4), (0, 4), (0, 4), (0, 1), (1, 3), (1, 1), (2, 2)]);
    }

    #[test]
    fn two_proofs_are_verified_beside_one_segment() {
        use Layer::{Hook, Hooked, Join, Segments, Verifications};
        let nodes = with_proofs(1, 2, 4);
        assert_eq!(
            layers(&nodes),
            [
                Verifications { level: 0, below: Below::More },
                Verifications { level: 1, below: Below::One },
                Verifications { level: 2, below: Below::One },
                Hook,
                Segments { level: 0 },
                Segments { level: 1 },
                Segments { level: 2 },
                Hooked { level: 0 },
                Hooked { level: 1 },
                Hooked { level: 2 },
                Join,
            ]
        );
        assert_eq!(nodes[0].children, [Child::Segment(1), Child::Segment(2)]);
        assert_eq!(nodes[10].children, [Child::Node(6), Child::Node(9)]);
    }

    #[test]
    fn what_is_joined_stands_equally_high() {
        // 37 segments need one more layer than verifications ever do.
        let layers = layers(&with_proofs(37, 1, 4));
        assert!(layers.contains(&Layer::Segments { level: 3 }));
        assert!(layers.contains(&Layer::Hooked { level: 3 }));
        assert!(!layers.contains(&Layer::Hooked { level: 4 }));
    }

    #[test]
    fn a_snark_follows_the_join_step_by_step() {
        let variant = SnarkVariant::ALL[1];
        let nodes = with_snark(with_proofs(1, 2, 4), variant);
        let steps = [Layer::Join, Layer::Root, Layer::StaticVerifier(variant), Layer::Wrapper(variant)];
        assert_eq!(layers(&nodes)[10..], steps);
        let below: Vec<&[Child]> = nodes[11..].iter().map(|node| node.children.as_slice()).collect();
        assert_eq!(below, [[Child::Node(10)], [Child::Node(11)], [Child::Node(12)]]);
    }

    #[test]
    fn layers_have_numbers_of_their_own() {
        for number in 0..0xa00 {
            if let Some(layer) = Layer::from_number(number) {
                assert_eq!(u32::from(layer), number);
            }
        }
        assert_eq!(Layer::from_number(HOOK | 1), None);
        assert_eq!(Layer::from_number(u32::MAX), None);
    }

    proptest! {
        #[test]
        fn every_part_is_folded_once_and_in_order(
            segments in 1u32..500,
            proofs in 0u32..70,
            per_leaf in 1usize..=4,
        ) {
            let nodes = with_proofs(segments, proofs, per_leaf);
            let mut used = vec![false; nodes.len()];
            let (mut executed, mut verified) = (0, segments);
            for (index, node) in nodes.iter().enumerate() {
                let layer = Layer::from_number(node.layer);
                let leaf = layer == Some(Layer::Segments { level: 0 });
                let arity = if leaf { per_leaf } else { layer.map_or(0, Layer::arity) };
                prop_assert!((1..=arity).contains(&node.children.len()));
                for child in &node.children {
                    match *child {
                        Child::Segment(segment) if segment < segments => {
                            prop_assert_eq!(layer, Some(Layer::Segments { level: 0 }));
                            prop_assert_eq!(segment, executed);
                            executed += 1;
                        }
                        Child::Segment(segment) => {
                            prop_assert_eq!(segment, verified);
                            verified += 1;
                        }
                        Child::Node(child) => {
                            let child = child as usize;
                            prop_assert!(child < index);
                            prop_assert!(!std::mem::replace(&mut used[child], true));
                        }
                    }
                }
            }
            prop_assert_eq!((executed, verified), (segments, segments + proofs));
            prop_assert!(!used.pop().unwrap_or(true), "the root is nobody's child");
            prop_assert!(used.iter().all(|used| *used));
        }
    }
}
