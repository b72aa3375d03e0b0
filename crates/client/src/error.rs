//! What can go wrong between asking for a proof and having it.

use proofmill_artifacts::ArtifactError;
use proofmill_backends::{BackendError, SnarkVariant};
use proofmill_fault::{At, Code};
use proofmill_primitives::{ArtifactId, Instructions, ProofMode};
use proofmill_wire::operator::ProofProgress;
use std::{num::NonZeroU64, time::Duration};
use tonic::Status;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be one.
    #[error(transparent)]
    BadAddress(#[from] proofmill_wire::BadAddress),
    /// Nobody listens there.
    #[error(
        "no cluster answers at {address}: start one with `proofmill cluster`, or check --cluster (CLI_CLUSTER_RPC)"
    )]
    NobodyThere {
        /// Where a cluster was expected.
        address: String,
        /// What the connection said.
        source: tonic::transport::Error,
    },
    /// The cluster answers with an error.
    #[error("the cluster at {address}: {}", proofmill_wire::cause_of(status))]
    Cluster {
        /// The cluster.
        address: String,
        /// Its answer.
        status: Box<Status>,
    },
    /// The cluster takes a call and does not answer.
    #[error(
        "the cluster at {address} does not answer within {} s: its log says why (it acknowledges nothing while its disk is \
         full); ask again when that is mended", after.as_secs()
    )]
    NoAnswer {
        /// The cluster.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// What this client stored is not where the cluster looks.
    #[error(
        "the cluster at {address} uses another artifact store: {}; give this process the cluster's --artifacts \
         (PROOFMILL_ARTIFACTS), --redis-nodes (CLI_REDIS_NODES) or --s3-bucket (CLI_S3_BUCKET)", status.message()
    )]
    OtherStore {
        /// The cluster.
        address: String,
        /// What it does not find.
        status: Box<Status>,
    },
    /// The cluster refuses to make this proof, and will.
    #[error("the cluster refused the request: {}", .0.message())]
    Refused(Box<Status>),
    /// The cluster forgot the proof.
    #[error("the cluster does not know the proof {id}: was its data directory replaced?")]
    Unknown {
        /// Which proof.
        id: String,
    },
    /// The cluster could not make the proof.
    #[error("the proof {id} failed: {cause}")]
    Failed {
        /// Which proof.
        id: String,
        /// Whose fault that is.
        code: Code,
        /// Why, as the worker said.
        cause: String,
    },
    /// The program cannot be executed for this input: it passes the cycle limit, or stops by itself (memory, say). A smaller
    /// input may do.
    #[error("the proof {id} failed: {cause}")]
    CannotExecute {
        /// Which proof.
        id: String,
        /// Why, as the worker said.
        cause: String,
    },
    /// The time that it was given is over, be it that it takes longer or that it waited for its turn.
    #[error("the proof {id} is not finished in time: {cause}")]
    Late {
        /// Which proof.
        id: String,
        /// How far it came, as the cluster says.
        cause: String,
    },
    /// Somebody cancelled it.
    #[error("the proof {id} was cancelled")]
    Cancelled {
        /// Which proof.
        id: String,
    },
    /// It took too long.
    #[error("gave up on the proof {id} after {} s (PROVING_TIMEOUT); what is finished is kept", after.as_secs())]
    TimedOut {
        /// Which proof.
        id: String,
        /// How long was waited.
        after: Duration,
    },
    /// A proof that was not carried as far as was asked for.
    #[error("the proof {id} is a {got} proof, and a {asked} proof was asked for")]
    OtherMode {
        /// Which proof.
        id: String,
        /// How far it should have been carried.
        asked: ProofMode,
        /// How far it was.
        got: ProofMode,
    },
    /// A SNARK of other circuits, or on another setup, than was asked for.
    #[error(
        "the proof {id} is the SNARK `{got}`, and `{asked}` was asked for: the workers make the one that their --snark names; name \
         the same everywhere"
    )]
    OtherSnark {
        /// Which proof.
        id: String,
        /// Which it should have been.
        asked: SnarkVariant,
        /// Which it is.
        got: String,
    },
    /// A proof that does not hold here.
    #[error(
        "the proof {id} does not hold here, also after it was made anew: {cause}; were the workers and this binary built from \
         the same version? When they are, a worker makes bad proofs (artifact {artifact}): ask again without it"
    )]
    DoesNotHold {
        /// Which proof.
        id: String,
        /// Where it is kept.
        artifact: ArtifactId,
        /// Why it is refused.
        cause: String,
    },
    /// A proof that nobody should rely on. Whoever made it would make the same again.
    #[error(
        "the proof {id} holds, but {cause}, and its L1 is no development chain. It is not made again like this: have the workers name a SNARK \
         on a setup of a ceremony (--snark small or --snark published), then remove the artifact {artifact}"
    )]
    Insecure {
        /// Which proof.
        id: String,
        /// Where it is kept.
        artifact: ArtifactId,
        /// What it rests on.
        cause: String,
    },
    /// A proof that says something else than what was asked for.
    #[error("the proof {id} holds, but says something else than was asked for: {public_values}")]
    SaysSomethingElse {
        /// Which proof.
        id: String,
        /// What it says, in hex.
        public_values: String,
    },
    /// The input, the program or the proof is not what it must be.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The artifact store does not take or give.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ranges do not fit together.
    #[error(transparent)]
    Program(#[from] proofmill_program::ProgramError),
    /// Range proofs of an OP Stack chain that do not fit together.
    #[error(transparent)]
    OpAggregation(#[from] proofmill_program::op::OpAggregationError),
    /// Checking the proof broke off.
    #[error("the check of the proof {id} broke off; please report it")]
    CheckBrokeOff {
        /// Which proof.
        id: String,
    },
}

impl ClientError {
    /// Why there is no proof, by the fault that the cluster names. One that an older cluster does not name is the task's.
    pub(crate) fn ended_by(id: String, ended: ProofProgress) -> Self {
        let cause = ended.cause;
        match Code::parse(&ended.fault).unwrap_or(Code::Other(At::Task)) {
            Code::Late => Self::Late { id, cause },
            code if code.is_of_execution() => Self::CannotExecute { id, cause },
            code => Self::Failed { id, code, cause },
        }
    }

    /// It took more instructions than this.
    pub(crate) fn past(limit: NonZeroU64, id: String) -> Self {
        let cause = BackendError::CycleLimit { limit: Instructions(limit.get()) }.to_string();
        Self::CannotExecute { id, cause }
    }

    /// Whose fault it is that there is no proof.
    pub const fn code(&self) -> Code {
        match self {
            Self::Failed { code, .. } => *code,
            Self::CannotExecute { .. } => Code::ProgramFailed,
            Self::Cancelled { .. } => Code::Withdrawn,
            Self::Late { .. } | Self::TimedOut { .. } => Code::Late,
            Self::NobodyThere { .. }
            | Self::Cluster { .. }
            | Self::NoAnswer { .. }
            | Self::Unknown { .. } => Code::ClusterAway,
            Self::OtherStore { .. } => Code::Missing,
            // Good for somebody else.
            Self::OtherSnark { .. } | Self::Insecure { .. } => Code::NotSetUp,
            // What was to be stored, most likely: whoever asked made it.
            Self::Artifact(ArtifactError::TooLarge { .. }) => Code::Malformed,
            Self::Artifact(_) => Code::StoreAway,
            Self::OtherMode { .. } | Self::DoesNotHold { .. } | Self::SaysSomethingElse { .. } => {
                Code::BadProof
            }
            Self::Refused(_) | Self::BadAddress(_) | Self::Program(_) | Self::OpAggregation(_) => {
                Code::Malformed
            }
            Self::Backend(error) if error.is_of_this_process() => Code::NotSetUp,
            Self::Backend(_) | Self::CheckBrokeOff { .. } => Code::ProverFailed,
        }
    }

    /// Whether what came back is at fault: it is no proof, does not hold, or is of something else than was asked for.
    pub const fn is_bad_proof(&self) -> bool {
        matches!(self.code(), Code::BadProof)
    }
}
