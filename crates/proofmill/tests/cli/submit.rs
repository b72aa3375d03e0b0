//! Epochs whose proofs were made elsewhere are settled by hand.

use crate::{
    deployed::{deploy, proposer},
    process::{self, PATIENCE, Running, fail, proofmill, succeed},
};
use alloy_primitives::{Address, B256, hex};
use proofmill_backends::Proof;
use proofmill_chain::{L1, PoolOptions, Rollup};
use proofmill_client::{EpochProof, StatedProof};
use proofmill_devnet::DevKeys;
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProgramVersion, ProofMode, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// A real proof of another program, as fixtures for sp1-contracts have it.
const OTHER_PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/tests/fixtures/sp1-groth16.json");

/// A rollup that asks for a proof by `exec` and one by SP1, and whose verifiers take anything.
struct Site {
    folder: tempfile::TempDir,
    l1: String,
    rollup: Rollup,
    _running: [Running; 2],
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let localnet = ["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"];
        let (localnet, chains) = process::chains(proofmill(data).args(localnet), &data.join("localnet.log"));
        let client = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
        let of_exec = Rollup::connect(client.clone(), chains.rollup).await.unwrap();
        let anything = of_exec.config().proof_types[0].verifier;
        let verifiers = format!("--verifier exec={anything},sp1={anything}");
        let flags = format!("--prover exec,sp1 {verifiers} --epoch-slots 600 --max-lag 3600");
        let rollup = deploy(data, &chains, &flags);
        let proposer = Running::start(&mut proposer(data, &chains, rollup), &data.join("proposer.log"));
        let rollup = Rollup::connect(client, rollup).await.unwrap();
        let (mut seed, end) = (0, Instant::now() + PATIENCE);
        while rollup.tips().await.unwrap().pending < CheckpointNumber(2) {
            seed += 1;
            assert!(Instant::now() < end, "{}", fs::read_to_string(data.join("proposer.log")).unwrap());
            process::load(&mut proofmill(data), &chains.l2_rpc, seed);
        }
        Self { folder, l1: chains.l1_rpc.to_string(), rollup, _running: [localnet, proposer] }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    async fn checkpoint(&self, number: u64) -> Checkpoint {
        self.rollup.checkpoint(CheckpointNumber(number)).await.unwrap().unwrap()
    }

    /// What proofs of a type must say of checkpoints 1 to `last`.
    async fn statement(&self, last: u64, prover: ProverType) -> AggregationPublicValues {
        let (first, last, config) =
            (self.checkpoint(1).await, self.checkpoint(last).await, self.rollup.config());
        let of = config.proof_types.iter().find(|of| of.prover == prover).unwrap();
        AggregationPublicValues {
            chainId: config.chain_id,
            configHash: config.config_hash,
            rollup: self.rollup.address(),
            prover: Address::repeat_byte(7),
            firstBlock: first.blocks.first(),
            lastBlock: last.blocks.last(),
            parentHash: first.parent_hash,
            lastHash: last.last_hash,
            preStateRoot: config.genesis.state_root,
            postStateRoot: last.state_root,
            lastTimestamp: last.last_timestamp,
            rangeKey: of.range_key.0,
            fromCommitment: first.parent_commitment,
            toCommitment: last.commitment,
        }
    }

    /// A file of ours, by `exec`.
    fn of_exec(&self, name: &str, statement: AggregationPublicValues) -> PathBuf {
        let program = self.rollup.config().proof_types[0].aggregation_key;
        self.ours(name, statement, program)
    }

    fn ours(&self, name: &str, statement: AggregationPublicValues, program: ProgramVersion) -> PathBuf {
        let proof = Proof {
            prover: ProverType::Exec,
            mode: ProofMode::Compressed,
            program,
            public_values: statement.to_bytes(),
            body: Vec::new(),
        };
        self.file(name, &EpochProof::encode(&StatedProof { statement, proof }))
    }

    /// A file as a mock prover of SP1's saves it: a Groth16 proof without points.
    fn of_mock(&self, name: &str, statement: &AggregationPublicValues) -> PathBuf {
        let list = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
        let mut file = 3u32.to_le_bytes().to_vec();
        (0..5).for_each(|_| file.extend(list(b"0")));
        file.extend([list(b""), list(b""), vec![0; 32]].concat());
        file.extend([list(&statement.to_bytes()), list(b"v6.1.0"), vec![0]].concat());
        self.file(name, &file)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.data().join(name);
        fs::write(&file, bytes).unwrap();
        file
    }

