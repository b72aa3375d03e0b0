//! The rules of well-known chains: facts of the superchain registry (`superchain/configs`, as of August 2026).
//!
//! Only chains that follow the OP Stack's own forks up to Karst. For others there are
//! `rules_from_rollup_config` and `rules_from_genesis`.

use proofmill_stateless::{OpActivation, OpFork, OpRules};

/// Forks from Canyon to Karst as most chains on Ethereum have them.
const MAINNET: [u64; 8] = [
    1_704_992_401,
    1_710_374_401,
    1_720_627_201,
    1_726_070_401,
    1_736_445_601,
    1_746_806_401,
    1_764_691_201,
    1_783_526_401,
];
/// Forks from Canyon to Karst as most chains on Sepolia have them.
const SEPOLIA: [u64; 8] = [
    1_699_981_200,
    1_708_534_800,
    1_716_998_400,
    1_723_478_400,
    1_732_633_200,
    1_744_905_600,
    1_763_568_001,
    1_781_712_001,
];

/// A chain of the registry.
struct Known {
    name: &'static str,
    chain_id: u64,
    /// In seconds.
    block_time: u64,
    /// Change denominator and elasticity of the base fee.
    base_fee: (u32, u32),
    /// The times of the first forks, where they are others than the superchain's.
    first: &'static [u64],
    superchain: [u64; 8],
}

const fn known(
    name: &'static str,
    chain_id: u64,
    block_time: u64,
    base_fee: (u32, u32),
    first: &'static [u64],
    superchain: [u64; 8],
) -> Known {
    Known { name, chain_id, block_time, base_fee, first, superchain }
}

const USUAL: (u32, u32) = (250, 6);

const KNOWN: [Known; 16] = [
    known("OP Mainnet", 10, 2, USUAL, &[], MAINNET),
    known("Ink", 57_073, 1, USUAL, &[0, 0, 0, 0, 1_742_396_400], MAINNET),
    known("Lisk", 1135, 2, (1000, 20), &[], MAINNET),
    known("Metal L2", 1750, 2, USUAL, &[0, 0], MAINNET),
    known("Mode", 34_443, 2, USUAL, &[], MAINNET),
    known("Soneium", 1868, 2, USUAL, &[0, 0, 0, 0, 1_738_573_200], MAINNET),
    known("Unichain", 130, 1, USUAL, &[0, 0, 0, 0], MAINNET),
    known("Zora", 7_777_777, 2, USUAL, &[], MAINNET),
    known("OP Sepolia", 11_155_420, 2, USUAL, &[], SEPOLIA),
    known("Ink Sepolia", 763_373, 1, USUAL, &[], SEPOLIA),
    known("Lisk Sepolia", 4202, 2, (250, 10), &[1_705_312_994], SEPOLIA),
    known("Metal L2 Testnet", 1740, 2, USUAL, &[1_708_129_622], SEPOLIA),
    known("Mode Testnet", 919, 2, USUAL, &[1_703_203_200], SEPOLIA),
    known("Soneium Minato", 1946, 2, USUAL, &[0, 0, 1_730_106_000, 1_730_106_000, 1_734_685_200], SEPOLIA),
    known("Unichain Sepolia", 1301, 1, USUAL, &[0, 0, 0, 0, 1_734_559_200], SEPOLIA),
    known("Zora Sepolia", 999_999_999, 2, USUAL, &[], SEPOLIA),
];

/// The name and the rules of a well-known chain.
///
/// ```
/// use proofmill_optimism::{OpFork, known_rules};
/// let (name, rules) = known_rules(10).unwrap();
/// assert_eq!((name, rules.fork_at(1_764_691_201)), ("OP Mainnet", Some(OpFork::Jovian)));
/// ```
pub fn known_rules(chain_id: u64) -> Option<(&'static str, OpRules)> {
    let chain = KNOWN.iter().find(|chain| chain.chain_id == chain_id)?;
    let times = chain.first.iter().chain(&chain.superchain[chain.first.len()..]);
    let forks = OpFork::ALL.into_iter().zip(times);
    let rules = OpRules {
        chain_id,
        block_time: chain.block_time,
        forks: forks.map(|(fork, timestamp)| OpActivation { fork, timestamp: *timestamp }).collect(),
        max_change_denominator: chain.base_fee.0,
        elasticity: chain.base_fee.1,
    };
    Some((chain.name, rules))
}

/// The chain ids of all well-known chains.
pub fn known_chains() -> impl Iterator<Item = u64> {
    KNOWN.iter().map(|chain| chain.chain_id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{known_chains, known_rules};
    use alloy_op_hardforks::{ForkCondition, OpChainHardforks, OpHardfork, OpHardforks};
    use proofmill_stateless::OpFork;

    #[test]
    fn all_can_be_executed_by() {
        for chain_id in known_chains() {
            let (name, rules) = known_rules(chain_id).unwrap();
            assert_eq!(rules.check(), Ok(()), "{name}");
            assert_eq!(rules.forks.len(), OpFork::ALL.len(), "{name}");
        }
        assert_eq!(known_rules(8453), None);
    }

    #[test]
    fn times_are_those_of_another_source() {
        for (chain_id, theirs) in
            [(10, OpChainHardforks::op_mainnet()), (11_155_420, OpChainHardforks::op_sepolia())]
        {
            let (name, rules) = known_rules(chain_id).unwrap();
            let forks = [
                (OpFork::Canyon, OpHardfork::Canyon),
                (OpFork::Ecotone, OpHardfork::Ecotone),
                (OpFork::Fjord, OpHardfork::Fjord),
                (OpFork::Granite, OpHardfork::Granite),
                (OpFork::Holocene, OpHardfork::Holocene),
                (OpFork::Isthmus, OpHardfork::Isthmus),
                (OpFork::Jovian, OpHardfork::Jovian),
            ];
            for (ours, fork) in forks {
                let time = rules.forks.iter().find(|entry| entry.fork == ours).unwrap().timestamp;
                assert_eq!(theirs.op_fork_activation(fork), ForkCondition::Timestamp(time), "{name}, {ours}");
            }
        }
    }
}
