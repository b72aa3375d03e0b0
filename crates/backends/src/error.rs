//! Everything that can go wrong in a backend.

use proofmill_fault::{Code, Fault};
use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType};

/// Why a backend could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The binary was built without this prover type.
    #[error("the prover type `{prover}` is not compiled into this binary; {remedy}")]
    NotCompiledIn {
        /// The type asked for.
        prover: ProverType,
        /// How to get it.
        remedy: &'static str,
    },
    /// The program is not one that this backend can run.
    #[error("the program is not a valid {prover} program: {cause}")]
    MalformedProgram {
        /// The backend that refused it.
        prover: ProverType,
        /// What is wrong with it.
        cause: String,
    },
    /// The input cannot be decoded.
    #[error("the input is not valid for {prover}: {cause}")]
    MalformedInput {
        /// The backend that refused it.
        prover: ProverType,
        /// What is wrong with it.
        cause: String,
    },
    /// The backend has no such mode.
    #[error("{prover} cannot make a `{mode}` proof: {cause}")]
    UnsupportedMode {
        /// The backend asked.
        prover: ProverType,
        /// The mode asked for.
        mode: ProofMode,
        /// Why it cannot.
        cause: String,
    },
    /// This process lacks a setting or a file that another one with the same prover type may have.
    #[error("{prover} is not set up for this here: {cause}")]
    NotSetUp {
        /// The backend asked.
        prover: ProverType,
        /// What is missing, and how to get it.
        cause: String,
    },
    /// The program itself refused its input: it panicked or exited with another code than 0.
    #[error("the program stopped without finishing: {cause}")]
    GuestFailed {
        /// The exit code or the panic.
        cause: String,
    },
    /// The program ran longer than the request allows.
    #[error(
        "the program ran past its limit of {limit} instructions; raise the cycle limit or prove fewer blocks"
    )]
    CycleLimit {
        /// The limit.
        limit: Instructions,
    },
    /// A part handed to this backend (a plan, a segment, a node's child) is not what it made.
    #[error("a part of the proof is damaged or belongs elsewhere: {cause}")]
    MalformedPart {
        /// What is wrong with it.
        cause: String,
    },
    /// A [malformed part](Self::MalformedPart), where it is known which one. Where parts do not fit together, it is the
    /// first that does not fit those before it.
    #[error("a part of the proof is damaged or belongs elsewhere: {cause}")]
    WrongPart {
        /// Its place among the parts that were handed in (a node's children, or what is finished).
        index: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// The proof is of another program.
    #[error("the proof is of the program {found}, not of {expected}")]
    WrongProgram {
        /// The program it was checked against.
        expected: ProgramVersion,
        /// The program it is of.
        found: ProgramVersion,
    },
    /// The proof does not hold.
    #[error("the proof is not valid: {cause}")]
    InvalidProof {
        /// The check that failed.
        cause: String,
    },
    /// The prover itself failed.
    #[error("{prover} failed while {doing}: {cause}")]
    Prover {
        /// The backend.
        prover: ProverType,
        /// What it was doing.
        doing: &'static str,
        /// What it said.
        cause: String,
    },
}

impl BackendError {
    /// Whether the prover type is not there for this process, or its own machinery failed: that says nothing of what it was to look at.
    pub const fn is_of_this_process(&self) -> bool {
        matches!(self, Self::NotCompiledIn { .. } | Self::NotSetUp { .. } | Self::Prover { .. })
    }
}

impl From<BackendError> for Fault {
    fn from(error: BackendError) -> Self {
        let code = match &error {
            BackendError::NotCompiledIn { .. } => Code::Unfit,
            BackendError::MalformedProgram { .. } | BackendError::MalformedInput { .. } => Code::Malformed,
            BackendError::UnsupportedMode { .. } => Code::Unsupported,
            BackendError::NotSetUp { .. } => Code::NotSetUp,
            BackendError::GuestFailed { .. } => Code::ProgramFailed,
            BackendError::CycleLimit { .. } => Code::CycleLimit,
            BackendError::WrongProgram { .. } | BackendError::InvalidProof { .. } => Code::BadProof,
            BackendError::MalformedPart { .. }
            | BackendError::WrongPart { .. }
            | BackendError::Prover { .. } => Code::ProverFailed,
        };
        Self::new(code, error.to_string())
    }
}
