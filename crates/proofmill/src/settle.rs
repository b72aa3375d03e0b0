//! Publishing on L1: has proofs attested where the rollup wants that, and submits them, an epoch's or those of batches.

mod batches;
mod evidence;
mod snarks;

pub(crate) use batches::L1Batches;
pub(crate) use evidence::Evidence;
pub(crate) use snarks::Snarks;

use crate::wiring;
use alloy_primitives::{Address, Bytes};
use eyre::{Result, WrapErr};
use futures::future::BoxFuture;
use proofmill_attestor::{AttestError, Quorum};
use proofmill_backends::{Backend, BackendError, Proof, Registry};
use proofmill_chain::{
    ChainError, EpochSubmission as L1Submission, Estimate, Included, ProofSet, ProofTypeConfig, Publishers,
    Refusal, Rollup, RollupView, Rules, SubmittedProof, VerifierKind,
};
use proofmill_client::{EpochProof, Sp1Snark, StatedProof, Statement};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_program::PublicValues;
use proofmill_prover_node::{
    paid_in_vain,
    parts::{Away, EpochSubmission, Settlement},
    rules::{self, L1Time, L1View, PruneOutcome, PublishOutcome, Receipt},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Mutex;

/// What an epoch proof says of checkpoints. Where L1 says something else, it has other checkpoints: a reorg or a prune.
const OF_THE_CHECKPOINTS: [&str; 9] = [
    "firstBlock",
    "lastBlock",
    "parentHash",
    "lastHash",
    "preStateRoot",
    "postStateRoot",
    "lastTimestamp",
    "fromCommitment",
    "toCommitment",
];

/// The rollup's contract, as the prover node publishes to it.
#[derive(Clone, Debug)]
pub(crate) struct L1Settlement {
    rollup: Rollup,
    publishers: Publishers,
    /// Addresses of attestors.
    attestors: Vec<String>,
    /// By prover type, for those that prove: what the rules want that were in force at the start.
    wanted: BTreeMap<ProverType, Wanted>,
    /// By verifier: what other rules want, which came later or are those of checkpoints from before.
    others: Arc<Mutex<BTreeMap<Address, Wanted>>>,
    registry: Registry,
    /// Only asks what a submission would take.
    estimates: bool,
}

/// What the contract wants to be shown of a proof.
#[derive(Clone, Debug)]
struct Wanted {
    /// The contract.
    verifier: Address,
    kind: VerifierKind,
    /// For each single verifier of that kind; none where it counts no attestors.
    quorums: Vec<Option<Quorum>>,
}

/// Why a proof cannot be shown to the contract.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotShown {
    #[error(transparent)]
    NotAttested(#[from] AttestError),
    #[error(
        "L1 verifies a SNARK of an epoch's proof, and it is a {mode} proof: have one made by a prover node or `proofmill aggregate`, with --snark"
    )]
    NoSnark { mode: ProofMode },
    #[error("L1 verifies a SNARK of it, and {prover} gives nothing of a {mode} proof that a contract takes")]
    NotForL1 { prover: ProverType, mode: ProofMode },
    #[error(
        "L1 verifies a SNARK of it: the rollup's rules have changed since this process was started; start it again, with workers that make \
         SNARKs (--snark)"
    )]
    NewRules,
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("putting the proof as a contract takes it broke off; please report it")]
    BrokeOff,
}

/// The contract takes no SNARK of SP1's.
#[derive(Debug, thiserror::Error)]
#[error(
    "L1 verifies sp1 proofs by the verifier {verifier}, which takes no SNARK of SP1's: name a gateway of Succinct's in the \
     rollup's rules (`proofmill contracts schedule --verifier sp1=ADDRESS`)"
)]
pub(crate) struct NoGateway {
    verifier: Address,
}

impl NotShown {
    /// Whether the prover type's code did not answer: that says nothing of the proof.
    const fn is_away(&self) -> bool {
        match self {
            Self::Backend(error) => error.is_of_this_process(),
            _ => matches!(self, Self::BrokeOff | Self::NewRules | Self::Chain(_)),
        }
    }
}

