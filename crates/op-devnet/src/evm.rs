//! The published EVM of the OP Stack: which forks it is told, and calls beside blocks.

use crate::state::{State, View};
use alloy_consensus::Header;
use alloy_evm_oracle::{Evm, EvmFactory};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_op_evm::{OpEvmFactory, OpTx, evm_env_for_op_block};
use alloy_op_hardforks::{OpHardfork, OpHardforks};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use op_alloy_consensus::TxDeposit;
use op_revm::{L1BlockInfo, OpHaltReason, OpSpecId, OpTransaction};
use proofmill_stateless::{Fork, OpFork};
use revm_oracle::{
    context::{TxEnv, result::ExecutionResult},
    database::State as Journal,
};
use std::collections::BTreeMap;

/// Every fork up to this one, from the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Active(pub(crate) OpFork);

const fn since_genesis(active: bool) -> ForkCondition {
    if active { ForkCondition::Timestamp(0) } else { ForkCondition::Never }
}

impl EthereumHardforks for Active {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            EthereumHardfork::Shanghai => since_genesis(true),
            EthereumHardfork::Cancun => since_genesis(self.0.ethereum() >= Fork::Cancun),
            EthereumHardfork::Prague => since_genesis(self.0.ethereum() >= Fork::Prague),
            EthereumHardfork::Osaka => since_genesis(self.0.ethereum() >= Fork::Osaka),
            earlier if earlier < EthereumHardfork::Shanghai => ForkCondition::Block(0),
            _ => ForkCondition::Never,
        }
    }
}

impl OpHardforks for Active {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        since_genesis(match fork {
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
        })
    }
}

pub(crate) const fn spec(fork: OpFork) -> OpSpecId {
    match fork {
        OpFork::Jovian | OpFork::Karst => OpSpecId::JOVIAN,
        _ => OpSpecId::ISTHMUS,
    }
}

/// A call beside blocks.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) from: Address,
    pub(crate) to: TxKind,
    pub(crate) gas: u64,
    pub(crate) value: U256,
    pub(crate) input: Bytes,
}

/// What came of a call.
pub(crate) type Called = ExecutionResult<OpHaltReason>;

/// Executes a call on a state, in a block like `header`. It is done as a deposit, which pays no fee and needs no nonce; its value is
/// minted where the caller does not have it.
pub(crate) fn call(
    fork: OpFork,
    chain_id: u64,
    header: &Header,
    hashes: BTreeMap<u64, B256>,
    state: &State,
    call: Call,
) -> Result<Called, String> {
    let has = state.account(call.from).map_or(U256::ZERO, |account| account.balance);
    let mint = u128::try_from(call.value.saturating_sub(has)).map_err(|_| "the value is too high")?;
    let database = Journal::builder().with_database(View::new(state.clone(), hashes)).build();
    let env = evm_env_for_op_block(header, Active(fork), chain_id);
    let mut evm = OpEvmFactory::<OpTx>::default().create_evm(database, env);
    let deposit = TxDeposit { mint, ..Default::default() };
    let mut tx = OpTransaction::new(TxEnv {
        tx_type: 0x7e,
        caller: call.from,
        gas_limit: call.gas,
        kind: call.to,
        value: call.value,
        data: call.input,
        ..Default::default()
    });
    tx.deposit.mint = Some(deposit.mint).filter(|mint| *mint > 0);
    // Any: it tells a deposit from another transaction.
    tx.deposit.source_hash = B256::repeat_byte(1);
    evm.transact_raw(OpTx(tx)).map(|done| done.result).map_err(|error| error.to_string())
}

/// What L1's fees are after a block.
pub(crate) fn l1_fees(fork: OpFork, number: u64, state: &State) -> L1BlockInfo {
    let mut view = View::new(state.clone(), BTreeMap::new());
    match L1BlockInfo::try_fetch(&mut view, U256::from(number), spec(fork)) {
        Ok(info) => info,
        Err(never) => match never {},
    }
}
