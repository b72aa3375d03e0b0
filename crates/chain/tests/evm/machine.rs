//! An EVM with the committed artifacts on it.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::{SolCall, SolConstructor};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{BlockEnv, TxEnv, result::ExecutionResult},
    database::InMemoryDB,
    handler::{MainnetContext, MainnetEvm},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

alloy_sol_types::sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    Rollup,
    "../../contracts/artifacts/Rollup.json"
}

alloy_sol_types::sol! {
    AttestedVerifier,
    "../../contracts/artifacts/AttestedVerifier.json"
}

alloy_sol_types::sol! {
    AcceptsAnythingVerifier,
    "../../contracts/artifacts/AcceptsAnythingVerifier.json"
}

/// A verifier whose valid proofs of a program are the program's key, as one word. Real proofs and attestations are the business of
/// other tests: here it matters which key the contract asks for.
pub(crate) const VERIFIER: Address = Address::repeat_byte(0xfe);
/// `calldataload(calldatasize() - 32) == calldataload(4)`, or it reverts.
const VERIFIER_CODE: [u8; 17] = hex!("602036033560043514600f575f5ffd5b00");
/// Enough for any call.
const GAS_LIMIT: u64 = 16_000_000;

/// An L1 of one block at a time.
pub(crate) struct Machine {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
}

/// What became of a call: what it returned, or what it reverted with.
pub(crate) type Outcome = Result<Bytes, Bytes>;

impl Machine {
    pub(crate) fn new(time: u64) -> Self {
        let mut machine = Self::of(InMemoryDB::default(), time);
        machine.put(VERIFIER, &VERIFIER_CODE);
        machine
    }

    fn of(database: InMemoryDB, time: u64) -> Self {
        let context = Context::mainnet()
            .with_db(database)
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN);
                cfg.chain_id = 31_337;
                cfg.disable_nonce_check = true;
            })
            .with_block(BlockEnv {
                timestamp: U256::from(time),
                number: U256::ONE,
                gas_limit: GAS_LIMIT,
                prevrandao: Some(B256::ZERO),
                ..Default::default()
            });
        Self { evm: context.build_mainnet() }
    }

    /// Another one in the same state.
    pub(crate) fn fork(&self) -> Self {
        let time = self.evm.ctx.block.timestamp.to();
        Self::of(self.evm.ctx.journaled_state.database.clone(), time)
    }

    /// Puts code at an address.
    pub(crate) fn put(&mut self, at: Address, code: &[u8]) {
        let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
        self.evm.ctx.journaled_state.database.insert_account_info(at, AccountInfo::from_bytecode(code));
    }

    /// Puts a contract at another address, too, with all that it has stored.
    pub(crate) fn copy(&mut self, from: Address, to: Address) {
        let accounts = &mut self.evm.ctx.journaled_state.database.cache.accounts;
        let account = accounts[&from].clone();
        accounts.insert(to, account);
    }

    /// Puts another word in place of one that a contract has stored once.
    pub(crate) fn replace(&mut self, at: Address, word: B256, by: B256) {
        let accounts = &mut self.evm.ctx.journaled_state.database.cache.accounts;
        let words = accounts.get_mut(&at).unwrap().storage.values_mut();
        let mut there: Vec<&mut U256> =
            words.filter(|there| **there == U256::from_be_bytes(word.0)).collect();
        assert_eq!(there.len(), 1, "{word} is stored once");
        *there[0] = U256::from_be_bytes(by.0);
    }

    /// Gives an account that has no code some ether.
    pub(crate) fn fund(&mut self, account: Address) {
        let rich = AccountInfo::from_balance(U256::from(1_000_000));
        self.evm.ctx.journaled_state.database.insert_account_info(account, rich);
    }

    pub(crate) fn set_time(&mut self, time: u64) {
        self.evm.ctx.block.timestamp = U256::from(time);
    }

    /// As if the same state were on another chain.
    pub(crate) fn set_chain(&mut self, id: u64) {
        self.evm.ctx.cfg.chain_id = id;
    }

    /// Deploys a contract.
    pub(crate) fn create(&mut self, from: Address, code: &Bytes, arguments: &[u8]) -> Result<Address, Bytes> {
        let data = Bytes::from([code, arguments].concat());
        match self.evm.transact_commit(self.transaction(from, TxKind::Create, data)).unwrap() {
            ExecutionResult::Success { output, .. } => Ok(*output.address().unwrap()),
            ExecutionResult::Revert { output, .. } => Err(output),
            halt => panic!("{halt:?}"),
        }
    }

    pub(crate) fn deploy(&mut self, from: Address, call: &Rollup::constructorCall) -> Result<Address, Bytes> {
        self.create(from, &Rollup::BYTECODE, &call.abi_encode())
    }

    /// Sends a transaction, and returns its gas too.
    pub(crate) fn send(&mut self, from: Address, to: Address, data: Vec<u8>) -> (Outcome, u64) {
        let transaction = self.transaction(from, TxKind::Call(to), data.into());
        let result = self.evm.transact_commit(transaction).unwrap();
        let gas = result.tx_gas_used();
        (outcome(result), gas)
    }

    /// What comes of a call that brings one wei. What it changes is forgotten.
    pub(crate) fn with_a_wei(&mut self, from: Address, to: Address, data: Vec<u8>) -> Outcome {
        let transaction = self.transaction(from, TxKind::Call(to), data.into());
        outcome(self.evm.transact(TxEnv { value: U256::ONE, ..transaction }).unwrap().result)
    }

    /// Reads from a contract.
    pub(crate) fn read<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Bytes> {
        let transaction = self.transaction(Address::ZERO, TxKind::Call(to), call.abi_encode().into());
        let read = outcome(self.evm.transact(transaction).unwrap().result)?;
        Ok(C::abi_decode_returns(&read).unwrap())
    }

    /// Whether a call comes to a good end. What it changes is forgotten.
    pub(crate) fn takes(&mut self, to: Address, data: Vec<u8>) -> bool {
        let transaction = self.transaction(Address::ZERO, TxKind::Call(to), data.into());
        self.evm.transact(transaction).unwrap().result.is_success()
    }

    fn transaction(&self, caller: Address, kind: TxKind, data: Bytes) -> TxEnv {
        let chain_id = Some(self.evm.ctx.cfg.chain_id);
        TxEnv { caller, kind, data, gas_limit: GAS_LIMIT, chain_id, ..Default::default() }
    }

    /// Size of a contract's code in bytes.
    pub(crate) fn code_size(&mut self, at: Address) -> usize {
        self.evm.ctx.journaled_state.database.load_account(at).unwrap().info.code.as_ref().unwrap().len()
    }
}

fn outcome(result: ExecutionResult) -> Outcome {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(output),
        halt => panic!("{halt:?}"),
    }
}

/// A proof type of the verifier that every machine has.
pub(crate) fn proof_type(name: &str, range_key: B256, aggregation_key: B256) -> Rollup::ProofType {
    Rollup::ProofType {
        name: B256::right_padding_from(name.as_bytes()),
        verifier: VERIFIER,
        rangeKey: range_key,
        aggregationKey: aggregation_key,
    }
}
