//! How much memory tasks need.
//!
//! Measured with `examples/openvm_split.rs`, each step in a process of its own (VmHWM, so keys included). OpenVM's own
//! estimate, which a [`SegmentBudget`] limits, is far below what its CPU prover takes, and tables grow in powers of two, so
//! the steps are measured points and not a formula.

use super::tree::Layer;
use crate::{Node, SegmentBudget, SnarkSize};
use openvm_sdk::config::MAX_NUM_CHILDREN_LEAF;
use proofmill_primitives::{TaskKind, Weight};

/// Budgets worth having, and the memory that a worker needs to prove segments of each.
///
/// | budget | instructions in a segment | peak |
/// |---|---|---|
/// | 640 MB | 110,000 | 1.5 GB |
/// | 768 MB | 221,000 | 2.2 GB |
/// | 1,152 MB | 442,000 | 3.6 GB |
/// | 1,536 MB | 884,000 | 6.5 GB |
/// | 3,072 MB | 1,080,000 (the whole execution) | 11.9 GB |
const STEPS: [(SegmentBudget, Weight); 5] = [
    (SegmentBudget(640), Weight::gb(2)),
    (SegmentBudget(768), Weight::gb(3)),
    (SegmentBudget(1152), Weight::gb(4)),
    (SegmentBudget(1536), Weight::gb(7)),
    (SegmentBudget(3072), Weight::gb(13)),
];
/// Below this the fixed tables alone exceed the budget, and a segment would be cut every 1,000 instructions.
const SMALLEST: SegmentBudget = STEPS[0].0;

/// The memory that a task needs.
pub(super) fn weight(kind: TaskKind, budget: SegmentBudget) -> Weight {
    match kind {
        TaskKind::ProveShard => STEPS
            .iter()
            .find(|(step, _)| *step >= budget)
            // Segments do not grow further: the height of the tables is limited.
            .map_or(Weight::gb(16), |(_, weight)| *weight),
        // The most that a node takes: see `node_weight`.
        TaskKind::RecursionReduce => Weight::gb(if leaf_children(budget) > 2 { 6 } else { 5 }),
        // 1.5 GB to verify a proof, 1.6 GB to finish one. A SNARK's root, which is of the second kind too, has the weight of its node.
        TaskKind::RecursionDeferred | TaskKind::ShrinkWrap => Weight::gb(2),
        // The most that a step of a SNARK takes, of whichever variant.
        TaskKind::PlonkWrap => Weight::gb(14),
        // Planning and deriving a version take 0.3 GB; a controller also keeps all segment proofs (0.5 MB each).
        TaskKind::Controller | TaskKind::CoreExecute | TaskKind::ExecuteOnly | TaskKind::SetupVkey => {
            Weight::gb(1)
        }
        // What this backend does not have.
        other => other.default_weight(),
    }
}

/// How many segments a leaf has. With more of them fewer leaves have to be made, and each costs a minute whatever is in it;
/// with segments that fit 4 GB, a leaf over two is about as large as they are, and one over four is half as large again.
pub(super) fn leaf_children(budget: SegmentBudget) -> usize {
    if budget <= SegmentBudget(1152) { 2 } else { MAX_NUM_CHILDREN_LEAF }
}

/// The memory that folding a node needs. A process that has folded before also holds the keys of those circuits, 40 to 80
/// MB each.
///
/// | node | peak |
/// |---|---|
/// | leaf over one segment | 2.3 GB (Fibonacci) to 3.8 GB (the range program, whose segments use more tables), 4.1 GB in a worker |
/// | leaf over two segments | 4.0 GB (Fibonacci) |
/// | leaf over four segments | 4.9 GB (Fibonacci), 5.7 GB (the range program, in a worker) |
/// | any other of a compressed proof, a SNARK's root | 2.6 GB and less; two roots together in a worker 5.1 GB |
///
/// The steps of a SNARK go by its size. Any worker may have to make a key, so what takes more counts: the key or the proof
/// (`benches/snark.md`).
///
/// | step | rows | with the key to be made | with the key there | weight |
/// |---|---|---|---|---|
/// | static verifier, small | 2^22 | 7.7 GB | 6.9 GB; 8.1 GB in a worker | 11 GB |
/// | wrapper, small | 2^23 | 8.2 GB; 8.9 GB in a worker | | 10 GB |
/// | static verifier, published | 2^23 | 11.2 GB, at the proof after it | | 14 GB |
/// | wrapper, published | 2^22 | 4.1 GB | | 6 GB |
pub(super) fn node_weight(node: &Node) -> Weight {
    match (Layer::from_number(node.layer), node.children.len()) {
        (Some(Layer::StaticVerifier(variant)), _) => variant.size.memory(),
        (Some(Layer::Wrapper(variant)), _) => match variant.size {
            SnarkSize::Small => Weight::gb(10),
            SnarkSize::Published => Weight::gb(6),
        },
        (Some(Layer::Segments { level: 0 }), 3..) => Weight::gb(6),
        (Some(Layer::Segments { level: 0 }), _) => Weight::gb(5),
        _ => Weight::gb(3),
    }
}

