//! From a range to its checked witness.

use crate::{
    BuildError, Node, Phase, Progress,
    blocks::{LinkedBlocks, StateAt},
    database::{BlockingView, View},
    execution_witness::{BlockAnswer, EXECUTION_WITNESS, ancestors},
    node::Inner,
    rpc::About,
    rules::{ExecutionError, Ran, record, reduce},
    sibling::{address_below, shortened, slot_below},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use futures::{StreamExt, TryStreamExt, stream};
use proofmill_optimism::OutputRoots;
use proofmill_primitives::BlockRange;
use proofmill_stateless::{
    Block, RangeOutcome, RecordError, StatelessError, StatelessInput, Touched, TrieId, Witness, WitnessError,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{runtime::Handle, task::spawn_blocking};

/// What a witness is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessSource {
    /// The node's `debug_executionWitness`.
    ExecutionWitness,
    /// `eth_getProof` of what execution over RPC touches.
    Proofs,
}

impl fmt::Display for WitnessSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExecutionWitness => "debug_executionWitness",
            Self::Proofs => "eth_getProof",
        })
    }
}

/// A range with its witness, executed natively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// What the range program takes.
    pub input: StatelessInput,
    /// What executing it gave: gas, transactions, hashes.
    pub outcome: RangeOutcome,
    /// What L1 knows the chain by before and after the range; of chains of the OP Stack, from Isthmus on.
    pub output_roots: Option<OutputRoots>,
    /// What the witness was made from.
    pub source: WitnessSource,
}

impl Witnessed {
    fn of(ran: Ran, input: StatelessInput, source: WitnessSource) -> Self {
        let Ran { outcome, output_roots } = ran;
        Self { input, outcome, output_roots, source }
    }
}

type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Accounts and slots of them.
type Keys = BTreeMap<Address, BTreeSet<U256>>;

impl Node {
    /// Builds the witness of a range, and executes the blocks from it.
    ///
    /// `progress` is called after each step, from any thread. Errors name what is wrong with the range, the node or its
    /// answers; whatever the node sends, a result is only returned when the blocks execute as their headers say.
    pub async fn witness(&self, range: BlockRange, progress: Report<'_>) -> Result<Witnessed, BuildError> {
        let inner = &self.inner;
        let step = |done| progress(Progress { phase: Phase::Blocks, done, total: range.len() });
        let blocks = inner.linked_blocks(range, &step).await?;
        let on_nothing = blocks.parent.number == 0 && blocks.parent.state_root == alloy_trie::EMPTY_ROOT_HASH;
        for block in &blocks.blocks {
            if inner.chain.fork_at(block.header.timestamp).is_none() {
                let reason = "it is older than the Shanghai fork".to_owned();
                return Err(BuildError::UnsupportedBlock { block: block.header.number, reason });
            }
        }
        let build = Build { node: Arc::clone(inner), blocks, progress };
        let built = build.run().await;
        // Whatever happened: on a chain that changed meanwhile, that is the news.
        match (inner.check_canonical(build.blocks.last()).await, built) {
            (Ok(()), Err(error)) if on_nothing && is_about_state(&error) => {
                Err(BuildError::EmptyGenesis { source: Box::new(error) })
            }
            (Ok(()), built) => built,
            (Err(reorg @ BuildError::Reorg { .. }), _) => Err(reorg),
            (Err(_), Err(error)) => Err(error),
            (Err(error), Ok(_)) => Err(error),
        }
    }
}

/// Whether an error may come of a state that is not the one that the header commits to.
fn is_about_state(error: &BuildError) -> bool {
    match error {
        BuildError::FalseProof { block, .. } => *block == 0,
        BuildError::Execution(_) | BuildError::SiblingOutOfReach { .. } => true,
        _ => false,
    }
}

struct Build<'a> {
    node: Arc<Inner>,
    blocks: LinkedBlocks,
    progress: Report<'a>,
}

