//! How a transaction of the OP Stack runs on Ethereum's EVM: what it pays and to whom, and deposits, which never
//! fail to be there.

use crate::fees::{BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT, OperatorFee};
use alloc::{boxed::Box, string::ToString, vec::Vec};
use alloy_primitives::{Log, U256};
use core::marker::PhantomData;
use op_alloy_consensus::TxDeposit;
use proofmill_stateless::{StateDatabase, parts::Machine};
use revm::{
    DatabaseCommit,
    context::{
        Block, Cfg, ContextSetters, ContextTr, JournalTr, Transaction, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    context_interface::journaled_state::account::JournaledAccountTr,
    handler::{
        EvmTr, FrameResult, Handler, post_execution,
        pre_execution::{calculate_caller_fee, validate_account_nonce_and_code_with_components},
    },
    interpreter::{GasTracker, InitialAndFloorGas},
};

/// What a transaction did, beside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) success: bool,
    pub(crate) gas_used: u64,
    pub(crate) logs: Vec<Log>,
}

type Failure<DB> = EVMError<<DB as revm::Database>::Error>;

/// Executes a user's transaction and commits it.
pub(crate) fn user<DB: StateDatabase + DatabaseCommit>(
    machine: &mut Machine<DB>,
    tx: TxEnv,
    data_fee: U256,
    operator: OperatorFee,
) -> Result<Done, Failure<DB>> {
    machine.ctx_mut().set_tx(tx);
    let result = Run::new(Payer::User { data_fee, operator }).run(machine)?;
    Ok(commit(machine, result))
}

/// Executes a deposit and commits it.
///
/// Specification: `deposits.md`. What it mints stays, whatever becomes of it. Where it fails by anything but a
/// revert, it has used all of its gas, and its sender's nonce is one higher.
pub(crate) fn deposit<DB: StateDatabase + DatabaseCommit>(
    machine: &mut Machine<DB>,
    deposit: &TxDeposit,
) -> Result<Done, Failure<DB>> {
    let mint = U256::from(deposit.mint);
    machine.ctx_mut().set_tx(TxEnv {
        caller: deposit.from,
        kind: deposit.to,
        value: deposit.value,
        data: deposit.input.clone(),
        gas_limit: deposit.gas_limit,
        ..Default::default()
    });
    match Run::new(Payer::Deposit { mint }).run(machine) {
        Ok(result) if !result.is_halt() => return Ok(commit(machine, result)),
        Ok(_) | Err(EVMError::Transaction(_)) => {}
        Err(error) => return Err(error),
    }
    let journal = machine.ctx_mut().journal_mut();
    // Forgets what the deposit did; nothing of it was committed.
    journal.finalize();
    let mut sender = journal.load_account_mut(deposit.from)?;
    if !sender.incr_balance(mint) || !sender.bump_nonce() {
        return Err(out_of_range());
    }
    sender.touch();
    journal.commit_tx();
    let state = journal.finalize();
    machine.state().commit(state);
    Ok(Done { success: false, gas_used: deposit.gas_limit, logs: Vec::new() })
}

fn commit<DB: StateDatabase + DatabaseCommit>(machine: &mut Machine<DB>, result: ExecutionResult) -> Done {
    let state = machine.ctx_mut().journal_mut().finalize();
    machine.state().commit(state);
    Done { success: result.is_success(), gas_used: result.tx_gas_used(), logs: result.into_logs() }
}

fn out_of_range<E>() -> EVMError<E> {
    EVMError::Custom(
        "a deposit's mint does not fit the balance of its sender, or the nonce is at its end".to_string(),
    )
}

/// Who pays for a transaction.
#[derive(Clone, Copy)]
enum Payer {
    /// L1 has; and the sender gets what the deposit mints.
    Deposit { mint: U256 },
    /// The sender, also for data on L1 and to the operator.
    User { data_fee: U256, operator: OperatorFee },
}

