//! The precompiles of each fork: Ethereum's, P256VERIFY from Fjord on, and limits for the length of what grows with
//! its input.

use proofmill_stateless::{Fork, OpFork};
use revm::{
    handler::EthPrecompiles,
    precompile::{
        EthPrecompileResult, Precompile, PrecompileEthFn, PrecompileHalt, PrecompileId, PrecompileResult,
        PrecompileSpecId, Precompiles, bls12_381, bls12_381_const, bn254, call_eth_precompile, secp256r1,
    },
    primitives::{OnceLock, hardfork::SpecId},
};

/// The longest inputs, in bytes, by the specifications' `exec-engine.md` of each fork.
pub(crate) mod limit {
    /// Pairing on bn254: Granite to Isthmus.
    pub(crate) const BN254_PAIRING_GRANITE: usize = 112_687;
    /// Jovian: 427 pairs.
    pub(crate) const BN254_PAIRING_JOVIAN: usize = 81_984;
    /// Karst: 300 pairs.
    pub(crate) const BN254_PAIRING_KARST: usize = 57_600;
    /// Sum of products in G1 of BLS12-381: Isthmus.
    pub(crate) const G1_MSM_ISTHMUS: usize = 513_760;
    /// Jovian and Karst: 1,806 pairs.
    pub(crate) const G1_MSM_JOVIAN: usize = 288_960;
    /// Sum of products in G2: Isthmus.
    pub(crate) const G2_MSM_ISTHMUS: usize = 488_448;
    /// Jovian and Karst: 968 pairs.
    pub(crate) const G2_MSM_JOVIAN: usize = 278_784;
    /// Pairing on BLS12-381: Isthmus.
    pub(crate) const BLS_PAIRING_ISTHMUS: usize = 235_008;
    /// Jovian and Karst: 408 pairs.
    pub(crate) const BLS_PAIRING_JOVIAN: usize = 156_672;
}

/// The EVM of a fork.
pub(crate) const fn spec(fork: OpFork) -> SpecId {
    match fork.ethereum() {
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
    }
}

/// The precompiles of a fork.
pub(crate) fn precompiles(fork: OpFork) -> EthPrecompiles {
    static SETS: [OnceLock<Precompiles>; OpFork::ALL.len()] = [const { OnceLock::new() }; OpFork::ALL.len()];
    let precompiles = SETS[fork as usize - 1].get_or_init(|| set(fork));
    // The EVM keeps the set as long as the fork of Ethereum is that of the block.
    EthPrecompiles { precompiles, spec: spec(fork) }
}

fn set(fork: OpFork) -> Precompiles {
    // From Karst on Ethereum's own set has P256VERIFY, at Osaka's price (EIP-7951).
    let mut set = Precompiles::new(PrecompileSpecId::from_spec_id(spec(fork))).clone();
    if (OpFork::Fjord..OpFork::Karst).contains(&fork) {
        set.extend([secp256r1::P256VERIFY]);
    }
    match fork {
        OpFork::Canyon | OpFork::Ecotone | OpFork::Fjord => {}
        OpFork::Granite | OpFork::Holocene => set.extend([pairing::<{ limit::BN254_PAIRING_GRANITE }>()]),
        OpFork::Isthmus => set.extend([
            pairing::<{ limit::BN254_PAIRING_GRANITE }>(),
            g1_msm::<{ limit::G1_MSM_ISTHMUS }>(),
            g2_msm::<{ limit::G2_MSM_ISTHMUS }>(),
            bls_pairing::<{ limit::BLS_PAIRING_ISTHMUS }>(),
        ]),
        OpFork::Jovian => set.extend([pairing::<{ limit::BN254_PAIRING_JOVIAN }>()]),
        OpFork::Karst => set.extend([pairing::<{ limit::BN254_PAIRING_KARST }>()]),
    }
    if fork >= OpFork::Jovian {
        set.extend([
            g1_msm::<{ limit::G1_MSM_JOVIAN }>(),
            g2_msm::<{ limit::G2_MSM_JOVIAN }>(),
            bls_pairing::<{ limit::BLS_PAIRING_JOVIAN }>(),
        ]);
    }
    set
}

/// Runs a precompile, unless its input is too long: then it fails and takes all of its gas.
fn limited(max: usize, run: PrecompileEthFn, input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
    let run = if input.len() > max { too_long } else { run };
    Ok(call_eth_precompile(run, input, gas, reservoir))
}

fn too_long(_: &[u8], _: u64) -> EthPrecompileResult {
    Err(PrecompileHalt::other_static("the input is longer than the fork allows"))
}

