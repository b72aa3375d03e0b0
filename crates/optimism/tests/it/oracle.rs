//! Another implementation: `alloy-op-evm` on `op-revm`, both published by others and on an older EVM.

use alloy_consensus::{
    Header, TxReceipt,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::Encodable2718;
use alloy_evm_oracle::{
    Evm, EvmFactory,
    block::{BlockExecutionError, BlockExecutor, BlockExecutorFactory},
};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutorFactory, OpEvmFactory, OpTx, block::OpAlloyReceiptBuilder,
    evm_env_for_op_block,
};
use alloy_op_hardforks::{OpHardfork, OpHardforks};
use alloy_primitives::{Address, B256, Bloom, U256};
use alloy_trie::root::ordered_trie_root_with_encoder;
use op_alloy_consensus::OpTxEnvelope;
use proofmill_optimism::OpFork;
use proofmill_stateless::{Fork, PreState, PreStateAccount};
use revm_oracle::{
    Database,
    database::{CacheDB, EmptyDB, State},
    state::{AccountInfo, Bytecode},
};

/// Which forks are active from the beginning.
#[derive(Clone, Copy, Debug)]
struct Active(OpFork);

impl EthereumHardforks for Active {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let active = match fork {
            EthereumHardfork::Shanghai => true,
            EthereumHardfork::Cancun => self.0.ethereum() >= Fork::Cancun,
            EthereumHardfork::Prague => self.0.ethereum() >= Fork::Prague,
            EthereumHardfork::Osaka => self.0.ethereum() >= Fork::Osaka,
            earlier => {
                return if earlier < EthereumHardfork::Shanghai {
                    ForkCondition::Block(0)
                } else {
                    ForkCondition::Never
                };
            }
        };
        if active { ForkCondition::Timestamp(0) } else { ForkCondition::Never }
    }
}

impl OpHardforks for Active {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        let active = match fork {
            OpHardfork::Bedrock => return ForkCondition::Block(0),
            OpHardfork::Regolith | OpHardfork::Canyon => true,
            OpHardfork::Ecotone => self.0 >= OpFork::Ecotone,
            OpHardfork::Fjord => self.0 >= OpFork::Fjord,
            OpHardfork::Granite => self.0 >= OpFork::Granite,
            OpHardfork::Holocene => self.0 >= OpFork::Holocene,
            OpHardfork::Isthmus => self.0 >= OpFork::Isthmus,
            OpHardfork::Jovian => self.0 >= OpFork::Jovian,
            OpHardfork::Karst => self.0 >= OpFork::Karst,
            _ => false,
        };
        // Canyon's first block puts a contract into the state.
        if active { ForkCondition::Timestamp(0) } else { ForkCondition::Never }
    }
}

/// What a block did.
pub(crate) struct Outcome {
    pub(crate) state: PreState,
    pub(crate) state_root: B256,
    pub(crate) receipts_root: B256,
    pub(crate) bloom: Bloom,
    pub(crate) gas_used: u64,
    pub(crate) footprint: u64,
    /// Of each transaction that was taken.
    pub(crate) statuses: Vec<bool>,
}

/// Executes a block whose transactions are made one after the other, from what accounts are by then: `next` is
/// given a way to ask for nonce and balance, and told by `refused` what was not taken.
pub(crate) fn execute(
    fork: OpFork,
    chain_id: u64,
    parent_hash: B256,
    header: &Header,
    pre: &PreState,
    mut next: impl FnMut(&mut dyn FnMut(Address) -> (u64, U256)) -> Option<OpTxEnvelope>,
    mut refused: impl FnMut(OpTxEnvelope, String),
) -> Outcome {
    let mut db = CacheDB::new(EmptyDB::default());
    for (address, account) in pre {
        let code = Bytecode::new_raw(account.code.clone());
        let info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: code.hash_slow(),
            code: Some(code),
            ..Default::default()
        };
        db.insert_account_info(*address, info);
        for (slot, value) in &account.storage {
            db.insert_account_storage(*address, *slot, *value).unwrap();
        }
    }
    db.cache.block_hashes.insert(U256::from(header.number - 1), parent_hash);
    let mut state = State::builder().with_database(db).build();
    let factory = OpBlockExecutorFactory::new(
        OpAlloyReceiptBuilder::default(),
        Active(fork),
        OpEvmFactory::<OpTx>::default(),
    );
    let evm =
        factory.evm_factory().create_evm(&mut state, evm_env_for_op_block(header, Active(fork), chain_id));
    let context = OpBlockExecutionCtx {
        parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        extra_data: header.extra_data.clone(),
    };
    let mut executor = factory.create_executor(evm, context);
    executor.apply_pre_execution_changes().unwrap();
    loop {
        let mut ask = |address| {
            let info = executor.evm_mut().db_mut().basic(address).unwrap().unwrap_or_default();
            (info.nonce, info.balance)
        };
        let Some(tx) = next(&mut ask) else { break };
        let sender = tx.recover_signer().unwrap();
        match executor.execute_transaction(Recovered::new_unchecked(&tx, sender)) {
            Ok(_) => {}
            Err(BlockExecutionError::Validation(error)) => refused(tx, error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
    let (_, result) = executor.finish().unwrap();
    let receipts = &result.receipts;
    let post = after(pre, &state);
    Outcome {
        state_root: PreStateAccount::state_root(&post),
        state: post,
        receipts_root: ordered_trie_root_with_encoder(receipts, |receipt, out| receipt.encode_2718(out)),
        bloom: receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
        gas_used: result.gas_used,
        footprint: result.blob_gas_used,
        statuses: receipts.iter().map(TxReceipt::status).collect(),
    }
}

/// The state before, with what the block made of it.
fn after<DB: Database>(pre: &PreState, state: &State<DB>) -> PreState {
    let mut post = pre.clone();
    for (address, entry) in &state.cache.accounts {
        let before = post.remove(address).unwrap_or_default();
        let Some(account) = &entry.account else { continue };
        let mut storage = if entry.status.was_destroyed() { Default::default() } else { before.storage };
        storage.extend(account.storage.iter().map(|(slot, value)| (*slot, *value)));
        let code = match &account.info.code {
            _ if account.info.is_empty_code_hash() => Default::default(),
            Some(code) => code.original_bytes(),
            None => state
                .cache
                .contracts
                .get(&account.info.code_hash)
                .map_or(before.code, |code| code.original_bytes()),
        };
        let (nonce, balance) = (account.info.nonce, account.info.balance);
        post.insert(*address, PreStateAccount { nonce, balance, code, storage });
    }
    post
}
