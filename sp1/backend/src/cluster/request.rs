//! What a `Controller` task asks for.

use super::store::Plain;
use crate::{guard::catch, shared::OPEN, stdin};
use bytes::Bytes;
use proofmill_backends::{Job, tasks::ClusterTask};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, ProofMode};
use proofmill_sp1_prover::SP1Stdin;
use slop_algebra::PrimeField32;
use sp1_hypercube::SP1VerifyingKey;
use sp1_prover::worker::{CommonProverInput, ControllerInputs, DeferredInputs};
use sp1_prover_types::network_base_types;

/// What is asked for.
pub(super) struct Request {
    pub(super) program: ArtifactId,
    pub(super) elf: Bytes,
    pub(super) program_hash: blake3::Hash,
    pub(super) input: ArtifactId,
    pub(super) mode: ProofMode,
    pub(super) cycle_limit: Option<u64>,
    pub(super) nonce: [u32; 4],
    pub(super) private: bool,
    pub(super) stdin: SP1Stdin,
}

impl Request {
    pub(super) async fn read(task: &ClusterTask, store: &Plain) -> Result<Self, Fault> {
        let malformed = |cause: String| Fault::new(Code::Malformed, cause);
        let inputs: Vec<String> = task.inputs.iter().map(ToString::to_string).collect();
        let ControllerInputs { elf, stdin_artifact, mode, cycle_limit, proof_nonce, metadata } =
            ControllerInputs::try_from(inputs.as_slice()).map_err(|error| malformed(error.to_string()))?;
        let (program, input) = (ArtifactId::new(elf.0), ArtifactId::new(stdin_artifact.0));
        let mode = u32::try_from(mode as i32).ok().and_then(ProofMode::from_wire);
        let mode = mode
            .filter(|mode| *mode != ProofMode::Execute)
            .ok_or_else(|| malformed("no such mode".into()))?;
        let elf = store.program(&program).await?;
        let bytes = store.input(&input, metadata.stdin_private).await?;
        let stdin =
            stdin::decode(&Job { program: &elf, input: &bytes, cycle_limit: None }).map_err(Fault::from)?;
        if mode == ProofMode::Core && !stdin.proofs.is_empty() {
            return Err(Fault::new(Code::Unsupported, OPEN));
        }
        let nonce = match proof_nonce {
            Some(nonce) => store.load(&ArtifactId::new(nonce.0)).await?,
            None => [0; 4],
        };
        Ok(Self {
            program,
            program_hash: blake3::hash(&elf),
            elf,
            input,
            mode,
            // 0 is how clients say that there is none.
            cycle_limit: cycle_limit.filter(|limit| *limit > 0),
            nonce,
            private: metadata.stdin_private,
            stdin,
        })
    }

    pub(super) fn common(&self, vk: SP1VerifyingKey) -> Result<CommonProverInput, Fault> {
        let proofs = self.stdin.proofs.iter().map(|(proof, _)| proof.clone());
        // SP1 panics over public values that are too few.
        let deferred = catch(|| DeferredInputs::new(proofs)).map_err(|cause| {
            Fault::new(Code::Malformed, format!("a proof that the program is to verify is none: {cause}"))
        })?;
        let mode = i32::try_from(self.mode.wire()).unwrap_or_default();
        Ok(CommonProverInput {
            vk,
            mode: network_base_types::ProofMode::try_from(mode)
                .unwrap_or(network_base_types::ProofMode::Compressed),
            deferred_digest: deferred.deferred_digest().map(|limb| limb.as_canonical_u32()),
            num_deferred_proofs: deferred.num_deferred_proofs(),
            nonce: self.nonce,
        })
    }
}
