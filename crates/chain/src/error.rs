//! What can go wrong with a chain.

use crate::{CallName, Refusal, fees::gwei, verdict::Verdict};
use alloy_primitives::{Address, B256, TxHash, U256};
use proofmill_primitives::ProverType;
use std::{io, path::PathBuf, time::Duration};

/// Why something could not be read from, or written to, a chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No endpoint answers. Nothing is lost: the request may be made again.
    #[error("{method}: no answer from {endpoints} after {attempts} tries: {reason}")]
    Unreachable {
        /// The JSON-RPC method.
        method: &'static str,
        /// Scheme, host and port of each endpoint.
        endpoints: String,
        /// How often all of them were tried.
        attempts: usize,
        /// What each of them said, and the remedy.
        reason: String,
    },
    /// A node refused a request.
    #[error("the node refused {method}: {reason}")]
    Refused {
        /// The JSON-RPC method.
        method: &'static str,
        /// What it said.
        reason: String,
        /// Whether that may pass by itself: it lags behind what it, or another node behind the same address, said before.
        passes: bool,
    },
    /// A node's answer is none of its method: `null`, for example, where a value must be. It says nothing of the chain.
    #[error(
        "the node's answer to {method} cannot be read: {reason}; the node, or the proxy before it, is not ready or broken: see its log, \
         or give another endpoint beside it"
    )]
    Malformed {
        /// The JSON-RPC method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A contract answered, and not as one of its kind does.
    #[error("the contract at {address} does not answer {function} as it should: {reason}; check the address")]
    OtherAnswer {
        /// Where it is.
        address: Address,
        /// The contract's function.
        function: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A node is of another chain.
    #[error("{endpoint} is on chain {got}, but chain {expected} is wanted: check the address")]
    WrongChain {
        /// Scheme, host and port.
        endpoint: String,
        /// The chain id that is wanted.
        expected: u64,
        /// The node's.
        got: u64,
    },
    /// There is no contract, as far as the chain is known.
    #[error(
        "there is no contract at {address} on chain {chain} in block {block}, which is {age} s old: check the address, or deploy the \
         contracts; where the block is older than the contract, wait until the node has followed the chain"
    )]
    NoContract {
        /// Where it should be.
        address: Address,
        /// EIP-155 chain id.
        chain: u64,
        /// The newest block.
        block: u64,
        /// How old that is, in seconds.
        age: u64,
    },
    /// The contract does not answer as a rollup's contract does.
    #[error("the contract at {address} is not a Proofmill rollup: {reason}; check the address")]
    NotARollup {
        /// Where it is.
        address: Address,
        /// What it answered.
        reason: String,
    },
    /// The contract does not answer as OP Succinct's output oracle does.
    #[error(
        "the contract at {address} is not an OPSuccinctL2OutputOracle: {reason}; check the address (L2OO_ADDRESS)"
    )]
    NotAnOracle {
        /// Where it is.
        address: Address,
        /// What it answered.
        reason: String,
    },
    /// The contract does not answer as a factory of dispute games does, or has none of this type.
    #[error(
        "the contract at {address} makes no dispute games of type {game_type}: {reason}; check the address (FACTORY_ADDRESS) and \
         the type (GAME_TYPE)"
    )]
    NoGames {
        /// Where it is.
        address: Address,
        /// The type of the games.
        game_type: u32,
        /// What it answered.
        reason: String,
    },
    /// Games have another anchor registry than the one that is named.
    #[error(
        "games of type {game_type} of the factory at {factory} have the anchor registry {named}, not {given}: check \
         ANCHOR_STATE_REGISTRY_ADDRESS and FACTORY_ADDRESS, or leave the former out"
    )]
    OtherRegistry {
        /// The factory.
        factory: Address,
        /// The type of the games.
        game_type: u32,
        /// The registry that was named.
        given: Address,
        /// The one that games have.
        named: Address,
    },
    /// The contract has no configuration of this name.
    #[error(
        "the oracle at {address} has no configuration with the name {name}: check the name (OP_SUCCINCT_CONFIG_NAME), or have its owner \
         call addOpSuccinctConfig"
    )]
    NoOracleConfig {
        /// The contract.
        address: Address,
        /// Hash of the name.
        name: B256,
    },
    /// The contract is of another version.
    #[error(
        "the contract at {address} has version {got}, this program knows version {expected}: {}",
        release_for(*.got)
    )]
    WrongVersion {
        /// Where it is.
        address: Address,
        /// The version that this code knows.
        expected: u64,
        /// The contract's.
        got: u64,
    },
    /// The contract asks for a prover type that this code does not know.
    #[error(
        "the contract at {address} asks for proofs of type `{name}`, which this release does not know: run one that does"
    )]
    UnknownProofType {
        /// Where it is.
        address: Address,
        /// The name that it has for the type.
        name: String,
    },
    /// The contract asks for a proof that is not there.
    #[error("the contract asks for a proof of type {prover} for each checkpoint, and there is none")]
    MissingProof {
        /// The type.
        prover: ProverType,
    },
    /// A contract refused a call. Nothing was sent.
    #[error("the contract refused: {0}")]
    Reverted(Box<Refusal>),
    /// A transaction was included, but it failed there.
    #[error(
        "{call}: the transaction {transaction} was included in L1 block {block} but failed, and used {gas_used} gas ({fee} wei): {}",
        why(.refusal)
    )]
    FailedOnChain {
        /// What was called.
        call: CallName,
        /// Its hash.
        transaction: TxHash,
        /// The block's number.
        block: u64,
        /// The gas that it used.
        gas_used: u64,
        /// What it cost, in wei.
        fee: u128,
        /// Why the contract would refuse the same call afterwards; none where it would not, or where that cannot be found
        /// out. What L1 had when it failed is over then: the same call may be accepted.
        refusal: Option<Box<Refusal>>,
    },
    /// The signer cannot pay.
    #[error("{call}: the account {account} has {has} wei, but {needs} wei may be needed: send it more")]
    InsufficientFunds {
        /// What was to be called.
        call: CallName,
        /// The signer's address.
        account: Address,
        /// What it has, in wei.
        has: U256,
        /// What the transaction may cost at the most, in wei.
        needs: U256,
    },
    /// What must be offered for gas is more than the limit.
    #[error(
        "{} gwei for a unit of gas must be offered on L1 now, and no more than {} are: wait, or raise the limit ({setting})",
        gwei(*.wanted), gwei(*.limit)
    )]
    FeeAboveLimit {
        /// What must be offered, in wei.
        wanted: u128,
        /// The limit, in wei.
        limit: u128,
        /// The setting with the limit.
        setting: &'static str,
    },
    /// A transaction was sent, and is not included. It may be later; the next one that is sent replaces it.
    #[error(
        "{call}: the transaction {transaction} was not included within {} s; the next one takes its place with a \
         higher fee",
        .after.as_secs()
    )]
    NotIncluded {
        /// What was called.
        call: CallName,
        /// The hash of the last try.
        transaction: TxHash,
        /// How long it was waited for.
        after: Duration,
    },
    /// A transaction was sent, and another one of the same account was included in its place.
    #[error(
        "{call}: another transaction of the account took the place of {transaction} (nonce {nonce}): it may be one of ours \
         from before a restart; the account should send nothing elsewhere"
    )]
    NonceTaken {
        /// What was called.
        call: CallName,
        /// The hash of the last try.
        transaction: TxHash,
        /// The place.
        nonce: u64,
    },
    /// After a deployment there is no code where it should be.
    #[error(
        "the deployment of {contract} left no code at {address}: look there by another node of L1, and deploy it once more where that shows \
         none either"
    )]
    NotDeployed {
        /// The contract's name.
        contract: &'static str,
        /// Where it should be.
        address: Address,
    },
    /// The chain has no base fee.
    #[error("the latest L1 block has no base fee: chains before the London fork are not supported")]
    NoBaseFee,
    /// The text is not a private key.
    #[error("not a private key: 32 bytes in hexadecimal, with or without 0x, are wanted")]
    BadKey,
    /// The file with a password cannot be read.
    #[error("the password file {} cannot be read: {source}", .path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An encrypted key cannot be had.
    #[error("the encrypted key in {} cannot be used: {cause}", .path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A service that signs for an account did not, or not what it was asked to.
    #[error("the signing service at {service}: {cause}")]
    RemoteSigner {
        /// Scheme, host and port.
        service: String,
        /// What it said or did, and the remedy.
        cause: String,
    },
    /// Nobody signs for an account.
    #[error("nobody signs for {account} here: name a key that does")]
    NobodySigns {
        /// The account.
        account: Address,
    },
    /// A key could not sign.
    #[error("signing failed: {0}")]
    Signing(#[from] alloy_signer::Error),
}