impl L1Settlement {
    /// With attestors for every prover type whose verifier counts them; to the others the proofs go as they are. Too few
    /// attestors are found out here, and not when the first epoch has been proven.
    pub(crate) async fn new(
        rollup: Rollup,
        publishers: Publishers,
        attestors: &[String],
        registry: &Registry,
    ) -> Result<Self> {
        let mut wanted = BTreeMap::new();
        for of in rollup.config().proof_types.iter().filter(|of| of.prover.proves()) {
            let kind =
                wiring::patiently("the verifier on L1", || VerifierKind::find(rollup.l1(), of.verifier))
                    .await?;
            let quorums = Quorum::of_kind(attestors, rollup.l1().chain_id(), &kind);
            let quorums = quorums.wrap_err_with(|| {
                format!(
                    "L1 takes {} proofs by the signatures of attestors (verifier {})",
                    of.prover, of.verifier
                )
            })?;
            wanted.insert(of.prover, Wanted { verifier: of.verifier, kind, quorums });
        }
        let counts = |wanted: &Wanted| wanted.quorums.iter().any(Option::is_some);
        if !wanted.values().any(counts) && !attestors.is_empty() {
            tracing::warn!("L1 counts no attestors for this rollup: those that are named are not asked");
        }
        let (attestors, registry) = (attestors.to_vec(), registry.clone());
        Ok(Self { rollup, publishers, attestors, wanted, others: Arc::default(), registry, estimates: false })
    }

    /// What a verifier wants of proofs of a type; nothing where they go to it as they are.
    async fn wanted(&self, prover: ProverType, verifier: Address) -> Result<Option<Wanted>, NotShown> {
        if !prover.proves() {
            return Ok(None);
        }
        if let Some(wanted) = self.wanted.get(&prover).filter(|wanted| wanted.verifier == verifier) {
            return Ok(Some(wanted.clone()));
        }
        let mut others = self.others.lock().await;
        if let Some(wanted) = others.get(&verifier) {
            return Ok(Some(wanted.clone()));
        }
        let l1 = self.rollup.l1();
        let kind = VerifierKind::find(l1, verifier).await?;
        let quorums = Quorum::of_kind(&self.attestors, l1.chain_id(), &kind)?;
        let wanted = Wanted { verifier, kind, quorums };
        others.insert(verifier, wanted.clone());
        Ok(Some(wanted))
    }

    /// How far epoch proofs of a type have to be carried, by the rules that were in force at the start.
    pub(crate) fn epoch_mode(&self, prover: ProverType) -> ProofMode {
        self.wanted.get(&prover).map_or(ProofMode::Compressed, |wanted| mode_for(&wanted.kind))
    }

    /// What verifies proofs on L1, by the rules that were in force at the start.
    pub(crate) fn verifiers(&self) -> impl Iterator<Item = &VerifierKind> {
        self.wanted.values().map(|wanted| &wanted.kind)
    }

    /// The types whose SNARK L1 takes from anybody: its verifier is on the setup for development.
    pub(crate) fn insecure(&self) -> impl Iterator<Item = ProverType> {
        self.wanted.iter().filter(|(_, wanted)| wanted.kind.is_insecure()).map(|(prover, _)| *prover)
    }

    /// What the verifier of a type is to be shown of a proof.
    pub(crate) async fn show<S: Statement>(
        &self,
        prover: ProverType,
        verifier: Address,
        proof: &StatedProof<S>,
    ) -> Result<Bytes, NotShown> {
        let as_it_is = || Bytes::from(proof.proof.body.clone());
        let Some(Wanted { kind, quorums, .. }) = self.wanted(prover, verifier).await? else {
            return Ok(as_it_is());
        };
        let mut parts = Vec::new();
        for (single, quorum) in kind.single().zip(&quorums) {
            parts.push(match (single, quorum) {
                (_, Some(quorum)) => quorum.attest(proof).await?,
                (VerifierKind::Snark { .. }, None)
                    if proof.proof.mode != ProofMode::Plonk
                        && self.epoch_mode(prover) != ProofMode::Plonk =>
                {
                    return Err(NotShown::NewRules);
                }
                (VerifierKind::Snark { .. }, None) if proof.proof.mode != ProofMode::Plonk => {
                    return Err(NotShown::NoSnark { mode: proof.proof.mode });
                }
                (VerifierKind::Snark { .. }, None) => {
                    for_contract(self.registry.checker(prover)?, proof.proof.clone()).await?
                }
                (_, None) => as_it_is(),
            });
        }
        Ok(kind.proof_bytes(parts))
    }

