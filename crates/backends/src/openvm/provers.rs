//! Proving keys, made when first needed and kept.

use super::{
    AppKey, Digest,
    circuit::{Chain, Circuit, Entry, Stage, VerifyingKeys},
    guard::guard,
    machine::{Machine, PUBLIC_VALUES},
};
use crate::BackendError;
use openvm_continuations::prover::{DeferralHookCpuProver, DeferralInnerCpuProver, InnerCpuProver};
use openvm_sdk::{
    DefaultStarkEngine as Engine, SC,
    config::{AggregationSystemParams, MAX_NUM_CHILDREN_INTERNAL, MAX_NUM_CHILDREN_LEAF},
};
use openvm_stark_backend::{SystemParams, keygen::types::MultiStarkVerifyingKey};
use openvm_stark_sdk::config::hook_params_with_100_bits_security;
use openvm_verify_stark_circuit::{
    default_verify_stark_circuit_params, prover::DeferredVerifyCpuProver as Verifier,
};
use openvm_verify_stark_host::pvs::VkCommit;
use std::sync::{Arc, Mutex, PoisonError};

/// Verifies up to four proofs.
pub(super) type Leaf = InnerCpuProver<MAX_NUM_CHILDREN_LEAF>;
/// Verifies up to three proofs.
pub(super) type Internal = InnerCpuProver<MAX_NUM_CHILDREN_INTERNAL>;
/// Verifies up to two verifications, or folds of them.
pub(super) type Deferred = DeferralInnerCpuProver;
/// Ties verifications to the program's calls.
pub(super) type Hook = DeferralHookCpuProver;

/// Something that is made once. Whoever comes while it is being made waits for it: to make it twice takes memory.
struct Slot<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Slot<T> {
    fn get(&self, make: impl FnOnce() -> Result<T, BackendError>) -> Result<Arc<T>, BackendError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*slot {
            return Ok(made.clone());
        }
        let made = guard(|cause| super::failed(MAKING, cause), || make().map(Arc::new))?;
        Ok(slot.insert(made).clone())
    }
}

const MAKING: &str = "making the keys of a circuit";

/// One slot for each chain that is made of the same kind of circuits.
#[derive(Default)]
struct Folders {
    leaf: Slot<Leaf>,
    internal: Slot<Internal>,
    recursive: Slot<Internal>,
}

/// Everything that proves, and what is needed to verify.
#[derive(Default)]
pub(super) struct Provers {
    /// The keys that verify.
    pub(super) keys: VerifyingKeys,
    base: Slot<AppKey>,
    aggregation: Slot<AppKey>,
    fold_base: Folders,
    fold_aggregation: Folders,
    fold_hook: Folders,
    verifier: Slot<Verifier>,
    deferred: [Slot<Deferred>; 3],
    hook: Slot<Hook>,
    /// Whether the keys are being made for `keys.bin` and not compared with it.
    unchecked: bool,
}

impl Provers {
    /// A machine's key.
    pub(super) fn app(&self, machine: Machine) -> Result<Arc<AppKey>, BackendError> {
        let slot = match machine {
            Machine::Base => &self.base,
            Machine::Aggregation => &self.aggregation,
        };
        slot.get(|| machine.key(self.verifier_commit(machine)?))
    }

    /// The commitment that the memory of a machine's programs begins with.
    pub(super) fn verifier_commit(&self, machine: Machine) -> Result<Digest, BackendError> {
        match machine {
            Machine::Base => Ok(Digest::default()),
            Machine::Aggregation => self.keys.commit(Chain::Verifications),
        }
    }

    /// The first circuit of a chain.
    pub(super) fn leaf(&self, chain: Chain) -> Result<Arc<Leaf>, BackendError> {
        let params = AggregationSystemParams::default().leaf;
        self.folders(chain)?.leaf.get(|| {
            let made = Leaf::new::<Engine>(self.below(chain)?, params, false, self.keys.hook(chain)?);
            let circuit = Circuit::Fold(chain, Stage::Leaf);
            self.check(circuit, Entry { vk: made.get_vk(), child: made.get_vk_commit(false), own: None })?;
            Ok(made)
        })
    }

    /// The second circuit of a chain.
    pub(super) fn internal(&self, chain: Chain) -> Result<Arc<Internal>, BackendError> {
        self.folders(chain)?.internal.get(|| {
            let child = self.vk(Circuit::Fold(chain, Stage::Leaf))?;
            let made = Internal::new::<Engine>(child, internal_params(), false, self.keys.hook(chain)?);
            let circuit = Circuit::Fold(chain, Stage::Internal);
            self.check(circuit, Entry { vk: made.get_vk(), child: made.get_vk_commit(false), own: None })?;
            Ok(made)
        })
    }

    /// The third circuit of a chain, which also verifies its own proofs.
    pub(super) fn recursive(&self, chain: Chain) -> Result<Arc<Internal>, BackendError> {
        self.folders(chain)?.recursive.get(|| {
            let child = self.vk(Circuit::Fold(chain, Stage::Internal))?;
            let made = Internal::new::<Engine>(child, internal_params(), true, self.keys.hook(chain)?);
            let own = Some(made.get_vk_commit(true));
            let circuit = Circuit::Fold(chain, Stage::Recursive);
            self.check(circuit, Entry { vk: made.get_vk(), child: made.get_vk_commit(false), own })?;
            Ok(made)
        })
    }