    fn submit(&self, files: &[&Path]) -> Command {
        let mut command = proofmill(self.data());
        command.args(["submit", "--l1-rpc", &self.l1, "--rollup", &self.rollup.address().to_string()]);
        for file in files {
            command.arg("--proof").arg(file);
        }
        command.env("PRIVATE_KEY", DevKeys::prover_text().to_string());
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_settled_by_proofs_that_were_made_elsewhere() {
    let site = Site::new().await;
    let says = site.statement(2, ProverType::Exec).await;
    // What is wrong is said before anything is sent.
    let of_sp1 = site.statement(2, ProverType::Sp1).await;
    let (exec, mock) = (site.of_exec("exec", says.clone()), site.of_mock("mock", &of_sp1));
    let pair = |name: &str, change: fn(&mut AggregationPublicValues)| {
        let [mut exec, mut sp1] = [says.clone(), of_sp1.clone()];
        change(&mut exec);
        change(&mut sp1);
        [site.of_exec(name, exec), site.of_mock(&format!("{name}-mock"), &sp1)]
    };
    let other_chain = pair("chain", |says| says.chainId += 1);
    let other_rollup = pair("rollup", |says| says.rollup = Address::ZERO);
    let inside = pair("inside", |says| says.lastBlock -= 1);
    let unknown = pair("unknown", |says| says.lastBlock += 1_000_000);
    let nobodys = pair("nobody", |says| says.prover = Address::ZERO);
    let other_prover = nobodys[0].clone();
    let other_program = site.ours("program", says.clone(), ProgramVersion(B256::ZERO));
    let bytes = fs::read(&mock).unwrap();
    let cut = site.file("cut", &bytes[..bytes.len() - 100]);
    let text = site.file("text", b"a proof");
    let again = site.file("again", &fs::read(&exec).unwrap());
    let none = site.data().join("none");
    for (files, hint) in [
        (other_chain, "is about chain"),
        (other_rollup, "is bound to the rollup 0x0000000000000000000000000000000000000000"),
        (inside, "L1 takes whole checkpoints"),
        (unknown, "L1 has no checkpoint with block"),
        ([other_prover, mock.clone()], "are not about the same"),
        ([other_program, mock.clone()], "program"),
        ([exec.clone(), mock.clone()], "a mock prover made it: it proves nothing"),
        ([exec.clone(), exec.clone()], "twice: name each once"),
        ([exec.clone(), again], "are both proofs of type exec"),
        ([exec.clone(), cut], "damaged"),
        ([exec.clone(), text], "neither a range or epoch proof"),
        ([exec.clone(), none], "cannot be read"),
        ([exec.clone(), OTHER_PROGRAM.into()], "is neither Proofmill's range program"),
    ] {
        let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        let said = fail(&mut site.submit(&files));
        assert!(said.contains(hint), "{hint}: {said}");
    }
    let said = fail(&mut site.submit(&[&exec]));
    assert!(said.contains("L1 asks for a proof of type sp1 too"), "{said}");
    // A proof for another program, although it says what one for ours would.
    let values = hex::encode(of_sp1.to_bytes());
    let json = |program: B256, proof: &str| {
        format!(r#"{{"vkey":"{program}","publicValues":"0x{values}","proof":"0x{proof}"}}"#)
    };
    let other_key = site.file("other-key", json(B256::repeat_byte(9), "4388a21c").as_bytes());
    let said = fail(site.submit(&[&exec, &other_key]).arg("--allow-development"));
    assert!(said.contains("it is of the program 0x0909"), "{said}");
    // A circuit that is known, whose proof is cut off; and one that a gateway may know.
    let types = &site.rollup.config().proof_types;
    let ours = types.iter().find(|of| of.prover == ProverType::Sp1).unwrap().aggregation_key.0;
    let cut = site.file("cut-off", json(ours, "4388a21c").as_bytes());
    let said = fail(&mut site.submit(&[&exec, &cut]));
    assert!(said.contains("a groth16 proof has 356 bytes"), "{said}");
    let unknown = site.file("unknown-circuit", json(ours, "0102030405").as_bytes());
    let said = succeed(site.submit(&[&exec, &unknown]).arg("--dry-run"));
    assert!(said.contains("circuit 0x01020304 proof by SP1") && said.contains("L1 would take it"), "{said}");

    let said = succeed(site.submit(&[&exec, &mock]).args(["--allow-development", "--dry-run"]));
    assert!(said.contains("L1 would take it for") && said.contains("INSECURE"), "{said}");
    let [exec_of_nobody, mock_of_nobody] = &nobodys;
    let mut submit = site.submit(&[exec_of_nobody, mock_of_nobody]);
    let said = succeed(submit.args(["--allow-development", "--dry-run"]));
    assert!(said.contains("nobody is credited") && said.contains("--prover-id"), "{said}");
    assert_eq!(site.rollup.tips().await.unwrap().proven, CheckpointNumber(0));
    let said = succeed(site.submit(&[&exec, &mock]).arg("--allow-development"));
    assert!(
        said.contains("checkpoints  1 to 2") && said.contains("settled      by transaction 0x"),
        "{said}"
    );
    assert!(said.contains("NOT PROVEN"), "{said}");
    assert_eq!(site.rollup.tips().await.unwrap().proven, CheckpointNumber(2));
    let said = fail(site.submit(&[&exec, &mock]).arg("--allow-development"));
    assert!(said.contains("already"), "{said}");
}
