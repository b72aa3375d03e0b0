//! What the tests share: inputs in their binary form, and a range over them.

use alloy_consensus::Header;
use proofmill_optimism::{OpError, OpOutcome, OpRules, execute, minimise};
use proofmill_program::{ProvenFor, range};
use proofmill_stateless::{Block, ChainSpec, StatelessInput, StatelessInputRef, Witness};

/// An input of the chain with these rules.
pub(crate) fn input(
    rules: &OpRules,
    parent: &Header,
    blocks: Vec<Block>,
    witness: Witness,
) -> StatelessInput {
    StatelessInput { chain: ChainSpec::optimism(rules.clone()), parent: parent.clone(), blocks, witness }
}

/// Does something with an input as a proof takes it, from its binary form.
pub(crate) fn decoded<T>(input: &StatelessInput, f: impl FnOnce(&StatelessInputRef<'_>) -> T) -> T {
    f(&StatelessInputRef::decode(&input.encode()).unwrap())
}

/// Executes blocks on what they need of a witness.
pub(crate) fn run(
    rules: &OpRules,
    parent: &Header,
    blocks: Vec<Block>,
    witness: Witness,
) -> Result<OpOutcome, OpError> {
    let mut input = input(rules, parent, blocks, witness);
    let (outcome, witness) = decoded(&input, minimise)?;
    input.witness = witness;
    let exact = decoded(&input, execute)?;
    assert_eq!(outcome, exact);
    // The range program says the same.
    let values = range::run(&range::encode_input(ProvenFor::default(), &input)).unwrap();
    assert_eq!(values, range::public_values(ProvenFor::default(), &exact.range));
    Ok(exact)
}
