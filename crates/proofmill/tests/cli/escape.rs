//! Blocks that nobody proposes are proposed, and proven at once, by whoever has their proof.

use crate::{
    deployed::deploy,
    process::{self, Running, fail, proofmill, succeed},
};
use alloy_primitives::{Address, B256};
use proofmill_backends::Proof;
use proofmill_chain::{BlockAt, ContractTips, L1, L2, PoolOptions, Proposal, Rollup, Sender};
use proofmill_client::CheckpointProof;
use proofmill_devnet::{Description, DevKeys};
use proofmill_primitives::{BlockRange, CheckpointNumber, ProgramVersion, ProofMode};
use proofmill_program::{PublicValues, RangePublicValues};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// After so many seconds without a checkpoint anybody may propose.
const SILENCE: u64 = 2_500;
const PROVER: &str = "0x0707070707070707070707070707070707070707";

/// A rollup that takes proofs by `exec`, and whose proposer proposes nothing.
struct Site {
    folder: tempfile::TempDir,
    chains: Description,
    rollup: Rollup,
    _localnet: Running,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let localnet = ["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"];
        let (localnet, chains) = process::chains(proofmill(data).args(localnet), &data.join("localnet.log"));
        let l1 = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
        let epochs = format!("--epoch-slots 600 --window-epochs 1 --silence {SILENCE}");
        let flags = format!("--prover exec {epochs} --max-lag 7200");
        let rollup = Rollup::connect(l1, deploy(data, &chains, &flags)).await.unwrap();
        let l2 = L2::connect(PoolOptions::new(chains.l2_rpc.clone()), None).await.unwrap();
        let mut seed = 0;
        while l2.block(BlockAt::Number(4)).await.unwrap().is_none() {
            seed += 1;
            assert!(seed < 60, "L2 makes no blocks");
            process::load(&mut proofmill(data), &chains.l2_rpc, seed);
        }
        Self { folder, chains, rollup, _localnet: localnet }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    /// A folder of whoever proves.
    fn prover(&self) -> PathBuf {
        let folder = self.data().join("prover");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The file of a proof of L2's blocks `start` to `end`.
    fn prove(&self, start: u64, end: u64) -> PathBuf {
        let (folder, name) = (self.prover(), format!("{start}-{end}.bin"));
        let mut prove = proofmill(&folder);
        prove.args(["prove", "--prover", "exec", "--l2-rpc", self.chains.l2_rpc.as_str()]);
        prove.args(["--start", &start.to_string(), "--end", &end.to_string(), "--prover-id", PROVER]);
        prove.args(["--rollup", &self.rollup.address().to_string(), "--output", &name]);
        succeed(&mut prove);
        folder.join(name)
    }

    /// Joins proofs to that of one checkpoint.
    fn aggregate(&self, files: &[&Path]) -> Command {
        let mut command = proofmill(&self.prover());
        command.args(["aggregate", "--l1-rpc", self.chains.l1_rpc.as_str(), "--output", "joined.bin"]);
        command.args(files);
        command
    }

    /// L1's time goes on.
    async fn pass(&self, seconds: u64) {
        let l1 = proofmill_http::rpc_client(self.chains.l1_rpc.clone());
        let _: Value = l1.request("evm_increaseTime", [seconds]).await.unwrap();
        let _: Value = l1.request_noparams("evm_mine").await.unwrap();
    }

    /// To the beginning of L1's next epoch.
    async fn to_next_epoch(&self) {
        let (clock, now) = (self.rollup.clock(), self.rollup.l1().head().await.unwrap().timestamp);
        self.pass(clock.ends_at(clock.epoch_of(clock.slot_at(now))) - now).await;
    }

    fn submit(&self, file: &Path) -> Command {
        let mut command = proofmill(self.data());
        command.args(["submit", "--l1-rpc", self.chains.l1_rpc.as_str()]);
        command.args(["--rollup", &self.rollup.address().to_string(), "--proof"]).arg(file);
        command.env("PRIVATE_KEY", DevKeys::prover_text().to_string());
        command
    }

    /// The same proof, changed.
    fn altered(&self, good: &CheckpointProof, change: fn(&mut CheckpointProof)) -> PathBuf {
        let mut altered = good.clone();
        change(&mut altered);
        let CheckpointProof { statement, proof } = altered;
        let proof = Proof { public_values: statement.to_bytes(), ..proof };
        let file = self.data().join("altered.bin");
        fs::write(&file, CheckpointProof { statement, proof }.encode()).unwrap();
        file
    }

    async fn tips(&self) -> (u64, u64) {
        let ContractTips { proven, pending } = self.rollup.tips().await.unwrap();
        (proven.0, pending.0)
    }
}

/// The blocks of a proof, as they are proposed.
fn proposal(said: &RangePublicValues) -> Proposal {
    Proposal {
        blocks: BlockRange::new(said.firstBlock, said.lastBlock).unwrap(),
        parent_hash: said.parentHash,
        last_hash: said.lastHash,
        state_root: said.postStateRoot,
        last_timestamp: said.lastTimestamp,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_nobody_proposes_are_proposed_with_their_proof() {
    let site = Site::new().await;
    let file = site.prove(1, 2);
    let good = CheckpointProof::decode(&fs::read(&file).unwrap()).unwrap();
    let said = fail(&mut site.submit(&file));
    assert!(said.contains("L1 has no checkpoint with block 1") && said.contains("--propose"), "{said}");
    let said = fail(site.submit(&file).arg("--propose"));
    let open = site.rollup.open_from().await.unwrap().unwrap();
    assert!(said.contains(&format!("anybody may from {open} on")), "{said}");

    site.pass(SILENCE).await;
    site.to_next_epoch().await;
    // Somebody is in the way, with a checkpoint that cannot be proven.
    let key = DevKeys::well_known(1).unwrap().attestors.remove(0);
    let rival = Sender::new(site.rollup.l1().clone(), key);
    let nowhere = B256::repeat_byte(9);
    let unprovable = Proposal { last_hash: nowhere, state_root: nowhere, ..proposal(&good.statement) };
    site.rollup.propose(&rival, unprovable).await.unwrap();
    assert_eq!(site.tips().await, (0, 1));
    // What is wrong is said before anything is sent.
    type Change = fn(&mut CheckpointProof);
    let wrong: [(Change, &str); 6] = [
        (|of| of.statement.rollup = Address::ZERO, "is bound to the rollup"),
        (|of| of.statement.firstBlock = 2, "prove from block 1 on"),
        (|of| of.statement.parentHash = B256::ZERO, "another branch of L2"),
        (|of| of.statement.configHash = B256::ZERO, "is by the chain rules with hash 0x0000"),
        (|of| of.statement.lastTimestamp = 1, "prove up to a newer block"),
        (|of| of.proof.program = ProgramVersion(B256::ZERO), "program"),
    ];
    for (change, hint) in wrong {
        let said = fail(site.submit(&site.altered(&good, change)).arg("--propose"));
        assert!(said.contains(hint), "{hint}: {said}");
    }
    let said = succeed(site.submit(&file).args(["--propose", "--dry-run"]));
    assert!(said.contains("L1 would take it for") && said.contains("NOT PROVEN"), "{said}");
    assert_eq!(site.tips().await, (0, 1));

    let said = succeed(site.submit(&file).arg("--propose"));
    assert!(said.contains("blocks 1 to 2, proposed with their proofs"), "{said}");
    assert!(said.contains("settled      by transaction 0x"), "{said}");
    assert_eq!(site.tips().await, (1, 1));
    let proven = site.rollup.proven_checkpoint(CheckpointNumber(1)).await.unwrap();
    assert_eq!(
        (proven.last_hash, proven.state_root),
        (good.statement.lastHash, good.statement.postStateRoot)
    );
    let said = fail(site.submit(&file).arg("--propose"));
    assert!(said.contains("prove from block 3 on"), "{said}");

    // Several ranges are one checkpoint of an epoch proof, in an epoch that has none yet.
    let [third, fourth] = [3, 4].map(|block| site.prove(block, block));
    let said = fail(&mut site.aggregate(&[&fourth]));
    assert!(said.contains("join proofs from block 3 on"), "{said}");
    // Nothing is joined that L1 would not take, or does not hold.
    let of_third = CheckpointProof::decode(&fs::read(&third).unwrap()).unwrap();
    let wrong: [(Change, &str); 3] = [
        (|of| of.statement.configHash = B256::ZERO, "is by the chain rules with hash 0x0000"),
        (|of| of.statement.parentHash = B256::ZERO, "another branch of L2"),
        (|of| of.proof.mode = ProofMode::Core, "it is a core proof"),
    ];
    for (change, hint) in wrong {
        let said = fail(&mut site.aggregate(&[&site.altered(&of_third, change), &fourth]));
        assert!(said.contains(hint), "{hint}: {said}");
    }
    let said = succeed(&mut site.aggregate(&[&third, &fourth]));
    assert!(said.contains("blocks         3 to 4, as checkpoint 2"), "{said}");
    let joined = site.prover().join("joined.bin");
    let said = fail(site.submit(&joined).arg("--propose"));
    assert!(said.contains("an epoch proof begins with its epoch"), "{said}");
    site.to_next_epoch().await;
    let said = succeed(site.submit(&joined).arg("--propose"));
    assert!(said.contains("checkpoints  2 to 2, blocks 3 to 4, proposed with their proofs"), "{said}");
    assert_eq!(site.tips().await, (2, 2));
}

/// A checkpoint that was proposed is settled by a range proof, without a prover node.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_settled_by_a_range_proof_from_a_file() {
    let site = Site::new().await;
    let file = site.prove(1, 2);
    let said = CheckpointProof::decode(&fs::read(&file).unwrap()).unwrap().statement;
    let proposer = Sender::new(site.rollup.l1().clone(), DevKeys::well_known(0).unwrap().funder);
    site.rollup.propose(&proposer, proposal(&said)).await.unwrap();
    // What can still be proven does not make way, not even for the proposer.
    let mut of_proposer = site.submit(&file);
    of_proposer.arg("--propose").env("PRIVATE_KEY", DevKeys::funder_text().to_string());
    let refused = fail(&mut of_proposer);
    assert!(refused.contains("checkpoints 1 to 1 are proposed already"), "{refused}");
    let settled = succeed(&mut site.submit(&file));
    assert!(settled.contains("checkpoints  1 to 1, blocks 1 to 2\n"), "{settled}");
    assert_eq!(site.tips().await, (1, 1));
}
