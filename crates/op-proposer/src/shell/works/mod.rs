//! What proves: ranges, their aggregation, and what a contract's verifier takes for it. The same in every mode.

mod gas;
mod range;
mod verifier;

use super::{Anchor, Parts, kept::Proofs, watch::Watch};
use crate::{
    error::OpProposerError,
    rules::{L1Block, Problem, StepFailed},
};
use alloy_primitives::{Address, B256};
use proofmill_chain::{BlockAt, ChainError, Games, L2, OracleConfig, Output, Sender};
use proofmill_client::{ClientError, ClusterProver, OpAggregationProof, OpRangeProof, VerifyError, programs};
use proofmill_derivation::RollupConfig;
use proofmill_primitives::{BlockRange, ProgramVersion};
use proofmill_program::op::{OpAggregation, OpAggregationError};
use proofmill_service::JobError;
use proofmill_witness::{BuildError, L1Source, Node, RollupNode};
use range::Unusable;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;
use verifier::Verifier;

pub(super) use range::away;

/// What proves, and for whom.
#[derive(Debug)]
pub(super) struct Works {
    pub(super) sender: Sender,
    l2: L2,
    node: Node,
    pub(super) rollup_node: RollupNode,
    rollup: RollupConfig,
    pub(super) source: L1Source,
    prover: ClusterProver,
    pub(super) proofs: Proofs,
    rollup_hash: B256,
    range_program: ProgramVersion,
    aggregation_program: ProgramVersion,
    /// Attestors, for verifiers that count them.
    attestors: Vec<String>,
    /// The verifiers of contracts, by where they are.
    verifiers: Mutex<BTreeMap<Address, Arc<Verifier>>>,
    /// The gas of blocks of L2, where ranges are cut by it.
    gas: Mutex<BTreeMap<u64, u64>>,
}

/// What ranges are aggregated to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Where the proof ends on L1.
    pub(super) l1: L1Block,
    /// What L1 has before the first range.
    pub(super) begins: Output,
    /// Whether it can end there only: then a range that was derived later on is of no use.
    pub(super) there_only: bool,
}

impl Works {
    /// Takes as long as making the programs' keys.
    pub(super) async fn start(parts: Parts, proofs: Proofs) -> Result<Self, OpProposerError> {
        let Parts { sender, attestors, l2, node, rollup_node, rollup, source, prover } = parts;
        let backend = prover.backend.clone();
        let versions = tokio::task::spawn_blocking(move || {
            Ok((programs::op_range_version(&*backend)?, programs::op_aggregation_version(&*backend)?))
        });
        let (range_program, aggregation_program) =
            versions.await.unwrap_or(Err(OpProposerError::BrokeOff))?;
        Ok(Self {
            rollup_hash: rollup.hash(),
            sender,
            l2,
            node,
            rollup_node,
            rollup,
            source,
            prover,
            proofs,
            range_program,
            aggregation_program,
            attestors,
            verifiers: Mutex::default(),
            gas: Mutex::default(),
        })
    }

    /// The newest block of L2 that follows from the anchor.
    pub(super) async fn provable(&self, anchor: Anchor) -> Result<u64, String> {
        if anchor.is_default() {
            let finalized = self.l2.block(BlockAt::Finalized).await.map_err(|error| error.to_string())?;
            return finalized.map(|block| block.number).ok_or_else(|| {
                "L2's node has no finalized block yet: it has one once L1 has finalized the blocks with its batches. Wait for it, or prove \
                 up to another block of L1 (--l1-block-tag, L1_BLOCK_TAG)"
                    .to_owned()
            });
        }
        let number = anchor.there(self.sender.l1()).await?;
        self.rollup_node.safe_head(number).await.map_err(|error| error.to_string())
    }

    /// Errors where L2's node has another output than L1's newest: what is proven then begins with something else than the contract has.
    /// Where it does not tell, that is found out when ranges are joined.
    pub(super) async fn agrees(&self, newest: Output, l2_finalized: u64) -> Result<(), String> {
        let Output { root, block } = newest;
        if block > l2_finalized {
            return Ok(());
        }
        match self.l2.output(block).await {
            Ok(Some(there)) if there.root != root => Err(format!(
                "L1's newest output, of block {block}, is {root}, and L2's node has {}: nothing is proven until they agree. Compare the node \
                 with others, and L2_RPC with the chain of the contract",
                there.root
            )),
            _ => Ok(()),
        }
    }