    /// What the contract is to be shown of a SNARK that SP1 made elsewhere: it, as it is.
    pub(crate) async fn show_sp1(&self, verifier: Address, snark: &Sp1Snark) -> Result<Bytes> {
        match self.wanted(ProverType::Sp1, verifier).await?.map(|wanted| wanted.kind) {
            None | Some(VerifierKind::Other { .. }) => Ok(snark.proof.clone()),
            Some(_) => Err(NoGateway { verifier }.into()),
        }
    }

    /// The same, but nothing is sent.
    pub(crate) fn estimating(self) -> Self {
        Self { estimates: true, ..self }
    }

    async fn look(&self) -> Result<L1View, ChainError> {
        let RollupView { time, tips, paused, closes } = self.rollup.view().await?;
        let (pending, proven, closes) = (tips.pending, tips.proven, closes.map(L1Time));
        Ok(L1View { time: L1Time(time), pending, proven, paused, closes })
    }

    async fn publish(&self, submission: EpochSubmission) -> PublishOutcome {
        let mut proofs = ProofSet::new();
        // Those that its checkpoints were proposed under: others may be in force now.
        let rules = match self.rollup.rules_of(submission.last).await {
            Ok(rules) => rules,
            Err(error) => return not_submitted(&error),
        };
        for (kind, proof) in submission.proofs {
            let Some(wanted) = rules.proof_type(kind) else {
                let cause = format!("L1 asks for no {kind} proof of checkpoint {}", submission.last);
                return PublishOutcome::Refused { cause };
            };
            let Ok(proof) = EpochProof::decode(&proof.proof) else {
                return PublishOutcome::RootLost { prover: kind };
            };
            if let Some(other) = other_rules(&rules, wanted, &proof) {
                let cause =
                    format!("checkpoint {} is to be proven under other rules: {other}", submission.last);
                return PublishOutcome::Unavailable { cause };
            }
            let bytes = match self.show(kind, wanted.verifier, &proof).await {
                Ok(bytes) => bytes,
                Err(error) => return not_shown(kind, &error),
            };
            let public_values = proof.statement.to_bytes().into();
            proofs.insert(kind, SubmittedProof { public_values, proof: bytes });
        }
        let EpochSubmission { first, last, prover, .. } = submission;
        let submission = L1Submission { first, last, prover, proofs };
        if self.estimates {
            return match self.rollup.estimate_epoch_proof(self.publishers.current(), submission).await {
                Ok(Estimate { gas, fee }) => PublishOutcome::Unsent(rules::Estimate { gas, fee }),
                Err(error) => not_submitted(&error),
            };
        }
        let sent = loop {
            let sent = self.rollup.submit_epoch_proof(self.publishers.current(), submission.clone()).await;
            tell_failed(&sent);
            if !self.publishers.passes_on(&sent) {
                break sent;
            }
        };
        match sent {
            Ok(included) => PublishOutcome::Published(receipt(&included)),
            Err(error) => not_submitted(&error),
        }
    }

    async fn give_up(&self) -> PruneOutcome {
        let sent = loop {
            let sent = self.rollup.prune(self.publishers.current()).await;
            tell_failed(&sent);
            if !self.publishers.passes_on(&sent) {
                break sent;
            }
        };
        match sent {
            Ok(included) => PruneOutcome::Pruned(receipt(&included)),
            Err(error) if matches!(error.refusal(), Some(Refusal::NothingToPrune)) => {
                PruneOutcome::NothingDue
            }
            Err(error) => PruneOutcome::Unavailable { cause: error.to_string() },
        }
    }
}

