//! Where everything of a devnet is.

use crate::DevnetError;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path};
use url::Url;

/// Where the nodes and the contract of a devnet are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The process that keeps the devnet.
    pub pid: u32,
    /// The node of L1.
    pub l1_rpc: Url,
    /// The node of L2.
    pub l2_rpc: Url,
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// EIP-155 chain id of L2.
    pub l2_chain_id: u64,
    /// The rollup's contract on L1.
    pub rollup: Address,
    /// The L1 block of its deployment.
    pub deployed_at: u64,
    /// The accounts whose keys are the attestors'.
    pub attestors: Vec<Address>,
    /// What it was asked for, by setting, in the words of whoever started it. For whoever finds it and wants something else.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Description {
    /// Reads the file that a devnet wrote; none where there is none.
    ///
    /// # Errors
    /// There is one that cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, DevnetError> {
        let failed = |source| DevnetError::Description { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), DevnetError> {
        let failed = |source| DevnetError::Description { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path)).map_err(failed)
    }
}
