//! Which backends this binary has, and of which other binaries have it knows.

use crate::{Backend, BackendError, ExecBackend, HelperBackend, SnarkConfig};
use proofmill_primitives::ProverType;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// The backends of this binary, by prover type, and the binaries that have other types.
#[derive(Clone, Default)]
pub struct Registry {
    backends: BTreeMap<ProverType, Arc<dyn Backend>>,
    helpers: BTreeMap<ProverType, Arc<HelperBackend>>,
}

impl Registry {
    /// Everything that this crate was compiled with.
    pub fn compiled_in() -> Self {
        let registry = Self::default().with(Arc::new(ExecBackend::default()));
        #[cfg(feature = "openvm")]
        let registry = registry.with(Arc::new(crate::OpenVmBackend::default()));
        registry
    }

    /// Has the prover types that can make SNARKs make this one. Another binary that has such a type is told of it, to verify them.
    ///
    /// # Errors
    /// [`BackendError::NotCompiledIn`] where neither is there.
    pub fn with_snark(mut self, config: SnarkConfig) -> Result<Self, BackendError> {
        if let Some(helper) = self.helper(ProverType::OpenVm) {
            let helper = HelperBackend::new(ProverType::OpenVm, helper.binary()).with_snark(config);
            self.helpers.insert(ProverType::OpenVm, Arc::new(helper));
            return Ok(self);
        }
        self.get(ProverType::OpenVm)?;
        #[cfg(feature = "openvm")]
        return Ok(self.with(Arc::new(crate::OpenVmBackend::with_snark(config))));
        #[cfg(not(feature = "openvm"))]
        {
            drop(config);
            Ok(self)
        }
    }

    /// Adds a backend, in place of one of the same type.
    #[must_use]
    pub fn with(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backends.insert(backend.prover_type(), backend);
        self
    }

    /// Names the binary that has a prover type. It counts where this one lacks the type.
    #[must_use]
    pub fn with_helper(mut self, prover: ProverType, binary: impl Into<PathBuf>) -> Self {
        self.helpers.insert(prover, Arc::new(HelperBackend::new(prover, binary)));
        self
    }

    /// The prover types whose proofs this binary can make.
    pub fn types(&self) -> impl Iterator<Item = ProverType> + '_ {
        self.backends.keys().copied()
    }

    /// The prover types whose proofs can be checked: this binary's own, and those of the binaries it knows.
    pub fn checked_types(&self) -> impl Iterator<Item = ProverType> + '_ {
        let others = self.helpers.keys().filter(|prover| !self.backends.contains_key(prover));
        self.types().chain(others.copied())
    }

    /// The binary that has a type which this one lacks.
    pub fn helper(&self, prover: ProverType) -> Option<&Arc<HelperBackend>> {
        self.helpers.get(&prover).filter(|_| !self.backends.contains_key(&prover))
    }

    /// What checks proofs of this type and encodes inputs for it: this binary's backend, or another binary.
    ///
    /// # Errors
    /// [`BackendError::NotCompiledIn`] where neither is there.
    pub fn checker(&self, prover: ProverType) -> Result<Arc<dyn Backend>, BackendError> {
        match (self.get(prover), self.helpers.get(&prover)) {
            (Err(_), Some(helper)) => Ok(helper.clone()),
            (own, _) => own,
        }
    }

    /// The backend of this type.
    ///
    /// # Errors
    /// [`BackendError::NotCompiledIn`] with what to build instead.
    pub fn get(&self, prover: ProverType) -> Result<Arc<dyn Backend>, BackendError> {
        self.backends.get(&prover).cloned().ok_or(BackendError::NotCompiledIn {
            prover,
            remedy: match prover {
                ProverType::Exec => "this build left out even `exec`; build the crate as it is",
                ProverType::OpenVm => {
                    "build with `make build`, which makes `proofmill`; to only check such proofs, have it beside this \
                     binary or name it with --binary openvm=FILE"
                }
                ProverType::Sp1 => {
                    "run the binary that `make build PROVER=sp1` makes (`proofmill-sp1`); to only check such proofs, have \
                     it beside this binary or name it with --binary sp1=FILE"
                }
            },
        })
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.types()).finish()
    }
}
