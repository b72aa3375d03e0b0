//! What is kept in the folder: the plan, and finished proofs.

use crate::{
    error::OpProposerError,
    rules::{Config, Plan},
};
use alloy_primitives::Address;
use proofmill_client::{OpAggregationProof, OpRangeProof, StatedProof, Statement, files};
use proofmill_primitives::BlockRange;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug)]
pub(super) struct Kept {
    proofs: Proofs,
    plan: PathBuf,
    /// What the plan's file has.
    written: Vec<u8>,
}

impl Kept {
    /// The folder of an L2 chain; a contract has a plan of its own in it.
    pub(super) fn in_folder(folder: &Path, oracle: Address) -> Self {
        let plan = folder.join(format!("op-proposer-{oracle:#x}.json"));
        Self { proofs: Proofs::in_folder(folder), plan, written: Vec::new() }
    }

    /// The plan as it was written down last, or a new one.
    pub(super) fn plan(&mut self, config: Config) -> Result<Plan, OpProposerError> {
        let path = self.plan.clone();
        match fs::read(&path) {
            Ok(bytes) => {
                let plan: Plan = serde_json::from_slice(&bytes)
                    .map_err(|error| OpProposerError::Plan { path, reason: error.to_string() })?;
                self.written = bytes;
                Ok(plan.resume(config))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Plan::new(config)),
            Err(source) => Err(OpProposerError::Folder { path, source }),
        }
    }

    /// Writes the plan down, where it is another one than there.
    pub(super) fn write(&mut self, plan: &Plan) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(plan)?;
        if bytes != self.written {
            files::save(&self.plan, &bytes)?;
            self.written = bytes;
        }
        Ok(())
    }

    pub(super) fn proofs(&self) -> Proofs {
        self.proofs.clone()
    }
}

/// Finished proofs.
#[derive(Clone, Debug)]
pub(super) struct Proofs(PathBuf);

impl Proofs {
    /// Those in the folder of an L2 chain.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("proofs"))
    }

    /// Where the proof of a range is, whether or not it is there: OP Succinct's name for it.
    pub(super) fn range_path(&self, blocks: BlockRange) -> PathBuf {
        self.0.join(format!("{}-{}.bin", blocks.first(), blocks.last()))
    }

    /// Where the proof of what is to be proposed is.
    fn aggregation_path(&self, first: u64, last: u64, l1_block: u64) -> PathBuf {
        self.0.join(format!("aggregation-{first}-{last}-l1-{l1_block}.bin"))
    }

    pub(super) fn range(&self, blocks: BlockRange) -> Result<Option<OpRangeProof>, String> {
        read(&self.range_path(blocks))
    }

    pub(super) fn keep_range(&self, blocks: BlockRange, proof: &OpRangeProof) -> io::Result<()> {
        save(&self.range_path(blocks), proof)
    }

    pub(super) fn aggregation(
        &self,
        first: u64,
        last: u64,
        l1_block: u64,
    ) -> Result<Option<OpAggregationProof>, String> {
        read(&self.aggregation_path(first, last, l1_block))
    }

    pub(super) fn keep_aggregation(
        &self,
        first: u64,
        last: u64,
        l1_block: u64,
        proof: &OpAggregationProof,
    ) -> io::Result<()> {
        save(&self.aggregation_path(first, last, l1_block), proof)
    }
}

/// What proves nothing does not take the place of a proof: that took hours to make.
fn save<S: Statement>(path: &Path, proof: &StatedProof<S>) -> io::Result<()> {
    if !proof.proof.prover.proves() && files::holds_a_proof(path) {
        return Err(io::Error::other(format!(
            "{} holds a real proof, which one of `{}` must not replace: name another folder (--data-dir)",
            path.display(),
            proof.proof.prover
        )));
    }
    files::save(path, &proof.encode())
}

/// The proof in a file; none where there is no file.
fn read<S: Statement>(path: &Path) -> Result<Option<StatedProof<S>>, String> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    match fs::read(path) {
        Ok(bytes) => StatedProof::decode(&bytes).map(Some).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}
