//! An anvil as L1 with a rollup on it, whose proofs two of three attestors must sign.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolValue;
use alloy_transport::TransportResult;
use proofmill_chain::{
    Attestation, AttestorSignature, ChainError, EpochSubmission, GenesisBlock, Included, L1, Limits,
    PoolOptions, ProofSet, ProofTypeConfig, Proposal, Refusal, Roles, Rollup, RollupConfig, Sender,
    SigningKey, SubmittedProof, deploy_accepts_anything_verifier, deploy_attested_verifier, deploy_rollup,
};
use proofmill_localnet::{Anvil, AnvilOptions, Hardfork};
use proofmill_primitives::{
    BlockRange, Checkpoint, CheckpointNumber, Epoch, ProgramVersion, ProverType, SlotClock,
};
use proofmill_program::{
    Aggregation, AggregationPublicValues, Boundary, PublicValues, RangePublicValues, aggregation::fold,
};
use serde_json::{Value, json};
use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

pub(crate) const L2_CHAIN: u64 = 901;
pub(crate) const GENESIS_TIME: u64 = 4_000_000_000;
pub(crate) const CONFIG_HASH: B256 = B256::repeat_byte(0xcf);
pub(crate) const RANGE_KEY: B256 = B256::repeat_byte(0xa1);
pub(crate) const AGGREGATION_KEY: B256 = B256::repeat_byte(0xa2);
pub(crate) const PROVER: Address = Address::repeat_byte(0x77);
pub(crate) const GENESIS: GenesisBlock = GenesisBlock {
    number: 10,
    hash: B256::repeat_byte(0x10),
    state_root: B256::repeat_byte(0x11),
    timestamp: GENESIS_TIME,
};
/// How far a checkpoint may be behind L1's time.
pub(crate) const MAX_LAG: u64 = 10_000;
/// After so long without a checkpoint anybody may propose.
pub(crate) const SILENCE: u64 = 5_000;

/// Slots of 12 s, epochs of 4 slots, proofs until 2 epochs after.
pub(crate) fn clock() -> SlotClock {
    SlotClock {
        genesis: GENESIS_TIME,
        slot_seconds: 12.try_into().unwrap(),
        epoch_slots: 4.try_into().unwrap(),
        window_epochs: 2.try_into().unwrap(),
    }
}

pub(crate) fn options() -> AnvilOptions {
    AnvilOptions::new().hardfork(Hardfork::Prague).genesis_timestamp(GENESIS_TIME).accounts(4)
}

pub(crate) fn key(byte: u8) -> SigningKey {
    B256::repeat_byte(byte).try_into().unwrap()
}

