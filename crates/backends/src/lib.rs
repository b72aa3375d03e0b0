//! What makes proofs. One trait, [`Backend`], says what the workers need of a prover type: run a program, plan its
//! proof as independent segments, prove one segment, fold proofs, finish, verify. Behind it stand `exec` (proves
//! nothing), OpenVM and, in a workspace of its own, SP1.
//!
//! A backend is synchronous and CPU bound, keeps no state that matters (only warm caches of keys and decoded programs)
//! and is deterministic where it can be: the same program, input and [`SegmentBudget`] give the same [`Plan`] in every
//! process, so that a segment can be proven anywhere and its output can be named by what it was made from.
//!
//! ```
//! use proofmill_backends::{BackendError, Registry};
//! use proofmill_primitives::ProverType;
//!
//! let registry = Registry::compiled_in();
//! assert!(registry.get(ProverType::Exec).is_ok());
//! // A type that is not compiled in is an error that says how to get it, never a panic.
//! if let Err(error) = registry.get(ProverType::Sp1) {
//!     assert!(matches!(error, BackendError::NotCompiledIn { .. }));
//! }
//! ```

// OpenVM's derives ask for features of the crate that they are used in.
#![cfg_attr(feature = "openvm", allow(unexpected_cfgs))]

mod elsewhere;
mod error;
mod exec;
pub mod helper;
#[cfg(feature = "openvm")]
mod openvm;
mod plan;
mod proof;
mod registry;
mod snark;
pub mod tasks;

pub use elsewhere::{Elsewhere, NoSuchProver, prover_type};
pub use error::BackendError;
pub use exec::{ExecBackend, NativeProgram, NativeRun};
pub use helper::HelperBackend;
#[cfg(feature = "openvm")]
pub use openvm::{OpenVmBackend, SnarkStep, Table};
pub use plan::{Child, Execution, Node, Plan, Segment, SegmentBudget, SegmentKind};
pub use proof::{Proof, ProofDecodeError};
pub use registry::Registry;
pub use snark::{SnarkConfig, SnarkSize, SnarkVariant};

use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType, TaskKind, Weight};

/// What is to be run or proven: a program and its input.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The program as the client gave it: an ELF, or for `exec` the name of a native program.
    pub program: &'a [u8],
    /// The input in the backend's own encoding ([`Backend::encode_input`]).
    pub input: &'a [u8],
    /// Stop with [`BackendError::CycleLimit`] past so many instructions.
    pub cycle_limit: Option<Instructions>,
}

/// What a prover type must be able to do.
///
/// No method panics: a malformed program, input or proof is an error with its cause. A method may take minutes, so call
/// it where blocking is allowed.
pub trait Backend: Send + Sync {
    /// Which prover type this is.
    fn prover_type(&self) -> ProverType;

    /// What tells this build's circuits from those of other builds, whose plans and parts do not fit together with
    /// ours. Part of the names of both.
    fn circuits(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The memory that a task of this kind needs here, in GB, for segments planned under `budget`.
    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight;

    /// The largest segments that a worker with so much memory can prove.
    fn budget_for(&self, memory: Weight) -> SegmentBudget;

    /// Whether proofs of this mode can be made here at all; asked before any work is done for one.
    fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
        match mode {
            ProofMode::Execute | ProofMode::Core | ProofMode::Compressed => Ok(()),
            ProofMode::Plonk | ProofMode::Groth16 => Err(BackendError::UnsupportedMode {
                prover: self.prover_type(),
                mode,
                cause: "the circuit files of the wrap are not installed".into(),
            }),
        }
    }

    /// Looks for what this process lacks of what its settings have it make, for a worker with so much memory: at its start, and not
    /// when hours of proving are done. Where a SNARK is named it reads setups of gigabytes, and says what it finds.
    ///
    /// Errors where something is missing or damaged that no task can do without.
    fn check_start(&self, memory: Weight) -> Result<(), BackendError> {
        let _ = memory;
        Ok(())
    }

    /// Derives the program's identity (its verifying key or a commitment to it).
    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError>;

    /// Encodes the input of a program: byte strings, each what one read in the guest returns, and the proofs that the
    /// program verifies (an aggregation program's range proofs), in the order in which it asks for them.
    ///
    /// Errors where a proof is not one that a program of this prover type can verify.
    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError>;

    /// Runs the program without proving: what it commits to and what it costs.
    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError>;