/// The largest segments that a worker with so much memory can prove; the smallest there are where it can prove none, so
/// that the weight of their tasks says what is missing.
pub(super) fn budget_for(memory: Weight) -> SegmentBudget {
    STEPS.iter().rev().find(|(_, weight)| *weight <= memory).map_or(SMALLEST, |(budget, _)| *budget)
}

/// A budget that can be kept.
pub(super) fn at_least_smallest(budget: SegmentBudget) -> SegmentBudget {
    budget.max(SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, Child, OpenVmBackend, SnarkVariant, openvm::tree};

    #[test]
    fn no_node_weighs_more_than_its_kind() {
        let segments: Vec<u32> = (0..9).collect();
        for (budget, _) in STEPS {
            let nodes = tree::nodes(&segments, &[9, 10, 11], leaf_children(budget));
            assert!(nodes.iter().all(|node| node_weight(node) <= weight(TaskKind::RecursionReduce, budget)));
        }
        // Aggregation of a short program fits a small worker.
        let nodes = tree::nodes(&[0], &[1, 2], MAX_NUM_CHILDREN_LEAF);
        assert!(nodes.iter().all(|node| node_weight(node) <= Weight::gb(5)));
        // As does a proof whose segments are cut for one.
        let nodes = tree::nodes(&segments, &[], leaf_children(budget_for(Weight::gb(4))));
        assert!(nodes.iter().all(|node| node_weight(node) <= Weight::gb(5)));
        let leaf = Node { layer: 0, children: vec![Child::Segment(0), Child::Segment(1)] };
        assert!(node_weight(&leaf) > Weight::gb(4));
    }

    #[test]
    fn no_halo2_proof_weighs_more_than_its_kind() {
        let backend = OpenVmBackend::default();
        let join = tree::nodes(&[0], &[1], MAX_NUM_CHILDREN_LEAF);
        let mut heaviest = Weight::ZERO;
        for variant in SnarkVariant::ALL {
            let nodes = tree::with_snark(join.clone(), variant);
            let [root, halo2 @ ..] = &nodes[join.len()..] else { panic!("{variant}: no steps") };
            assert_eq!(backend.node_task(root), TaskKind::ShrinkWrap);
            assert_eq!(halo2.len(), 2, "static verifier, wrapper");
            for node in halo2 {
                assert_eq!(backend.node_task(node), TaskKind::PlonkWrap);
                heaviest = heaviest.max(node_weight(node));
            }
            let weights = [root, &halo2[0], &halo2[1]].map(|node| node_weight(node).as_gb());
            let expected = match variant.size {
                SnarkSize::Small => [3, 11, 10],
                SnarkSize::Published => [3, 14, 6],
            };
            assert_eq!(weights, expected, "{variant}");
        }
        assert_eq!(heaviest, weight(TaskKind::PlonkWrap, SMALLEST));
    }

    #[test]
    fn a_worker_can_prove_what_it_was_given_a_budget_for() {
        for gb in 2..64 {
            let memory = Weight::gb(gb);
            assert!(weight(TaskKind::ProveShard, budget_for(memory)) <= memory, "{memory}");
        }
    }

    #[test]
    fn too_little_memory_is_visible_in_the_weight() {
        let memory = Weight::gb(1);
        assert!(weight(TaskKind::ProveShard, budget_for(memory)) > memory);
        assert_eq!(at_least_smallest(SegmentBudget(0)), SMALLEST);
    }
}
