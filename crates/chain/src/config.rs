//! What a rollup's contract says of itself: constants, rules and roles.

use crate::{
    ChainError,
    contracts::Rollup::{self as abi, ProofType},
    refusal::text,
};
use alloy_primitives::{Address, B256, U256};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType, SlotClock};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// In seconds.
const WEEK: u64 = 7 * 86_400;

/// A rollup's contract on L1: the constants, which never change, and the rules that were in force when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupConfig {
    /// EIP-155 chain id of the rollup (L2).
    pub chain_id: u64,
    /// Slots, epochs and the proof submission window.
    pub clock: SlotClock,
    /// How long things may take, and must.
    pub limits: Limits,
    /// The L2 block that the first checkpoint follows on.
    pub genesis: GenesisBlock,
    /// keccak256 of the encoded chain specification.
    pub config_hash: B256,
    /// Who may propose checkpoints.
    pub proposer: Address,
    /// What must prove every checkpoint, in the contract's order; never empty, and each type once.
    pub proof_types: Vec<ProofTypeConfig>,
}

/// How long things may take, and must, in seconds of L1 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How far the last block of a checkpoint may be behind L1's time when it is proposed.
    pub max_lag: u64,
    /// After so long without a checkpoint of the proposer's anybody may propose: at least the proof submission window and an
    /// epoch. None: the proposer alone, for ever.
    pub silence: Option<NonZeroU64>,
    /// How long new rules are visible before they are in force: at least the proof submission window and an epoch.
    pub change_delay: u64,
    /// How long a pause lasts, if the owner does not end it; none: there are no pauses. With a guardian and no owner
    /// [`change_delay`](Self::change_delay) at the most.
    pub max_pause: Option<NonZeroU64>,
}

/// What an owner can change, for checkpoints to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// keccak256 of the encoded chain specification.
    pub config_hash: B256,
    /// Who may propose checkpoints.
    pub proposer: Address,
    /// What must prove every checkpoint, in the contract's order; never empty, and each type once.
    pub proof_types: Vec<ProofTypeConfig>,
}

/// Rules that are, or were, in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesInForce {
    /// Their number; the first are 0.
    pub index: u64,
    /// What they say.
    pub rules: Rules,
}

/// Rules that are to be in force later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRules {
    /// The number that they will have.
    pub index: u64,
    /// From which checkpoint on: the first of an epoch with this number or a higher one.
    pub from_checkpoint: CheckpointNumber,
    /// Not before this time, in Unix seconds of L1. A pause moves it.
    pub not_before: u64,
    /// What they say.
    pub rules: Rules,
}

/// Who may do more than anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// May schedule and cancel rules, name the guardian, and end a pause; none: nobody, and everything is final.
    pub owner: Option<Address>,
    /// May stop proposals and proofs for a while; none: nobody.
    pub guardian: Option<Address>,
}

/// The L2 block that the first checkpoint follows on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesisBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Its time, in Unix seconds.
    pub timestamp: u64,
}

/// What makes proofs of one type, and what verifies them on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofTypeConfig {
    /// The prover type.
    pub prover: ProverType,
    /// The verifier's address on L1.
    pub verifier: Address,
    /// The range program.
    pub range_key: ProgramVersion,
    /// The aggregation program.
    pub aggregation_key: ProgramVersion,
}

impl Limits {
    /// The longest that the contract lets each of them be, in seconds: 100 years (`LONGEST` of `RollupCheckpoints.sol`).
    pub const LONGEST: u64 = 100 * 365 * 86_400;

    /// What fits most rollups with these slots and epochs. A lag of twice the window, so that what was given up can be
    /// proposed again in the same ranges; anybody after three such times, and a week at least, because an idle rollup is
    /// silent too; the shortest delay of changes; no pauses.
    pub const fn of(clock: &SlotClock) -> Self {
        let epoch = clock.epoch_slots.get().saturating_mul(clock.slot_seconds.get());
        // From the beginning of an epoch until its window closes.
        let window = clock.window_epochs.get().saturating_add(1).saturating_mul(epoch);
        let max_lag = window.saturating_mul(2);
        let silence = max_lag.saturating_mul(3);
        Self {
            max_lag,
            silence: NonZeroU64::new(if silence < WEEK { WEEK } else { silence }),
            change_delay: window,
            max_pause: None,
        }
    }
}

impl RollupConfig {
    /// The rules that were in force when this was read.
    pub fn rules(&self) -> Rules {
        Rules {
            config_hash: self.config_hash,
            proposer: self.proposer,
            proof_types: self.proof_types.clone(),
        }
    }

    /// The constants for one prover type, in the rules that were in force when this was read.
    pub fn proof_type(&self, prover: ProverType) -> Option<&ProofTypeConfig> {
        self.proof_types.iter().find(|proof_type| proof_type.prover == prover)
    }

