//! Proofs that hold, and that rest on what is for development alone.

use crate::{
    lost::{leave, proven},
    site::{PATIENCE, Site},
};
use proofmill_backends::{Backend, BackendError, ExecBackend, Proof};
use proofmill_client::ClientError;
use proofmill_fault::Code;
use proofmill_stand_in::forward;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// `exec`, whose proofs rest on a setup for development as long as this says so.
#[derive(Default)]
struct Developing {
    exec: ExecBackend,
    secure: AtomicBool,
}

impl Backend for Developing {
    forward! { exec: prover_type weight budget_for program_version encode_input execute plan prove_segment tree node_weight reduce finish
    verify }
    fn insecure(&self, _: &Proof) -> Result<Option<String>, BackendError> {
        Ok((!self.secure.load(Ordering::Relaxed)).then(|| "everybody knows its secret".to_owned()))
    }
}

#[tokio::test]
async fn what_rests_on_a_setup_for_development_is_for_a_development_chain_and_not_made_again() {
    tokio::time::timeout(PATIENCE, async {
        let backend = Arc::new(Developing::default());
        let mut site = Site::with(backend.clone()).await;
        site.prover.development = false;
        let mut known = BTreeSet::new();
        // It is made once, however often it is asked for: `proven` counts who asks anew.
        for made in [1, 0, 0] {
            let error = proven(&site, &mut known, made, leave).await.unwrap_err();
            assert!(matches!(error, ClientError::Insecure { .. }), "{error}");
            assert!(!error.is_bad_proof() && error.code() == Code::NotSetUp, "{error}");
            for word in ["everybody knows its secret", "--snark", "remove the artifact proof-"] {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
        assert!(!site.folder.path().join("bad").exists(), "it is no evidence against anybody");
        // The same proof where it does no harm, and where its setup is a ceremony's.
        site.prover.development = true;
        proven(&site, &mut known, 0, leave).await.unwrap();
        site.prover.development = false;
        backend.secure.store(true, Ordering::Relaxed);
        proven(&site, &mut known, 0, leave).await.unwrap();
        // The remedy.
        backend.secure.store(false, Ordering::Relaxed);
        std::fs::remove_file(site.file()).unwrap();
        assert!(proven(&site, &mut known, 1, leave).await.is_err(), "it is made again, by the same workers");
        site.stop.cancel();
    })
    .await
    .unwrap();
}
