//! The opcodes that divide, and `EXP`, for machines that count instructions.
//!
//! revm's go by `ruint`, whose words have 64 bits and whose short cuts are those of a processor: on a guest's 32 bits a division
//! took up to 25 times what a transfer takes for the same gas (`benches/cycles.md`). These take the machine's own words. They run
//! on guests and hosts, so that what the tests of Ethereum run is what is proven.

mod division;
mod opcodes;
#[cfg(test)]
mod tests;

pub(crate) use opcodes::install;

#[cfg(target_pointer_width = "32")]
type Word = u32;
#[cfg(target_pointer_width = "32")]
type Double = u64;
#[cfg(not(target_pointer_width = "32"))]
type Word = u64;
#[cfg(not(target_pointer_width = "32"))]
type Double = u128;
