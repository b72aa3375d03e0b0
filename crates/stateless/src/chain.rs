//! What a chain's rules are: its id, when its forks activate, and where it departs from Ethereum's header rules.

use crate::codec::{Reader, Writer};
use crate::consensus::{Consensus, RequestContracts};
use crate::error::{ChainSpecError, DecodeError, StatelessError};
use crate::op::{OpFork, OpRules};
use alloc::{vec, vec::Vec};
use alloy_eips::{eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7840::BlobParams};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, keccak256};

/// A fork whose rules this crate executes and checks in full.
///
/// Amsterdam is absent although revm has a draft of it: its headers commit to a block access list (EIP-7928),
/// and a field that is not checked must not be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Fork {
    /// EIP-4895 withdrawals, EIP-3855 and others.
    Shanghai = 1,
    /// EIP-4844 blobs, EIP-4788 beacon roots, EIP-1153, EIP-6780.
    Cancun = 2,
    /// EIP-7702 delegations, EIP-2935 block hash history, EIP-7685 requests.
    Prague = 3,
    /// EIP-7825 transaction gas cap, EIP-7918 blob fee floor, EIP-7939, EIP-7951.
    Osaka = 4,
}

impl Fork {
    /// Every fork, oldest first.
    pub const ALL: [Self; 4] = [Self::Shanghai, Self::Cancun, Self::Prague, Self::Osaka];

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|fork| *fork as u32 == code)
    }

    /// The blob parameters that come with the fork unless the chain sets its own.
    pub const fn default_blobs(self) -> Option<BlobParams> {
        match self {
            Self::Shanghai => None,
            Self::Cancun => Some(BlobParams::cancun()),
            Self::Prague => Some(BlobParams::prague()),
            Self::Osaka => Some(BlobParams::osaka()),
        }
    }
}

/// The first block time, in seconds since 1970, at which a fork's rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkActivation {
    /// The fork.
    pub fork: Fork,
    /// Its first timestamp, in seconds since 1970.
    pub timestamp: u64,
}

/// Blob parameters and the time from which they hold (a fork, or a blob-parameter-only fork of EIP-7892).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobActivation {
    /// First timestamp, in seconds since 1970.
    pub timestamp: u64,
    /// Target, maximum and price curve (EIP-7840).
    pub params: BlobParams,
}

/// How a header's base fee follows from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFeeRule {
    /// EIP-1559 with these parameters. Ethereum: 8 and 2.
    Eip1559 {
        /// A block may move the fee by at most one part in this many.
        max_change_denominator: u32,
        /// The gas limit is this many times the gas target.
        elasticity: u32,
    },
    /// The sequencer sets the base fee; only its presence is checked. For development chains.
    SequencerSets,
}

impl BaseFeeRule {
    /// Ethereum's parameters.
    pub const ETHEREUM: Self = Self::Eip1559 { max_change_denominator: 8, elasticity: 2 };
}

/// How a header's gas limit may differ from its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GasLimitRule {
    /// By less than 1/1024 of the parent's, and never below 5,000 (Ethereum).
    Bounded,
    /// The sequencer sets it. For rollups and development chains that change it in one step.
    SequencerSets,
}

/// By whose rules blocks are executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Ethereum's, which this crate has.
    #[default]
    Ethereum,
    /// The OP Stack's, which `proofmill-optimism` has.
    Optimism(OpRules),
}

/// The highest gas limit of a block of Ethereum: 2^63 - 1, which every node can hold in a signed number.
pub const MAX_GAS_LIMIT: u64 = i64::MAX as u64;
/// The lowest gas limit (yellow paper, equation 48).
pub(crate) const MIN_GAS_LIMIT: u64 = 5000;

