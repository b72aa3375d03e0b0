//! A proof by this crate, and the word of halo2's verifier on one.

use halo2_base::halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::verify_proof,
    poly::{
        commitment::ParamsProver,
        kzg::{commitment::KZGCommitmentScheme, multiopen::VerifierSHPLONK, strategy::SingleStrategy},
    },
    transcript::{Blake2bRead, Blake2bWrite, Challenge255, TranscriptReadBuffer, TranscriptWriterBuffer},
};
use proofmill_halo2::{Error, Params, ProvingKey};

pub(crate) fn prove(
    params: &Params,
    key: &ProvingKey,
    instances: &[Vec<Fr>],
    advice: Vec<Vec<Fr>>,
) -> Result<Vec<u8>, Error> {
    let mut transcript = Blake2bWrite::<Vec<u8>, G1Affine, Challenge255<_>>::init(Vec::new());
    proofmill_halo2::prove(params, key, instances, advice, &mut transcript)?;
    Ok(transcript.finalize())
}

pub(crate) fn holds(params: &Params, key: &ProvingKey, instances: &[Vec<Fr>], proof: &[u8]) -> bool {
    let mut transcript = Blake2bRead::<&[u8], G1Affine, Challenge255<_>>::init(proof);
    let params = params.verifier_params();
    let columns: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, SingleStrategy<'_, Bn256>>(
        params,
        key.get_vk(),
        SingleStrategy::new(params),
        &[columns.as_slice()],
        &mut transcript,
    )
    .is_ok()
}
