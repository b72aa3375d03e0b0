//! The reference string, as Halo2 takes it.

use crate::{BackendError, SnarkConfig, openvm::not_set_up};
use halo2_base::halo2_proofs::{
    halo2curves::bn256::{Bn256, G2Affine},
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use openvm_static_verifier::Halo2Params;
use proofmill_srs::{Srs, SrsError};

/// The reference string of this degree. What is wrong with it is wrong here: another worker may have a whole one.
pub(super) fn read(config: &SnarkConfig, k: u32) -> Result<Halo2Params, BackendError> {
    Ok(params(Srs::read(&config.folder, config.variant.setup, k).map_err(unread)?))
}

/// A setup as Halo2's own type.
pub(super) fn params(Srs { k, g, g_lagrange, g2, s_g2 }: Srs) -> Halo2Params {
    // Halo2 makes its parameters of others.
    ParamsKZG::<Bn256>::new(1).from_parts(k, g, Some(g_lagrange), g2, s_g2)
}

/// Hashes the setups of both degrees, which must be of one secret. Gives its `τ·G₂`.
pub(super) fn check(config: &SnarkConfig) -> Result<G2Affine, BackendError> {
    let (folder, setup, size) = (&config.folder, config.variant.setup, config.variant.size);
    Srs::check_all_there(folder, setup, &config.degrees()).map_err(unread)?;
    Srs::check_whole(folder, setup, size.verifier_k()).map_err(unread)?;
    Srs::check_whole(folder, setup, size.wrapper_k()).map_err(unread)
}

fn unread(error: SrsError) -> BackendError {
    not_set_up(format!("reading the setup of the SNARK: {error}"))
}
