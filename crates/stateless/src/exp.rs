//! `EXP` for machines that count instructions.
//!
//! revm's goes bit by bit, which took up to 19 times what a transfer takes for the same gas (`benches/cycles.md`). This one runs on
//! guests and hosts, so that what the tests of Ethereum run is what is proven.

use alloy_primitives::U256;
use revm::{
    bytecode::opcode::EXP,
    context_interface::Host,
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        instructions::InstructionTable, interpreter::EthInterpreter,
    },
};

/// Puts the opcode into revm's table. Its constant gas stays what the table says.
pub(crate) fn install<H: Host>(table: &mut InstructionTable<EthInterpreter, H>) {
    table[usize::from(EXP)] = Instruction::new(exp);
}

/// As revm's, but for the power.
fn exp<H: Host + ?Sized>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    let ([base], exponent) = context.interpreter.stack.popn_top().ok_or(InstructionResult::StackUnderflow)?;
    let gas = context.host.gas_params().exp_cost(*exponent);
    if !context.interpreter.gas.record_regular_cost(gas) {
        return Err(InstructionResult::OutOfGas);
    }
    *exponent = power(&base, exponent);
    Ok(())
}

/// By two bits of the exponent at a time: three products for them, where bit by bit it may be four.
fn power(base: &U256, exponent: &U256) -> U256 {
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

#[cfg(test)]
mod tests {
    use super::power;
    use alloy_primitives::U256;
    use proptest::prelude::*;

    /// Numbers of any length.
    fn number() -> impl Strategy<Value = U256> {
        (any::<[u64; 4]>(), 0..=256usize).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
    }

    proptest! {
        #[test]
        fn powers_are_those_of_another_implementation(base in number(), exponent in number()) {
            prop_assert_eq!(power(&base, &exponent), base.wrapping_pow(exponent));
        }

        #[test]
        fn small_powers(base in number(), exponent in 0..70u64) {
            let products = (0..exponent).fold(U256::ONE, |product, _| product.wrapping_mul(base));
            prop_assert_eq!(power(&base, &U256::from(exponent)), products);
        }
    }
}