impl Build<'_> {
    fn report(&self, phase: Phase, done: u64, total: u64) {
        (self.progress)(Progress { phase, done, total });
    }

    async fn run(&self) -> Result<Witnessed, BuildError> {
        if self.node.source == Some(WitnessSource::Proofs) {
            return self.by_proofs().await;
        }
        let only = self.node.source == Some(WitnessSource::ExecutionWitness);
        match self.by_execution_witnesses().await {
            Ok(Some(witnessed)) => Ok(witnessed),
            Ok(None) if only => Err(BuildError::MethodMissing { method: EXECUTION_WITNESS }),
            Ok(None) => self.by_proofs().await,
            // Gateways give up on a large block long before the node is done with it, and answer smaller requests.
            Err(
                error @ (BuildError::Execution(_)
                | BuildError::Malformed { .. }
                | BuildError::Refused { .. }
                | BuildError::NoHistory { .. }
                | BuildError::BlockGone { .. }
                | BuildError::Unreachable { .. }),
            ) if !only => {
                tracing::warn!(%error, "the node's execution witness is not usable; going on with proofs");
                self.by_proofs().await
            }
            Err(error) => Err(error),
        }
    }

    fn len(&self) -> u64 {
        self.blocks.blocks.len() as u64
    }

    fn input(&self, witness: Witness) -> StatelessInput {
        StatelessInput {
            chain: self.node.chain.clone(),
            parent: self.blocks.parent.inner().clone(),
            blocks: self.blocks.blocks.iter().map(|block| block.inner().clone()).collect(),
            witness,
        }
    }

    /// `None` where the node does not have the method.
    async fn by_execution_witnesses(&self) -> Result<Option<Witnessed>, BuildError> {
        if self.node.lacks_execution_witness() {
            return Ok(None);
        }
        let done = AtomicU64::new(0);
        let one = async |at: usize| {
            let block = &self.blocks.blocks[at];
            let answer =
                self.node.execution_witness(About { block: block.header.number, hash: block.hash() }).await;
            self.report(Phase::ExecutionWitnesses, done.fetch_add(1, Ordering::Relaxed) + 1, self.len());
            answer
        };
        // The first one alone: most nodes do not have the method.
        let Some(first) = one(0).await? else {
            self.node.learn_no_execution_witness();
            return Ok(None);
        };
        let others: Vec<Option<BlockAnswer>> = stream::iter(1..self.blocks.blocks.len())
            .map(one)
            .buffered(self.node.concurrency)
            .try_collect()
            .await?;
        let answers: Vec<BlockAnswer> = std::iter::once(first).chain(others.into_iter().flatten()).collect();
        if answers.len() < self.blocks.blocks.len() {
            return Ok(None);
        }
        let parent = self.blocks.parent.inner();
        let mut witness = Witness::default();
        let mut headers = Vec::new();
        for answer in &answers {
            witness.state.extend(answer.witness.state.iter().cloned());
            witness.codes.extend(answer.witness.codes.iter().cloned());
            headers.extend(answer.witness.headers.iter().cloned());
        }
        witness.headers = ancestors(headers, parent);
        let (ran, input) = self.executed(witness).await?.map_err(BuildError::Execution)?;
        // The node was asked by number, so what it sent may be of a block that a reorg has put in this one's place: it
        // is kept under the block's hash only now that the block has been executed from it.
        for (block, answer) in self.blocks.blocks.iter().zip(&answers).filter(|(_, answer)| answer.is_new) {
            self.node.cache.put(block.hash(), EXECUTION_WITNESS, &answer.witness.to_text());
        }
        Ok(Some(Witnessed::of(ran, input, WitnessSource::ExecutionWitness)))
    }

    /// Executes the blocks from the node's own witnesses. Ancestors that are not in them are asked for.
    async fn executed(
        &self,
        mut witness: Witness,
    ) -> Result<Result<(Ran, StatelessInput), ExecutionError>, BuildError> {
        let parent = self.blocks.parent.inner();
        loop {
            let had = witness.headers.len();
            let outcome = self.checked(self.input(witness.clone())).await?;
            let missing = outcome.as_ref().err().and_then(ExecutionError::of_witness);
            let Some((_, WitnessError::MissingAncestor { number })) = missing else { return Ok(outcome) };
            witness.headers = self.node.ancestors(number.saturating_add(1), parent).await?;
            if witness.headers.len() <= had {
                return Ok(outcome);
            }
        }
    }

    async fn by_proofs(&self) -> Result<Witnessed, BuildError> {
        // Each block is executed on the state before it, all at once.
        let done = AtomicU64::new(0);
        self.report(Phase::Executing, 0, self.len());
        let executed: Vec<(Arc<View>, Touched)> = stream::iter(0..self.blocks.blocks.len())
            .map(async |at| {
                let executed = self.touched(at).await;
                self.report(Phase::Executing, done.fetch_add(1, Ordering::Relaxed) + 1, self.len());
                executed
            })
            .buffered(self.node.concurrency)
            .try_collect()
            .await?;
        let mut touched = Touched::default();
        for (_, one) in &executed {
            touched.merge(one.clone());
        }

        // The witness is of the state before the range: what later blocks touch is proven there, too.
        // The first block was executed on that state, so much of it is here already.
        let Some((before, _)) = executed.first() else {
            return Err(BuildError::Execution(StatelessError::NoBlocks.into()));
        };
        before.fetch(&touched.accounts, &|done, total| self.report(Phase::Proofs, done, total)).await?;
        let mut pool = Pool::default();
        let views = executed.iter().map(|(view, _)| view.as_ref());
        for view in views {
            let known = view.known();
            pool.nodes.extend(known.nodes.iter().map(|(hash, node)| (*hash, node.clone())));
            pool.codes.extend(known.codes.iter().map(|(hash, code)| (*hash, code.clone())));
        }
        let parent = self.blocks.parent.inner();
        let oldest = touched.block_hashes.first().map_or(parent.number, |oldest| oldest + 1);
        let headers = self.node.ancestors(oldest, parent).await?;

        let mut looked_after = BTreeSet::new();
        loop {
            let witness = Witness {
                state: pool.nodes.values().cloned().collect(),
                codes: pool.codes.values().cloned().collect(),
                headers: headers.clone(),
            };
            let error = match self.checked(self.input(witness)).await? {
                Ok((ran, input)) => return Ok(Witnessed::of(ran, input, WitnessSource::Proofs)),
                Err(error) => error,
            };
            let Some((block, WitnessError::MissingNode { hash, trie, path })) = error.of_witness() else {
                return Err(BuildError::Execution(error));
            };
            let (hash, trie, path) = (*hash, *trie, *path);
            self.report(Phase::Siblings, looked_after.len() as u64, looked_after.len() as u64 + 1);
            let at = (block - self.blocks.blocks[0].header.number) as usize;
            if looked_after.insert(at) {
                let (view, touched) = &executed[at];
                self.after(at, view, touched, &mut pool).await?;
                if pool.nodes.contains_key(&hash) {
                    continue;
                }
            }
            let found = self.below(before.at, trie, path).await?;
            pool.nodes.extend(found.into_iter().map(|node| (keccak256(&node), node)));
            if !pool.nodes.contains_key(&hash) {
                return Err(BuildError::SiblingOutOfReach { hash, trie, depth: path.len() });
            }
        }
    }

    /// Executes one block over RPC.
    async fn touched(&self, at: usize) -> Result<(Arc<View>, Touched), BuildError> {
        let view = Arc::new(View::new(Arc::clone(&self.node), self.blocks.before(at)));
        let block = self.blocks.blocks[at].inner().clone();
        view.fetch(&announced(&block), &|_, _| {}).await?;
        let hashes = std::iter::once((self.blocks.parent.number, self.blocks.parent.hash()))
            .chain(self.blocks.blocks.iter().map(|block| (block.header.number, block.hash())))
            .collect();
        let database = BlockingView { view: Arc::clone(&view), runtime: Handle::current(), hashes };
        let chain = self.node.chain.clone();
        let recorded = spawn_blocking(move || record(&chain, &block, database))
            .await
            .map_err(|error| BuildError::Stopped(error.to_string()))?;
        match recorded {
            Ok(recorded) => Ok((view, recorded.touched)),
            Err(RecordError::Database(error)) => Err(error),
            Err(RecordError::Execution(error)) => Err(BuildError::Execution(error)),
        }
    }

    /// Puts into the pool what merged nodes were before: from proofs, in the state after the block, of everything that it
    /// touched and that was there before it.
    async fn after(
        &self,
        at: usize,
        before: &View,
        touched: &Touched,
        pool: &mut Pool,
    ) -> Result<(), BuildError> {
        let wanted: Keys = {
            let known = before.known();
            touched
                .accounts
                .iter()
                .filter(|(address, _)| known.accounts.get(*address).is_some_and(Option::is_some))
                .map(|(address, slots)| {
                    let was_set =
                        |slot: &&U256| known.slots.get(&(*address, **slot)).is_some_and(|v| !v.is_zero());
                    (*address, slots.iter().filter(was_set).copied().collect())
                })
                .collect()
        };
        let view = View::new(Arc::clone(&self.node), self.blocks.after(at));
        view.fetch(&wanted, &|done, total| self.report(Phase::Siblings, done, total)).await?;
        let known = view.known();
        let candidates = known.nodes.values().flat_map(|node| shortened(node));
        pool.nodes.extend(candidates.map(|node| (keccak256(&node), node)));
        Ok(())
    }

    /// The nodes that lead to a place in a trie.
    async fn below(
        &self,
        at: StateAt,
        trie: TrieId,
        path: alloy_trie::Nibbles,
    ) -> Result<Vec<Bytes>, BuildError> {
        let search = move || match trie {
            TrieId::Accounts => address_below(&path).map(|address| (address, Vec::new())),
            TrieId::Storage(address) => slot_below(&path).map(|slot| (address, vec![slot])),
        };
        let found = spawn_blocking(search).await.map_err(|error| BuildError::Stopped(error.to_string()))?;
        let Some((address, slots)) = found else { return Ok(Vec::new()) };
        Ok(self.node.proof(at, address, &slots).await?.nodes)
    }

    /// Reduces an input to what it needs, and executes the result.
    async fn checked(
        &self,
        input: StatelessInput,
    ) -> Result<Result<(Ran, StatelessInput), ExecutionError>, BuildError> {
        self.report(Phase::Checking, 0, 1);
        let checked = spawn_blocking(move || reduce(input))
            .await
            .map_err(|error| BuildError::Stopped(error.to_string()))?;
        if checked.is_ok() {
            self.report(Phase::Checking, 1, 1);
        }
        Ok(checked)
    }
}

