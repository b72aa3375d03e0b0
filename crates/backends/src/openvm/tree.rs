//! The shape of the tree that folds segment proofs, as in OpenVM's own aggregation.
//!
//! Layer 0 (leaf) verifies up to 4 segment proofs, layer 1 up to 3 leaves, layer 2 up to 3 proofs of layer 1, and every
//! layer above up to 3 of the layer below, with one and the same circuit. Layers 0 to 2 are there even for one segment:
//! a final proof is one of layer 2 or above.

use crate::{Child, Node};
use openvm_sdk::config::{MAX_NUM_CHILDREN_INTERNAL, MAX_NUM_CHILDREN_LEAF};

/// Verifies segment proofs.
pub(super) const LEAF: u32 = 0;
/// Verifies leaves.
pub(super) const INTERNAL: u32 = 1;
/// The first layer of the recursive circuit; verifies proofs of [`INTERNAL`].
pub(super) const RECURSIVE: u32 = 2;

/// How many children a node of this layer can have.
pub(super) const fn arity(layer: u32) -> usize {
    if layer == LEAF { MAX_NUM_CHILDREN_LEAF } else { MAX_NUM_CHILDREN_INTERNAL }
}

/// The nodes, children first, the root last.
pub(super) fn nodes(segments: u32) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    if segments == 0 {
        return nodes;
    }
    let mut below: Vec<Child> = (0..segments).map(Child::Segment).collect();
    let mut layer = LEAF;
    while layer <= RECURSIVE || below.len() > 1 {
        let mut this = Vec::new();
        for children in below.chunks(arity(layer)) {
            // There are fewer nodes than segments plus layers, so the index fits.
            this.push(Child::Node(nodes.len() as u32));
            nodes.push(Node { layer, children: children.to_vec() });
        }
        below = this;
        layer += 1;
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_one_segment_passes_all_circuits() {
        let layers: Vec<u32> = nodes(1).iter().map(|node| node.layer).collect();
        assert_eq!(layers, [LEAF, INTERNAL, RECURSIVE]);
        assert!(nodes(0).is_empty());
    }

    #[test]
    fn thirteen_segments() {
        let widths: Vec<(u32, usize)> =
            nodes(13).iter().map(|node| (node.layer, node.children.len())).collect();
        assert_eq!(widths, [(0, 4), (0, 4), (0, 4), (0, 1), (1, 3), (1, 1), (2, 2)]);
    }

    proptest! {
        #[test]
        fn every_part_is_folded_once_and_in_order(segments in 1u32..500) {
            let nodes = nodes(segments);
            let mut used = vec![false; nodes.len()];
            let mut next = 0;
            for (index, node) in nodes.iter().enumerate() {
                prop_assert!((1..=arity(node.layer)).contains(&node.children.len()));
                for child in &node.children {
                    match *child {
                        Child::Segment(segment) => {
                            prop_assert_eq!(node.layer, LEAF);
                            prop_assert_eq!(segment, next);
                            next += 1;
                        }
                        Child::Node(child) => {
                            let child = child as usize;
                            prop_assert!(child < index);
                            prop_assert_eq!(nodes[child].layer + 1, node.layer);
                            prop_assert!(!std::mem::replace(&mut used[child], true));
                        }
                    }
                }
            }
            prop_assert_eq!(next, segments);
            prop_assert!(!used.pop().unwrap_or(true), "the root is nobody's child");
            prop_assert!(used.iter().all(|used| *used));
        }
    }
}
