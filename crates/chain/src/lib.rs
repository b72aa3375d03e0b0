//! The chains around a rollup: clients of L1 and L2, its contracts, and the stream of what happens.
//!
//! [`L1`] and [`L2`] ask the endpoints of a chain ([`Pool`]). [`Rollup`] is the contract on L1:
//! its constants and rules ([`RollupConfig`], [`Rules`]), its checkpoints, and what proposers and provers send to it through a [`Sender`]. What
//! a contract refuses comes back as a [`Refusal`] with its values. [`ChainStream`] tells what happens as
//! [`ChainEvent`]s, each until it is acknowledged; reorgs of both chains, restarts and nodes that are away are its
//! business. [`OutputOracle`] is OP Succinct's contract of the outputs of an OP Stack chain, [`Games`] are its dispute games. The
//! contracts themselves are in `contracts/`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use proofmill_chain::{ChainEvent, ChainStream, PoolOptions, L1, L2, Rollup, StreamOptions};
//!
//! let l1 = L1::connect(PoolOptions::new("http://127.0.0.1:8545".parse()?), None).await?;
//! let rollup = Rollup::connect(l1, "0x5fbdb2315678afecb367f032d93f642f64180aa3".parse()?).await?;
//! let nodes = PoolOptions::new("http://127.0.0.1:9545".parse()?).or("http://127.0.0.1:9546".parse()?);
//! let l2 = L2::connect(nodes, Some(rollup.config().chain_id)).await?;
//! let mut stream = ChainStream::new(rollup, l2, StreamOptions::default())?;
//! loop {
//!     if let ChainEvent::Checkpointed(checkpoint) = stream.next().await {
//!         println!("checkpoint {} with blocks {}", checkpoint.number, checkpoint.blocks);
//!     }
//!     stream.acknowledge();
//! }
//! # }
//! ```

mod attestation;
mod attestors;
mod batches;
mod blame;
mod call_name;
mod calldata;
mod config;
mod contracts;
mod deploy;
mod error;
mod event;
mod fees;
#[cfg(test)]
mod fuzz;
mod game_refusal;
mod games;
mod key;
mod keystore;
mod l2_output;
mod networks;
mod node;
mod oracle;
mod proven_proposal;
mod publishers;
mod refusal;
mod remote_signer;
mod role_call;
mod rollup;
mod rpc;
mod rules;
mod sender;
mod signer;
mod snark_evm;
mod snark_form;
mod snark_refusal;
mod stream;
mod verdict;
mod verifier_kind;
mod wait;

pub use attestation::{Attestation, AttestorSignature};
pub use attestors::{AttestorSet, majority};
pub use batches::{BatchFill, BatchFills};
pub use blame::BlamedProof;
pub use call_name::CallName;
pub use calldata::{BATCH_BYTES, CALL_BYTES};
pub use config::{
    GenesisBlock, Limits, ProofTypeConfig, Roles, RollupConfig, Rules, RulesInForce, ScheduledRules,
};
pub use deploy::{
    Deployed, Halo2Verifier, deploy_accepts_anything_verifier, deploy_attested_verifier, deploy_rollup,
    deploy_snark_and_attested_verifier, deploy_snark_verifier,
};
pub use error::ChainError;
pub use event::{ChainEvent, PruneCause};
pub use fees::FeeLimits;
pub use game_refusal::GameRefusal;
pub use games::{
    Game, GameStatus, Games, GamesDeployed, GamesSettings, GamesStart, GamesView, ProposalStatus, UnreadGames,
};
pub use key::SigningKey;
pub use keystore::Password;
pub use networks::{DEVELOPMENT_CHAIN, public_network};
pub use node::{BlockAt, BlockFill, BlockHead, DELEGATES, L1, L2};
pub use oracle::{OracleConfig, OracleStart, OracleView, Output, OutputOracle, ProvenOutput};
pub use proofmill_endpoints::{EndpointReport, Pool, PoolOptions, PoolReport, Start};
pub use proven_proposal::{ProvenProposal, ProvenTip};
pub use publishers::Publishers;
pub use refusal::Refusal;
pub use remote_signer::RemoteSigner;
pub use role_call::RoleCall;
pub use rollup::{
    ContractTips, EpochSubmission, ProofSet, Proposal, ProvenCheckpoint, Rollup, RollupView, SubmittedProof,
};
pub use sender::{Estimate, Included, Runway, Sender};
pub use signer::Signer;
pub use snark_evm::{EvmVerdict, Halo2Code, takes_any_proof, takes_anything, verify_snark_in_evm};
pub use snark_form::{AskedSnark, SnarkForm};
pub use snark_refusal::SnarkRefusal;
pub use stream::{ChainStream, StreamOptions, StreamStatus, StreamTips, Trouble, Waiting};
pub use verifier_kind::{OtherSnark, VerifierKind, is_for_development};
pub use wait::{Wait, patiently, until_there};