/// Which release of Proofmill knows a version of the contract.
const fn release_for(version: u64) -> &'static str {
    match version {
        0 | 1 => {
            "its proofs do not bind every checkpoint; use the release that deployed it until everything is proven, then \
             deploy a new contract that begins with the last proven block"
        }
        _ => "use a newer release of Proofmill",
    }
}

fn why(refusal: &Option<Box<Refusal>>) -> String {
    refusal.as_ref().map_or_else(
        || "why is not known, and the contract does not refuse the same call now".to_owned(),
        ToString::to_string,
    )
}

impl ChainError {
    /// Why a contract refused, if it did and still does: before anything was sent, or on the chain.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Reverted(refusal) => Some(refusal),
            Self::FailedOnChain { refusal, .. } => refusal.as_deref(),
            _ => None,
        }
    }

    /// Whether a node does not take a transaction because it has too much gas, or too many bytes.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if Verdict::of(reason) == Verdict::GasLimit)
    }

    /// Whether an account cannot pay: by what it has, or by the word of a node, which may count more than this code does.
    pub fn is_of_funds(&self) -> bool {
        match self {
            Self::InsufficientFunds { .. } => true,
            Self::Refused { reason, .. } => Verdict::of(reason) == Verdict::Funds,
            _ => false,
        }
    }

    /// Whether nothing came of a call because it was not even made: nodes are away, gas is dearer than the limit, or nobody pays
    /// or signs.
    pub const fn is_of_no_call(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::FeeAboveLimit { .. }
                | Self::InsufficientFunds { .. }
                | Self::RemoteSigner { .. }
                | Self::NobodySigns { .. }
                | Self::Signing(_)
        )
    }

    /// Whether the same request may succeed later although nobody changes anything: nodes that are away, refuse or answer nonsense for
    /// now, services that do not sign now, transactions that wait, or failed by what L1 had only then.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused { .. }
                | Self::Malformed { .. }
                | Self::FeeAboveLimit { .. }
                | Self::NotIncluded { .. }
                | Self::NonceTaken { .. }
                | Self::RemoteSigner { .. }
                | Self::FailedOnChain { refusal: None, .. }
        )
    }
}
