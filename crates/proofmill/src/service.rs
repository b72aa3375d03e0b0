//! The proof service `cluster`: witness here, proof there.

use crate::{
    blame::{blamed, dearest},
    files,
};
use alloy_primitives::B256;
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_chain::{ChainError, ProofTypeConfig, Rollup, Rules};
use proofmill_client::{
    CheckpointProof, ClientError, ClusterProver, EpochProof, Made, ProofFileError, StatedProof, Statement,
    VerifyError,
};
use proofmill_fault::{At, Code};
use proofmill_primitives::{CheckpointNumber, Instructions};
use proofmill_program::{ProvenFor, range};
use proofmill_prover_node::{
    parts::{
        AggregationRequest, BlockHashes, EpochProof as NodeEpochProof, Flaw, ProofService, RangeProof,
        RangeRequest, Work,
    },
    rules::{Executed, JobError, Progress, ProofCost},
};
use proofmill_wire::operator::{KindProgress, ProofProgress};
use proofmill_witness::{BuildError, Node, Witnessed};
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Makes the proofs of one prover type on a cluster.
#[derive(Debug)]
pub(crate) struct ClusterService {
    pub(crate) prover: ClusterProver,
    /// The rollup on L1, which may come to have other rules.
    pub(crate) rollup: Rollup,
    /// The programs that the cluster proves.
    pub(crate) programs: ProofTypeConfig,
    /// The rollup's chain.
    pub(crate) l2: Node,
    /// The hashes of its blocks, by which L1 names them.
    pub(crate) blocks: Arc<dyn BlockHashes>,
    /// Where finished proofs are put for whoever wants to verify them.
    pub(crate) folder: PathBuf,
    /// A block that takes more instructions for each gas is warned of.
    pub(crate) warn_above: u64,
    /// Cancelled when this process ends, before its work is.
    pub(crate) ending: CancellationToken,
}

impl ClusterService {
    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let of = proven_for(request);
        let number = request.checkpoint.number;
        let unavailable = |error: ChainError| JobError::Unavailable { cause: error.to_string() };
        let rules = self.rollup.rules_of(number).await.map_err(unavailable)?;
        check_rules(number, &rules, request.statement.config_hash, &self.programs)?;
        let witnessed = work.cancel().run_until_cancelled(witness(&self.l2, &*self.blocks, request)).await;
        let witnessed = witnessed.ok_or(JobError::Cancelled)??;
        let statement = range::public_values(of, &witnessed.outcome);
        let input = range::encode_input(of, &witnessed.input);
        let executed =
            Executed { gas_used: witnessed.outcome.gas_used, transactions: witnessed.outcome.transactions };
        let mut watch = Watch::new(work);
        let prover = ClusterProver { cycle_limit: request.cycle_limit, ..self.prover.clone() };
        let proving = prover.prove_range(&input, statement, work.cancel(), |progress| watch.see(progress));
        let made: Result<Made<CheckpointProof>, ClientError> = proving.await;
        let Made { proof, progress, .. } = match made {
            Ok(made) => made,
            Err(error) => {
                return Err(blamed(no_proof(work, error), request.range.blocks, witnessed.input).await);
            }
        };
        if progress.instructions > self.warn_above.saturating_mul(executed.gas_used)
            && let Some(dearest) = dearest(witnessed.input).await
        {
            tracing::warn!(
                blocks = %request.range.blocks,
                instructions = progress.instructions,
                gas = executed.gas_used,
                dearest = %dearest,
                "blocks cost much for their gas, most likely by this transaction"
            );
        }
        let bytes: Bytes = proof.encode().into();
        let name = range_file(&proof.statement.firstBlock, &proof.statement.lastBlock);
        self.save(&name, &proof, &bytes).await;
        Ok(RangeProof { values: proof.statement, proof: bytes, executed, cost: cost(&progress) })
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<NodeEpochProof, JobError> {
        let ranges = request
            .ranges
            .iter()
            .map(|range| CheckpointProof::decode(&range.proof))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| JobError::Failed { cause: error.to_string() })?;
        let mut watch = Watch::new(work);
        let proving =
            self.prover.prove_epoch(&request.by, &ranges, work.cancel(), |progress| watch.see(progress));
        let Made { proof, progress, .. }: Made<EpochProof> =
            proving.await.map_err(|error| no_proof(work, error))?;
        let bytes: Bytes = proof.encode().into();
        let name = epoch_file(&proof.statement.firstBlock, &proof.statement.lastBlock);
        self.save(&name, &proof, &bytes).await;
        Ok(NodeEpochProof {
            values: proof.statement,
            proof: bytes,
            executed: request.executed(),
            cost: cost(&progress),
        })
    }

    async fn check<S: Statement>(&self, bytes: &Bytes, values: &S) -> Result<(), Flaw> {
        let stated = StatedProof::<S>::decode(bytes).map_err(|error| match error {
            ProofFileError::OtherStatement { .. } => Flaw::Bad { cause: error.to_string() },
            _ => Flaw::Unreadable,
        })?;
        if stated.statement != *values {
            return Err(Flaw::Bad { cause: "its file says something else".to_owned() });
        }
        self.prover.verify_stated(&stated).await.map_err(|error| match error {
            VerifyError::Refused(cause) => Flaw::Bad { cause },
            error => Flaw::Unchecked { cause: error.to_string() },
        })
    }

    /// A copy for people: the node keeps its own.
    async fn save<S: Statement>(&self, name: &str, proof: &StatedProof<S>, bytes: &Bytes) {
        let path = self.folder.join(name);
        if let Err(error) = export(&path, proof, bytes).await {
            tracing::warn!(path = %path.display(), %error, "a finished proof could not be put there");
        }
    }

    /// Runs the work until this process ends: what is cancelled then is wanted again by the next one, so the cluster goes
    /// on with it.
    async fn until_ending<T>(
        &self,
        making: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.ending.cancelled() => Err(JobError::Cancelled),
            made = making => made,
        }
    }
}

