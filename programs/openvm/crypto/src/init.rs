//! Binds the first modulus and the curve to the places that they have in the virtual machine's configuration
//! (`crates/backends/src/openvm/openvm.toml`): places are given by order, so the lists must be the same. The moduli without
//! comparisons have their places behind these (`machine.rs` there; `element.rs` here).

use openvm_algebra_guest::moduli_macros::moduli_init;
use openvm_ecc_guest::sw_macros::sw_init;

moduli_init! {
    // secp256k1: coordinates
    "115792089237316195423570985008687907853269984665640564039457584007908834671663",
}
sw_init! { "Secp256k1Point" }
