//! OP Succinct's `OPSuccinctL2OutputOracle`: the proven output roots of an OP Stack chain, and who may add to them.

use crate::{
    BlockHead, CallName, ChainError, Deployed, Included, L1, Sender,
    contracts::OpDevGameFactory::initBondsCall,
    contracts::OpOutputOracle::{
        self, InitParams, addProposerCall, approvedProposersCall, checkpointBlockHashCall,
        dgfProposeL2OutputCall, disputeGameFactoryCall, getL2OutputCall, historicBlockHashesCall,
        latestOutputIndexCall, nextBlockNumberCall, opSuccinctConfigsCall, proposeL2OutputCall, verifierCall,
    },
    deploy::deploy,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};

/// The type of the games that a factory makes of proven outputs: `GameTypes.OP_SUCCINCT`.
const GAME_TYPE: u32 = 6;

/// The contract.
#[derive(Clone, Debug)]
pub struct OutputOracle {
    l1: L1,
    address: Address,
}

/// What a proof must be of: a configuration that the contract keeps under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleConfig {
    /// The program of aggregations.
    pub aggregation_key: B256,
    /// The program of ranges.
    pub range_key: B256,
    /// Hash of the rollup's configuration.
    pub rollup_config_hash: B256,
}

/// An output root on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The root.
    pub root: B256,
    /// The block of L2.
    pub block: u64,
}

/// How far the contract is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleView {
    /// The block of L1 in which it was read.
    pub at: BlockHead,
    /// The newest output.
    pub newest: Output,
    /// The first block whose output is taken next.
    pub next_block: u64,
}

/// An output with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenOutput {
    /// The output.
    pub output: Output,
    /// Number of the L1 block at which the proof ends: the contract keeps its hash.
    pub l1_block: u64,
    /// The proof, in the encoding of the contract's verifier.
    pub proof: Bytes,
    /// Whom the proof names as its prover.
    pub prover: Address,
}

/// Where a new contract begins, for development.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleStart {
    /// The first output, which nobody proves.
    pub output: Output,
    /// Time of its block, in Unix seconds.
    pub timestamp: u64,
    /// Seconds between two blocks of L2.
    pub block_time: u64,
    /// An output must be so many blocks after the one before it, at least.
    pub submission_interval: u64,
    /// The first configuration.
    pub config: OracleConfig,
    /// What verifies proofs.
    pub verifier: Address,
    /// Who may propose.
    pub proposer: Address,
}

impl OutputOracle {
    /// The name under which a contract keeps its first configuration.
    pub const FIRST_CONFIG: &str = "opsuccinct_genesis";

    /// Finds the contract.
    ///
    /// # Errors
    /// There is none, or it is another contract.
    pub async fn connect(l1: L1, address: Address) -> Result<Self, ChainError> {
        if !l1.has_code(address).await? {
            return Err(l1.no_contract(address).await);
        }
        let oracle = Self { l1, address };
        match oracle.view().await {
            Ok(_) => Ok(oracle),
            Err(ChainError::Reverted(refusal)) => {
                Err(ChainError::NotAnOracle { address, reason: refusal.to_string() })
            }
            Err(ChainError::OtherAnswer { reason, .. }) => Err(ChainError::NotAnOracle { address, reason }),
            Err(error) => Err(error),
        }
    }

    /// Deploys one with Proofmill's own code of the same interface, for development.
    ///
    /// # Errors
    /// It is not deployed.
    pub async fn deploy(
        sender: &Sender,
        start: &OracleStart,
        salt: B256,
    ) -> Result<(Self, Deployed), ChainError> {
        let init = InitParams {
            proposer: start.proposer,
            owner: sender.account(),
            l2BlockTime: U256::from(start.block_time),
            aggregationVkey: start.config.aggregation_key,
            rangeVkeyCommitment: start.config.range_key,
            rollupConfigHash: start.config.rollup_config_hash,
            startingOutputRoot: start.output.root,
            startingBlockNumber: U256::from(start.output.block),
            startingTimestamp: U256::from(start.timestamp),
            submissionInterval: U256::from(start.submission_interval),
            verifier: start.verifier,
            fallbackTimeout: U256::from(u32::MAX),
        };
        let constructor = OpOutputOracle::constructorCall { init }.abi_encode();
        let deployed =
            deploy(sender, "OpOutputOracle", &OpOutputOracle::BYTECODE, &constructor, salt).await?;
        Ok((Self::connect(sender.l1().clone(), deployed.address).await?, deployed))
    }