impl ProofService for ClusterService {
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>> {
        Box::pin(self.until_ending(self.range(request, work)))
    }

    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<NodeEpochProof, JobError>> {
        Box::pin(self.until_ending(self.epoch(request, work)))
    }

    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn check_epoch<'a>(&'a self, proof: &'a NodeEpochProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (name, inner) = match (CheckpointProof::decode(proof), EpochProof::decode(proof)) {
                (Ok(read), _) => {
                    (range_file(&read.statement.firstBlock, &read.statement.lastBlock), read.proof)
                }
                (_, Ok(read)) => {
                    (epoch_file(&read.statement.firstBlock, &read.statement.lastBlock), read.proof)
                }
                // What cannot be read was not handed out by a cluster of this version.
                _ => return,
            };
            if let Err(error) = self.prover.refuse(&inner, cause).await {
                tracing::error!(%error, "the cluster cannot be told that its proof is refused");
            }
            withdraw(&self.folder.join(name), proof).await;
        })
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let witnessed = self.l2.witness(request.range.blocks, &|_| {}).await.ok()?;
            Some(range::encode_input(proven_for(request), &witnessed.input).into())
        })
    }
}

/// Whether a checkpoint is proven under the rules that this node has. Those of a rollup may change; the node goes on with the
/// checkpoints before, and another one has to prove those after.
fn check_rules(
    checkpoint: CheckpointNumber,
    rules: &Rules,
    config_hash: B256,
    programs: &ProofTypeConfig,
) -> Result<(), JobError> {
    let held_up = |what: String| {
        let cause =
            format!("checkpoint {checkpoint} is to be proven under other rules than this node has: {what}");
        Err(JobError::Unavailable { cause })
    };
    if rules.config_hash != config_hash {
        return held_up(format!(
            "its blocks are of the chain rules {}, not {config_hash}; run a node with the genesis file of those (--genesis)",
            rules.config_hash
        ));
    }
    let prover = programs.prover;
    let Some(wanted) = rules.proof_type(prover) else {
        return held_up(format!("L1 asks for no {prover} proof of it; start this node again"));
    };
    if (wanted.range_key, wanted.aggregation_key) != (programs.range_key, programs.aggregation_key) {
        return held_up(format!(
            "L1 wants {prover} proofs of the range program {}, not {}; run a node of the release that has it",
            wanted.range_key, programs.range_key
        ));
    }
    Ok(())
}

const fn proven_for(request: &RangeRequest) -> ProvenFor {
    ProvenFor { rollup: request.statement.rollup, prover: request.statement.prover }
}