/// What the witness may be made of; in order, so that the same range always gives the same input.
#[derive(Default)]
struct Pool {
    nodes: BTreeMap<B256, Bytes>,
    codes: BTreeMap<B256, Bytes>,
}

/// What a block tells about what it touches before it is executed: fetched at once instead of one after the other.
fn announced(block: &Block) -> Keys {
    use alloy_consensus::{EthereumTxEnvelope, Transaction, TxEip4844, transaction::SignerRecoverable};
    use alloy_eips::Decodable2718;
    use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpTxEnvelope};

    let mut keys = Keys::new();
    keys.entry(block.header.beneficiary).or_default();
    for withdrawal in block.withdrawals.iter().flatten() {
        keys.entry(withdrawal.address).or_default();
    }
    for raw in &block.transactions {
        if raw.first() == Some(&DEPOSIT_TX_TYPE_ID) {
            if let Ok(OpTxEnvelope::Deposit(deposit)) = OpTxEnvelope::decode_2718_exact(raw) {
                keys.entry(deposit.from).or_default();
                if let Some(to) = deposit.to.to() {
                    keys.entry(*to).or_default();
                }
            }
            continue;
        }
        // What cannot be read here is refused when the block is executed.
        let Ok(transaction) = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw) else { continue };
        if let Ok(sender) = transaction.recover_signer() {
            keys.entry(sender).or_default();
        }
        if let Some(to) = transaction.to() {
            keys.entry(to).or_default();
        }
        for item in transaction.access_list().into_iter().flat_map(|list| list.iter()) {
            keys.entry(item.address)
                .or_default()
                .extend(item.storage_keys.iter().map(|key| U256::from_be_bytes(key.0)));
        }
        for authorization in transaction.authorization_list().into_iter().flatten() {
            if let Ok(authority) = authorization.recover_authority() {
                keys.entry(authority).or_default();
            }
        }
    }
    keys
}