    /// Errors where nothing that follows on this block could be proven. A node that does not tell is asked again before each range.
    pub(super) async fn check_begins(&self, block: u64) -> Result<(), OpProposerError> {
        let next = block.saturating_add(1);
        let Ok(next) = BlockRange::new(next, next) else { return Ok(()) };
        match L1Source::check_times(&self.rollup, &self.node, next).await {
            Err(error @ BuildError::BeforeIsthmus { .. }) => {
                Err(OpProposerError::BeforeIsthmus { source: Box::new(error) })
            }
            _ => Ok(()),
        }
    }

    /// What a contract must want of proofs that are made here.
    pub(super) const fn config(&self) -> OracleConfig {
        OracleConfig {
            aggregation_key: self.aggregation_program.0,
            range_key: self.range_program.0,
            rollup_config_hash: self.rollup_hash,
        }
    }

    /// What a contract wants that is not here: its name, what the contract has, what is here.
    pub(super) fn difference(&self, contract: OracleConfig) -> Option<(&'static str, B256, B256)> {
        difference(contract, self.config())
    }

    /// Why new games of a factory cannot be proven here, where they cannot. Errors where L1 does not tell.
    pub(super) async fn held(&self, games: &Games) -> Result<Option<OpProposerError>, ChainError> {
        let settings = match games.settings().await {
            Err(none @ ChainError::NoGames { .. }) => return Ok(Some(none.into())),
            settings => settings?,
        };
        if let Some((what, contract, here)) = difference(settings.config, self.config()) {
            return Ok(Some(OpProposerError::OtherGames { factory: games.factory(), what, contract, here }));
        }
        Ok(self.verifier(settings.verifier).await.err())
    }

    /// Joins the ranges up to the L1 block.
    pub(super) async fn aggregate(
        &self,
        ranges: &[BlockRange],
        wanted: Wanted,
        cancel: &CancellationToken,
    ) -> Result<OpAggregationProof, StepFailed> {
        let Wanted { l1, begins, there_only } = wanted;
        let prover = self.sender.account();
        let (mut proofs, mut lost, mut oldest) = (Vec::new(), Vec::new(), l1.number);
        for &blocks in ranges {
            match self.proof_on_l1(blocks, l1, there_only).await? {
                Ok((proof, number)) => {
                    oldest = oldest.min(number);
                    proofs.push(proof);
                }
                Err(cause) => lost.push(Problem { blocks, cause }),
            }
        }
        if !lost.is_empty() {
            return Err(StepFailed::RangesLost(lost));
        }
        let l1_headers = self.source.headers(oldest, l1.number).await.map_err(not_now)?;
        if l1_headers.last().map(alloy_primitives::keccak256) != Some(l1.hash) {
            return Err(stale(format!("L1 block {} is another one by now: L1 was reorganised", l1.number)));
        }
        let here = proofs.first().map(|first| first.statement.l2PreRoot).unwrap_or_default();
        if begins.root != here {
            return Err(refused(format!(
                "what L1 has of block {} is {}, and the chain of the L2 node has {here} there",
                begins.block, begins.root
            )));
        }
        let by = OpAggregation { range_key: self.range_program.0, prover, l1_head: l1.hash, l1_headers };
        let (first, last) = ends(ranges);
        let mut watch = Watch::new(format!("aggregation of {first}-{last}"));
        let show = |progress: &_| watch.see(progress);
        let made = match self.prover.prove_op_aggregation(&by, &proofs, cancel, show).await {
            Ok(made) => made,
            Err(ClientError::OpAggregation(
                ref error @ (OpAggregationError::HeadNotFound { at, .. }
                | OpAggregationError::Broken { at, .. }
                | OpAggregationError::NotLater { at, .. }
                | OpAggregationError::OtherConfig { at, .. }),
            )) => {
                let (blocks, cause) = (ranges[at], error.to_string());
                return Err(StepFailed::RangesLost(vec![Problem { blocks, cause }]));
            }
            Err(error) => {
                return Err(match JobError::from(error) {
                    error @ (JobError::Unavailable { .. } | JobError::Cancelled) => not_now(error),
                    error => refused(error),
                });
            }
        };
        tracing::info!(first, last, l1_block = l1.number, "ranges aggregated");
        Ok(made.proof)
    }

    /// The kept proof of a range, and the number of the L1 block up to which it was derived; or why it is to be made again.
    async fn proof_on_l1(
        &self,
        blocks: BlockRange,
        l1: L1Block,
        there_only: bool,
    ) -> Result<Result<(OpRangeProof, u64), String>, StepFailed> {
        let proof = match self.range_proof(blocks).await {
            Ok(Some(proof)) => proof,
            Ok(None) => return Ok(Err("its file is not there".to_owned())),
            Err(Unusable::Refused(cause)) => return Ok(Err(cause)),
            Err(Unusable::Unknown(cause)) => return Err(not_now(cause)),
        };
        let head = proof.statement.l1Head;
        match self.source.node.number_of(head).await {
            Ok(number) if number <= l1.number => Ok(Ok((proof, number))),
            Ok(number) => {
                let cause = format!("range {blocks} was derived up to L1 block {number}, later");
                if there_only { Ok(Err(cause)) } else { Err(stale(cause)) }
            }
            Err(BuildError::UnknownHash { .. }) => {
                Ok(Err(format!("it was derived up to L1 block {head}, which L1 does not have")))
            }
            Err(error) => Err(not_now(error)),
        }
    }