/// Passes on how far the cluster is.
struct Watch<'a> {
    work: &'a Work,
    diagnosis: String,
}

impl<'a> Watch<'a> {
    const fn new(work: &'a Work) -> Self {
        Self { work, diagnosis: String::new() }
    }

    fn see(&mut self, progress: &ProofProgress) {
        let tasks = || progress.kinds.iter().filter(|kind| kind.kind != "Controller");
        let total: u32 = tasks().map(KindProgress::known).sum();
        let done = tasks().map(|kind| kind.succeeded).sum();
        // A controller runs as long as its proof, and does nothing once the tasks are known.
        let running =
            progress.kinds.iter().any(|kind| kind.running > 0 && (total == 0 || kind.kind != "Controller"));
        self.work.progress(Progress { done, total, running });
        if progress.diagnosis != self.diagnosis {
            self.diagnosis.clone_from(&progress.diagnosis);
            if !self.diagnosis.is_empty() {
                self.work.held_up(&self.diagnosis);
            }
        }
    }
}

fn cost(progress: &ProofProgress) -> ProofCost {
    let segments = progress.kinds.iter().find(|kind| kind.kind == "ProveShard").map(|kind| kind.succeeded);
    // Not the time for which it waited for a worker.
    let begun = progress.begun_at_ms.max(progress.created_at_ms);
    ProofCost {
        instructions: (progress.instructions > 0).then_some(Instructions(progress.instructions)),
        segments,
        took: Duration::from_millis(progress.ended_at_ms.saturating_sub(begun)),
    }
}

/// Puts a proof into a file, whole or not at all. What proves nothing does not take the place of what does.
async fn export<S: Statement>(path: &Path, proof: &StatedProof<S>, bytes: &Bytes) -> io::Result<()> {
    /// Proofs of several types come for the same file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let (path, bytes, proves) = (path.to_owned(), bytes.clone(), proof.proof.prover.proves());
    let written = tokio::task::spawn_blocking(move || {
        if !proves && files::holds_a_proof(&path) {
            return Ok(());
        }
        files::save(&path, &bytes)
    });
    written.await.map_err(io::Error::other)?
}

/// The file of a range proof.
fn range_file(first: &u64, last: &u64) -> String {
    format!("{first}-{last}.bin")
}

/// The file of an epoch proof.
fn epoch_file(first: &u64, last: &u64) -> String {
    format!("epoch-{first}-{last}.bin")
}

/// Removes the copy of a bad proof, if it is still that.
async fn withdraw(path: &Path, bad: &Bytes) {
    let (path, bad) = (path.to_owned(), bad.clone());
    let removed = tokio::task::spawn_blocking(move || match std::fs::read(&path) {
        Ok(there) if there == bad => std::fs::remove_file(&path),
        _ => Ok(()),
    });
    if let Ok(Err(error)) = removed.await {
        tracing::warn!(%error, "the copy of a proof that does not hold cannot be removed");
    }
}

/// Executes the blocks of a request, which are to be those that L1 names.
async fn witness(l2: &Node, blocks: &dyn BlockHashes, request: &RangeRequest) -> Result<Witnessed, JobError> {
    // Not to execute what would not be what L1 names.
    check_branch(blocks, request).await?;
    let witnessed = match l2.witness(request.range.blocks, &|_| {}).await {
        Ok(witnessed) => witnessed,
        Err(error) => {
            let error = no_witness(error);
            if matches!(error, JobError::Refuted { .. }) {
                check_branch(blocks, request).await?;
            }
            return Err(error);
        }
    };
    request.check(&range::public_values(proven_for(request), &witnessed.outcome))?;
    Ok(witnessed)
}

/// Makes sure that L2 has the blocks that L1 names: what is wrong with others refutes nothing.
async fn check_branch(blocks: &dyn BlockHashes, request: &RangeRequest) -> Result<(), JobError> {
    let range = &request.range;
    for (number, expected) in
        [(range.blocks.first().saturating_sub(1), range.parent_hash), (range.blocks.last(), range.last_hash)]
    {
        let unavailable = |cause: String| Err(JobError::Unavailable { cause });
        match blocks.hash(number).await {
            Ok(Some(got)) if got == expected => {}
            Ok(Some(got)) => {
                return unavailable(format!(
                    "L2 has another branch than L1: block {number} has hash {got} there, and {expected} in checkpoint {}",
                    request.checkpoint.number
                ));
            }
            Ok(None) => return unavailable(format!("L2 has no block {number}: its node is behind")),
            Err(away) => return unavailable(away.cause),
        }
    }
    Ok(())
}