const fn pairing<const MAX: usize>() -> Precompile {
    fn run(input: &[u8], gas: u64) -> EthPrecompileResult {
        use bn254::pair::{ISTANBUL_PAIR_BASE, ISTANBUL_PAIR_PER_POINT};
        bn254::run_pair(input, ISTANBUL_PAIR_PER_POINT, ISTANBUL_PAIR_BASE, gas)
    }
    fn call<const MAX: usize>(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
        limited(MAX, run, input, gas, reservoir)
    }
    Precompile::new(PrecompileId::Bn254Pairing, bn254::pair::ADDRESS, call::<MAX>)
}

const fn g1_msm<const MAX: usize>() -> Precompile {
    fn call<const MAX: usize>(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
        limited(MAX, bls12_381::g1_msm::g1_msm, input, gas, reservoir)
    }
    Precompile::new(PrecompileId::Bls12G1Msm, bls12_381_const::G1_MSM_ADDRESS, call::<MAX>)
}

const fn g2_msm<const MAX: usize>() -> Precompile {
    fn call<const MAX: usize>(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
        limited(MAX, bls12_381::g2_msm::g2_msm, input, gas, reservoir)
    }
    Precompile::new(PrecompileId::Bls12G2Msm, bls12_381_const::G2_MSM_ADDRESS, call::<MAX>)
}

const fn bls_pairing<const MAX: usize>() -> Precompile {
    fn call<const MAX: usize>(input: &[u8], gas: u64, reservoir: u64) -> PrecompileResult {
        limited(MAX, bls12_381::pairing::pairing, input, gas, reservoir)
    }
    Precompile::new(PrecompileId::Bls12Pairing, bls12_381_const::PAIRING_ADDRESS, call::<MAX>)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::precompiles;
    use alloy_primitives::Address;
    use proofmill_stateless::OpFork;
    use revm::precompile::PrecompileStatus;

    /// Whether a precompile takes as many zeros; `None` where there is none.
    fn takes(fork: OpFork, address: u8, len: usize) -> Option<bool> {
        let set = precompiles(fork).precompiles;
        let precompile = set.get(&Address::with_last_byte(address))?;
        let output = precompile.execute(&vec![0; len], u64::MAX, 0).unwrap();
        Some(output.status == PrecompileStatus::Success)
    }

    /// The specifications' numbers, written out again: the last length that is taken, and the first that is not.
    #[test]
    fn inputs_have_limits() {
        use OpFork::{Ecotone, Fjord, Granite, Holocene, Isthmus, Jovian, Karst};
        for (address, fork, most, pair) in [
            (8, Granite, 112_687 / 192, 192),
            (8, Holocene, 112_687 / 192, 192),
            (8, Isthmus, 112_687 / 192, 192),
            (8, Jovian, 427, 192),
            (8, Karst, 300, 192),
            (0x0c, Isthmus, 3211, 160),
            (0x0c, Jovian, 1806, 160),
            (0x0c, Karst, 1806, 160),
            (0x0e, Isthmus, 1696, 288),
            (0x0e, Jovian, 968, 288),
            (0x0e, Karst, 968, 288),
            (0x0f, Isthmus, 612, 384),
            (0x0f, Jovian, 408, 384),
            (0x0f, Karst, 408, 384),
        ] {
            assert_eq!(takes(fork, address, most * pair), Some(true), "{fork}, {address:#x}, {most} pairs");
            assert_eq!(
                takes(fork, address, (most + 1) * pair),
                Some(false),
                "{fork}, {address:#x}, a pair more"
            );
        }
        for fork in [Ecotone, Fjord] {
            assert_eq!(takes(fork, 8, 700 * 192), Some(true), "{fork} has no limit");
        }
        assert_eq!(takes(Holocene, 0x0c, 160), None);
    }

    /// P256VERIFY: from Fjord on, and from Karst on at twice the price (EIP-7951).
    #[test]
    fn p256_has_its_price() {
        for fork in OpFork::ALL {
            let mut address = Address::ZERO;
            address.0[18] = 1;
            let gas = precompiles(fork)
                .precompiles
                .get(&address)
                .map(|it| it.execute(&[], 10_000, 0).unwrap().gas_used);
            let due = match fork {
                OpFork::Canyon | OpFork::Ecotone => None,
                OpFork::Karst => Some(6900),
                _ => Some(3450),
            };
            assert_eq!(gas, due, "{fork}");
        }
    }
}
