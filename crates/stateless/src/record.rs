//! Which accounts, slots, codes and block hashes a block touches: what a witness builder has to fetch.

use crate::block::execute_transactions;
use crate::chain::ChainSpec;
use crate::error::StatelessError;
use crate::evm::StateDatabase;
use crate::execute::recover;
use crate::input::Block;
use alloy_primitives::{Address, B256, U256};
use revm::{
    Database, bytecode::Bytecode, context::DBErrorMarker, database::State,
    database_interface::bal::EvmDatabaseError, state::AccountInfo,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the execution of a block reads of the state before it. Everything that a block writes, it reads first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Accounts, absent ones too, and of each the slots.
    pub accounts: BTreeMap<Address, BTreeSet<U256>>,
    /// Hashes of the codes that were run or read.
    pub codes: BTreeSet<B256>,
    /// Numbers of the blocks whose hash BLOCKHASH asked for.
    pub block_hashes: BTreeSet<u64>,
}

impl Touched {
    /// Adds what another block touches.
    pub fn merge(&mut self, other: Self) {
        for (address, slots) in other.accounts {
            self.accounts.entry(address).or_default().extend(slots);
        }
        self.codes.extend(other.codes);
        self.block_hashes.extend(other.block_hashes);
    }
}

/// A block executed on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it read.
    pub touched: Touched,
    /// Gas it used; equals the header's where the database told the truth.
    pub gas_used: u64,
}

/// Why a block could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError<E: std::error::Error + 'static, X: std::error::Error + 'static = StatelessError> {
    /// The database failed.
    #[error("the state could not be read")]
    Database(#[source] E),
    /// The block cannot be executed on the state that the database shows.
    #[error("the block cannot be executed on this state")]
    Execution(#[source] X),
}

/// Executes a block on a database that shows the state after its parent, and tells what it read.
///
/// Checks nothing but what execution itself does: [`execute`](crate::execute) does that once the witness is there.
pub fn record<DB>(chain: &ChainSpec, block: &Block, db: DB) -> Result<Recorded, RecordError<DB::Error>>
where
    DB: StateDatabase,
    DB::Error: Send + Sync + 'static,
{
    chain.require_ethereum().map_err(RecordError::Execution)?;
    let header = &block.header;
    let transactions = recover(chain, header.number, &block.transactions).map_err(RecordError::Execution)?;
    recorded(db, |state| {
        let withdrawals = block.withdrawals.as_deref().unwrap_or_default();
        Ok(execute_transactions(chain, header, &transactions, withdrawals, state)?.gas_used)
    })
}

/// Runs a block's transactions on a database, and tells what they read. `run` returns the gas that they used.
pub fn recorded<DB, X>(
    db: DB,
    run: impl FnOnce(&mut State<&mut Recorder<DB>>) -> Result<u64, X>,
) -> Result<Recorded, RecordError<DB::Error, X>>
where
    DB: StateDatabase,
    DB::Error: Send + Sync + 'static,
    X: std::error::Error + 'static,
{
    let mut recorder = Recorder { db, touched: Touched::default(), fault: None };
    let ran = run(&mut State::builder().with_database(&mut recorder).build());
    if let Some(error) = recorder.fault {
        return Err(RecordError::Database(error));
    }
    let gas_used = ran.map_err(RecordError::Execution)?;
    Ok(Recorded { touched: recorder.touched, gas_used })
}

/// A database that notes what is read of it, and keeps its first error: the executor would turn it into text.
#[derive(Debug)]
pub struct Recorder<DB: Database> {
    db: DB,
    touched: Touched,
    fault: Option<DB::Error>,
}

/// Stands for the error that the recorder keeps.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the state could not be read")]
pub struct Stopped;

impl DBErrorMarker for Stopped {}

impl<DB: Database> Recorder<DB> {
    fn note<T>(&mut self, result: Result<T, DB::Error>) -> Result<T, Stopped> {
        result.map_err(|error| {
            self.fault.get_or_insert(error);
            Stopped
        })
    }
}

impl<DB: Database> Database for Recorder<DB> {
    type Error = Stopped;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stopped> {
        self.touched.accounts.entry(address).or_default();
        let account = self.db.basic(address);
        self.note(account)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Stopped> {
        self.touched.codes.insert(code_hash);
        let code = self.db.code_by_hash(code_hash);
        self.note(code)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Stopped> {
        self.touched.accounts.entry(address).or_default().insert(index);
        let value = self.db.storage(address, index);
        self.note(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stopped> {
        self.touched.block_hashes.insert(number);
        let hash = self.db.block_hash(number);
        self.note(hash)
    }
}

impl<DB: StateDatabase> StateDatabase for Recorder<DB> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Stopped> {
        self.touched.accounts.entry(address).or_default();
        let has_storage = self.db.has_storage(address);
        self.note(has_storage)
    }
}

impl<DB: StateDatabase> StateDatabase for State<&mut Recorder<DB>> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        let account = self.load_cache_account(address).map_err(EvmDatabaseError::Database)?;
        // What a block destroyed has no storage any more, and one that it made anew is not asked about.
        if account.status.is_storage_known() {
            return Ok(false);
        }
        self.database.has_storage(address).map_err(EvmDatabaseError::Database)
    }
}