    /// The circuit that verifies a proof of the base machine.
    pub(super) fn verifier(&self) -> Result<Arc<Verifier>, BackendError> {
        self.verifier.get(|| {
            let child = self.keys.get(Circuit::Fold(Chain::Segments(Machine::Base), Stage::Recursive))?;
            let memory = self.app(Machine::Base)?.get_app_vk().memory_dimensions;
            let made = Verifier::new::<Engine>(
                child.vk.clone(),
                own(&child)?.cached_commit.into(),
                default_verify_stark_circuit_params(),
                memory,
                PUBLIC_VALUES,
                // A proof that verifies proofs itself is not one of the base machine.
                None,
                0,
            );
            let commit = VkCommit { cached_commit: made.get_cached_commit(), vk_pre_hash: child.vk.pre_hash };
            self.check(Circuit::Verifier, Entry { vk: made.get_vk(), child: commit, own: None })?;
            Ok(made)
        })
    }

    /// A circuit that folds verifications.
    pub(super) fn deferred(&self, stage: Stage) -> Result<Arc<Deferred>, BackendError> {
        let (index, child, params) = match stage {
            Stage::Leaf => (0, Circuit::Verifier, AggregationSystemParams::default().leaf),
            Stage::Internal => (1, Circuit::Fold(Chain::Verifications, Stage::Leaf), internal_params()),
            Stage::Recursive => (2, Circuit::Fold(Chain::Verifications, Stage::Internal), internal_params()),
        };
        self.deferred[index].get(|| {
            let recursive = stage == Stage::Recursive;
            let made = Deferred::new::<Engine>(self.vk(child)?, params, recursive);
            let own = recursive.then(|| made.get_vk_commit(true));
            let circuit = Circuit::Fold(Chain::Verifications, stage);
            self.check(circuit, Entry { vk: made.get_vk(), child: made.get_vk_commit(false), own })?;
            Ok(made)
        })
    }

    /// The circuit that ties verifications to the program's calls.
    pub(super) fn hook(&self) -> Result<Arc<Hook>, BackendError> {
        self.hook.get(|| {
            let child = self.keys.get(Circuit::Fold(Chain::Verifications, Stage::Recursive))?;
            let cached = own(&child)?.cached_commit;
            let made =
                Hook::new::<Engine>(child.vk.clone(), cached.into(), hook_params_with_100_bits_security());
            let commit = VkCommit { cached_commit: made.get_cached_commit(), vk_pre_hash: child.vk.pre_hash };
            self.check(Circuit::Hook, Entry { vk: made.get_vk(), child: commit, own: None })?;
            Ok(made)
        })
    }

    /// Makes every key anew, without a look at `keys.bin`, and gives what that file must be.
    pub(super) fn make_all() -> Result<Vec<u8>, BackendError> {
        let provers = Self { unchecked: true, ..Self::default() };
        for circuit in super::circuit::CIRCUITS {
            match circuit {
                Circuit::Fold(Chain::Verifications, stage) => drop(provers.deferred(stage)?),
                Circuit::Fold(chain, Stage::Leaf) => drop(provers.leaf(chain)?),
                Circuit::Fold(chain, Stage::Internal) => drop(provers.internal(chain)?),
                Circuit::Fold(chain, Stage::Recursive) => drop(provers.recursive(chain)?),
                Circuit::Verifier => drop(provers.verifier()?),
                Circuit::Hook => drop(provers.hook()?),
            }
        }
        provers.keys.encode()
    }

    fn vk(&self, circuit: Circuit) -> Result<Arc<MultiStarkVerifyingKey<SC>>, BackendError> {
        Ok(self.keys.get(circuit)?.vk.clone())
    }

    /// The key of what a chain's first circuit verifies.
    fn below(&self, chain: Chain) -> Result<Arc<MultiStarkVerifyingKey<SC>>, BackendError> {
        match chain {
            Chain::Segments(machine) => Ok(Arc::new(self.app(machine)?.app_vm_pk.vm_pk.get_vk())),
            Chain::Verifications => self.vk(Circuit::Verifier),
            Chain::Hook => self.vk(Circuit::Hook),
        }
    }

    fn folders(&self, chain: Chain) -> Result<&Folders, BackendError> {
        match chain {
            Chain::Segments(Machine::Base) => Ok(&self.fold_base),
            Chain::Segments(Machine::Aggregation) => Ok(&self.fold_aggregation),
            Chain::Hook => Ok(&self.fold_hook),
            Chain::Verifications => Err(super::failed(MAKING, "verifications are folded by others")),
        }
    }

    /// Whether a circuit has come out as the one in `keys.bin`, without which no proof it makes would verify.
    fn check(&self, circuit: Circuit, made: Entry) -> Result<(), BackendError> {
        if self.unchecked {
            self.keys.set(circuit, made);
            return Ok(());
        }
        let known = self.keys.get(circuit)?;
        if known.vk.pre_hash == made.vk.pre_hash && known.child == made.child && known.own == made.own {
            return Ok(());
        }
        Err(super::failed(
            MAKING,
            format!(
                "{circuit:?} is not the one this build knows; run the example `openvm_keys` and build again"
            ),
        ))
    }
}

/// A circuit's commitment to itself.
pub(super) fn own(entry: &Entry) -> Result<VkCommit<super::F>, BackendError> {
    entry
        .own
        .ok_or_else(|| super::failed(MAKING, "a circuit that is not recursive has no commitment to itself"))
}

fn internal_params() -> SystemParams {
    AggregationSystemParams::default().internal
}
