//! The chains around a rollup: clients of L1 and L2, the bindings of its contracts, and the stream of what happens.

mod attestation;
mod attestors;
mod config;
mod contracts;
mod deploy;
mod endpoints;
mod error;
mod event;
mod key;
mod node;
mod refusal;
mod rollup;
mod rpc;
mod sender;
mod stream;

pub use attestation::{Attestation, AttestorSignature};
pub use attestors::AttestorSet;
pub use config::{GenesisBlock, ProofTypeConfig, RollupConfig};
pub use deploy::{Deployed, deploy_accepts_anything_verifier, deploy_attested_verifier, deploy_rollup};
pub use endpoints::Endpoints;
pub use error::ChainError;
pub use event::{ChainEvent, PruneCause};
pub use key::SigningKey;
pub use node::{BlockAt, BlockHead, L1, L2};
pub use refusal::Refusal;
pub use rollup::{ContractTips, EpochSubmission, ProofSet, Proposal, Rollup, SubmittedProof};
pub use sender::{CallName, Included, Sender};
pub use stream::{ChainStream, StreamOptions, StreamStatus, StreamTips, Trouble, Waiting};
