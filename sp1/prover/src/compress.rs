//! Makes one proof of constant size of the proofs of an execution's shards.
//!
//! Each shard's proof is lifted: a recursion program of its shape verifies it. So is each proof that the program itself
//! verified (a deferred proof). The lifted proofs are then folded, neighbours first, until one is left. They stand in
//! the order in which their public values join: precompile shards, deferred proofs, execution shards, memory shards.

use crate::{
    ProverError,
    engine::{CoreProof, Prover, context, lost},
    settings::ARITY,
};
use slop_algebra::PrimeField32;
use sp1_core_machine::io::SP1Stdin;
use sp1_hypercube::{
    SP1PcsProofInner, SP1RecursionProof, SP1VerifyingKey,
    air::{SP1CorePublicValues, ShardRange},
};
use sp1_primitives::{SP1Field, SP1GlobalContext};
use sp1_prover::{
    SP1CircuitWitness,
    worker::{
        CommonProverInput, DeferredInputs, ProverMetrics, RangeProofs, RecursionDeferredTaskRequest,
        RecursionProof, ReduceTaskRequest, SP1DeferredData, TaskError, get_normalize_program,
    },
};
use sp1_prover_types::{Artifact, ArtifactClient, ArtifactType, network_base_types::ProofMode};
use sp1_recursion_circuit::machine::SP1ShapedWitnessValues;
use std::borrow::Borrow;

/// A proof of a proof.
pub type Lifted = SP1RecursionProof<SP1GlobalContext, SP1PcsProofInner>;

impl Prover {
    /// Compresses the core proof of an execution of the program `vk` on `stdin`.
    ///
    /// # Errors
    /// [`ProverError::Prove`]; start another prover after it.
    pub async fn compress(
        &self,
        vk: SP1VerifyingKey,
        stdin: SP1Stdin,
        shards: CoreProof,
    ) -> Result<Lifted, ProverError> {
        let mut made = Vec::new();
        let result = self.lift_and_fold(vk, stdin, shards, &mut made).await;
        let _ =
            self.worker.artifact_client().delete_batch(&made, ArtifactType::UnspecifiedArtifactType).await;
        result.map_err(|error| match error {
            TaskError::Retryable(cause) | TaskError::Fatal(cause) => ProverError::Prove(cause.to_string()),
            TaskError::Execution(cause) => ProverError::Prove(cause.to_string()),
        })
    }

    async fn lift_and_fold(
        &self,
        vk: SP1VerifyingKey,
        stdin: SP1Stdin,
        shards: CoreProof,
        made: &mut Vec<Artifact>,
    ) -> Result<Lifted, TaskError> {
        let store = self.worker.artifact_client();
        let proofs: Vec<Lifted> = stdin.proofs.into_iter().map(|(proof, _)| proof).collect();
        let deferred = DeferredInputs::new(proofs.iter().cloned());
        let common = CommonProverInput {
            vk,
            mode: ProofMode::Compressed,
            deferred_digest: deferred.deferred_digest().map(|limb| limb.as_canonical_u32()),
            num_deferred_proofs: deferred.num_deferred_proofs(),
            nonce: [0; 4],
        };
        let (precompiles, rest): (Vec<_>, Vec<_>) =
            shards.into_iter().partition(|shard| range(&shard.public_values) == ShardRange::precompile());
        let leaves = precompiles.len() + proofs.len() + rest.len();
        let (mut done, steps) = (0, leaves + folds(leaves));
        tracing::info!(leaves, steps, "lifting shard proofs into the recursion, and folding them");
        let mut step = move |count: usize| {
            done += count;
            tracing::info!("{done} of {steps} steps of the recursion are done");
        };
        let mut lifted = Vec::with_capacity(leaves);
        for shard in precompiles {
            lifted.push(self.lift(&common, shard, Kind::Precompile).await?);
            step(1);
        }
        if !proofs.is_empty() {
            let deferred = self.lift_deferred(&common, proofs).await?;
            step(deferred.len());
            lifted.extend(deferred);
        }
        for shard in rest {
            lifted.push(self.lift(&common, shard, Kind::Other).await?);
            step(1);
        }
        made.extend(lifted.iter().cloned());
        // A single lifted proof is folded as well: only the last step marks the proof as complete.
        loop {
            let last = lifted.len() <= ARITY;
            let mut folded = Vec::with_capacity(lifted.len().div_ceil(ARITY));
            for children in lifted.chunks(ARITY) {
                let parent = match children {
                    [only] if !last => only.clone(),
                    _ => {
                        let parent = self.fold(children, last).await?;
                        step(1);
                        parent
                    }
                };
                folded.push(parent);
            }
            made.extend(folded.iter().cloned());
            lifted = folded;
            if last {
                break;
            }
        }
        let root = lifted.first().ok_or_else(|| fatal("the core proof has no shards"))?;
        Ok(store.download::<Lifted>(root).await?)
    }