/// The rules of one chain.
///
/// Part of every input, and committed to by [`RangeOutcome::config_hash`](crate::RangeOutcome::config_hash): who
/// verifies a proof compares that hash, so that a prover cannot choose laxer rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Fork activations, oldest first; begins with Shanghai.
    pub forks: Vec<ForkActivation>,
    /// Blob parameters in order of time; at Cancun's activation at the latest.
    pub blobs: Vec<BlobActivation>,
    /// The contract whose logs are EIP-6110 deposits.
    pub deposit_contract: Address,
    /// How the base fee follows from the parent.
    pub base_fee: BaseFeeRule,
    /// How the gas limit follows from the parent.
    pub gas_limit: GasLimitRule,
    /// The highest gas limit that a block may have; Ethereum's is [`MAX_GAS_LIMIT`].
    pub max_gas_limit: u64,
    /// Who checks what the execution layer leaves open.
    pub consensus: Consensus,
    /// Whether the contracts that collect requests must have code.
    pub request_contracts: RequestContracts,
    /// By whose rules blocks are executed. Where they are not Ethereum's, the other fields are those of [`Self::optimism`].
    pub rules: Rules,
}

impl ChainSpec {
    /// Ethereum's rules with every fork up to and including `fork` active from genesis. Consensus is [`Consensus::of`] the
    /// chain id; on a rollup the contracts that collect requests may be absent, as on development chains.
    ///
    /// ```
    /// use proofmill_stateless::{ChainSpec, Fork};
    /// let chain = ChainSpec::for_fork(31337, Fork::Cancun);
    /// assert_eq!(chain.fork_at(0), Some(Fork::Cancun));
    /// ```
    pub fn for_fork(chain_id: u64, fork: Fork) -> Self {
        let forks = Fork::ALL.into_iter().filter(|known| *known <= fork);
        let consensus = Consensus::of(chain_id);
        Self {
            chain_id,
            forks: forks.map(|fork| ForkActivation { fork, timestamp: 0 }).collect(),
            blobs: fork
                .default_blobs()
                .map_or_else(Vec::new, |params| vec![BlobActivation { timestamp: 0, params }]),
            deposit_contract: MAINNET_DEPOSIT_CONTRACT_ADDRESS,
            base_fee: BaseFeeRule::ETHEREUM,
            gas_limit: GasLimitRule::Bounded,
            max_gas_limit: MAX_GAS_LIMIT,
            consensus,
            request_contracts: match consensus {
                Consensus::Ethereum => RequestContracts::Required,
                Consensus::Rollup => RequestContracts::Optional,
            },
            rules: Rules::Ethereum,
        }
    }

    /// A chain of the OP Stack. The forks of Ethereum that those of the OP Stack bring are in `forks`; nothing else of Ethereum's
    /// rules is used.
    pub fn optimism(rules: OpRules) -> Self {
        let brings = [OpFork::Canyon, OpFork::Ecotone, OpFork::Isthmus, OpFork::Karst];
        let forks = rules.forks.iter().filter(|entry| brings.contains(&entry.fork));
        Self {
            forks: forks
                .map(|entry| ForkActivation { fork: entry.fork.ethereum(), timestamp: entry.timestamp })
                .collect(),
            blobs: Vec::new(),
            deposit_contract: Address::ZERO,
            base_fee: BaseFeeRule::SequencerSets,
            gas_limit: GasLimitRule::SequencerSets,
            consensus: Consensus::Rollup,
            request_contracts: RequestContracts::Optional,
            rules: Rules::Optimism(rules.clone()),
            ..Self::for_fork(rules.chain_id, Fork::Shanghai)
        }
    }

    /// The newest fork that is active at a block time; `None` before Shanghai.
    pub fn fork_at(&self, timestamp: u64) -> Option<Fork> {
        self.forks.iter().rev().find(|entry| entry.timestamp <= timestamp).map(|entry| entry.fork)
    }

    /// The blob parameters at a block time; `None` before Cancun.
    pub fn blobs_at(&self, timestamp: u64) -> Option<BlobParams> {
        if self.fork_at(timestamp)? < Fork::Cancun {
            return None;
        }
        self.blobs.iter().rev().find(|entry| entry.timestamp <= timestamp).map(|entry| entry.params)
    }

