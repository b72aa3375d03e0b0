//! Calls that change nothing, and how much gas they take.

use super::{answer::Failure, params::Params};
use crate::{
    node::Shared,
    seal::{Parent, environment},
    view::View,
};
use alloy_evm::{
    EvmEnv,
    overrides::{OverrideBlockHashes, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{B256, TxKind, U64, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use proofmill_stateless::ChainSpec;
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A transfer's gas.
const TRANSFER: u64 = 21_000;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_call" => run(shared, params),
        "eth_estimateGas" => estimate(shared, params),
        _ => return None,
    })
}

/// A call that can be made again and again.
struct Prepared {
    parent: Parent,
    env: EvmEnv,
    transaction: TxEnv,
    overrides: Option<StateOverride>,
    /// Whether the caller says what it pays for gas.
    pays: bool,
}

impl OverrideBlockHashes for View {
    fn override_block_hashes(&mut self, hashes: BTreeMap<u64, B256>) {
        self.set_hashes(hashes);
    }
}

impl Prepared {
    fn new(shared: &Shared, params: &Params) -> Result<Self, Failure> {
        let mut request: TransactionRequest = params.required(0)?;
        let id = params.block(1)?;
        let overrides: Option<StateOverride> = params.optional(2)?;
        let block_overrides: Option<BlockOverrides> = params.optional(3)?;
        let (rules, parent): (ChainSpec, Parent) = {
            let chain = shared.read();
            let (block, past) = chain.state(id)?;
            (chain.rules.clone(), chain.parent(&block, past.state.clone()))
        };
        let mut env = environment(&rules, parent.header.inner());
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_eip3607 = true;
        // Where nobody pays for gas it costs nothing, as geth does it.
        let prices = [request.gas_price, request.max_fee_per_gas, request.max_priority_fee_per_gas];
        let pays = prices.iter().any(|price| price.is_some_and(|price| price > 0));
        if !pays {
            env.block_env.basefee = 0;
        }
        if let Some(overrides) = block_overrides {
            // Those of block hashes go to a view that is made later.
            apply_block_overrides(
                overrides,
                &mut View::new(parent.state.clone(), BTreeMap::new()),
                &mut env.block_env,
            );
        }
        let most = env.block_env.gas_limit.min(env.cfg_env.tx_gas_limit_cap.unwrap_or(u64::MAX));
        request.gas = Some(request.gas.filter(|gas| *gas > 0).unwrap_or(most).min(most));
        request.nonce = None;
        request.chain_id = request.chain_id.or(Some(rules.chain_id));
        let transaction =
            request.try_into_tx_env(&env).map_err(|error| Failure::server(error.to_string()))?;
        Ok(Self { parent, env, transaction, overrides, pays })
    }

    fn view(&self) -> Result<View, Failure> {
        let mut view = View::new(self.parent.state.clone(), self.parent.hashes());
        if let Some(overrides) = &self.overrides {
            apply_state_overrides(overrides.clone(), &mut view)
                .map_err(|error| Failure::params(error.to_string()))?;
        }
        Ok(view)
    }

    /// Runs it with so much gas.
    fn run(&self, gas_limit: u64) -> Result<ExecutionResult, EVMError<std::convert::Infallible>> {
        let view = self.view().map_err(|_| EVMError::Custom("the overrides cannot be applied".to_owned()))?;
        let mut evm = Context::mainnet()
            .with_block(self.env.block_env.clone())
            .with_cfg(self.env.cfg_env.clone())
            .with_db(view)
            .build_mainnet();
        evm.transact(TxEnv { gas_limit, ..self.transaction.clone() }).map(|done| done.result)
    }
}

fn failed(error: EVMError<std::convert::Infallible>) -> Failure {
    Failure::server(match error {
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: want, gas_limit }
            | InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: want, gas_limit },
        ) => format!("intrinsic gas too low: have {gas_limit}, want {want}"),
        EVMError::Transaction(reason) => reason.to_string(),
        other => other.to_string(),
    })
}

fn halted(reason: &HaltReason) -> Failure {
    Failure::server(match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => format!("execution failed: {other:?}"),
    })
}

fn run(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let call = Prepared::new(shared, params)?;
    call.view()?;
    match call.run(call.transaction.gas_limit).map_err(failed)? {
        ExecutionResult::Success { output, .. } => Ok(json!(output.into_data())),
        ExecutionResult::Revert { output, .. } => Err(Failure::reverted(&output)),
        ExecutionResult::Halt { reason, .. } => Err(halted(&reason)),
    }
}

/// The least gas that it succeeds with, to within a hundredth and a half, as geth.
fn estimate(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let call = Prepared::new(shared, params)?;
    let view = call.view()?;
    let mut most = call.transaction.gas_limit;
    if call.pays {
        let has = view.info(call.transaction.caller).map_or(U256::ZERO, |account| account.balance);
        let left = has
            .checked_sub(call.transaction.value)
            .ok_or_else(|| Failure::server("insufficient funds for transfer"))?;
        let price = U256::from(call.transaction.gas_price.max(1));
        most = most.min((left / price).saturating_to());
    }
    let too_low = || Failure::server(format!("gas required exceeds allowance ({most})"));
    if let TxKind::Call(to) = call.transaction.kind
        && call.transaction.data.is_empty()
        && call.transaction.authorization_list.is_empty()
        && view.info(to).is_none_or(|account| account.is_empty_code_hash())
        && most >= TRANSFER
        && call.run(TRANSFER).is_ok_and(|result| result.is_success())
    {
        return Ok(json!(U64::from(TRANSFER)));
    }
    let (used, refunded) = match call.run(most) {
        Ok(ExecutionResult::Success { gas, .. }) => (gas.tx_gas_used(), gas.inner_refunded()),
        Ok(ExecutionResult::Revert { output, .. }) => return Err(Failure::reverted(&output)),
        Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => return Err(too_low()),
        Ok(ExecutionResult::Halt { reason, .. }) => return Err(halted(&reason)),
        Err(EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
        )) => return Err(too_low()),
        Err(error) => return Err(failed(error)),
    };
    let succeeds = |gas: u64| call.run(gas).is_ok_and(|result| result.is_success());
    let (mut low, mut high) = (used.saturating_sub(1), most);
    // A 64th stays behind at each call (EIP-150), and 2,300 may go with a value.
    let likely = (used + refunded + 2_300).saturating_mul(64) / 63;
    if likely < high && likely > low {
        if succeeds(likely) { high = likely } else { low = likely }
    }
    while low + 1 < high && (high - low) * 1_000 > high * 15 {
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(TRANSFER));
        if succeeds(middle) { high = middle } else { low = middle }
    }
    Ok(json!(U64::from(high)))
}
