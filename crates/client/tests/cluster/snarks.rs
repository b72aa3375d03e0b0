//! SNARKs of several setups of one program and input. Making one takes gigabytes; here their names are all that there is of them.

use crate::site::{PATIENCE, Site};
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::{Backend, BackendError, ExecBackend, Proof, SnarkVariant};
use proofmill_client::{ClientError, ClusterProver, Made, programs};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_stand_in::forward;
use proofmill_wire::operator::ProofProgress;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const ONE: SnarkVariant = SnarkVariant::ALL[0];
const OTHER: SnarkVariant = SnarkVariant::ALL[2];

/// `exec` with SNARKs: their bodies are their names.
struct Snarks {
    exec: ExecBackend,
    told: Option<SnarkVariant>,
}

impl Backend for Snarks {
    forward! { exec: prover_type weight budget_for program_version encode_input execute plan prove_segment tree node_weight reduce finish }
    fn snark_variant(&self) -> Option<SnarkVariant> {
        self.told
    }
    fn variant_of(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        Ok(Some(String::from_utf8(proof.body.clone()).unwrap()))
    }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        assert_eq!(proof.program, expected);
        Ok(())
    }
}

/// A client that was told of this SNARK, or of none.
fn told(site: &Site, told: Option<SnarkVariant>) -> ClusterProver {
    let backend = Arc::new(Snarks { exec: ExecBackend::default(), told });
    ClusterProver { backend, ..site.prover.clone() }
}

/// Asks for a SNARK of an input. What is asked of the cluster for the first time is made, by workers that make this one; how often.
async fn proven(
    (site, known): (&Site, &mut BTreeSet<String>),
    asks: Option<SnarkVariant>,
    input: &[u8],
    workers: SnarkVariant,
) -> (Result<Made<Proof>, ClientError>, usize) {
    let program = programs::range(ProverType::Exec);
    let (seen, mut ids) = mpsc::unbounded_channel();
    let (prover, stop) = (told(site, asks), CancellationToken::new());
    let proving = async move {
        let show = move |progress: &ProofProgress| {
            let _ = seen.send((progress.proof_id.clone(), progress.proof_artifact_id.clone()));
        };
        prover.prove(program, input.to_vec(), ProofMode::Plonk, &stop, show).await
    };
    let working = async {
        let mut made = 0;
        while let Some((id, artifact)) = ids.recv().await {
            if known.insert(id.clone()) {
                made += 1;
                let proof = Proof {
                    prover: ProverType::Exec,
                    mode: ProofMode::Plonk,
                    program: site.prover.backend.program_version(program).unwrap(),
                    public_values: input.to_vec(),
                    body: workers.name().into(),
                };
                let bytes = proof.encode().into();
                let artifact = artifact.as_str().into();
                site.prover.artifacts.put(&artifact, ArtifactKind::Proof, bytes).await.unwrap();
                site.say_made(&id).await;
            }
        }
        made
    };
    tokio::join!(proving, working)
}

fn name_of(made: &Result<Made<Proof>, ClientError>) -> &str {
    std::str::from_utf8(&made.as_ref().unwrap().proof.body).unwrap()
}

#[tokio::test]
async fn a_snark_of_one_setup_does_not_answer_who_asks_for_another() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        for variant in [ONE, OTHER] {
            let (made, new) = proven((&site, &mut known), Some(variant), b"input", variant).await;
            assert_eq!((name_of(&made), new), (variant.name(), 1));
        }
        // Each is found again by whoever asks for it.
        for variant in [ONE, OTHER] {
            let (made, new) = proven((&site, &mut known), Some(variant), b"input", variant).await;
            assert_eq!((name_of(&made), new), (variant.name(), 0));
        }
        // Who was told of none takes any.
        let (made, _) = proven((&site, &mut known), None, b"input", OTHER).await;
        assert_eq!(name_of(&made), OTHER.name());
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn workers_that_make_another_snark_are_told_of_and_their_proof_is_not_refused_for_others() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        proven((&site, &mut known), Some(ONE), b"input", ONE).await.0.unwrap();
        let (made, new) = proven((&site, &mut known), Some(OTHER), b"input", ONE).await;
        let error = made.unwrap_err();
        assert!(matches!(error, ClientError::OtherSnark { asked: OTHER, .. }), "{error:?}");
        assert!(error.to_string().contains("--snark") && !error.is_bad_proof(), "{error}");
        assert_eq!(new, 2, "it is made anew once");
        // The same bytes are good for whoever asks for them.
        let (made, new) = proven((&site, &mut known), Some(ONE), b"input", ONE).await;
        assert_eq!((name_of(&made), new), (ONE.name(), 0));
        // Once the workers are told, it is made.
        let (made, _) = proven((&site, &mut known), Some(OTHER), b"input", OTHER).await;
        assert_eq!(name_of(&made), OTHER.name());
        site.stop.cancel();
    })
    .await
    .unwrap();
}
