//! Batches for provers that pull: any machine with any prover type asks for a whole batch, proves it, and hands the proof in.

pub mod rules;
