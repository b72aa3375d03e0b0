//! The rules of well-known chains: facts of the superchain registry (`superchain/configs`, as of August 2026).
//!
//! Only chains that follow the OP Stack's own forks up to Karst. For others there are [`OpRules::from_rollup_config`] and
//! [`OpRules::from_genesis`].

use crate::{
    fork::OpFork,
    rules::{OpActivation, OpRules},
};

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

const USUAL: (u32, u32) = (250, 6);

#[rustfmt::skip]
const KNOWN: [Known; 16] = [
    Known { name: "OP Mainnet", chain_id: 10, block_time: 2, base_fee: USUAL, first: &[], superchain: MAINNET },
    Known { name: "Ink", chain_id: 57_073, block_time: 1, base_fee: USUAL, first: &[0, 0, 0, 0, 1_742_396_400], superchain: MAINNET },
    Known { name: "Lisk", chain_id: 1135, block_time: 2, base_fee: (1000, 20), first: &[], superchain: MAINNET },
    Known { name: "Metal L2", chain_id: 1750, block_time: 2, base_fee: USUAL, first: &[0, 0], superchain: MAINNET },
    Known { name: "Mode", chain_id: 34_443, block_time: 2, base_fee: USUAL, first: &[], superchain: MAINNET },
    Known { name: "Soneium", chain_id: 1868, block_time: 2, base_fee: USUAL, first: &[0, 0, 0, 0, 1_738_573_200], superchain: MAINNET },
    Known { name: "Unichain", chain_id: 130, block_time: 1, base_fee: USUAL, first: &[0, 0, 0, 0], superchain: MAINNET },
    Known { name: "Zora", chain_id: 7_777_777, block_time: 2, base_fee: USUAL, first: &[], superchain: MAINNET },
    Known { name: "OP Sepolia", chain_id: 11_155_420, block_time: 2, base_fee: USUAL, first: &[], superchain: SEPOLIA },
    Known { name: "Ink Sepolia", chain_id: 763_373, block_time: 1, base_fee: USUAL, first: &[], superchain: SEPOLIA },
    Known { name: "Lisk Sepolia", chain_id: 4202, block_time: 2, base_fee: (250, 10), first: &[1_705_312_994], superchain: SEPOLIA },
    Known { name: "Metal L2 Testnet", chain_id: 1740, block_time: 2, base_fee: USUAL, first: &[1_708_129_622], superchain: SEPOLIA },
    Known { name: "Mode Testnet", chain_id: 919, block_time: 2, base_fee: USUAL, first: &[1_703_203_200], superchain: SEPOLIA },
    Known { name: "Soneium Minato", chain_id: 1946, block_time: 2, base_fee: USUAL,
            first: &[0, 0, 1_730_106_000, 1_730_106_000, 1_734_685_200], superchain: SEPOLIA },
    Known { name: "Unichain Sepolia", chain_id: 1301, block_time: 1, base_fee: USUAL, first: &[0, 0, 0, 0, 1_734_559_200], superchain: SEPOLIA },
    Known { name: "Zora Sepolia", chain_id: 999_999_999, block_time: 2, base_fee: USUAL, first: &[], superchain: SEPOLIA },
];

impl OpRules {
    /// The name and the rules of a well-known chain.
    ///
    /// ```
    /// use proofmill_optimism::{OpFork, OpRules};
    /// let (name, rules) = OpRules::known(10).unwrap();
    /// assert_eq!((name, rules.fork_at(1_764_691_201)), ("OP Mainnet", Some(OpFork::Jovian)));
    /// ```
    pub fn known(chain_id: u64) -> Option<(&'static str, Self)> {
        let chain = KNOWN.iter().find(|chain| chain.chain_id == chain_id)?;
        let times = chain.first.iter().chain(&chain.superchain[chain.first.len()..]);
        let forks = OpFork::ALL.into_iter().zip(times);
        let rules = Self {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::{OpFork, OpRules};
    use alloy_op_hardforks::{ForkCondition, OpChainHardforks, OpHardfork, OpHardforks};

    #[test]
    fn all_can_be_executed_by() {
        for chain_id in OpRules::known_chains() {
            let (name, rules) = OpRules::known(chain_id).unwrap();
            assert_eq!(rules.check(), Ok(()), "{name}");
            assert_eq!(rules.forks.len(), OpFork::ALL.len(), "{name}");
        }
        assert_eq!(OpRules::known(8453), None);
    }

    #[test]
    fn times_are_those_of_another_source() {
        for (chain_id, theirs) in
            [(10, OpChainHardforks::op_mainnet()), (11_155_420, OpChainHardforks::op_sepolia())]
        {
            let (name, rules) = OpRules::known(chain_id).unwrap();
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
