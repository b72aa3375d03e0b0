//! One blockchain test.

use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Header as RlpHeader};
use proofmill_stateless::{
    Block, ChainSpec, Fork, PreState, PreStateAccount, StatelessError, StatelessInput, StatelessInputRef,
    Witness, execute, full_witness, minimise,
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    network: String,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: Bytes,
    pre: BTreeMap<Address, Account>,
    blocks: Vec<TestBlock>,
    #[serde(rename = "lastblockhash")]
    last_block_hash: B256,
}

#[derive(Deserialize)]
struct Account {
    balance: U256,
    nonce: U256,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestBlock {
    rlp: Bytes,
    expect_exception: Option<String>,
}

/// What was shown by a test that passes.
pub(crate) struct Verdict {
    pub(crate) valid: usize,
    pub(crate) refused: usize,
}

impl Case {
    pub(crate) fn run(self) -> Result<Verdict, String> {
        let fork = match self.network.as_str() {
            "Shanghai" => Fork::Shanghai,
            "Cancun" => Fork::Cancun,
            "Prague" => Fork::Prague,
            "Osaka" => Fork::Osaka,
            other => return Err(format!("the network {other} is not known")),
        };
        let state: PreState =
            self.pre.into_iter().map(|(address, account)| (address, account.into())).collect();
        let genesis = decode_block(&self.genesis_rlp).map_err(|error| format!("genesis: {error}"))?.header;
        if PreStateAccount::state_root(&state) != genesis.state_root {
            return Err("the pre-state does not have the genesis header's state root".into());
        }
        let runner =
            Runner { chain: ChainSpec::for_fork(1, fork), full: full_witness(&state, Vec::new()), genesis };
        runner.run(&self.blocks, self.last_block_hash)
    }
}

impl From<Account> for PreStateAccount {
    fn from(account: Account) -> Self {
        let Account { balance, nonce, code, storage } = account;
        Self { nonce: nonce.to(), balance, code, storage }
    }
}

struct Runner {
    chain: ChainSpec,
    full: Witness,
    genesis: Header,
}

impl Runner {
    fn run(&self, blocks: &[TestBlock], last: B256) -> Result<Verdict, String> {
        let genesis = self.genesis.hash_slow();
        // Valid blocks by hash, and the hashes that have a valid child.
        let mut known: HashMap<B256, Block> = HashMap::new();
        let mut inner = HashSet::new();
        let mut refused = 0;
        for (at, test) in blocks.iter().enumerate() {
            let decoded = decode_block(&test.rlp);
            let Some(why) = &test.expect_exception else {
                let block =
                    decoded.map_err(|error| format!("block {at} is valid but not decoded: {error}"))?;
                inner.insert(block.header.parent_hash);
                known.insert(block.header.hash_slow(), block);
                continue;
            };
            self.refuse(decoded, &known).map_err(|reason| format!("block {at} ({why}): {reason}"))?;
            refused += 1;
        }
        if last != genesis && !known.contains_key(&last) {
            return Err("the last block is none of the valid ones".into());
        }
        for tip in known.keys().filter(|hash| !inner.contains(*hash)) {
            self.accept(self.path(*tip, &known)?, *tip)?;
        }
        Ok(Verdict { valid: known.len(), refused })
    }

    /// The blocks from genesis to a hash.
    fn path(&self, mut tip: B256, known: &HashMap<B256, Block>) -> Result<Vec<Block>, String> {
        let genesis = self.genesis.hash_slow();
        let mut path = Vec::new();
        while tip != genesis {
            let block = known.get(&tip).ok_or_else(|| format!("the parent {tip} is not known"))?;
            path.push(block.clone());
            tip = block.header.parent_hash;
        }
        path.reverse();
        Ok(path)
    }

    fn input(&self, blocks: Vec<Block>) -> StatelessInput {
        StatelessInput {
            chain: self.chain.clone(),
            parent: self.genesis.clone(),
            blocks,
            witness: self.full.clone(),
        }
    }