    /// Where it is.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The chain that it is on.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// How far it is. All of it is read in one block.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn view(&self) -> Result<OracleView, ChainError> {
        let head = self.l1.head().await?;
        let at = Some(head.hash);
        let index = self.l1.read(self.address, &latestOutputIndexCall {}, at).await?;
        let newest = self.l1.read(self.address, &getL2OutputCall { index }, at).await?;
        let next = self.l1.read(self.address, &nextBlockNumberCall {}, at).await?;
        let newest =
            Output { root: newest.outputRoot, block: newest.l2BlockNumber.try_into().unwrap_or(u64::MAX) };
        Ok(OracleView { at: head, newest, next_block: next.saturating_to() })
    }

    /// The configuration with this name, as it is now.
    ///
    /// # Errors
    /// There is none, or L1 cannot be read.
    pub async fn config(&self, name: B256) -> Result<OracleConfig, ChainError> {
        let stored = self.l1.read(self.address, &opSuccinctConfigsCall { name }, None).await?;
        let config = OracleConfig {
            aggregation_key: stored.aggregationVkey,
            range_key: stored.rangeVkeyCommitment,
            rollup_config_hash: stored.rollupConfigHash,
        };
        if config.aggregation_key.is_zero() {
            return Err(ChainError::NoOracleConfig { address: self.address, name });
        }
        Ok(config)
    }

    /// What verifies proofs for it.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn verifier(&self) -> Result<Address, ChainError> {
        self.l1.read(self.address, &verifierCall {}, None).await
    }

    /// The factory that makes a dispute game of each output, if it has one.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn game_factory(&self) -> Result<Option<Address>, ChainError> {
        let factory = self.l1.read(self.address, &disputeGameFactoryCall {}, None).await?;
        Ok((!factory.is_zero()).then_some(factory))
    }

    /// Whether an account is an approved proposer, or everybody is.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn may_propose(&self, account: Address) -> Result<bool, ChainError> {
        for proposer in [account, Address::ZERO] {
            if self.l1.read(self.address, &approvedProposersCall { proposer }, None).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The owner has it take outputs from another account, too.
    ///
    /// # Errors
    /// It refuses, or the transaction is not included.
    pub async fn add_proposer(&self, sender: &Sender, proposer: Address) -> Result<Included, ChainError> {
        let call = addProposerCall { proposer };
        sender.send(CallName::AddProposer, Some(self.address), call.abi_encode().into()).await
    }

    /// The hash that it keeps of a block of L1, if it keeps one.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn kept_hash(&self, l1_block: u64) -> Result<Option<B256>, ChainError> {
        let call = historicBlockHashesCall { l1Block: U256::from(l1_block) };
        let hash = self.l1.read(self.address, &call, None).await?;
        Ok((!hash.is_zero()).then_some(hash))
    }

    /// Has it keep the hash of one of the last 256 blocks of L1.
    ///
    /// # Errors
    /// It refuses, or the transaction is not included.
    pub async fn keep_hash(&self, sender: &Sender, l1_block: u64) -> Result<Included, ChainError> {
        let call = checkpointBlockHashCall { blockNumber: U256::from(l1_block) };
        sender.send(CallName::CheckpointBlockHash, Some(self.address), call.abi_encode().into()).await
    }

    /// Adds an output, proven by the configuration with this name; through the factory of dispute games, where it has one, with the
    /// bond that the factory wants now.
    ///
    /// # Errors
    /// It refuses, the account cannot pay the bond, or the transaction is not included.
    pub async fn propose(
        &self,
        sender: &Sender,
        config: B256,
        proven: &ProvenOutput,
    ) -> Result<Included, ChainError> {
        let ProvenOutput { output, l1_block, ref proof, prover } = *proven;
        let (l2, l1) = (U256::from(output.block), U256::from(l1_block));
        let (name, call, bond) = match self.game_factory().await? {
            Some(factory) => {
                let bond = self.l1.read(factory, &initBondsCall { gameType: GAME_TYPE }, None).await?;
                let call = dgfProposeL2OutputCall {
                    configName: config,
                    outputRoot: output.root,
                    l2BlockNumber: l2,
                    l1BlockNumber: l1,
                    proof: proof.clone(),
                    proverAddress: prover,
                };
                (CallName::DgfProposeL2Output, call.abi_encode(), bond)
            }
            None => {
                let call = proposeL2OutputCall {
                    configName: config,
                    outputRoot: output.root,
                    l2BlockNumber: l2,
                    l1BlockNumber: l1,
                    proof: proof.clone(),
                    proverAddress: prover,
                };
                (CallName::ProposeL2Output, call.abi_encode(), U256::ZERO)
            }
        };
        sender.send_with(name, Some(self.address), call.into(), bond).await
    }
}