    async fn lift(
        &self,
        common: &CommonProverInput,
        shard: ShardOfCore,
        kind: Kind,
    ) -> Result<Artifact, TaskError> {
        let output = self.worker.artifact_client().create_artifact()?;
        let recursion = &self.worker.prover_engine().recursion_prover;
        let shape = self.core.verifier.shape_from_proof(&shard);
        let program = get_normalize_program(
            common.vk.clone(),
            &self.core.verifier,
            &self.core.recursive,
            &shape,
            recursion.reduce_shape(),
            Some(&self.core.programs),
        );
        let precompile = matches!(kind, Kind::Precompile);
        let witness = recursion.get_normalize_witness(common, &shard, false, precompile);
        let witness = SP1CircuitWitness::Core(witness);
        let proving =
            recursion.submit_prove_shard(program, witness, output.clone(), ProverMetrics::new()).await?;
        proving.await.map_err(lost)??;
        Ok(output)
    }

    async fn lift_deferred(
        &self,
        common: &CommonProverInput,
        proofs: Vec<Lifted>,
    ) -> Result<Vec<Artifact>, TaskError> {
        let store = self.worker.artifact_client();
        let common_input = store.create_artifact()?;
        store.upload(&common_input, common.clone()).await?;
        let mut lifted = Vec::with_capacity(proofs.len());
        for (index, proof) in proofs.iter().enumerate() {
            let [deferred_data, output] = [store.create_artifact()?, store.create_artifact()?];
            let data = SP1DeferredData {
                input: SP1ShapedWitnessValues {
                    vks_and_proofs: vec![(proof.vk.clone(), proof.proof.clone())],
                    is_complete: true,
                },
                vk_merkle_proofs: vec![proof.vk_merkle_proof.clone()],
                start_reconstruct_deferred_digest: DeferredInputs::new(proofs[..index].iter().cloned())
                    .deferred_digest(),
                deferred_proof_index: slop_algebra::AbstractField::from_canonical_usize(index),
            };
            store.upload(&deferred_data, data).await?;
            let request = RecursionDeferredTaskRequest {
                common_input: common_input.clone(),
                deferred_data: deferred_data.clone(),
                output: output.clone(),
                context: context("deferred"),
            };
            let proving = self.worker.prover_engine().submit_prove_deferred(request.into_raw()?).await?;
            proving.await.map_err(lost)??;
            let _ = store.delete(&deferred_data, ArtifactType::UnspecifiedArtifactType).await;
            lifted.push(output);
        }
        let _ = store.delete(&common_input, ArtifactType::UnspecifiedArtifactType).await;
        Ok(lifted)
    }

    async fn fold(&self, children: &[Artifact], last: bool) -> Result<Artifact, TaskError> {
        let output = self.worker.artifact_client().create_artifact()?;
        // The ranges only name the step; what joins to what is checked inside the recursion.
        let shard_range = ShardRange::precompile();
        let proofs =
            children.iter().map(|proof| RecursionProof { shard_range, proof: proof.clone() }).collect();
        let request = ReduceTaskRequest {
            range_proofs: RangeProofs::new(shard_range, proofs),
            is_complete: last,
            output: output.clone(),
            context: context("fold"),
        };
        let proving = self.worker.prover_engine().submit_recursion_reduce(request.into_raw()?).await?;
        proving.await.map_err(lost)??;
        Ok(output)
    }
}

/// How many folds make one proof of so many. A single one is folded too: only the last step marks the proof as complete.
const fn folds(mut proofs: usize) -> usize {
    let mut folds = 1;
    while proofs > ARITY {
        folds += proofs / ARITY;
        proofs = proofs.div_ceil(ARITY);
    }
    folds
}

// 5 are folded to 3 by two folds (one is left over), to 2 by one, and to the last by one.
const _: () = assert!(folds(1) == 1 && folds(2) == 1 && folds(3) == 2 && folds(5) == 4 && folds(8) == 7);

type ShardOfCore = sp1_hypercube::ShardProof<SP1GlobalContext, SP1PcsProofInner>;

/// Precompile shards stand before the deferred proofs, which changes what they start from.
#[derive(Clone, Copy)]
enum Kind {
    Precompile,
    Other,
}

fn range(public_values: &[SP1Field]) -> ShardRange {
    let values: &SP1CorePublicValues<SP1Field> = public_values.borrow();
    values.range()
}

fn fatal(cause: &'static str) -> TaskError {
    TaskError::Fatal(std::io::Error::other(cause).into())
}