/// What is wanted in place of a proof, where the rules of its checkpoints ask for another: they were proposed again since it was made, and
/// other rules had come into force. The proof is not at fault, and would be no other if it were made anew.
fn other_rules(rules: &Rules, wanted: &ProofTypeConfig, proof: &EpochProof) -> Option<String> {
    let (said, prover) = (&proof.statement, wanted.prover);
    if said.configHash != rules.config_hash {
        return Some(format!(
            "its blocks are of the chain rules {}, and the {prover} proof that is there is of {}; run a node with the genesis \
             file of those (--genesis)",
            rules.config_hash, said.configHash
        ));
    }
    for (what, got, wanted) in [
        ("range", ProgramVersion(said.rangeKey), wanted.range_key),
        ("aggregation", proof.proof.program, wanted.aggregation_key),
    ] {
        if got != wanted {
            return Some(format!(
                "L1 wants {prover} proofs of the {what} program {wanted}, and the one that is there is of {got}; run a node of \
                 the release that has it"
            ));
        }
    }
    None
}

/// How far epoch proofs have to be carried for a verifier.
fn mode_for(verifier: &VerifierKind) -> ProofMode {
    if verifier.wants_snark() { ProofMode::Plonk } else { ProofMode::Compressed }
}

/// Another's transaction may have come first, after this one's estimate.
fn tell_failed(sent: &Result<Included, ChainError>) {
    if let Err(ChainError::FailedOnChain { call, transaction, block, gas_used, fee, .. }) = sent {
        let (transaction, block, gas_used, fee) = (*transaction, *block, *gas_used, *fee);
        paid_in_vain(call, &Receipt { transaction, block, gas_used, fee });
    }
}

fn receipt(included: &Included) -> Receipt {
    Receipt {
        transaction: included.transaction,
        block: included.block,
        gas_used: included.gas_used,
        fee: included.fee(),
    }
}

impl Settlement for L1Settlement {
    fn view(&self) -> BoxFuture<'_, Result<L1View, Away>> {
        Box::pin(async move { self.look().await.map_err(Away::because) })
    }

    fn submit(&self, submission: EpochSubmission) -> BoxFuture<'_, PublishOutcome> {
        Box::pin(self.publish(submission))
    }

    fn prune(&self) -> BoxFuture<'_, PruneOutcome> {
        Box::pin(self.give_up())
    }
}

/// A proof as a contract takes it. Another binary may have to be asked.
pub(crate) async fn for_contract(backend: Arc<dyn Backend>, proof: Proof) -> Result<Bytes, NotShown> {
    let (prover, mode) = (proof.prover, proof.mode);
    let asked = tokio::task::spawn_blocking(move || backend.evm_proof(&proof));
    let found = asked.await.map_err(|_| NotShown::BrokeOff)??;
    found.map(Bytes::from).ok_or(NotShown::NotForL1 { prover, mode })
}

fn not_shown(prover: ProverType, error: &NotShown) -> PublishOutcome {
    let cause = error.to_string();
    match error {
        NotShown::NotAttested(error) => not_attested(prover, error),
        // It was made before L1 verified SNARKs.
        NotShown::NoSnark { .. } => PublishOutcome::RootLost { prover },
        NotShown::Backend(BackendError::InvalidProof { .. }) => PublishOutcome::BadProof { prover, cause },
        error if error.is_away() => PublishOutcome::Unavailable { cause },
        _ => PublishOutcome::Refused { cause },
    }
}

fn not_attested(prover: ProverType, error: &AttestError) -> PublishOutcome {
    let cause = error.to_string();
    if error.is_of_the_proof() {
        PublishOutcome::BadProof { prover, cause }
    } else if error.is_transient() {
        PublishOutcome::Unavailable { cause }
    } else {
        PublishOutcome::Refused { cause }
    }
}

/// Whether L1 has other checkpoints than a proof was made for.
fn is_of_other_checkpoints(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::StatementMismatch { field, .. } if OF_THE_CHECKPOINTS.contains(&field.as_str()))
}

