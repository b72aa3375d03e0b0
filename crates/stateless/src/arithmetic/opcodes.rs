//! The opcodes, and the powers.

use super::division::{quotient, remainder, remainder_of_product, remainder_of_sum};
use alloy_primitives::U256;
use revm::{
    bytecode::opcode::{ADDMOD, DIV, EXP, MOD, MULMOD, SDIV, SMOD},
    context_interface::Host,
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, InstructionResult, Stack,
        instructions::InstructionTable, interpreter::EthInterpreter,
    },
};

type Context<'a, H> = InstructionContext<'a, H, EthInterpreter>;

/// Puts the opcodes of this module into revm's table. What they cost in gas is not in it.
pub(crate) fn install<H: Host>(table: &mut InstructionTable<EthInterpreter, H>) {
    table[usize::from(DIV)] = Instruction::new(div);
    table[usize::from(SDIV)] = Instruction::new(sdiv);
    table[usize::from(MOD)] = Instruction::new(rem);
    table[usize::from(SMOD)] = Instruction::new(smod);
    table[usize::from(ADDMOD)] = Instruction::new(addmod);
    table[usize::from(MULMOD)] = Instruction::new(mulmod);
    table[usize::from(EXP)] = Instruction::new(exp);
}

/// The operands on top of the stack, and the one below them, which becomes the result.
#[inline(always)]
fn operands<const N: usize>(stack: &mut Stack) -> Result<([U256; N], &mut U256), InstructionResult> {
    stack.popn_top().ok_or(InstructionResult::StackUnderflow)
}

fn div<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a], b) = operands(&mut context.interpreter.stack)?;
    if !b.is_zero() {
        *b = quotient(&a, b);
    }
    Ok(())
}

fn rem<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a], b) = operands(&mut context.interpreter.stack)?;
    if !b.is_zero() {
        *b = remainder(&a, b);
    }
    Ok(())
}

fn sdiv<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a], b) = operands(&mut context.interpreter.stack)?;
    if !b.is_zero() {
        *b = signed_quotient(&a, b);
    }
    Ok(())
}

fn smod<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a], b) = operands(&mut context.interpreter.stack)?;
    if !b.is_zero() {
        *b = signed_remainder(&a, b);
    }
    Ok(())
}

fn addmod<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a, b], n) = operands(&mut context.interpreter.stack)?;
    if !n.is_zero() {
        *n = remainder_of_sum(&a, &b, n);
    }
    Ok(())
}

fn mulmod<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([a, b], n) = operands(&mut context.interpreter.stack)?;
    if !n.is_zero() {
        *n = remainder_of_product(&a, &b, n);
    }
    Ok(())
}

fn exp<H: Host + ?Sized>(context: Context<'_, H>) -> InstructionExecResult {
    let ([base], exponent) = operands(&mut context.interpreter.stack)?;
    let gas = context.host.gas_params().exp_cost(*exponent);
    if !context.interpreter.gas.record_regular_cost(gas) {
        return Err(InstructionResult::OutOfGas);
    }
    *exponent = power(&base, exponent);
    Ok(())
}

/// Rounded towards zero. `−2²⁵⁵ / −1` is `−2²⁵⁵`, as it comes out.
pub(super) fn signed_quotient(dividend: &U256, divisor: &U256) -> U256 {
    let is_negative = is_negative(dividend) != is_negative(divisor);
    negated_if(is_negative, quotient(&absolute(dividend), &absolute(divisor)))
}

/// It has the dividend's sign.
pub(super) fn signed_remainder(dividend: &U256, divisor: &U256) -> U256 {
    negated_if(is_negative(dividend), remainder(&absolute(dividend), &absolute(divisor)))
}

/// By two bits of the exponent at a time: three products for them, where bit by bit it may be four.
pub(super) fn power(base: &U256, exponent: &U256) -> U256 {
    let mut out = U256::ONE;
    let pairs = exponent.bit_len().div_ceil(2);
    if pairs == 0 {
        return out;
    }
    let square = base.wrapping_mul(*base);
    let powers = [*base, square, square.wrapping_mul(*base)];
    for pair in (0..pairs).rev() {
        if pair + 1 < pairs {
            out = out.wrapping_mul(out);
            out = out.wrapping_mul(out);
        }
        let digit = exponent.as_limbs()[pair / 32] >> (pair % 32 * 2) & 3;
        if let Some(power) = (digit as usize).checked_sub(1).map(|at| &powers[at]) {
            out = if pair + 1 < pairs { out.wrapping_mul(*power) } else { *power };
        }
    }
    out
}

fn is_negative(number: &U256) -> bool {
    number.bit(255)
}

fn absolute(number: &U256) -> U256 {
    negated_if(is_negative(number), *number)
}

fn negated_if(condition: bool, number: U256) -> U256 {
    if condition { number.wrapping_neg() } else { number }
}