    /// Runs the program and cuts its execution into segments that fit `budget`.
    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError>;

    /// Proves segment `index` of the plan. The output is opaque: input of [`Backend::reduce`] or [`Backend::finish`].
    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError>;

    /// The tree that folds the proofs of these segments into one for a proof of this mode: nodes in an order in which
    /// children come before their parents, the root last. Empty where nothing needs folding. `budget` is the one that the
    /// segments were cut for: whoever has little memory for a segment has little for a node.
    ///
    /// Errors where a plan with such segments cannot be carried to that mode.
    fn tree(
        &self,
        segments: &[Segment],
        mode: ProofMode,
        budget: SegmentBudget,
    ) -> Result<Vec<Node>, BackendError>;

    /// The kind of the task that folds this node.
    fn node_task(&self, node: &Node) -> TaskKind {
        let _ = node;
        TaskKind::RecursionReduce
    }

    /// The memory that folding this node needs, in GB.
    fn node_weight(&self, node: &Node) -> Weight;

    /// Folds the proofs of a node's children into one.
    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError>;

    /// Makes the proof that the client gets. `parts` are all segment proofs in order for [`ProofMode::Core`], else the
    /// root of the tree (or the only segment proof).
    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError>;

    /// Where proofs of this type are made by tasks of the SP1 cluster's layout: who does those. The methods from [`plan`](Self::plan) to
    /// [`finish`](Self::finish) are not used then.
    fn cluster_tasks(&self) -> Option<&dyn tasks::ClusterTasks> {
        None
    }

    /// A finished proof as it is stored for its client. The prover type says how: clients of the SP1 cluster read SP1's proofs,
    /// and know no others. [`unpack`](Self::unpack) reads it.
    fn pack(&self, proof: &Proof) -> Result<Vec<u8>, BackendError> {
        Ok(proof.encode())
    }

    /// What was stored for its client of a proof of `program`, whoever made it. It is not verified.
    fn unpack(&self, stored: &[u8], program: &[u8]) -> Result<Proof, BackendError> {
        let _ = program;
        Proof::decode(stored).map_err(|error| BackendError::InvalidProof { cause: error.to_string() })
    }

    /// What a contract on L1 takes to verify this proof, beside the public values. `None` where no contract can. The proof is not
    /// verified.
    ///
    /// Errors where the proof is malformed.
    fn evm_proof(&self, proof: &Proof) -> Result<Option<Vec<u8>>, BackendError> {
        let _ = proof;
        Ok(None)
    }

    /// Why nobody should rely on this proof even if it holds: what it rests on is for development alone. `None` where there is no such
    /// reason.
    ///
    /// Errors where that cannot be said: then nobody should rely on it either.
    fn insecure(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        let _ = proof;
        Ok(None)
    }

    /// The SNARK that this process was told of ([`SnarkConfig`]): where it asks for one, it asks for this. `None` where it was told of
    /// none, and takes any.
    fn snark_variant(&self) -> Option<SnarkVariant> {
        None
    }

    /// What a contract on L1 has in its code that takes the SNARK of [`snark_variant`](Self::snark_variant), or the one that needs no name:
    /// a word of its setup, and one of the circuit on that setup. For each contribution to the setup whose circuit is known here.
    ///
    /// Errors where the circuits of this build cannot be described. Takes seconds.
    fn contract_words(&self) -> Result<Vec<[[u8; 32]; 2]>, BackendError> {
        Ok(Vec::new())
    }

    /// Whether this process makes the SNARK of this name, if it was told of one; asked before any work is done for it.
    ///
    /// Errors where it makes another.
    fn check_snark(&self, asked: &str) -> Result<(), BackendError> {
        match self.snark_variant() {
            Some(made) if made.name() != asked => Err(BackendError::NotSetUp {
                prover: self.prover_type(),
                cause: format!(
                    "this process makes the SNARK '{made}', and '{asked}' is asked for: name the same with --snark everywhere"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Which SNARK this proof is, by the name of its [`SnarkVariant`]. `None` where it is none of those. The proof is not verified.
    ///
    /// Errors where the proof is malformed, or of circuits that are not known here.
    fn variant_of(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        let _ = proof;
        Ok(None)
    }

    /// Checks that `proof` proves an execution of the program `expected` that committed to `proof.public_values`.
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError>;
}