fn not_submitted(error: &ChainError) -> PublishOutcome {
    let cause = error.to_string();
    match error.refusal() {
        Some(Refusal::AlreadySubmitted { .. }) => PublishOutcome::AlreadyRecorded,
        Some(Refusal::WindowClosed { .. }) => PublishOutcome::WindowClosed,
        // It passes, and costs no proof its time.
        Some(Refusal::ContractPaused { .. }) => PublishOutcome::Unavailable { cause },
        // The checkpoints moved since the proof was asked for.
        Some(
            Refusal::UnknownCheckpoints { .. }
            | Refusal::UnprovenBefore { .. }
            | Refusal::NotAnEpochStart { .. }
            | Refusal::NotOneEpoch { .. },
        ) => PublishOutcome::Stale { cause },
        Some(refusal) if is_of_other_checkpoints(refusal) => PublishOutcome::Stale { cause },
        // Some providers strip the data of a revert, and a node that lags reverts on what is only stale there: no verdict.
        Some(Refusal::Other { data }) if data.is_empty() => PublishOutcome::Stale { cause },
        Some(refusal) => match refusal.invalid_proof() {
            Some(proof_type) => match proof_type.parse() {
                Ok(prover) => PublishOutcome::BadProof { prover, cause },
                Err(_) => PublishOutcome::Refused { cause },
            },
            None => PublishOutcome::Refused { cause },
        },
        None => PublishOutcome::Unavailable { cause },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_chain::{CallName, L1, PoolOptions, Sender};
    use proofmill_devnet::{DevKeys, DevnetOptions, ProofTypePlan};
    use proofmill_program::AggregationPublicValues;

    #[tokio::test(flavor = "multi_thread")]
    async fn too_few_attestors_are_found_out_at_the_start() {
        let key = |byte| ProgramVersion(B256::repeat_byte(byte));
        let prover = ProverType::OpenVm;
        let plan = ProofTypePlan { prover, range_key: key(1), aggregation_key: key(2) };
        let devnet = DevnetOptions::new(vec![plan]).start().await.unwrap();
        let l1 = L1::connect(PoolOptions::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
        let rollup = Rollup::connect(l1.clone(), devnet.description().rollup).await.unwrap();
        let start = async |attestors: &[&str]| {
            let sender = Sender::new(l1.clone(), DevKeys::well_known(1).unwrap().prover);
            let publishers = Publishers::new(sender, []);
            let attestors: Vec<_> = attestors.iter().map(ToString::to_string).collect();
            L1Settlement::new(rollup.clone(), publishers, &attestors, &Registry::compiled_in()).await
        };
        for (named, few) in [(0, &[][..]), (1, &["http://127.0.0.1:1"])] {
            let said = format!("{:#}", start(few).await.unwrap_err());
            for word in ["openvm", &format!("{named} attestors are named"), "2 signatures", "--attestor"] {
                assert!(said.contains(word), "{said}");
            }
        }
        let settlement = start(&["http://127.0.0.1:1", "http://127.0.0.1:2"]).await.unwrap();
        assert_eq!(settlement.wanted.keys().collect::<Vec<_>>(), [&prover]);
        assert_eq!(settlement.epoch_mode(prover), ProofMode::Compressed);
    }

    fn failed(refusal: Option<Refusal>) -> ChainError {
        ChainError::FailedOnChain {
            call: CallName::SubmitEpochProof,
            transaction: B256::ZERO,
            block: 7,
            gas_used: 30_000,
            fee: 60,
            refusal: refusal.map(Box::new),
        }
    }

    #[test]
    fn a_proof_that_l1_rejects_is_the_proofs_fault_and_signatures_are_not() {
        let checkpoint = proofmill_primitives::CheckpointNumber(4);
        let rejected = |proof_type: &str, reason: Refusal| {
            let (proof_type, reason) = (proof_type.to_owned(), Box::new(reason));
            not_submitted(&failed(Some(Refusal::ProofRejected { proof_type, checkpoint, reason })))
        };
        let other = || Refusal::Other { data: Default::default() };
        let outcome = rejected("sp1", other());
        assert!(matches!(outcome, PublishOutcome::BadProof { prover: ProverType::Sp1, .. }), "{outcome:?}");
        let outcome = rejected("a type of another release", other());
        assert!(matches!(outcome, PublishOutcome::Refused { .. }), "{outcome:?}");
        let outcome = rejected("openvm", Refusal::NotCanonical);
        assert!(matches!(outcome, PublishOutcome::Refused { .. }), "{outcome:?}");
        let says = |field: &str| {
            let (proof_type, field) = ("openvm".to_owned(), field.to_owned());
            not_submitted(&failed(Some(Refusal::StatementMismatch { proof_type, checkpoint, field })))
        };
        let outcome = says("prover");
        assert!(
            matches!(outcome, PublishOutcome::BadProof { prover: ProverType::OpenVm, .. }),
            "{outcome:?}"
        );
        let outcome = says("toCommitment");
        assert!(matches!(outcome, PublishOutcome::Stale { .. }), "{outcome:?}");
    }

    #[test]
    fn a_proof_that_attestors_refuse_is_the_proofs_fault_and_their_absence_is_not() {
        let (threshold, attestors, causes) = (2, 3, "a: an opening".to_owned());
        let refused = AttestError::Refused { threshold, refused: 2, attestors, causes: causes.clone() };
        let outcome = not_attested(ProverType::Sp1, &refused);
        let PublishOutcome::BadProof { prover: ProverType::Sp1, cause } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(cause.contains("an opening"), "{cause}");
        let outcome =
            not_attested(ProverType::Sp1, &AttestError::TooFew { threshold, got: 0, attestors, causes });
        assert!(matches!(outcome, PublishOutcome::Unavailable { .. }), "{outcome:?}");
    }

    #[test]
    fn a_proof_of_other_rules_is_not_at_fault_and_not_shown() {
        let key = |byte| ProgramVersion(B256::repeat_byte(byte));
        let prover = ProverType::OpenVm;
        let of =
            ProofTypeConfig { prover, verifier: Address::ZERO, range_key: key(1), aggregation_key: key(2) };
        let rules =
            Rules { config_hash: B256::repeat_byte(3), proposer: Address::ZERO, proof_types: vec![of] };
        let statement = AggregationPublicValues {
            configHash: rules.config_hash,
            rangeKey: of.range_key.0,
            ..Default::default()
        };
        let proof = Proof {
            prover,
            mode: ProofMode::Compressed,
            program: of.aggregation_key,
            public_values: statement.commitment().to_vec(),
            body: Vec::new(),
        };
        let proof = EpochProof { statement, proof };
        assert_eq!(other_rules(&rules, &of, &proof), None);
        // Another verifier takes the same proofs.
        let verifier = ProofTypeConfig { verifier: Address::repeat_byte(1), ..of };
        assert_eq!(other_rules(&rules, &verifier, &proof), None);
        let range = ProofTypeConfig { range_key: key(4), ..of };
        let aggregation = ProofTypeConfig { aggregation_key: key(4), ..of };
        let chain = Rules { config_hash: B256::ZERO, ..rules.clone() };
        for (rules, of, said) in [
            (&rules, &range, "the range program"),
            (&rules, &aggregation, "the aggregation program"),
            (&chain, &of, "--genesis"),
        ] {
            let other = other_rules(rules, of, &proof).unwrap();
            assert!(other.contains(said), "{other}");
        }
    }

    #[test]
    fn a23_a_revert_without_data_is_no_verdict() {
        let outcome = not_submitted(&failed(Some(Refusal::Other { data: Default::default() })));
        assert!(matches!(outcome, PublishOutcome::Stale { .. }), "{outcome:?}");
        let outcome = not_submitted(&failed(Some(Refusal::Other { data: vec![1, 2, 3, 4].into() })));
        assert!(matches!(outcome, PublishOutcome::Refused { .. }), "{outcome:?}");
    }

    #[test]
    fn only_what_l1_would_refuse_again_is_refused() {
        for passes in [None, Some(Refusal::ContractPaused { until: 7 })] {
            let outcome = not_submitted(&failed(passes));
            assert!(matches!(outcome, PublishOutcome::Unavailable { .. }), "{outcome:?}");
        }
        let outcome = not_submitted(&failed(Some(Refusal::NoBatches)));
        assert!(matches!(outcome, PublishOutcome::Refused { .. }), "{outcome:?}");
    }
}
