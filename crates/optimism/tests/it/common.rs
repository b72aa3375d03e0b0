//! What the tests share: inputs in their binary form, and a range over them.

use alloy_consensus::Header;
use proofmill_optimism::{OpError, OpOutcome, OpRange, OpRules, execute, minimise};
use proofmill_stateless::{Block, ChainSpec, Fork, StatelessInput, StatelessInputRef, Witness};

/// A range of blocks in the binary form that a proof takes. Its chain specification is not used.
pub(crate) struct Input(Vec<u8>);

impl Input {
    pub(crate) fn new(parent: &Header, blocks: Vec<Block>, witness: Witness) -> Self {
        let chain = ChainSpec::for_fork(1, Fork::Shanghai);
        Self(StatelessInput { chain, parent: parent.clone(), blocks, witness }.encode())
    }

    pub(crate) fn with<T>(&self, rules: &OpRules, f: impl FnOnce(&OpRange<'_>) -> T) -> T {
        let input = StatelessInputRef::decode(&self.0).unwrap();
        let (parent, blocks, witness) = (&input.parent, &input.blocks[..], &input.witness);
        f(&OpRange { rules, parent, blocks, witness })
    }
}

/// Executes blocks on what they need of a witness.
pub(crate) fn run(
    rules: &OpRules,
    parent: &Header,
    blocks: Vec<Block>,
    witness: Witness,
) -> Result<OpOutcome, OpError> {
    let (outcome, witness) = Input::new(parent, blocks.clone(), witness).with(rules, minimise)?;
    let exact = Input::new(parent, blocks, witness).with(rules, execute)?;
    assert_eq!(outcome, exact);
    Ok(exact)
}
