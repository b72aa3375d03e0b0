//! A node with everything around it.

use crate::{
    chain::{Chains, Stream, clock, statement},
    service::Service,
};
use alloy_primitives::B256;
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_prover_node::{
    NodeConfig, Parts, Prover, ProverNode,
    parts::{FailureStore, FsProofs, FsRequests},
    rules::{Config, Snapshot},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) struct Scene {
    pub(crate) chains: Chains,
    pub(crate) services: BTreeMap<ProverType, Arc<Service>>,
    pub(crate) folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(&[ProverType::Exec])
    }

    pub(crate) fn of(kinds: &[ProverType]) -> Self {
        let chains = Chains::new();
        let service = |kind: &ProverType| (*kind, Arc::new(Service::new(*kind, chains.clone())));
        let services = kinds.iter().map(service).collect();
        Self { chains, services, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn service(&self) -> &Service {
        self.services.values().next().unwrap()
    }

    pub(crate) fn proofs(&self) -> PathBuf {
        self.folder.path().join("proofs")
    }

    pub(crate) fn failures(&self) -> FailureStore {
        FailureStore::in_folder(self.folder.path().join("failures"))
    }

    pub(crate) fn config(&self) -> NodeConfig {
        let rules = Config::new(clock(), self.services.keys().copied());
        NodeConfig::new(rules, statement())
    }

    /// A node, as it is after every start of the process.
    pub(crate) fn start(&self) -> ProverNode {
        ProverNode::start(self.config(), self.parts()).unwrap()
    }

    pub(crate) fn parts(&self) -> Parts {
        let prover = |service: &Arc<Service>| Prover {
            service: service.clone(),
            range_program: ProgramVersion(B256::repeat_byte(1)),
            aggregation_program: ProgramVersion(B256::repeat_byte(2)),
            epoch_mode: ProofMode::Plonk,
        };
        Parts {
            chain: Box::new(Stream::new(self.chains.clone())),
            provers: self.services.iter().map(|(kind, service)| (*kind, prover(service))).collect(),
            settlement: Arc::new(self.chains.clone()),
            blocks: Arc::new(self.chains.clone()),
            proofs: Arc::new(FsProofs::open(&self.proofs()).unwrap()),
            requests: Arc::new(FsRequests::new(self.folder.path().join("requests.json"))),
            failures: self.failures(),
        }
    }

    /// Four checkpoints of three blocks, in the slots of the present epoch.
    pub(crate) async fn fill_epoch(&self, epoch: u64) {
        for slot in 4 * epoch..4 * epoch + 4 {
            self.chains.propose_in(slot, 3).await;
        }
    }
}

/// Waits until the snapshot is so.
pub(crate) async fn until(node: &ProverNode, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let snapshots = node.handle().snapshots();
    for _ in 0..10_000 {
        let snapshot = snapshots.borrow().clone();
        if is_so(&snapshot) {
            return snapshot;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("waited in vain until {what}: {:#?}", snapshots.borrow());
}

pub(crate) fn problems(snapshot: &Snapshot) -> String {
    snapshot.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