pub(crate) struct Scene {
    pub(crate) anvil: Anvil,
    pub(crate) l1: L1,
    pub(crate) rollup: Rollup,
    pub(crate) verifier: Address,
    pub(crate) proposer: Sender,
    pub(crate) publisher: Sender,
    pub(crate) owner: Sender,
    pub(crate) guardian: Sender,
    pub(crate) attestors: Vec<SigningKey>,
    /// What was proposed and stands, from number 1 on.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(options().spawn().await.unwrap(), &[ProverType::OpenVm]).await
    }

    /// With proofs of these types; those of `exec` are not looked at.
    pub(crate) async fn on(anvil: Anvil, provers: &[ProverType]) -> Self {
        Self::with_window(anvil, provers, clock().window_epochs).await
    }

    /// With another proof submission window.
    pub(crate) async fn with_window(anvil: Anvil, provers: &[ProverType], window_epochs: NonZeroU64) -> Self {
        let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
        let sender =
            |at: usize| Sender::new(l1.clone(), anvil.accounts()[at].private_key.try_into().unwrap());
        let [proposer, publisher, owner, guardian] = [0, 1, 2, 3].map(sender);
        let attestors: Vec<_> = [1, 2, 3].map(key).into();
        let members: Vec<_> = attestors.iter().map(SigningKey::address).collect();
        let verifier = deploy_attested_verifier(&publisher, &members, 2, B256::ZERO).await.unwrap().address;
        let mut anything = Address::ZERO;
        if provers.iter().any(|prover| !prover.proves()) {
            anything = deploy_accepts_anything_verifier(&publisher, B256::ZERO).await.unwrap().address;
        }
        let proof_types = provers
            .iter()
            .map(|prover| ProofTypeConfig {
                prover: *prover,
                verifier: if prover.proves() { verifier } else { anything },
                range_key: ProgramVersion(RANGE_KEY),
                aggregation_key: ProgramVersion(AGGREGATION_KEY),
            })
            .collect();
        let mut config = config(proposer.account(), proof_types);
        config.clock.window_epochs = window_epochs;
        config.limits = limits(&config.clock);
        let roles = Roles { owner: Some(owner.account()), guardian: Some(guardian.account()) };
        let (rollup, _) = deploy_rollup(&publisher, &config, roles, B256::ZERO).await.unwrap();
        Self {
            anvil,
            l1,
            rollup,
            verifier,
            proposer,
            publisher,
            owner,
            guardian,
            attestors,
            checkpoints: Vec::new(),
        }
    }

    pub(crate) async fn rpc(&self, method: &'static str, params: Value) -> Value {
        rpc(&self.anvil, method, params).await
    }

    /// Makes an L1 block at the beginning of a slot.
    pub(crate) async fn to_slot(&self, slot: u64) {
        self.to_time(GENESIS_TIME + slot * 12).await;
    }

    pub(crate) async fn to_time(&self, time: u64) {
        self.rpc("evm_setNextBlockTimestamp", json!([time])).await;
        self.rpc("evm_mine", json!([])).await;
    }

    /// The proposal that is right next.
    pub(crate) fn next(&self, blocks: u64) -> Proposal {
        let (before, parent_hash) = self
            .checkpoints
            .last()
            .map_or((GENESIS.number, GENESIS.hash), |last| (last.blocks.last(), last.last_hash));
        let blocks = BlockRange::new(before + 1, before + blocks).unwrap();
        Proposal {
            blocks,
            parent_hash,
            last_hash: keccak256(format!("block {}", blocks.last())),
            state_root: keccak256(format!("state {}", blocks.last())),
            last_timestamp: block_time(blocks.last()),
        }
    }

    pub(crate) async fn try_propose(&self, proposal: Proposal) -> Result<Included, ChainError> {
        self.rollup.propose(&self.proposer, proposal).await
    }

    /// Proposes three blocks in a slot.
    pub(crate) async fn propose_in(&mut self, slot: u64) -> Checkpoint {
        self.to_slot(slot).await;
        let proposal = self.next(3);
        self.try_propose(proposal).await.unwrap();
        let number = CheckpointNumber(self.checkpoints.len() as u64 + 1);
        let checkpoint = self.rollup.checkpoint(number).await.unwrap().unwrap();
        assert_eq!(checkpoint.slot.0, slot);
        assert_eq!(checkpoint.blocks, proposal.blocks);
        assert_eq!(checkpoint.parent_hash, proposal.parent_hash);
        assert_eq!(checkpoint.last_hash, proposal.last_hash);
        assert_eq!(checkpoint.state_root, proposal.state_root);
        assert_eq!(checkpoint.last_timestamp, proposal.last_timestamp);
        let before = self.checkpoints.last().map_or_else(genesis_commitment, |last| last.commitment);
        assert_eq!(checkpoint.parent_commitment, before);
        assert_eq!(checkpoint.commitment, boundary(&checkpoint).commit(before));
        self.checkpoints.push(checkpoint);
        checkpoint
    }

    /// What an honest range proof of a checkpoint says.
    pub(crate) fn range(&self, number: u64) -> RangePublicValues {
        let at = number as usize - 1;
        let checkpoint = &self.checkpoints[at];
        let before = at.checked_sub(1).map(|before| &self.checkpoints[before]);
        RangePublicValues {
            chainId: L2_CHAIN,
            configHash: CONFIG_HASH,
            rollup: self.rollup.address(),
            prover: PROVER,
            firstBlock: checkpoint.blocks.first(),
            lastBlock: checkpoint.blocks.last(),
            parentHash: checkpoint.parent_hash,
            lastHash: checkpoint.last_hash,
            preStateRoot: before.map_or(GENESIS.state_root, |before| before.state_root),
            postStateRoot: checkpoint.state_root,
            lastTimestamp: checkpoint.last_timestamp,
        }
    }

    /// What an honest epoch proof of checkpoints says.
    pub(crate) fn epoch(&self, first: u64, last: u64) -> AggregationPublicValues {
        let ranges: Vec<_> = (first..=last).map(|number| self.range(number)).collect();
        let by = Aggregation {
            range_key: RANGE_KEY,
            from_commitment: self.checkpoints[first as usize - 1].parent_commitment,
            checkpoints: vec![1; ranges.len()],
        };
        fold(&by, &ranges).unwrap()
    }

    pub(crate) fn attestation(&self, program: B256, values: &[u8]) -> Attestation {
        Attestation::new(self.l1.chain_id(), self.verifier, ProgramVersion(program), values)
    }

    /// The signatures of all attestors, in the order of their addresses.
    pub(crate) fn signatures(&self, attestation: &Attestation) -> Vec<AttestorSignature> {
        let mut signers: Vec<_> = self.attestors.iter().collect();
        signers.sort_by_key(|signer| signer.address());
        signers.iter().map(|signer| attestation.sign(signer).unwrap()).collect()
    }

    /// A proof that two attestors signed.
    pub(crate) fn attested(&self, program: B256, values: &[u8]) -> SubmittedProof {
        let attestation = self.attestation(program, values);
        let proof = attestation.proof_bytes(&self.signatures(&attestation)[..2]);
        SubmittedProof { public_values: Bytes::copy_from_slice(values), proof }
    }

    /// A proof of each type that the contract asks for.
    pub(crate) fn proofs(&self, program: B256, values: &[u8]) -> ProofSet {
        let types = &self.rollup.config().proof_types;
        types.iter().map(|proof_type| (proof_type.prover, self.attested(program, values))).collect()
    }

    pub(crate) fn batch(&self, number: u64) -> ProofSet {
        self.proofs(RANGE_KEY, &self.range(number).to_bytes())
    }

    pub(crate) fn submission(&self, first: u64, last: u64) -> EpochSubmission {
        let values = self.epoch(first, last).to_bytes();
        self.submission_of(first, last, self.proofs(AGGREGATION_KEY, &values))
    }

    pub(crate) fn submission_of(&self, first: u64, last: u64, proofs: ProofSet) -> EpochSubmission {
        EpochSubmission {
            first: CheckpointNumber(first),
            last: CheckpointNumber(last),
            prover: PROVER,
            proofs,
        }
    }

    pub(crate) async fn submit(&self, submission: EpochSubmission) -> Result<Included, ChainError> {
        self.rollup.submit_epoch_proof(&self.publisher, submission).await
    }

    pub(crate) async fn verify(&self, first: u64, batches: Vec<ProofSet>) -> Result<Included, ChainError> {
        self.rollup.verify_batches(&self.publisher, CheckpointNumber(first), PROVER, batches).await
    }

    pub(crate) async fn proven(&self) -> u64 {
        self.rollup.tips().await.unwrap().proven.0
    }

    pub(crate) async fn longest(&self, epoch: u64, prover: Address) -> Option<u64> {
        self.rollup.longest_proof(Epoch(epoch), prover).await.unwrap().map(|last| last.0)
    }
}

