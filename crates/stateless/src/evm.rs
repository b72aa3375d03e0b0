//! revm with two rules that it leaves out: a contract cannot be created where there is storage (EIP-7610), and a system
//! call has the gas that its EIP gives; and with an `EXP` and readers of code of our own.

use crate::{code, exp};
use alloy_eips::eip4788::SYSTEM_ADDRESS;
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, TxKind};
use revm::{
    Context, Database, MainBuilder, MainContext,
    context::{
        ContextTr, FrameStack, JournalTr, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, ResultAndState},
    },
    context_interface::{context::ContextError, journaled_state::account::JournaledAccountTr},
    handler::{
        EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, Handler, ItemOrResult,
        MainnetContext, MainnetEvm, MainnetHandler, evm::FrameInitResult, instructions::EthInstructions,
    },
    interpreter::{
        CreateInputs, CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult,
        interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    primitives::constants::CALL_STACK_LIMIT,
};

/// Gas of a system call, the same in EIP-2935, EIP-4788, EIP-7002 and EIP-7251.
const SYSTEM_CALL_GAS: u64 = 30_000_000;

/// A state that tells, beside what the EVM reads, whether an account has storage, and shows code that is not to run.
pub trait StateDatabase: Database {
    /// Whether any slot of the account is not zero. EIP-7610 asks for it where a contract is created on an account without
    /// code and nonce; no transaction can bring about such an account, but a genesis file can.
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error>;

    /// Reads the bytes of a code. Most states have no better way than to load it as if it were to run.
    fn read_code<T>(&mut self, hash: B256, read: impl FnOnce(&[u8]) -> T) -> Result<T, Self::Error> {
        Ok(read(self.code_by_hash(hash)?.original_byte_slice()))
    }
}

impl<DB: StateDatabase> StateDatabase for &mut DB {
    fn has_storage(&mut self, address: Address) -> Result<bool, DB::Error> {
        (**self).has_storage(address)
    }

    fn read_code<T>(&mut self, hash: B256, read: impl FnOnce(&[u8]) -> T) -> Result<T, DB::Error> {
        (**self).read_code(hash, read)
    }
}

type Inner<DB> = MainnetEvm<MainnetContext<DB>>;
type Frame = EthFrame<EthInterpreter>;
type FrameError<DB> = ContextError<<DB as Database>::Error>;
type Run<DB> = MainnetHandler<Machine<DB>, EVMError<<DB as Database>::Error>, Frame>;

/// The EVM of one block.
pub struct Machine<DB: Database>(Inner<DB>);

impl<DB: StateDatabase> Machine<DB> {
    pub(crate) fn new(db: DB, env: EvmEnv) -> Self {
        let context = Context::mainnet().with_block(env.block_env).with_cfg(env.cfg_env).with_db(db);
        let mut evm = context.build_mainnet();
        exp::install(evm.instruction.instruction_table_mut());
        code::install(evm.instruction.instruction_table_mut());
        Self(evm)
    }

    pub(crate) fn db_mut(&mut self) -> &mut DB {
        self.0.ctx.journal_mut().db_mut()
    }

    /// Executes a transaction; its changes are not committed.
    pub(crate) fn transact(&mut self, tx: TxEnv) -> Result<ResultAndState, EVMError<DB::Error>> {
        self.0.ctx.tx = tx;
        let result = Run::default().run(self)?;
        Ok(self.take(result))
    }

    /// Calls a system contract; its changes are not committed.
    pub(crate) fn system_call(
        &mut self,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState, EVMError<DB::Error>> {
        self.0.ctx.tx = TxEnv {
            caller: SYSTEM_ADDRESS,
            kind: TxKind::Call(contract),
            data,
            gas_limit: SYSTEM_CALL_GAS,
            ..Default::default()
        };
        let result = Run::default().run_system_call(self)?;
        Ok(self.take(result))
    }

    fn take(&mut self, result: ExecutionResult<HaltReason>) -> ResultAndState {
        ResultAndState::new(result, self.0.ctx.journal_mut().finalize())
    }

    /// The result of a creation that EIP-7610 lets fail and revm would not; `None` leaves it to revm.
    fn collision(
        &mut self,
        depth: usize,
        inputs: &CreateInputs,
    ) -> Result<Option<FrameResult>, FrameError<DB>> {
        let journal = self.0.ctx.journal_mut();
        // Creations that fail before their target is looked at do not read it.
        if depth > CALL_STACK_LIMIT as usize {
            return Ok(None);
        }
        let caller = journal.load_account_mut(inputs.caller())?;
        let nonce = caller.nonce();
        if *caller.balance() < inputs.value() || nonce == u64::MAX {
            return Ok(None);
        }
        // revm asks for the address again, and gets the one kept in the inputs.
        let target = inputs.created_address(nonce);
        if !journal.db_mut().has_storage(target)? {
            return Ok(None);
        }
        let account = journal.load_account(target)?;
        if !account.info.is_empty_code_hash() || account.info.nonce != 0 {
            return Ok(None);
        }
        journal.load_account_mut(inputs.caller())?.bump_nonce();
        let result = InterpreterResult {
            result: InstructionResult::CreateCollision,
            gas: Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir()),
            output: Bytes::new(),
        };
        let mut outcome = CreateOutcome::new(result, None);
        outcome.charged_create_state_gas = inputs.charged_create_state_gas();
        Ok(Some(FrameResult::Create(outcome)))
    }
}

impl<DB: StateDatabase> EvmTr for Machine<DB> {
    type Context = MainnetContext<DB>;
    type Instructions = EthInstructions<EthInterpreter, MainnetContext<DB>>;
    type Precompiles = EthPrecompiles;
    type Frame = Frame;

    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.0.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Self::Frame>)
    {
        self.0.all_mut()
    }

    fn frame_init(&mut self, init: FrameInit) -> Result<FrameInitResult<'_, Frame>, FrameError<DB>> {
        if let FrameInput::Create(inputs) = &init.frame_input
            && let Some(result) = self.collision(init.depth, inputs)?
        {
            return Ok(ItemOrResult::Result(result));
        }
        self.0.frame_init(init)
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Frame>, FrameError<DB>> {
        self.0.frame_run()
    }

    fn frame_return_result(&mut self, result: FrameResult) -> Result<Option<FrameResult>, FrameError<DB>> {
        self.0.frame_return_result(result)
    }
}
