//! What the times of a range's blocks say of it, before anything is gathered: some ranges of an OP Stack chain can never be proven.

use crate::{BuildError, L1Source, Node};
use proofmill_derivation::{DerivationError, RollupConfig};
use proofmill_primitives::BlockRange;
use proofmill_stateless::{OpFork, OpRules};

impl L1Source {
    /// Whether the times of its blocks leave a range to be derived and proven; nothing is gathered for that but the header before it. What
    /// the range program refuses for other reasons is found later.
    ///
    /// # Errors
    /// [`BuildError::BeforeIsthmus`], [`BuildError::NotDerived`] with what is at a fork, or the node does not show the header.
    pub async fn check_times(config: &RollupConfig, l2: &Node, range: BlockRange) -> Result<(), BuildError> {
        let parent = range.first().checked_sub(1).ok_or(BuildError::Genesis)?;
        let header = l2.inner.header(parent).await?;
        judge(&config.rules, parent, header.timestamp, range.len())
    }
}

/// Judges so many blocks after `parent`, whose time is in seconds since 1970.
fn judge(rules: &OpRules, parent: u64, time: u64, blocks: u64) -> Result<(), BuildError> {
    let isthmus = rules.forks.iter().find(|entry| entry.fork == OpFork::Isthmus).map(|entry| entry.timestamp);
    let Some(fork) = rules.fork_at(time).filter(|fork| *fork >= OpFork::Isthmus) else {
        return Err(BuildError::BeforeIsthmus { block: parent, isthmus });
    };
    if rules.fork_at(time.saturating_sub(rules.block_time)) != Some(fork) {
        return Err(BuildError::NotDerived(DerivationError::ParentActivates { fork }));
    }
    let last = time.saturating_add(rules.block_time.saturating_mul(blocks));
    let within = time.saturating_add(1)..=last;
    let mut begins = rules.forks.iter().map(|entry| entry.timestamp);
    let Some(begins) = begins.find(|begins| within.contains(begins)) else { return Ok(()) };
    // The first block of the fork.
    let after = (begins - time).div_ceil(rules.block_time.max(1));
    let timestamp = time.saturating_add(after.saturating_mul(rules.block_time));
    let fork = rules.fork_at(timestamp).unwrap_or(fork);
    Err(BuildError::NotDerived(DerivationError::Activation { timestamp, fork }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Isthmus at 1000, Jovian at 2001, a block every 2 s.
    fn rules() -> OpRules {
        let mut rules = OpRules::for_fork(901, OpFork::Jovian);
        for entry in &mut rules.forks {
            entry.timestamp = match entry.fork {
                OpFork::Isthmus => 1_000,
                OpFork::Jovian => 2_001,
                _ => 0,
            };
        }
        rules
    }

    #[test]
    fn what_a_range_cannot_cross_is_known_by_its_times() {
        let judged = |time, blocks| judge(&rules(), 7, time, blocks);
        let before = judged(998, 3).unwrap_err();
        assert!(matches!(before, BuildError::BeforeIsthmus { block: 7, isthmus: Some(1_000) }), "{before}");
        assert!(before.to_string().contains("1000"), "{before}");
        let never = judge(&OpRules::for_fork(901, OpFork::Holocene), 7, 5_000, 1).unwrap_err();
        assert!(matches!(never, BuildError::BeforeIsthmus { isthmus: None, .. }), "{never}");
        let first = |error: BuildError| match error {
            BuildError::NotDerived(DerivationError::ParentActivates { fork }) => fork,
            other => panic!("{other}"),
        };
        assert_eq!(first(judged(1_000, 1).unwrap_err()), OpFork::Isthmus);
        assert_eq!(first(judged(2_002, 1).unwrap_err()), OpFork::Jovian);
        for (time, blocks) in [(1_002, 1), (1_002, 499), (2_000, 0), (2_004, 1_000_000)] {
            judged(time, blocks).unwrap();
        }
        for (time, blocks) in [(1_002, 500), (2_000, 1), (1_990, 1_000)] {
            let error = judged(time, blocks).unwrap_err();
            let activates = DerivationError::Activation { timestamp: 2_002, fork: OpFork::Jovian };
            assert!(matches!(&error, BuildError::NotDerived(found) if *found == activates), "{error}");
        }
    }

    #[test]
    fn a_chain_that_began_with_its_fork_has_no_such_blocks() {
        let rules = OpRules::for_fork(901, OpFork::Jovian);
        judge(&rules, 0, 1_700_000_000, 10).unwrap();
    }
}