pub(crate) fn config(proposer: Address, proof_types: Vec<ProofTypeConfig>) -> RollupConfig {
    RollupConfig {
        chain_id: L2_CHAIN,
        config_hash: CONFIG_HASH,
        clock: clock(),
        limits: limits(&clock()),
        proposer,
        genesis: GENESIS,
        proof_types,
    }
}

/// The shortest delay of changes, and pauses of ten minutes.
pub(crate) fn limits(clock: &SlotClock) -> Limits {
    Limits {
        max_lag: MAX_LAG,
        silence: NonZeroU64::new(SILENCE),
        max_pause: NonZeroU64::new(600),
        ..Limits::of(clock)
    }
}

/// Time of an L2 block: one each second.
pub(crate) const fn block_time(number: u64) -> u64 {
    GENESIS.timestamp + number - GENESIS.number
}

pub(crate) fn genesis_commitment() -> B256 {
    let GenesisBlock { number, hash, state_root, timestamp } = GENESIS;
    let genesis = Boundary { last_block: number, last_hash: hash, state_root, last_timestamp: timestamp };
    genesis.commit(B256::ZERO)
}

/// Where a checkpoint ends.
pub(crate) const fn boundary(checkpoint: &Checkpoint) -> Boundary {
    Boundary {
        last_block: checkpoint.blocks.last(),
        last_hash: checkpoint.last_hash,
        state_root: checkpoint.state_root,
        last_timestamp: checkpoint.last_timestamp,
    }
}

