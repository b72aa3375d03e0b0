//! The circuits that fold proofs, and their verifying keys.
//!
//! Each circuit verifies proofs of one other, so to make the keys of the last is to make those of all: 35 CPU seconds. The
//! verifying keys are therefore part of the binary (`keys.bin`, made by `examples/openvm_keys.rs`). Whoever only verifies
//! makes no keys at all, and whoever proves makes those of the one circuit it proves with, and finds out then if they are
//! not those of the file.

use super::{Digest, F, hash_elements, machine::Machine};
use crate::{
    BackendError,
    proof::{seal, unseal},
};
use openvm_sdk::SC;
use openvm_stark_backend::keygen::types::MultiStarkVerifyingKey;
use openvm_verify_stark_host::pvs::VkCommit;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// First bytes of `keys.bin`.
const MAGIC: &[u8; 8] = b"PMOVVK01";
const FILE: &[u8] = include_bytes!("keys.bin");

/// BLAKE3 of `keys.bin`: parts that were made with other keys do not fit together with ours.
pub(super) fn keys_hash() -> [u8; 32] {
    static HASH: OnceLock<[u8; 32]> = OnceLock::new();
    *HASH.get_or_init(|| *blake3::hash(FILE).as_bytes())
}

/// The three layers that fold whatever is below them: the first verifies what is to be folded, the second the first, the
/// third the second or itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Leaf,
    Internal,
    Recursive,
}

/// What three layers of circuits fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Segments of a machine.
    Segments(Machine),
    /// Verifications of the proofs that a program asks for, into one proof.
    Verifications,
    /// The one proof of all verifications, into what joins the segments of the aggregation machine.
    Hook,
}

/// A circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// Folds.
    Fold(Chain, Stage),
    /// Verifies one compressed proof of the base machine, for a program that asks for it.
    Verifier,
    /// Ties the verifications to the calls that the program made.
    Hook,
}

/// Every circuit after the one whose proofs it verifies.
pub(super) const CIRCUITS: [Circuit; 14] = {
    use Chain::{Hook, Segments, Verifications};
    use Circuit::Fold;
    use Stage::{Internal, Leaf, Recursive};
    [
        Fold(Segments(Machine::Base), Leaf),
        Fold(Segments(Machine::Base), Internal),
        Fold(Segments(Machine::Base), Recursive),
        Circuit::Verifier,
        Fold(Verifications, Leaf),
        Fold(Verifications, Internal),
        Fold(Verifications, Recursive),
        Circuit::Hook,
        Fold(Hook, Leaf),
        Fold(Hook, Internal),
        Fold(Hook, Recursive),
        Fold(Segments(Machine::Aggregation), Leaf),
        Fold(Segments(Machine::Aggregation), Internal),
        Fold(Segments(Machine::Aggregation), Recursive),
    ]
};

impl Circuit {
    fn index(self) -> usize {
        CIRCUITS.iter().position(|circuit| *circuit == self).unwrap_or(CIRCUITS.len())
    }
}

/// What is known of a circuit without making its proving key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its own verifying key.
    pub(super) vk: Arc<MultiStarkVerifyingKey<SC>>,
    /// Its commitment to the key of the circuit that it verifies.
    pub(super) child: VkCommit<F>,
    /// Its commitment to its own key, where it can verify its own proofs.
    pub(super) own: Option<VkCommit<F>>,
}

/// The keys of all circuits.
#[derive(Debug, Default)]
pub(super) struct VerifyingKeys {
    files: OnceLock<Vec<Vec<u8>>>,
    entries: [OnceLock<Arc<Entry>>; CIRCUITS.len()],
}

impl VerifyingKeys {
    /// What is known of a circuit.
    pub(super) fn get(&self, circuit: Circuit) -> Result<Arc<Entry>, BackendError> {
        let damaged = |cause: String| super::failed("reading the verifying keys of this build", cause);
        let entry = self
            .entries
            .get(circuit.index())
            .ok_or_else(|| damaged(format!("there is no circuit {circuit:?}")))?;
        if let Some(known) = entry.get() {
            return Ok(known.clone());
        }
        if self.files.get().is_none() {
            let packed =
                unseal(MAGIC, FILE).ok_or_else(|| damaged("their checksum does not match".into()))?;
            let files = zstd::decode_all(packed).map_err(|error| damaged(error.to_string()))?;
            let files = bitcode::deserialize(&files).map_err(|error| damaged(error.to_string()))?;
            let _ = self.files.set(files);
        }
        let file = self.files.get().and_then(|files| files.get(circuit.index()));
        let file = file.ok_or_else(|| damaged(format!("{circuit:?} is missing")))?;
        let read: Entry = bitcode::deserialize(file).map_err(|error| damaged(error.to_string()))?;
        Ok(entry.get_or_init(|| Arc::new(read)).clone())
    }

    /// Puts an entry in place of the file's: for making the file.
    pub(super) fn set(&self, circuit: Circuit, made: Entry) {
        if let Some(entry) = self.entries.get(circuit.index()) {
            let _ = entry.set(Arc::new(made));
        }
    }

    /// The content of `keys.bin` for the keys in here.
    pub(super) fn encode(&self) -> Result<Vec<u8>, BackendError> {
        let broken = |cause: String| super::failed("writing the verifying keys", cause);
        let files = CIRCUITS
            .iter()
            .map(|circuit| {
                bitcode::serialize(&*self.get(*circuit)?).map_err(|error| broken(error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let files = bitcode::serialize(&files).map_err(|error| broken(error.to_string()))?;
        // They have much in common: a fifteenth is left of them.
        let packed = zstd::encode_all(files.as_slice(), 19).map_err(|error| broken(error.to_string()))?;
        Ok(seal(MAGIC, &packed))
    }

    /// OpenVM's commitment to what a chain folds and to its circuits: of a machine `app_vm_commit`, of verifications
    /// `def_circuit_commit`, of the hook `def_hook_commit`.
    pub(super) fn commit(&self, chain: Chain) -> Result<Digest, BackendError> {
        let mut components = Vec::new();
        for stage in [Stage::Leaf, Stage::Internal, Stage::Recursive] {
            let child = self.get(Circuit::Fold(chain, stage))?.child;
            components.extend(child.cached_commit);
            components.extend(child.vk_pre_hash);
        }
        Ok(hash_elements(&components))
    }

    /// The hook's commitment to the circuit it verifies, which circuits that take part in aggregation contain.
    pub(super) fn hook(&self, chain: Chain) -> Result<Option<Digest>, BackendError> {
        match chain {
            Chain::Segments(Machine::Base) | Chain::Verifications => Ok(None),
            Chain::Segments(Machine::Aggregation) | Chain::Hook => {
                Ok(Some(self.get(Circuit::Hook)?.child.cached_commit))
            }
        }
    }
}