    pub(crate) fn to_abi(&self) -> abi::Constants {
        let zero_if_none = |seconds: Option<NonZeroU64>| seconds.map_or(0, NonZeroU64::get);
        abi::Constants {
            chainId: self.chain_id,
            genesisTime: self.clock.genesis,
            slotSeconds: self.clock.slot_seconds.get(),
            epochSlots: self.clock.epoch_slots.get(),
            windowEpochs: self.clock.window_epochs.get(),
            maxLag: self.limits.max_lag,
            silence: zero_if_none(self.limits.silence),
            changeDelay: self.limits.change_delay,
            maxPause: zero_if_none(self.limits.max_pause),
            genesisBlock: self.genesis.number,
            genesisHash: self.genesis.hash,
            genesisStateRoot: self.genesis.state_root,
            genesisTimestamp: self.genesis.timestamp,
        }
    }

    pub(crate) fn from_abi(
        address: Address,
        constants: abi::Constants,
        rules: Rules,
    ) -> Result<Self, ChainError> {
        let not_zero = |field: &str, number| {
            NonZeroU64::new(number).ok_or_else(|| ChainError::NotARollup {
                address,
                reason: format!("its constant `{field}` is zero"),
            })
        };
        Ok(Self {
            chain_id: constants.chainId,
            clock: SlotClock {
                genesis: constants.genesisTime,
                slot_seconds: not_zero("slotSeconds", constants.slotSeconds)?,
                epoch_slots: not_zero("epochSlots", constants.epochSlots)?,
                window_epochs: not_zero("windowEpochs", constants.windowEpochs)?,
            },
            limits: Limits {
                max_lag: constants.maxLag,
                silence: NonZeroU64::new(constants.silence),
                change_delay: constants.changeDelay,
                max_pause: NonZeroU64::new(constants.maxPause),
            },
            genesis: GenesisBlock {
                number: constants.genesisBlock,
                hash: constants.genesisHash,
                state_root: constants.genesisStateRoot,
                timestamp: constants.genesisTimestamp,
            },
            config_hash: rules.config_hash,
            proposer: rules.proposer,
            proof_types: rules.proof_types,
        })
    }
}

impl Rules {
    /// What makes and verifies proofs of one type.
    pub fn proof_type(&self, prover: ProverType) -> Option<&ProofTypeConfig> {
        self.proof_types.iter().find(|proof_type| proof_type.prover == prover)
    }

    pub(crate) fn to_abi(&self) -> abi::Rules {
        let proof_type = |of: &ProofTypeConfig| ProofType {
            name: B256::right_padding_from(of.prover.name().as_bytes()),
            verifier: of.verifier,
            rangeKey: of.range_key.0,
            aggregationKey: of.aggregation_key.0,
        };
        abi::Rules {
            configHash: self.config_hash,
            proposer: self.proposer,
            proofTypes: self.proof_types.iter().map(proof_type).collect(),
        }
    }

    pub(crate) fn from_abi(address: Address, rules: abi::Rules) -> Result<Self, ChainError> {
        let proof_type = |of: ProofType| {
            let name = text(of.name);
            Ok(ProofTypeConfig {
                prover: name
                    .parse()
                    .map_err(|_| ChainError::UnknownProofType { address, name: name.clone() })?,
                verifier: of.verifier,
                range_key: ProgramVersion(of.rangeKey),
                aggregation_key: ProgramVersion(of.aggregationKey),
            })
        };
        Ok(Self {
            config_hash: rules.configHash,
            proposer: rules.proposer,
            proof_types: rules.proofTypes.into_iter().map(proof_type).collect::<Result<_, ChainError>>()?,
        })
    }
}

impl ScheduledRules {
    pub(crate) fn from_abi(address: Address, scheduled: abi::Schedule) -> Result<Option<Self>, ChainError> {
        if scheduled.index == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            index: scheduled.index,
            from_checkpoint: CheckpointNumber(scheduled.fromCheckpoint),
            not_before: seconds(scheduled.notBefore),
            rules: Rules::from_abi(address, scheduled.rules)?,
        }))
    }
}

impl Roles {
    pub(crate) fn to_abi(self) -> abi::Roles {
        abi::Roles { owner: self.owner.unwrap_or_default(), guardian: self.guardian.unwrap_or_default() }
    }
}

/// An address that is there, or zero for nobody.
pub(crate) fn somebody(address: Address) -> Option<Address> {
    (!address.is_zero()).then_some(address)
}

/// A time in Unix seconds; the highest for those that never come.
pub(crate) fn seconds(time: U256) -> u64 {
    time.saturating_to()
}