pub(crate) async fn rpc(anvil: &Anvil, method: &'static str, params: Value) -> Value {
    proofmill_http::rpc_client(anvil.rpc_url().clone()).request(method, params).await.unwrap()
}

/// Waits until so many transactions wait for a block.
pub(crate) async fn until_waiting(anvil: &Anvil, count: u64) {
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let status = rpc(anvil, "txpool_status", json!([])).await;
        if status["pending"] == json!(format!("{count:#x}")) {
            return;
        }
        assert!(Instant::now() < end, "not {count} transactions wait: {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a transaction waits for a block that is not this one; its hash. Of one account one waits.
pub(crate) async fn until_another_waits(anvil: &Anvil, than: Option<&str>) -> String {
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let content = rpc(anvil, "txpool_content", json!([])).await;
        let first = |of: &Value| of.as_object().and_then(|of| of.values().next()).cloned();
        let waiting = first(&content["pending"]).and_then(|account| first(&account));
        let hash = waiting.and_then(|waiting| Some(waiting["hash"].as_str()?.to_owned()));
        if let Some(hash) = hash.filter(|hash| Some(hash.as_str()) != than) {
            return hash;
        }
        assert!(Instant::now() < end, "no other transaction waits: {content}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a transaction of an account whose key anvil has, and waits for its receipt: the answer to sending comes before
/// the block.
pub(crate) async fn send(anvil: &Anvil, transaction: Value) -> TransportResult<Value> {
    let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
    // What would fail is not sent.
    let _: Value = client.request("eth_call", (&transaction, "latest")).await?;
    let hash: B256 = client.request("eth_sendTransaction", [&transaction]).await?;
    for _ in 0..15_000 {
        let receipt: Value = client.request("eth_getTransactionReceipt", [hash]).await?;
        if !receipt.is_null() {
            assert_eq!(receipt["status"], "0x1", "{receipt:#}");
            return Ok(receipt);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no block has transaction {hash}");
}

/// Why a contract refused.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, ChainError>) -> Refusal {
    match result {
        Err(ChainError::Reverted(refusal)) => *refusal,
        other => panic!("the contract should have refused: {other:?}"),
    }
}

/// Attestor signatures encoded as they are, whatever their order.
pub(crate) fn encode(signatures: &[Vec<u8>]) -> Bytes {
    let list: Vec<Bytes> = signatures.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    list.abi_encode().into()
}
