//! The constants of a rollup's contract.

use crate::{
    ChainError,
    contracts::Rollup::{Config, ProofType},
    refusal::text,
};
use alloy_primitives::{Address, B256};
use proofmill_primitives::{ProgramVersion, ProverType, SlotClock};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// The constants of a rollup's contract on L1. They never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupConfig {
    /// EIP-155 chain id of the rollup (L2).
    pub chain_id: u64,
    /// keccak256 of the encoded chain configuration.
    pub config_hash: B256,
    /// Slots, epochs and the proof submission window.
    pub clock: SlotClock,
    /// Who may propose checkpoints.
    pub proposer: Address,
    /// The L2 block that the first checkpoint follows on.
    pub genesis: GenesisBlock,
    /// What must prove every checkpoint, in the contract's order; never empty, and each type once.
    pub proof_types: Vec<ProofTypeConfig>,
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

impl RollupConfig {
    /// The constants for one prover type.
    pub fn proof_type(&self, prover: ProverType) -> Option<&ProofTypeConfig> {
        self.proof_types.iter().find(|proof_type| proof_type.prover == prover)
    }

    pub(crate) fn to_abi(&self) -> Config {
        Config {
            chainId: self.chain_id,
            configHash: self.config_hash,
            genesisTime: self.clock.genesis,
            slotSeconds: self.clock.slot_seconds.get(),
            epochSlots: self.clock.epoch_slots.get(),
            windowEpochs: self.clock.window_epochs.get(),
            proposer: self.proposer,
            genesisBlock: self.genesis.number,
            genesisHash: self.genesis.hash,
            genesisStateRoot: self.genesis.state_root,
            proofTypes: self
                .proof_types
                .iter()
                .map(|proof_type| ProofType {
                    name: B256::right_padding_from(proof_type.prover.name().as_bytes()),
                    verifier: proof_type.verifier,
                    rangeKey: proof_type.range_key.0,
                    aggregationKey: proof_type.aggregation_key.0,
                })
                .collect(),
        }
    }

    pub(crate) fn from_abi(address: Address, config: Config) -> Result<Self, ChainError> {
        let not_zero = |field: &str, number| {
            NonZeroU64::new(number).ok_or_else(|| ChainError::NotARollup {
                address,
                reason: format!("its constant `{field}` is zero"),
            })
        };
        Ok(Self {
            chain_id: config.chainId,
            config_hash: config.configHash,
            clock: SlotClock {
                genesis: config.genesisTime,
                slot_seconds: not_zero("slotSeconds", config.slotSeconds)?,
                epoch_slots: not_zero("epochSlots", config.epochSlots)?,
                window_epochs: not_zero("windowEpochs", config.windowEpochs)?,
            },
            proposer: config.proposer,
            genesis: GenesisBlock {
                number: config.genesisBlock,
                hash: config.genesisHash,
                state_root: config.genesisStateRoot,
            },
            proof_types: config
                .proofTypes
                .into_iter()
                .map(|proof_type| {
                    let name = text(proof_type.name);
                    Ok(ProofTypeConfig {
                        prover: name
                            .parse()
                            .map_err(|_| ChainError::UnknownProofType { address, name: name.clone() })?,
                        verifier: proof_type.verifier,
                        range_key: ProgramVersion(proof_type.rangeKey),
                        aggregation_key: ProgramVersion(proof_type.aggregationKey),
                    })
                })
                .collect::<Result<_, ChainError>>()?,
        })
    }
}
