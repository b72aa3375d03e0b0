//! The reference string, as Halo2 takes it.

use crate::{BackendError, SnarkConfig, openvm::failed};
use halo2_base::halo2_proofs::{
    halo2curves::bn256::Bn256,
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use openvm_static_verifier::Halo2Params;
use proofmill_srs::Srs;

const DOING: &str = "reading the setup of the SNARK";

/// The reference string of this degree.
pub(super) fn read(config: &SnarkConfig, k: u32) -> Result<Halo2Params, BackendError> {
    // OpenVM's wrapper would take another generator then, and make keys that nothing of this fits.
    if std::env::var_os("RANDOM_SRS").is_some() {
        return Err(failed(
            DOING,
            "the environment has RANDOM_SRS, with which OpenVM makes keys for nobody: unset it",
        ));
    }
    let srs = Srs::read(&config.folder, config.variant.setup, k).map_err(|error| failed(DOING, error))?;
    let Srs { k, g, g_lagrange, g2, s_g2 } = srs;
    // Halo2 makes its parameters of others.
    Ok(ParamsKZG::<Bn256>::new(1).from_parts(k, g, Some(g_lagrange), g2, s_g2))
}
