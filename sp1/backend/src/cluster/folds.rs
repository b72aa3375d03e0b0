//! How the proofs of shards are folded into one: neighbours first, until one is left. Names follow from the shards alone.

use super::{controller::ids, faults::of_task, names::name, raw, store::Plain};
use proofmill_backends::tasks::ClusterTask;
use proofmill_fault::Fault;
use proofmill_primitives::ArtifactId;
use proofmill_sp1_prover::tasks::ARITY;
use sp1_hypercube::air::ShardRange;
use sp1_prover::worker::{RangeProofs, RawTaskRequest, RecursionProof, ReduceTaskRequest};
use sp1_prover_types::Artifact;
use std::collections::BTreeSet;

/// Neighbours, and what they are folded into.
pub(super) struct Fold {
    children: Vec<(ShardRange, ArtifactId)>,
    range: ShardRange,
    /// Only the last one marks the proof as complete.
    is_last: bool,
    pub(super) output: ArtifactId,
}

impl Fold {
    /// What its task reads.
    pub(super) fn inputs(&self, task: &ClusterTask) -> Result<Vec<ArtifactId>, Fault> {
        let proofs = self
            .children
            .iter()
            .map(|(range, child)| RecursionProof { shard_range: *range, proof: Artifact(child.to_string()) });
        let request = ReduceTaskRequest {
            range_proofs: RangeProofs::new(self.range, proofs.collect()),
            is_complete: self.is_last,
            output: Artifact(self.output.to_string()),
            context: raw(task).context,
        };
        let RawTaskRequest { inputs, .. } = request.into_raw().map_err(of_task)?;
        Ok(ids(inputs))
    }
}

/// All folds of these shards, each after those that it is made of: the last level is the last fold. A single shard is folded as well.
pub(super) fn levels(mut level: Vec<(ShardRange, ArtifactId)>) -> Vec<Vec<Fold>> {
    let mut levels = Vec::new();
    loop {
        let is_last = level.len() <= ARITY;
        let (mut folds, mut next) = (Vec::new(), Vec::with_capacity(level.len().div_ceil(ARITY)));
        for children in level.chunks(ARITY) {
            if let ([only], false) = (children, is_last) {
                next.push(only.clone());
                continue;
            }
            let (Some((first, _)), Some((end, _))) = (children.first(), children.last()) else { continue };
            let range: ShardRange = (first.start()..end.end()).into();
            let last = [u8::from(is_last)];
            let parts = children.iter().map(|(_, child)| child.as_str().as_bytes());
            let output = name("fold", &[last.as_slice()].into_iter().chain(parts).collect::<Vec<_>>());
            next.push((range, output.clone()));
            folds.push(Fold { children: children.to_vec(), range, is_last, output });
        }
        levels.push(folds);
        level = next;
        if is_last {
            return levels;
        }
    }
}

/// What there is of some folds.
pub(super) struct Found {
    /// Those that are to be made.
    pub(super) lacking: BTreeSet<ArtifactId>,
    /// What they are made of, and the last one.
    pub(super) needed: BTreeSet<ArtifactId>,
}

/// Looks from the last fold down: what one that is there was made of is not looked for. Nodes of the SP1 cluster remove it.
pub(super) async fn look(levels: &[Vec<Fold>], store: &Plain) -> Result<Found, Fault> {
    let (mut lacking, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for fold in levels.iter().rev().flatten() {
        if fold.is_last {
            needed.insert(fold.output.clone());
        }
        if needed.contains(&fold.output) && !store.is_whole(&fold.output).await? {
            needed.extend(fold.children.iter().map(|(_, child)| child.clone()));
            lacking.insert(fold.output.clone());
        }
    }
    Ok(Found { lacking, needed })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_artifacts::{ArtifactKind, FsArtifacts};
    use std::sync::Arc;

    /// As a node of the SP1 cluster leaves it that has folded some.
    #[tokio::test]
    async fn what_a_fold_that_is_there_was_made_of_is_not_needed() {
        let folder = std::env::temp_dir().join(format!("proofmill-sp1-folds-{}", std::process::id()));
        let store = Plain(Arc::new(FsArtifacts::open(&folder).unwrap()));
        let leaf = |number: u64| {
            let range = ShardRange { timestamp_range: (number, number + 1), ..ShardRange::default() };
            (range, ArtifactId::new(format!("leaf-{number}")))
        };
        let levels = levels((1..=5).map(leaf).collect());
        assert_eq!(
            levels.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 1, 1],
            "the fifth is left over twice"
        );
        let outputs: Vec<_> = levels.iter().flatten().map(|fold| fold.output.clone()).collect();
        let [first, second, both, last] = outputs.as_slice() else { panic!("{outputs:?}") };
        let set = |ids: &[&ArtifactId]| ids.iter().copied().cloned().collect::<BTreeSet<_>>();
        let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|number| leaf(number).1);

        let found = look(&levels, &store).await.unwrap();
        assert_eq!(found.lacking, set(&[first, second, both, last]));
        assert_eq!(found.needed, set(&[first, second, both, last, &one, &two, &three, &four, &five]));
        store.0.put(second, ArtifactKind::Exchanged, "folded".into()).await.unwrap();
        let found = look(&levels, &store).await.unwrap();
        assert_eq!(found.lacking, set(&[first, both, last]));
        assert_eq!(found.needed, set(&[first, second, both, last, &one, &two, &five]));
        store.0.delete(second, ArtifactKind::Exchanged).await.unwrap();
        store.0.put(both, ArtifactKind::Exchanged, "folded".into()).await.unwrap();
        let found = look(&levels, &store).await.unwrap();
        assert_eq!((found.lacking, found.needed), (set(&[last]), set(&[both, last, &five])));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
