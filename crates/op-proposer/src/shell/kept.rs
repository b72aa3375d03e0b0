//! What is kept in the folder: the plan, and finished proofs.

use crate::{
    error::OpProposerError,
    rules::{Config, Plan},
};
use alloy_primitives::Address;
use proofmill_client::{OpAggregationProof, OpRangeProof, StatedProof, Statement, files};
use proofmill_primitives::{BlockRange, ProverType};
use proofmill_program::op::{OpAggregationPublicValues, OpRangePublicValues};
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
    pub(super) fn in_folder(folder: &Path, oracle: Address, prover: ProverType) -> Self {
        let plan = folder.join(format!("op-proposer-{oracle:#x}.json"));
        Self { proofs: Proofs::in_folder(folder, prover), plan, written: Vec::new() }
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

/// Finished proofs by a prover of one type.
#[derive(Clone, Debug)]
pub(super) struct Proofs {
    folder: PathBuf,
    prover: ProverType,
}

impl Proofs {
    /// Those in the folder of an L2 chain.
    pub(super) fn in_folder(folder: &Path, prover: ProverType) -> Self {
        Self { folder: folder.join("proofs"), prover }
    }

    /// Where the proof of a range is, whether or not it is there: as `proofmill range` saves it.
    fn range_path(&self, blocks: BlockRange) -> PathBuf {
        self.place::<OpRangePublicValues>(&format!("{}-{}.bin", blocks.first(), blocks.last()))
    }

    /// Where the proof of what is to be proposed is.
    fn aggregation_path(&self, first: u64, last: u64, l1_block: u64) -> PathBuf {
        self.place::<OpAggregationPublicValues>(&format!("aggregation-{first}-{last}-l1-{l1_block}.bin"))
    }

    /// The file of this name, or where a proof is there by another type of prover, or of another kind, the one beside it: that took hours
    /// to make.
    fn place<S: Statement>(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        let is_free = |place: &PathBuf| match read::<S>(place) {
            Ok(None) => true,
            Ok(Some(there)) => there.proof.prover == self.prover || !there.proof.prover.proves(),
            Err(_) => !files::holds_a_proof(place),
        };
        let found = files::places(&path, self.prover).find(is_free);
        found.unwrap_or(path)
    }

    pub(super) fn range(&self, blocks: BlockRange) -> Result<Option<OpRangeProof>, String> {
        read(&self.range_path(blocks))
    }

    pub(super) fn keep_range(&self, blocks: BlockRange, proof: &OpRangeProof) -> io::Result<()> {
        files::save(&self.range_path(blocks), &proof.encode())
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
        files::save(&self.aggregation_path(first, last, l1_block), &proof.encode())
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_backends::Proof;
    use proofmill_client::CheckpointProof;
    use proofmill_primitives::{ProgramVersion, ProofMode};
    use proofmill_program::RangePublicValues;

    fn stated<S: Statement>(statement: S, prover: ProverType) -> StatedProof<S> {
        let proof = Proof {
            prover,
            mode: ProofMode::Compressed,
            program: ProgramVersion(B256::ZERO),
            public_values: statement.commitment().to_vec(),
            body: vec![7],
        };
        StatedProof { statement, proof }
    }

    #[test]
    fn proofs_of_others_stay_and_ones_own_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join("proofs").join(name);
        let blocks = BlockRange::new(3, 5).unwrap();
        let range = |prover| stated(OpRangePublicValues { l2BlockNumber: 5, ..Default::default() }, prover);
        for (prover, name) in [
            (ProverType::OpenVm, "3-5.bin"),
            (ProverType::Sp1, "3-5-sp1.bin"),
            (ProverType::Exec, "3-5-exec.bin"),
            (ProverType::OpenVm, "3-5.bin"),
        ] {
            let proofs = Proofs::in_folder(folder.path(), prover);
            proofs.keep_range(blocks, &range(prover)).unwrap();
            assert_eq!(proofs.range(blocks), Ok(Some(range(prover))));
            assert_eq!(read(&place(name)), Ok(Some(range(prover))), "{name}");
        }
        // One of blocks that were only executed, as `proofmill range` saves it without L1.
        let executed: CheckpointProof = stated(RangePublicValues::default(), ProverType::Sp1);
        let (other, proofs) =
            (BlockRange::new(6, 9).unwrap(), Proofs::in_folder(folder.path(), ProverType::Sp1));
        files::save(&place("6-9.bin"), &executed.encode()).unwrap();
        assert_eq!(proofs.range(other), Ok(None));
        proofs.keep_range(other, &range(ProverType::Sp1)).unwrap();
        assert_eq!(read(&place("6-9.bin")), Ok(Some(executed)));
        assert_eq!(proofs.range(other), Ok(Some(range(ProverType::Sp1))));
        // What cannot be read, and what proves nothing, is made again in its place.
        fs::write(place("7-9.bin"), b"PMOPRNG1").unwrap();
        let broken = BlockRange::new(7, 9).unwrap();
        assert!(proofs.range(broken).is_err());
        proofs.keep_range(broken, &range(ProverType::Sp1)).unwrap();
        assert_eq!(read(&place("7-9.bin")), Ok(Some(range(ProverType::Sp1))));
    }
}
