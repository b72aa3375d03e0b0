//! What the range program for chains of the OP Stack is given, and what it must say then.

use crate::{
    BLOCKS, CHAIN_ID, Fixture, Local,
    local::{batch, joined},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, keccak256};
use proofmill_optimism::minimise;
use proofmill_program::{
    ProvenFor, RangePublicValues,
    op::{
        OpRangePublicValues,
        range::{OpStatement, encode_derived, encode_executed},
    },
};
use proofmill_stateless::{Block, ChainSpec, StatelessInput, StatelessInputRef, Witness};

/// First byte of a deposit.
const DEPOSIT: u8 = 0x7e;

/// An input of the program, and what comes of it: as the chain has it, not as the program's own code says.
#[derive(Clone, Debug)]
pub struct RangeInput {
    /// The program's input.
    pub bytes: Vec<u8>,
    /// What the program says.
    pub says: OpStatement,
    /// Gas used by the blocks.
    pub gas: u64,
}

impl RangeInput {
    /// Real blocks that follow on each other, which are executed. `None`, with a message, where they are not there.
    pub fn real(numbers: &[u64]) -> Option<Self> {
        let fixtures: Vec<Fixture> =
            numbers.iter().map(|number| Fixture::read(*number)).collect::<Option<_>>()?;
        let (first, last) = (fixtures.first()?, fixtures.last()?);
        let mut witness = Witness::default();
        fixtures.iter().for_each(|fixture| witness.merge(fixture.witness()));
        let blocks: Vec<Block> = fixtures.iter().map(|fixture| fixture.block().unwrap()).collect();
        let chain = ChainSpec::optimism(first.rules());
        let (parent, newest) = (first.parent_header.clone(), blocks.last()?.header.clone());
        let of = ProvenFor { rollup: Address::repeat_byte(0xa1), prover: Address::repeat_byte(0xa2) };
        let says = RangePublicValues {
            chainId: CHAIN_ID,
            configHash: chain.hash(),
            rollup: of.rollup,
            prover: of.prover,
            firstBlock: *numbers.first()?,
            lastBlock: *numbers.last()?,
            parentHash: parent.hash_slow(),
            lastHash: last.expected_block_hash,
            preStateRoot: parent.state_root,
            // The chain's, if the hash of the header that has it is the chain's.
            postStateRoot: newest.state_root,
            lastTimestamp: last.timestamp(),
        };
        let (input, gas) = reduced(StatelessInput { chain, parent, blocks, witness });
        Some(Self { bytes: encode_executed(of, &input), says: OpStatement::Executed(says), gas })
    }

    /// The block of a small chain, which is executed.
    pub fn executed(local: &Local) -> Self {
        let (parent, header) = (&local.parent.header, &local.block.header);
        let of = ProvenFor::default();
        let says = RangePublicValues {
            chainId: local.rules.chain_id,
            configHash: ChainSpec::optimism(local.rules.clone()).hash(),
            rollup: of.rollup,
            prover: of.prover,
            firstBlock: header.number,
            lastBlock: header.number,
            parentHash: parent.hash_slow(),
            lastHash: header.hash_slow(),
            preStateRoot: parent.state_root,
            postStateRoot: header.state_root,
            lastTimestamp: header.timestamp,
        };
        let (input, gas) = reduced(local.input());
        Self { bytes: encode_executed(of, &input), says: OpStatement::Executed(says), gas }
    }

    /// The block of a small chain, which is derived from all that its L1 has.
    pub fn derived(local: &Local) -> Self {
        let derivation = local.derivation();
        let says = OpRangePublicValues {
            l1Head: local.l1.last().unwrap().header.hash_slow(),
            l2PreRoot: output_root(&local.parent.header),
            l2PostRoot: output_root(&local.block.header),
            l2BlockNumber: local.block.header.number,
            rollupConfigHash: derivation.config.hash(),
        };
        let (input, gas) = reduced(local.input());
        Self { bytes: encode_derived(&derivation, &input), says: OpStatement::Derived(says), gas }
    }
}

/// The input with no more of the witness than it needs, and the gas that its blocks use.
fn reduced(mut input: StatelessInput) -> (StatelessInput, u64) {
    let bytes = input.encode();
    let (outcome, witness) = minimise(&StatelessInputRef::decode(&bytes).unwrap()).unwrap();
    input.witness = witness;
    (input, outcome.range.gas_used)
}

/// What L1 knows a block of Isthmus by (`protocol/proposals.md`, and `protocol/isthmus/exec-engine.md` for where the header has it).
fn output_root(header: &Header) -> B256 {
    let messages = header.withdrawals_root.unwrap();
    keccak256([B256::ZERO, header.state_root, messages, header.hash_slow()].concat())
}

/// The bytes of a channel, not compressed, with the users' transactions of the real blocks: a batch for each. To [`Local`] they are of
/// blocks that are there already. `None`, with a message, where there are no real blocks.
pub fn channel_of_real_blocks() -> Option<Vec<u8>> {
    let before = Local::new().parent.header;
    let batches: Vec<Vec<u8>> = (1..)
        .zip(BLOCKS)
        .map(|(back, number)| {
            let mut users = Fixture::read(number)?.attributes().transactions;
            users.retain(|raw| raw.first() != Some(&DEPOSIT));
            let old = Header { timestamp: before.timestamp - 2 * back, ..before.clone() };
            Some(batch(&old, (0, B256::ZERO), &users))
        })
        .collect::<Option<_>>()?;
    Some(joined(&batches))
}