    /// The kept proof of ranges that were aggregated, verified. [`StepFailed::Stale`] where it is of no use.
    pub(super) async fn kept(
        &self,
        ranges: &[BlockRange],
        wanted: Wanted,
    ) -> Result<Option<OpAggregationProof>, StepFailed> {
        let (first, last) = ends(ranges);
        let there = self.proofs.aggregation(first, last, wanted.l1.number).map_err(stale)?;
        let Some(proof) = there else { return Ok(None) };
        let (said, config) = (&proof.statement, self.config());
        let fits = proof.proof.program == self.aggregation_program
            && proof.proof.prover == self.prover.prover_type()
            && proof.proof.mode == self.prover.joined
            && said.l1Head == wanted.l1.hash
            && said.l2PreRoot == wanted.begins.root
            && said.claimBlockNum == last
            && said.rollupConfigHash == config.rollup_config_hash
            && said.rangeVkeyCommitment == config.range_key
            && said.proverAddress == self.sender.account();
        if !fits {
            return Err(stale("the aggregation's file is of something else"));
        }
        match self.prover.verify_stated(&proof).await {
            Ok(()) => Ok(Some(proof)),
            Err(VerifyError::Refused(cause)) => Err(stale(format!("the aggregation's file: {cause}"))),
            Err(error) => Err(not_now(error)),
        }
    }

    /// The kept proof of ranges that were aggregated is refused elsewhere. The cluster would hand out the same: it is told to make another.
    pub(super) async fn refuse_kept(&self, ranges: &[BlockRange], l1: L1Block) -> Result<(), StepFailed> {
        let (first, last) = ends(ranges);
        // What cannot be read is of another release, or damaged here.
        let Ok(Some(bad)) = self.proofs.aggregation(first, last, l1.number) else { return Ok(()) };
        self.prover.refuse(&bad.proof, "L1, or attestors, refuse it").await.map_err(not_now)
    }
}

fn difference(contract: OracleConfig, here: OracleConfig) -> Option<(&'static str, B256, B256)> {
    [
        ("aggregation program", contract.aggregation_key, here.aggregation_key),
        ("range program", contract.range_key, here.range_key),
        ("rollup configuration", contract.rollup_config_hash, here.rollup_config_hash),
    ]
    .into_iter()
    .find(|(_, contract, here)| contract != here)
}

/// The first block and the last.
pub(super) fn ends(ranges: &[BlockRange]) -> (u64, u64) {
    (ranges.first().map_or(0, |range| range.first()), ranges.last().map_or(0, |range| range.last()))
}

pub(super) fn not_now(cause: impl ToString) -> StepFailed {
    StepFailed::NotNow { cause: cause.to_string() }
}

pub(super) fn refused(cause: impl ToString) -> StepFailed {
    StepFailed::Refused { cause: cause.to_string() }
}

pub(super) fn stale(cause: impl ToString) -> StepFailed {
    StepFailed::Stale { cause: cause.to_string() }
}

pub(super) fn from_l1(error: ChainError) -> StepFailed {
    if error.refusal().is_some() { refused(error) } else { not_now(error) }
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::error::OpProposerError;
    use alloy_primitives::B256;
    use proofmill_chain::OracleConfig;

    #[test]
    fn what_a_contract_wants_that_is_not_here_is_named_with_both() {
        let here = OracleConfig {
            aggregation_key: B256::repeat_byte(1),
            range_key: B256::repeat_byte(2),
            rollup_config_hash: B256::repeat_byte(3),
        };
        assert_eq!(difference(here, here), None);
        let other = B256::repeat_byte(9);
        for (contract, what, ours) in [
            (OracleConfig { aggregation_key: other, ..here }, "aggregation program", here.aggregation_key),
            (OracleConfig { range_key: other, ..here }, "range program", here.range_key),
            (
                OracleConfig { rollup_config_hash: other, ..here },
                "rollup configuration",
                here.rollup_config_hash,
            ),
        ] {
            assert_eq!(difference(contract, here), Some((what, other, ours)));
            let name = "opsuccinct_genesis".to_owned();
            let said = OpProposerError::OtherConfig { name, what, contract: other, here: ours }.to_string();
            for part in [what, &other.to_string(), &ours.to_string()] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}
