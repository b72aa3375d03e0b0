//! `EXTCODESIZE` and `EXTCODECOPY` that read code as it stands in the witness.
//!
//! revm's load what is to be read as if it were to run: copied, and with its jump destinations looked for byte by byte. For
//! 2,600 gas that is up to 24,576 bytes, more than a guest has instructions and memory for. These run on guests and hosts,
//! so that what the tests of Ethereum run is what is proven.

use crate::evm::StateDatabase;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use revm::{
    bytecode::{
        Bytecode,
        opcode::{EXTCODECOPY, EXTCODESIZE},
    },
    context::ContextTr,
    context_interface::{Host, context::ContextError},
    interpreter::{
        Gas, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        instructions::InstructionTable, interpreter::EthInterpreter,
    },
};

/// Puts the opcodes into revm's table. Their constant gas stays what the table says.
pub(crate) fn install<H: Host + ContextTr<Db: StateDatabase>>(
    table: &mut InstructionTable<EthInterpreter, H>,
) {
    table[usize::from(EXTCODESIZE)] = Instruction::new(size);
    table[usize::from(EXTCODECOPY)] = Instruction::new(copy);
}

/// As revm's, but for the code.
fn size<H: Host + ContextTr<Db: StateDatabase>>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    let ([], top) = interpreter.stack.popn_top().ok_or(InstructionResult::StackUnderflow)?;
    let code = load(&mut interpreter.gas, host, *top)?;
    *top = U256::from(read(host, code, |code| code.len())?);
    Ok(())
}

/// As revm's, but for the code.
fn copy<H: Host + ContextTr<Db: StateDatabase>>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    let [address, to, from, len] = interpreter.stack.popn().ok_or(InstructionResult::StackUnderflow)?;
    let len = place(len)?;
    if !interpreter.gas.record_regular_cost(host.gas_params().extcodecopy(len)) {
        return Err(InstructionResult::OutOfGas);
    }
    let mut at = 0;
    if len != 0 {
        at = place(to)?;
        interpreter.resize_memory(host.gas_params(), at, len)?;
    }
    let code = load(&mut interpreter.gas, host, address)?;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    read(host, code, |code| interpreter.memory.set_data(at, from.min(code.len()), len, code))
}

fn place(operand: U256) -> Result<usize, InstructionResult> {
    usize::try_from(operand).map_err(|_| InstructionResult::InvalidOperandOOG)
}

/// The hash of an account's code, and the code where the transaction ran or made it. Takes the gas of a cold account.
fn load<H: Host>(
    gas: &mut Gas,
    host: &mut H,
    address: U256,
) -> Result<(B256, Option<Bytecode>), InstructionResult> {
    let cold = host.gas_params().cold_account_additional_cost();
    let skip_cold = gas.remaining() < cold;
    let address = Address::from_word(B256::from(address));
    let account = host.load_account_info_skip_cold_load(address, false, skip_cold)?;
    if account.is_cold && !gas.record_regular_cost(cold) {
        return Err(InstructionResult::OutOfGas);
    }
    Ok((account.code_hash, account.code.clone()))
}

fn read<H: ContextTr<Db: StateDatabase>, T>(
    host: &mut H,
    (hash, code): (B256, Option<Bytecode>),
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, InstructionResult> {
    if let Some(code) = code {
        return Ok(read(code.original_byte_slice()));
    }
    if hash == KECCAK256_EMPTY {
        return Ok(read(&[]));
    }
    host.db_mut().read_code(hash, read).map_err(|error| {
        *host.error() = Err(ContextError::Db(error));
        InstructionResult::FatalExternalError
    })
}
