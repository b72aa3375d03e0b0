//! An L1 with a rollup's contract, and the rollup's own chain with real blocks.

use crate::scene::{AGGREGATION_KEY, CONFIG_HASH, GENESIS_TIME, L2_CHAIN, RANGE_KEY, rpc};
use alloy_primitives::{Address, B256, Bytes};
use proofmill_chain::{
    BlockAt, ChainEvent, ChainStream, EpochSubmission, GenesisBlock, L1, L2, Limits, PoolOptions,
    ProofTypeConfig, Proposal, Refusal, Roles, Rollup, RollupConfig, Sender, StreamOptions, StreamStatus,
    StreamTips, SubmittedProof, deploy_accepts_anything_verifier, deploy_rollup,
};
use proofmill_localnet::{Anvil, AnvilOptions, Mining};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, ProgramVersion, ProverType, SlotClock};
use proofmill_program::{Aggregation, PublicValues, RangePublicValues, aggregation::fold};
use serde_json::json;
use std::time::Duration;
use tokio::time;

/// Longer than anything here takes, also where the machine does much else.
const PATIENCE: Duration = Duration::from_secs(300);
/// For so long nothing is told where nothing happens, on a machine that answers at once.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) struct TwoChains {
    pub(crate) anvil1: Anvil,
    pub(crate) anvil2: Anvil,
    pub(crate) rollup: Rollup,
    pub(crate) l2: L2,
    pub(crate) sender: Sender,
}

impl TwoChains {
    pub(crate) async fn new() -> Self {
        // Every block two behind the head is final.
        let l1 = AnvilOptions::new().genesis_timestamp(GENESIS_TIME).accounts(2).slots_in_an_epoch(1);
        let (anvil1, anvil2) = tokio::join!(l1.spawn(), l2_node());
        let anvil1 = anvil1.unwrap();
        let l1 = L1::connect(PoolOptions::new(anvil1.rpc_url().clone()), None).await.unwrap();
        let l2 = L2::connect(PoolOptions::new(anvil2.rpc_url().clone()), Some(L2_CHAIN)).await.unwrap();
        let genesis = l2.block(BlockAt::Number(1)).await.unwrap().unwrap();
        let sender = Sender::new(l1, anvil1.accounts()[0].private_key.try_into().unwrap());
        let verifier = deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap().address;
        let clock = SlotClock {
            genesis: GENESIS_TIME,
            slot_seconds: 12.try_into().unwrap(),
            epoch_slots: 3.try_into().unwrap(),
            window_epochs: 1.try_into().unwrap(),
        };
        let config = RollupConfig {
            chain_id: L2_CHAIN,
            config_hash: CONFIG_HASH,
            clock,
            // L1 is far in the future.
            limits: Limits { max_lag: 100 * 365 * 86_400, ..Limits::of(&clock) },
            proposer: sender.account(),
            genesis: GenesisBlock {
                number: 1,
                hash: genesis.hash,
                state_root: genesis.state_root,
                timestamp: genesis.timestamp,
            },
            proof_types: vec![ProofTypeConfig {
                prover: ProverType::Exec,
                verifier,
                range_key: ProgramVersion(RANGE_KEY),
                aggregation_key: ProgramVersion(AGGREGATION_KEY),
            }],
        };
        let (rollup, _) = deploy_rollup(&sender, &config, Roles::default(), B256::ZERO).await.unwrap();
        Self { anvil1, anvil2, rollup, l2, sender }
    }

    pub(crate) async fn l1(&self, method: &'static str, params: serde_json::Value) -> serde_json::Value {
        rpc(&self.anvil1, method, params).await
    }

    pub(crate) async fn mine_l1(&self, blocks: u64) {
        for _ in 0..blocks {
            self.l1("evm_mine", json!([])).await;
        }
    }