/// Ethereum's way of a transaction, but for its fees.
struct Run<DB>(Payer, PhantomData<DB>);

impl<DB> Run<DB> {
    const fn new(payer: Payer) -> Self {
        Self(payer, PhantomData)
    }
}

impl<DB: StateDatabase> Handler for Run<DB> {
    type Evm = Machine<DB>;
    type Error = Failure<DB>;
    type HaltReason = HaltReason;

    /// Nothing of a deposit is checked: who pays on L1 has bought its place.
    fn validate_env(&self, evm: &mut Self::Evm) -> Result<(), Self::Error> {
        match self.0 {
            Payer::Deposit { .. } => Ok(()),
            Payer::User { .. } => revm::handler::validation::validate_env(evm.ctx()),
        }
    }

    /// A deposit has all of its gas: EIP-7825 is not for it (specifications, pull request 904;
    /// `ethereum-optimism/optimism`, pull request 20222 and issue 22971, on how `op-reth` lifts the cap).
    fn tx_gas(&self, evm: &mut Self::Evm, initial: &InitialAndFloorGas) -> GasTracker {
        let ctx = evm.ctx_ref();
        let cap = match self.0 {
            Payer::Deposit { .. } => u64::MAX,
            Payer::User { .. } => ctx.cfg().tx_gas_limit_cap(),
        };
        let limit = ctx.tx().gas_limit();
        let (remaining, reservoir) = initial.initial_gas_and_reservoir(limit, cap);
        GasTracker::new(limit, remaining, reservoir)
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        let (block, tx, cfg, journal, _, _) = evm.ctx().all_mut();
        let mut sender = journal.load_account_with_code_mut(tx.caller())?.data;
        match self.0 {
            Payer::Deposit { mint } => {
                if !sender.incr_balance(mint) {
                    return Err(out_of_range());
                }
                sender.touch();
            }
            Payer::User { data_fee, operator } => {
                validate_account_nonce_and_code_with_components(&sender.account().info, tx, cfg)?;
                let balance = *sender.balance();
                let fee = data_fee.saturating_add(operator.of(tx.gas_limit()));
                let left = balance.checked_sub(fee).ok_or_else(|| {
                    InvalidTransaction::LackOfFundForMaxFee { fee: Box::new(fee), balance: Box::new(balance) }
                })?;
                let left = calculate_caller_fee(left, tx, block, cfg)?;
                sender.set_balance(left);
            }
        }
        // A creation raises it itself.
        if tx.kind().is_call() {
            sender.bump_nonce();
        }
        Ok(())
    }

    fn reimburse_caller(&self, evm: &mut Self::Evm, result: &mut FrameResult) -> Result<(), Self::Error> {
        let Payer::User { operator, .. } = self.0 else { return Ok(()) };
        let gas = result.gas();
        let unused = operator.of(gas.limit()) - operator.of(used(result));
        Ok(post_execution::reimburse_caller(evm.ctx(), gas, unused)?)
    }

    fn reward_beneficiary(&self, evm: &mut Self::Evm, result: &mut FrameResult) -> Result<(), Self::Error> {
        let Payer::User { data_fee, operator } = self.0 else { return Ok(()) };
        post_execution::reward_beneficiary(evm.ctx(), result.gas())?;
        let used = used(result);
        let base_fee = U256::from(evm.ctx().block().basefee()) * U256::from(used);
        let journal = evm.ctx().journal_mut();
        for (vault, fee) in
            [(L1_FEE_VAULT, data_fee), (BASE_FEE_VAULT, base_fee), (OPERATOR_FEE_VAULT, operator.of(used))]
        {
            if !fee.is_zero() {
                journal.balance_incr(vault, fee)?;
            }
        }
        Ok(())
    }
}

/// The gas that is paid for: without what was refunded.
fn used(result: &FrameResult) -> u64 {
    result.gas().used().saturating_sub(result.gas().reservoir())
}
