//! What the transactions of a range spend their gas on: to name the one that makes a block dear to prove.

use crate::ancestors::Ancestors;
use crate::error::StatelessError;
use crate::execute::{recover, witness};
use crate::input::StatelessInputRef;
use crate::state::WitnessState;
use crate::trie::Source;
use alloy_evm::{EvmEnv, ToTxEnv};
use alloy_primitives::{Address, B256, keccak256};
use revm::{
    Context, DatabaseCommit, InspectEvm, Inspector, MainBuilder, MainContext,
    bytecode::opcode::OpCode,
    context::ContextTr,
    interpreter::{CallInputs, CallOutcome, Interpreter, interpreter_types::Jumps},
};
use std::{collections::BTreeMap, fmt};

/// What gas is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spender {
    /// A precompiled contract.
    Precompile(Address),
    /// An instruction of the EVM, without what it calls.
    Opcode(u8),
    /// What a transaction costs before it runs: its bytes, signature, access list and authorizations.
    Transaction,
}

impl fmt::Display for Spender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precompile(address) => {
                let digits = address.to_string().trim_start_matches("0x").trim_start_matches('0').to_owned();
                write!(f, "the precompile 0x{digits}")
            }
            Self::Opcode(opcode) => match OpCode::new(*opcode) {
                Some(opcode) => f.write_str(opcode.as_str()),
                None => write!(f, "the invalid opcode {opcode:#04x}"),
            },
            Self::Transaction => f.write_str("the transaction's own bytes and signatures"),
        }
    }
}

/// What a transaction spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The number of its block.
    pub block: u64,
    /// Its place in the block, from 0.
    pub tx: usize,
    /// Its hash.
    pub hash: B256,
    /// Gas that it used.
    pub gas: u64,
    /// What most of it was spent on, and how much.
    pub most: (Spender, u64),
    /// All that it was spent on, and how much.
    pub parts: Vec<(Spender, u64)>,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, tx, hash, gas, most: (spender, spent), .. } = self;
        write!(
            f,
            "transaction {tx} of block {block} ({hash}), which uses {gas} gas, {spent} of it on {spender}"
        )
    }
}

/// Runs the transactions of an input that has passed [`execute`](crate::execute), and tells what they spend.
///
/// Only what they spend: system calls and withdrawals are left out, and nothing is compared with headers.
///
/// # Errors
/// The witness does not hold what they read, or one cannot be decoded.
pub fn profile(input: &StatelessInputRef<'_>) -> Result<Vec<Spent>, StatelessError> {
    input.chain.require_ethereum()?;
    let first = input.blocks.first().ok_or(StatelessError::NoBlocks)?.header.header().number;
    let ancestors =
        Ancestors::new(&input.parent, &input.witness.headers).map_err(|error| witness(first, error))?;
    let nodes = Source::by_hash(&input.witness.state);
    let root = &input.parent.header().state_root;
    let (mut state, _) = WitnessState::new(root, nodes, &input.witness, ancestors);
    let (chain, mut all) = (&input.chain, Vec::new());
    for block in &input.blocks {
        let header = block.header.header();
        let transactions = recover(chain, header.number, &block.transactions)?;
        let env = EvmEnv::for_eth_block(header, chain, chain.chain_id, chain.blobs_at(header.timestamp));
        for (tx, transaction) in transactions.iter().enumerate() {
            let context = Context::mainnet()
                .with_block(env.block_env.clone())
                .with_cfg(env.cfg_env.clone())
                .with_db(&mut state);
            let mut evm = context.build_mainnet_with_inspector(Meter::default());
            let done = evm.inspect_tx(transaction.to_tx_env()).map_err(|error| {
                StatelessError::Execution { block: header.number, reason: error.to_string() }
            })?;
            let mut spent = std::mem::take(&mut evm.inspector.spent);
            let gas = done.result.tx_gas_used();
            spent.insert(Spender::Transaction, gas.saturating_sub(spent.values().sum()));
            let parts: Vec<_> = spent.into_iter().collect();
            let most = parts.iter().max_by_key(|(_, gas)| *gas).copied();
            let most = most.unwrap_or((Spender::Transaction, gas));
            let hash = keccak256(block.transactions[tx]);
            all.push(Spent { block: header.number, tx, hash, gas, most, parts });
            state.commit(done.state);
        }
        state.ancestors.push(block.header.hash());
    }
    Ok(all)
}

/// Counts gas by what it is spent on.
#[derive(Default)]
struct Meter {
    spent: BTreeMap<Spender, u64>,
    /// The opcode that runs, and the gas before it.
    at: Option<(u8, u64)>,
}

impl Meter {
    fn add(&mut self, spender: Spender, gas: u64) {
        *self.spent.entry(spender).or_default() += gas;
    }
}

/// Those that call give gas away and get it back.
const fn calls(opcode: u8) -> bool {
    matches!(opcode, 0xf0 | 0xf1 | 0xf2 | 0xf4 | 0xf5 | 0xfa)
}

impl<CTX: ContextTr> Inspector<CTX> for Meter {
    fn step(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        self.at = Some((interp.bytecode.opcode(), interp.gas.remaining()));
    }

    fn step_end(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        if let Some((opcode, before)) = self.at.take()
            && !calls(opcode)
        {
            self.add(Spender::Opcode(opcode), before.saturating_sub(interp.gas.remaining()));
        }
    }

    fn call_end(&mut self, _: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        let address = inputs.bytecode_address;
        // 0x01 to 0x11, and 0x0100 (EIP-7951).
        if address[..18].iter().all(|byte| *byte == 0) && address != Address::ZERO {
            self.add(Spender::Precompile(address), outcome.result.gas.total_gas_spent());
        }
    }
}