    pub(crate) async fn mine_l2(&self, blocks: u64) {
        rpc(&self.anvil2, "anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    /// Replaces the last blocks of L2 by as many others.
    pub(crate) async fn reorg_l2(&self, depth: u64) {
        rpc(&self.anvil2, "anvil_reorg", json!([depth, []])).await;
    }

    pub(crate) async fn to_slot(&self, slot: u64) {
        self.l1("evm_setNextBlockTimestamp", json!([GENESIS_TIME + slot * 12])).await;
        self.mine_l1(1).await;
    }

    /// Proposes what L2 has up to a block, after pruning what is due.
    pub(crate) async fn propose(&self, slot: u64, last: u64) -> Checkpoint {
        self.to_slot(slot).await;
        match self.rollup.prune(&self.sender).await {
            Err(error) if error.refusal() == Some(&Refusal::NothingToPrune) => {}
            pruned => drop(pruned.unwrap()),
        }
        let tip = self.rollup.tips().await.unwrap().pending;
        let before = match self.rollup.checkpoint(tip).await.unwrap() {
            Some(checkpoint) => checkpoint.blocks.last(),
            None => 1,
        };
        let parent = self.l2.block(BlockAt::Number(before)).await.unwrap().unwrap();
        let end = self.l2.block(BlockAt::Number(last)).await.unwrap().unwrap();
        let proposal = Proposal {
            blocks: BlockRange::new(before + 1, last).unwrap(),
            parent_hash: parent.hash,
            last_hash: end.hash,
            state_root: end.state_root,
            last_timestamp: end.timestamp,
        };
        self.rollup.propose(&self.sender, proposal).await.unwrap();
        let tip = self.rollup.tips().await.unwrap().pending;
        self.rollup.checkpoint(tip).await.unwrap().unwrap()
    }

    /// Settles checkpoints with proofs of type `exec`.
    pub(crate) async fn prove(&self, first: u64, last: u64) {
        let prover = Address::repeat_byte(7);
        let (mut ranges, mut from_commitment) = (Vec::new(), B256::ZERO);
        let mut before = self.rollup.config().genesis.state_root;
        for number in 1..=last {
            let checkpoint = self.rollup.checkpoint(CheckpointNumber(number)).await.unwrap().unwrap();
            if number == first {
                from_commitment = checkpoint.parent_commitment;
            }
            ranges.push(RangePublicValues {
                chainId: L2_CHAIN,
                configHash: CONFIG_HASH,
                rollup: self.rollup.address(),
                prover,
                firstBlock: checkpoint.blocks.first(),
                lastBlock: checkpoint.blocks.last(),
                parentHash: checkpoint.parent_hash,
                lastHash: checkpoint.last_hash,
                preStateRoot: before,
                postStateRoot: checkpoint.state_root,
                lastTimestamp: checkpoint.last_timestamp,
            });
            before = checkpoint.state_root;
        }
        let ranges = &ranges[first as usize - 1..];
        let by = Aggregation { range_key: RANGE_KEY, from_commitment, checkpoints: vec![1; ranges.len()] };
        let values = fold(&by, ranges).unwrap();
        let proof = SubmittedProof { public_values: values.to_bytes().into(), proof: Bytes::new() };
        let submission = EpochSubmission {
            first: CheckpointNumber(first),
            last: CheckpointNumber(last),
            prover,
            proofs: [(ProverType::Exec, proof)].into(),
        };
        self.rollup.submit_epoch_proof(&self.sender, submission).await.unwrap();
    }

    pub(crate) fn stream(&self) -> Follower {
        self.stream_with(options())
    }

    pub(crate) fn stream_with(&self, options: StreamOptions) -> Follower {
        self.follow(ChainStream::new(self.rollup.clone(), self.l2.clone(), options).unwrap())
    }

    pub(crate) fn follow(&self, stream: ChainStream) -> Follower {
        Follower { stream, l1: self.rollup.l1().clone(), l2: self.l2.clone() }
    }
}

/// A node of L2 at block 5. Any two make the same blocks.
pub(crate) async fn l2_node() -> Anvil {
    let options =
        AnvilOptions::new().chain_id(L2_CHAIN).genesis_timestamp(GENESIS_TIME).mining(Mining::OnRequest);
    let anvil = options.spawn().await.unwrap();
    rpc(&anvil, "anvil_mine", json!(["0x5"])).await;
    anvil
}

pub(crate) fn options() -> StreamOptions {
    StreamOptions::default().poll_every(Duration::from_millis(40))
}

/// A stream, what it tells, and the chains as they are.
pub(crate) struct Follower {
    pub(crate) stream: ChainStream,
    pub(crate) l1: L1,
    pub(crate) l2: L2,
}

impl Follower {
    /// The next event, which is not acknowledged.
    pub(crate) async fn hear(&mut self) -> ChainEvent {
        time::timeout(PATIENCE, self.stream.next()).await.expect("something should happen")
    }

    pub(crate) async fn next(&mut self) -> ChainEvent {
        let event = self.hear().await;
        self.stream.acknowledge();
        event
    }

    /// Everything that is told until the stream has seen the heads of the chains that it can reach, and then nothing for
    /// a while: for longer than many requests take now, as it may ask for blocks yet before it tells of them.
    pub(crate) async fn all(&mut self) -> Vec<ChainEvent> {
        let (mut events, mut quiet, mut had_seen_all) = (Vec::new(), QUIET, false);
        let until = time::Instant::now() + PATIENCE;
        loop {
            if let Ok(event) = time::timeout(quiet, self.stream.next()).await {
                self.stream.acknowledge();
                events.push(event);
                had_seen_all = false;
                continue;
            }
            let asked = time::Instant::now();
            let has_seen_all = self.has_seen_all().await;
            quiet = QUIET + 40 * asked.elapsed();
            if (has_seen_all && had_seen_all) || time::Instant::now() > until {
                return events;
            }
            had_seen_all = has_seen_all;
        }
    }

    async fn has_seen_all(&self) -> bool {
        let status = self.status();
        let (l1, l2) = tokio::try_join!(self.l1.head(), self.l2.head()).unwrap();
        (status.l1 == Some(l1) || status.l1_trouble.is_some())
            && (status.l2 == Some(l2) || status.l2_trouble.is_some())
    }

    pub(crate) fn status(&self) -> StreamStatus {
        self.stream.status().borrow().clone()
    }

    pub(crate) fn tips(&self) -> &StreamTips {
        self.stream.tips().unwrap()
    }
}

pub(crate) fn blocks(first: u64, last: u64) -> ChainEvent {
    ChainEvent::BlocksAdded { blocks: BlockRange::new(first, last).unwrap() }
}

pub(crate) fn proven(checkpoint: u64, epoch: u64) -> ChainEvent {
    ChainEvent::Proven { checkpoint: CheckpointNumber(checkpoint), epoch: proofmill_primitives::Epoch(epoch) }
}

pub(crate) fn finalized(checkpoint: u64) -> ChainEvent {
    ChainEvent::Finalized { checkpoint: CheckpointNumber(checkpoint) }
}

pub(crate) fn pruned(to: u64, cause: proofmill_chain::PruneCause) -> ChainEvent {
    ChainEvent::Pruned { to: CheckpointNumber(to), cause }
}
