//! One blockchain test.

use super::causes::Refusal;
use super::network::{self, Config};
use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Header as RlpHeader};
use proofmill_stateless::{
    Block, ChainSpec, PreState, PreStateAccount, StatelessError, StatelessInput, StatelessInputRef, Witness,
    execute, full_witness, minimise,
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    network: String,
    #[serde(default)]
    config: Config,
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
    /// The gas of all blocks, as their headers say.
    pub(crate) fn gas(&self) -> u64 {
        let blocks = self.blocks.iter().filter_map(|block| decode_block(&block.rlp).ok());
        blocks.fold(0, |sum, block| sum.saturating_add(block.header.gas_used))
    }

    pub(crate) fn run(self) -> Result<Verdict, String> {
        let chain = network::rules(&self.network, &self.config)?;
        let state: PreState =
            self.pre.into_iter().map(|(address, account)| (address, account.into())).collect();
        let genesis = decode_block(&self.genesis_rlp).map_err(|error| format!("genesis: {error}"))?.header;
        if PreStateAccount::state_root(&state) != genesis.state_root {
            return Err("the pre-state does not have the genesis header's state root".into());
        }
        let runner = Runner { chain, full: full_witness(&state, Vec::new()), genesis };
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
            self.refuse(decoded, why, &known).map_err(|reason| format!("block {at} ({why}): {reason}"))?;
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

    /// A wrong block must be refused for one of the named exceptions. Where it is refused for one of the results in its
    /// header before, the header is put right, so that the rule itself is met.
    fn refuse(
        &self,
        decoded: Result<Block, String>,
        why: &str,
        known: &HashMap<B256, Block>,
    ) -> Result<(), String> {
        let block = match decoded {
            Ok(block) => block,
            Err(reason) => return judge(&Refusal::NotABlock(reason), why),
        };
        let wrong = block.header.number;
        // A block with an unknown parent is tried on the newest valid block.
        let mut blocks = self.path(block.header.parent_hash, known).or_else(|_| {
            let newest = known.values().max_by_key(|block| block.header.number);
            newest.map_or(Ok(Vec::new()), |newest| self.path(newest.header.hash_slow(), known))
        })?;
        blocks.push(block);
        let mut input = self.input(blocks);
        loop {
            let Err(error) = minimise(&input) else {
                return Err("it should be refused, but executes (with its header put right)".into());
            };
            let is_form = matches!(error, StatelessError::Decode(_));
            if !is_form && !names(&error, wrong) {
                return Err(format!("it should be refused, but another block is: {}", describe(&error)));
            }
            let refusal = Refusal::Refused(error.clone());
            if refusal.is_one_of(why)? {
                return Ok(());
            }
            let header = input.blocks.last_mut().map(|block| &mut block.header);
            if !header.is_some_and(|header| put_right(header, error)) {
                return judge(&refusal, why);
            }
        }
    }
}

fn judge(refusal: &Refusal, why: &str) -> Result<(), String> {
    if refusal.is_one_of(why)? { Ok(()) } else { Err(format!("it is refused for something else: {refusal}")) }
}

/// Puts a result of execution into the header that claims another; `false` where the error is not about one.
fn put_right(header: &mut Header, error: StatelessError) -> bool {
    match error {
        StatelessError::TransactionsRootMismatch { got, .. } => header.transactions_root = got,
        StatelessError::WithdrawalsRootMismatch { got, .. } => header.withdrawals_root = Some(got),
        StatelessError::GasUsedMismatch { got, .. } => header.gas_used = got,
        StatelessError::BlobGasUsedMismatch { got, .. } => header.blob_gas_used = Some(got),
        StatelessError::LogsBloomMismatch { got, .. } => header.logs_bloom = *got,
        StatelessError::ReceiptsRootMismatch { got, .. } => header.receipts_root = got,
        StatelessError::RequestsHashMismatch { got, .. } => header.requests_hash = Some(got),
        StatelessError::StateRootMismatch { got, .. } => header.state_root = got,
        _ => return false,
    }
    true
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
    // Ommers have no place in an input: their commitment in the header must give them away.
    list(&mut body)?;
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