    /// keccak256 of the encoding: what a verifier compares to know under which rules blocks were checked.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }

    /// Errors unless these are the rules of a rollup, whose blocks nobody but the proof checks: to be asked before such a
    /// chain is settled.
    pub const fn require_rollup(&self) -> Result<(), ChainSpecError> {
        match (&self.rules, self.consensus) {
            (Rules::Ethereum, Consensus::Rollup) => Ok(()),
            (Rules::Ethereum, Consensus::Ethereum) => {
                Err(ChainSpecError::NotARollup { chain_id: self.chain_id })
            }
            (Rules::Optimism(_), _) => Err(ChainSpecError::NotDerived { chain_id: self.chain_id }),
        }
    }

    /// Errors unless blocks are executed by Ethereum's rules.
    pub(crate) const fn require_ethereum(&self) -> Result<(), StatelessError> {
        match self.rules {
            Rules::Ethereum => Ok(()),
            Rules::Optimism(_) => Err(StatelessError::RulesOfOptimism { chain_id: self.chain_id }),
        }
    }

    /// Checks that the forks are in order and that the blob parameters and the gas limit can be computed with.
    pub fn check(&self) -> Result<(), ChainSpecError> {
        if let Rules::Optimism(rules) = &self.rules {
            rules.check()?;
            // No field says what nobody checks.
            return if *self == Self::optimism(rules.clone()) {
                Ok(())
            } else {
                Err(ChainSpecError::RulesMixed)
            };
        }
        if self.forks.first().map(|entry| entry.fork) != Some(Fork::Shanghai) {
            return Err(ChainSpecError::ShanghaiMissing);
        }
        let in_order = |pair: &[ForkActivation]| {
            pair[0].fork as u32 + 1 == pair[1].fork as u32 && pair[0].timestamp <= pair[1].timestamp
        };
        if !self.forks.windows(2).all(in_order) {
            return Err(ChainSpecError::ForkOrder);
        }
        if !self.blobs.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp) {
            return Err(ChainSpecError::BlobOrder);
        }
        if let Some(cancun) = self.forks.iter().find(|entry| entry.fork == Fork::Cancun)
            && self.blobs.first().is_none_or(|entry| entry.timestamp > cancun.timestamp)
        {
            return Err(ChainSpecError::BlobsMissing);
        }
        // 4,096 blobs are 512 MB; the bound only keeps the arithmetic far from overflow.
        let sane = |params: &BlobParams| {
            params.update_fraction != 0
                && params.max_blob_count <= 4096
                && params.target_blob_count <= params.max_blob_count
                && params.max_blob_count > 0
                && params.blob_base_cost <= u64::from(u32::MAX)
        };
        if !self.blobs.iter().all(|entry| sane(&entry.params)) {
            return Err(ChainSpecError::BlobParams);
        }
        if let BaseFeeRule::Eip1559 { max_change_denominator, elasticity } = self.base_fee
            && (max_change_denominator == 0 || elasticity == 0)
        {
            return Err(ChainSpecError::BaseFeeParams);
        }
        if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&self.max_gas_limit) {
            return Err(ChainSpecError::MaxGasLimit { gas: self.max_gas_limit });
        }
        Ok(())
    }

    /// The deterministic binary form: little-endian words, 4-byte aligned.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u64(self.chain_id);
        out.u32(self.forks.len() as u32);
        for entry in &self.forks {
            out.u32(entry.fork as u32);
            out.u64(entry.timestamp);
        }
        out.u32(self.blobs.len() as u32);
        for BlobActivation { timestamp, params } in &self.blobs {
            out.u64(*timestamp);
            out.u64(params.target_blob_count);
            out.u64(params.max_blob_count);
            out.u128(params.update_fraction);
            out.u128(params.min_blob_fee);
            out.u64(params.max_blobs_per_tx);
            out.u64(params.blob_base_cost);
        }
        out.raw(self.deposit_contract.as_slice());
        match self.base_fee {
            BaseFeeRule::SequencerSets => out.u32(0),
            BaseFeeRule::Eip1559 { max_change_denominator, elasticity } => {
                out.u32(1);
                out.u32(max_change_denominator);
                out.u32(elasticity);
            }
        }
        out.u32(match self.gas_limit {
            GasLimitRule::SequencerSets => 0,
            GasLimitRule::Bounded => 1,
        });
        out.u64(self.max_gas_limit);
        out.u32(self.consensus as u32);
        out.u32(self.request_contracts as u32);
        match &self.rules {
            Rules::Ethereum => out.u32(0),
            Rules::Optimism(rules) => {
                out.u32(1);
                rules.encode(&mut out);
            }
        }
        out.finish()
    }

    /// Reads what [`encode`](Self::encode) wrote; errors on anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let chain_id = input.u64()?;
        let count = input.count(12)?;
        let mut forks = Vec::with_capacity(count);
        for _ in 0..count {
            let code = input.u32()?;
            let fork = Fork::from_code(code).ok_or(DecodeError::UnknownTag { what: "fork", tag: code })?;
            forks.push(ForkActivation { fork, timestamp: input.u64()? });
        }
        let count = input.count(72)?;
        let mut blobs = Vec::with_capacity(count);
        for _ in 0..count {
            blobs.push(BlobActivation {
                timestamp: input.u64()?,
                params: BlobParams {
                    target_blob_count: input.u64()?,
                    max_blob_count: input.u64()?,
                    update_fraction: input.u128()?,
                    min_blob_fee: input.u128()?,
                    max_blobs_per_tx: input.u64()?,
                    blob_base_cost: input.u64()?,
                },
            });
        }
        let deposit_contract = Address::from_slice(input.raw(20)?);
        let base_fee = match input.u32()? {
            0 => BaseFeeRule::SequencerSets,
            1 => BaseFeeRule::Eip1559 { max_change_denominator: input.u32()?, elasticity: input.u32()? },
            tag => return Err(DecodeError::UnknownTag { what: "base fee rule", tag }),
        };
        let gas_limit = match input.u32()? {
            0 => GasLimitRule::SequencerSets,
            1 => GasLimitRule::Bounded,
            tag => return Err(DecodeError::UnknownTag { what: "gas limit rule", tag }),
        };
        let max_gas_limit = input.u64()?;
        let tag = input.u32()?;
        let consensus =
            Consensus::from_code(tag).ok_or(DecodeError::UnknownTag { what: "consensus rule", tag })?;
        let tag = input.u32()?;
        let request_contracts = RequestContracts::from_code(tag)
            .ok_or(DecodeError::UnknownTag { what: "rule for request contracts", tag })?;
        let rules = match input.u32()? {
            0 => Rules::Ethereum,
            1 => Rules::Optimism(OpRules::decode(chain_id, &mut input)?),
            tag => return Err(DecodeError::UnknownTag { what: "rules of a chain", tag }),
        };
        input.end()?;
        let chain = Self {
            chain_id,
            forks,
            blobs,
            deposit_contract,
            base_fee,
            gas_limit,
            max_gas_limit,
            consensus,
            request_contracts,
            rules,
        };
        chain.check()?;
        Ok(chain)
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let ours = match fork {
            EthereumHardfork::Shanghai => Fork::Shanghai,
            EthereumHardfork::Cancun => Fork::Cancun,
            EthereumHardfork::Prague => Fork::Prague,
            EthereumHardfork::Osaka => Fork::Osaka,
            // The irregular state change of 2016 belongs to mainnet's block 1,920,000 only.
            EthereumHardfork::Dao => return ForkCondition::Never,
            earlier if earlier <= EthereumHardfork::Paris => return ForkCondition::Block(0),
            _ => return ForkCondition::Never,
        };
        self.forks
            .iter()
            .find(|entry| entry.fork == ours)
            .map_or(ForkCondition::Never, |entry| ForkCondition::Timestamp(entry.timestamp))
    }
}