fn no_witness(error: BuildError) -> JobError {
    let cause = error.to_string();
    match error {
        // What has a cause of its own is a fault of the witness that the blocks were executed from, not of the blocks.
        BuildError::Execution(fault) if fault.source().is_some() => JobError::Failed { cause },
        BuildError::Execution(_) => JobError::Refuted {
            cause: format!(
                "{cause}; L1 names these very blocks, so the node that made them does not follow the chain's rules \
                 (anvil's state roots are not Ethereum's: use another node for L2)"
            ),
        },
        BuildError::Unreachable { .. }
        | BuildError::Refused { .. }
        | BuildError::MethodMissing { .. }
        | BuildError::Malformed { .. }
        | BuildError::ChainId { .. }
        | BuildError::BeyondHead { .. }
        | BuildError::Lags { .. }
        | BuildError::BlockGone { .. }
        | BuildError::Reorg { .. }
        | BuildError::NoHistory { .. }
        | BuildError::Expired { .. }
        // A node that answers falsely: another one, or the same when it is mended, may do better.
        | BuildError::FalseHeader { .. }
        | BuildError::OtherBlock { .. }
        | BuildError::FalseBody { .. }
        | BuildError::FalseProof { .. }
        | BuildError::FalseCode { .. } => JobError::Unavailable { cause },
        _ => JobError::Failed { cause },
    }
}

fn no_proof(work: &Work, error: ClientError) -> JobError {
    if work.cancel().is_cancelled() {
        if !matches!(error, ClientError::Cancelled { .. }) {
            tracing::warn!(%error, "a proof that nobody wants any more could not be withdrawn from the cluster");
        }
        return JobError::Cancelled;
    }
    not_made(error)
}