    /// All blocks up to a tip, with one smallest witness, through the binary form.
    fn accept(&self, blocks: Vec<Block>, tip: B256) -> Result<(), String> {
        let (outcome, input) = minimise(&self.input(blocks)).map_err(|error| describe(&error))?;
        let bytes = input.encode();
        let decoded = StatelessInputRef::decode(&bytes).map_err(|error| error.to_string())?;
        let executed =
            execute(&decoded).map_err(|error| format!("with the smallest witness: {}", describe(&error)))?;
        if executed != outcome || executed.last_hash != tip {
            return Err("the outcome is not that of the last block".into());
        }
        // Hash maps have another order each time; a witness must not.
        if minimise(&input).map(|(_, again)| again) != Ok(input) {
            return Err("the smallest witness is another one when it is made again".into());
        }
        Ok(())
    }

    fn refuse(&self, decoded: Result<Block, String>, known: &HashMap<B256, Block>) -> Result<(), String> {
        // Not even a block: it cannot be put into an input.
        let Ok(block) = decoded else { return Ok(()) };
        let wrong = block.header.number;
        // A block with an unknown parent is tried on the newest valid block.
        let mut blocks = self.path(block.header.parent_hash, known).or_else(|_| {
            let newest = known.values().max_by_key(|block| block.header.number);
            newest.map_or(Ok(Vec::new()), |newest| self.path(newest.header.hash_slow(), known))
        })?;
        blocks.push(block);
        let bytes = self.input(blocks).encode();
        let decoded = match StatelessInputRef::decode(&bytes) {
            Ok(decoded) => decoded,
            Err(_) => return Ok(()),
        };
        match execute(&decoded) {
            Ok(_) => Err("it should be refused, but executes".into()),
            Err(error @ StatelessError::Witness { .. }) => {
                Err(format!("it should be refused for itself, but the witness is: {}", describe(&error)))
            }
            Err(error) if names(&error, wrong) => Ok(()),
            Err(error) => Err(format!("it should be refused, but another block is: {error}")),
        }
    }
}

/// Whether an error is about the block with this number.
fn names(error: &StatelessError, block: u64) -> bool {
    match error {
        StatelessError::NumberMismatch { got, .. } => *got == block,
        other => format!("{other:?}").contains(&format!("block: {block}")),
    }
}

fn describe(error: &StatelessError) -> String {
    match error {
        StatelessError::Witness { error, .. } => error.to_string(),
        other => other.to_string(),
    }
}

/// Splits the RLP of a block: header, transactions, ommers, withdrawals.
fn decode_block(mut rlp: &[u8]) -> Result<Block, String> {
    let text = |error: alloy_rlp::Error| error.to_string();
    let mut body = list(&mut rlp)?;
    if !rlp.is_empty() {
        return Err("bytes follow the block".into());
    }
    let header = Header::decode(&mut body).map_err(text)?;
    let mut items = list(&mut body)?;
    let mut transactions = Vec::new();
    while !items.is_empty() {
        let whole = items;
        let head = RlpHeader::decode(&mut items).map_err(text)?;
        let payload = items.get(..head.payload_length).ok_or("a transaction is cut off")?;
        items = &items[head.payload_length..];
        // Legacy transactions are lists, the others are strings that hold type and payload.
        let raw = if head.list { &whole[..whole.len() - items.len()] } else { payload };
        transactions.push(Bytes::copy_from_slice(raw));
    }
    if !list(&mut body)?.is_empty() {
        return Err("the block has ommers, for which an input has no place".into());
    }
    let withdrawals =
        if body.is_empty() { None } else { Some(Vec::<Withdrawal>::decode(&mut body).map_err(text)?) };
    if !body.is_empty() {
        return Err("the block has more than four parts".into());
    }
    Ok(Block { header, transactions, withdrawals })
}

fn list<'a>(rlp: &mut &'a [u8]) -> Result<&'a [u8], String> {
    RlpHeader::decode_bytes(rlp, true).map_err(|error| error.to_string())
}
