//! Which backends this binary has.

use crate::{Backend, BackendError, ExecBackend};
use proofmill_primitives::ProverType;
use std::{collections::BTreeMap, sync::Arc};

/// The backends of this binary, by prover type.
#[derive(Clone, Default)]
pub struct Registry {
    backends: BTreeMap<ProverType, Arc<dyn Backend>>,
}

impl Registry {
    /// Everything that this crate was compiled with.
    pub fn compiled_in() -> Self {
        let registry = Self::default().with(Arc::new(ExecBackend::default()));
        #[cfg(feature = "openvm")]
        let registry = registry.with(Arc::new(crate::OpenVmBackend::default()));
        registry
    }

    /// Adds a backend, in place of one of the same type.
    #[must_use]
    pub fn with(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backends.insert(backend.prover_type(), backend);
        self
    }

    /// The prover types that can be asked for.
    pub fn types(&self) -> impl Iterator<Item = ProverType> + '_ {
        self.backends.keys().copied()
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
                ProverType::OpenVm => "build with `make build`",
                ProverType::Sp1 => "run the binary that `make build PROVER=sp1` makes (`proofmill-sp1`)",
            },
        })
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.types()).finish()
    }
}