/// What a cluster's failure says of the prover: nothing, where the fault is not the task's.
fn not_made(error: ClientError) -> JobError {
    let cause = error.to_string();
    match error.code() {
        Code::Withdrawn => JobError::Cancelled,
        Code::BadProof => JobError::BadProof { cause },
        code if code.is_of_execution() => JobError::CannotExecute { cause },
        code if code.at() == At::Task => JobError::Failed { cause },
        _ => JobError::Unavailable { cause },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes as RpcBytes};
    use proofmill_backends::Proof;
    use proofmill_localnet::{Anvil, AnvilOptions, Hardfork};
    use proofmill_primitives::{
        BlockRange, Checkpoint, CheckpointNumber, ProgramVersion, ProofMode, ProverType, Slot,
    };
    use proofmill_program::{ProgramError, RangePublicValues};
    use proofmill_prover_node::{
        parts::{Away, Statement as Rollup},
        rules::RangeSpec,
    };
    use proofmill_witness::{ChainSource, NodeOptions};
    use serde_json::json;
    use std::collections::BTreeMap;
    use tonic::Status;

    /// Hashes of blocks; where there are none, L2 is away.
    #[derive(Clone, Debug)]
    struct Hashes(Option<BTreeMap<u64, B256>>);

    impl BlockHashes for Hashes {
        fn hash(&self, number: u64) -> BoxFuture<'_, Result<Option<B256>, Away>> {
            let hashes = self.0.as_ref().ok_or_else(|| Away::because("L2 is away"));
            Box::pin(async move { Ok(hashes?.get(&number).copied()) })
        }
    }

    /// Five blocks on a node with Prague's rules.
    async fn l2() -> (Anvil, Hashes) {
        let anvil = AnvilOptions::new().hardfork(Hardfork::Prague).spawn().await.unwrap();
        let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
        let _: serde_json::Value = client.request("anvil_mine", json!(["0x5"])).await.unwrap();
        let mut hashes = BTreeMap::new();
        for number in 0..=5_u64 {
            let block: serde_json::Value =
                client.request("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await.unwrap();
            hashes.insert(number, block["hash"].as_str().unwrap().parse().unwrap());
        }
        (anvil, Hashes(Some(hashes)))
    }

    /// Blocks 2 to 4 as a checkpoint.
    fn request(hashes: &Hashes, config_hash: B256) -> RangeRequest {
        let hash = |number| hashes.0.as_ref().unwrap()[&number];
        let blocks = BlockRange::new(2, 4).unwrap();
        let (parent_hash, last_hash) = (hash(1), hash(4));
        RangeRequest {
            checkpoint: Checkpoint {
                number: CheckpointNumber(1),
                slot: Slot(0),
                blocks,
                parent_hash,
                last_hash,
                state_root: B256::ZERO,
                last_timestamp: 0,
                parent_commitment: B256::ZERO,
                commitment: B256::ZERO,
            },
            range: RangeSpec { blocks, parent_hash, last_hash },
            cycle_limit: None,
            statement: Rollup { chain_id: 31_337, config_hash, rollup: Address::ZERO, prover: Address::ZERO },
        }
    }

    #[test]
    fn a_proof_that_is_bad_twice_is_told_apart_from_a_prover_that_fails() {
        let bad = ClientError::DoesNotHold { id: "p".into(), artifact: "a".into(), cause: "no".into() };
        assert!(matches!(not_made(bad), JobError::BadProof { .. }));
        let other = ClientError::SaysSomethingElse { id: "p".into(), public_values: "0x".into() };
        assert!(matches!(not_made(other), JobError::BadProof { .. }));
        let failed =
            ClientError::Failed { id: "p".into(), code: Code::ProverFailed, cause: "its worker died".into() };
        assert!(matches!(not_made(failed), JobError::Failed { .. }));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_the_blocks_that_l1_names_refute_a_checkpoint() {
        let (anvil, hashes) = l2().await;
        // By these rules no block may have what Prague puts into each header.
        let rules = ChainSource::Fork(proofmill_stateless::Fork::Cancun);
        let options = NodeOptions::new(anvil.rpc_url().clone()).chain(rules);
        let node = options.connect().await.unwrap();
        let request = request(&hashes, B256::ZERO);
        let error = witness(&node, &hashes, &request).await.unwrap_err();
        assert!(matches!(error, JobError::Refuted { .. }), "{error}");

        let mut other = hashes.clone();
        other.0.as_mut().unwrap().insert(4, B256::repeat_byte(4));
        let mut shorter = hashes.clone();
        shorter.0.as_mut().unwrap().remove(&4);
        for (hashes, cause) in
            [(other, "another branch"), (shorter, "no block 4"), (Hashes(None), "L2 is away")]
        {
            let error = witness(&node, &hashes, &request).await.unwrap_err();
            assert!(matches!(&error, JobError::Unavailable { .. }), "{error}");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_witness_that_falls_short_refutes_nothing() {
        let (anvil, hashes) = l2().await;
        let node = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
        let mut request = request(&hashes, node.chain().hash());
        // The checkpoint claims no state that there could be.
        let error = witness(&node, &hashes, &request).await.unwrap_err();
        assert!(matches!(error, JobError::Refuted { .. }), "{error}");
        let Witnessed { mut input, outcome, .. } = node.witness(request.range.blocks, &|_| {}).await.unwrap();
        request.checkpoint.state_root = outcome.post_state_root;
        // Nor a time that its last block has not.
        let error = witness(&node, &hashes, &request).await.unwrap_err();
        assert!(matches!(&error, JobError::Refuted { cause } if cause.contains("of time")), "{error}");
        request.checkpoint.last_timestamp = outcome.last_timestamp;
        witness(&node, &hashes, &request).await.unwrap();
        input.witness.state = Vec::<RpcBytes>::new();
        let Err(ProgramError::Blocks(fault)) = range::run(&range::encode_input(ProvenFor::default(), &input))
        else {
            panic!("it executes from nothing")
        };
        let error = no_witness(BuildError::Execution(fault));
        assert!(matches!(error, JobError::Failed { .. }), "{error}");
        let error = no_witness(BuildError::ChainId { endpoint: "there".into(), expected: 1, got: 2 });
        assert!(matches!(error, JobError::Unavailable { .. }), "{error}");
    }

    #[test]
    fn a_checkpoint_under_other_rules_waits_for_another_node() {
        let programs = ProofTypeConfig {
            prover: ProverType::OpenVm,
            verifier: Address::ZERO,
            range_key: ProgramVersion(B256::repeat_byte(1)),
            aggregation_key: ProgramVersion(B256::repeat_byte(2)),
        };
        let ours =
            Rules { config_hash: B256::repeat_byte(3), proposer: Address::ZERO, proof_types: vec![programs] };
        let check = |rules: &Rules| check_rules(CheckpointNumber(9), rules, ours.config_hash, &programs);
        assert_eq!(check(&ours), Ok(()));
        // Another verifier or proposer asks for the same proofs.
        let verifier = ProofTypeConfig { verifier: Address::repeat_byte(1), ..programs };
        let proposer = Address::repeat_byte(2);
        assert_eq!(check(&Rules { proposer, proof_types: vec![verifier], ..ours.clone() }), Ok(()));
        let other_key = ProofTypeConfig { range_key: ProgramVersion(B256::ZERO), ..programs };
        for (rules, remedy) in [
            (Rules { config_hash: B256::ZERO, ..ours.clone() }, "--genesis"),
            (Rules { proof_types: vec![other_key], ..ours.clone() }, "the release that has it"),
            (Rules { proof_types: vec![], ..ours.clone() }, "start this node again"),
        ] {
            let Err(JobError::Unavailable { cause }) = check(&rules) else { panic!("{rules:?}") };
            assert!(cause.contains("checkpoint 9") && cause.contains(remedy), "{cause}");
        }
    }

    #[test]
    fn a_cluster_that_is_away_or_busy_is_not_a_prover_that_failed() {
        let (address, id, cause) = (|| "http://cluster".to_owned(), || "p".to_owned(), || "why".to_owned());
        let status = |status: Status| Box::new(status);
        let moment = Duration::from_secs(1);
        for error in [
            ClientError::Cluster { address: address(), status: status(Status::unavailable("stopping")) },
            ClientError::NoAnswer { address: address(), after: moment },
            ClientError::OtherStore { address: address(), status: status(Status::failed_precondition("no")) },
            ClientError::Failed { id: id(), code: Code::StoreAway, cause: cause() },
            ClientError::Unknown { id: id() },
            ClientError::Late { id: id(), cause: cause() },
            ClientError::TimedOut { id: id(), after: moment },
        ] {
            let said = error.to_string();
            let JobError::Unavailable { cause } = not_made(error) else { panic!("{said}") };
            assert_eq!(cause, said, "it is seen in the status");
        }
        for error in [
            ClientError::Refused(status(Status::invalid_argument("no such mode"))),
            ClientError::Failed { id: id(), code: Code::ProverFailed, cause: cause() },
        ] {
            assert!(matches!(not_made(error), JobError::Failed { .. }));
        }
        assert_eq!(not_made(ClientError::Cancelled { id: id() }), JobError::Cancelled);
    }

    fn proof(prover: ProverType) -> CheckpointProof {
        let statement = RangePublicValues { firstBlock: 3, lastBlock: 5, ..Default::default() };
        let proof = Proof {
            prover,
            mode: ProofMode::Compressed,
            program: ProgramVersion(B256::ZERO),
            public_values: proofmill_program::PublicValues::commitment(&statement).to_vec(),
            body: Vec::new(),
        };
        CheckpointProof { statement, proof }
    }

    #[tokio::test]
    async fn what_proves_nothing_is_not_put_in_the_place_of_a_proof() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("901/proofs/3-5.bin");
        let put = async |prover| {
            let proof = proof(prover);
            export(&path, &proof, &proof.encode().into()).await.unwrap();
            CheckpointProof::decode(&std::fs::read(&path).unwrap()).unwrap().proof.prover
        };
        assert_eq!(put(ProverType::Exec).await, ProverType::Exec);
        assert_eq!(put(ProverType::OpenVm).await, ProverType::OpenVm);
        assert_eq!(put(ProverType::Exec).await, ProverType::OpenVm);
        assert_eq!(put(ProverType::Sp1).await, ProverType::Sp1);
        // What cannot be read is no proof.
        std::fs::write(&path, b"PMCHKPT2").unwrap();
        assert_eq!(put(ProverType::Exec).await, ProverType::Exec);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
