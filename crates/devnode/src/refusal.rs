//! Why a transaction is not taken, in geth's words, which tools know.

use alloy_primitives::{Address, B256, U256};

/// Why a transaction is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("rlp: {0}")]
    Malformed(String),
    #[error("invalid sender")]
    Signature,
    #[error("invalid chain id for signer: have {got} want {want}")]
    ChainId { got: u64, want: u64 },
    #[error("already known")]
    Known,
    #[error("nonce too low: next nonce {next}, tx nonce {got}")]
    NonceTooLow { next: u64, got: u64 },
    #[error("nonce too high: next nonce {next}, tx nonce {got}, and the pool takes at most {most} more")]
    NonceTooHigh { next: u64, got: u64, most: u64 },
    #[error("nonce has max value")]
    NonceMax,
    #[error("replacement transaction underpriced: at least {want} wei per gas, tip {tip}")]
    ReplacementUnderpriced { want: u128, tip: u128 },
    #[error("transaction underpriced: max fee per gas {got}, and no block's base fee is below {least}")]
    Underpriced { got: u128, least: u64 },
    #[error("max fee per gas or max fee per blob gas is above 2^96 wei")]
    FeeAbsurd,
    #[error("max priority fee per gas higher than max fee per gas: {tip} above {fee}")]
    TipAboveFee { tip: u128, fee: u128 },
    #[error("insufficient funds for gas * price + value: address {sender} have {have} want {want}")]
    Funds { sender: Address, have: U256, want: U256 },
    #[error("intrinsic gas too low: have {got}, want {want}")]
    IntrinsicGas { got: u64, want: u64 },
    #[error("insufficient gas for floor data gas cost: have {got}, want {want}")]
    FloorGas { got: u64, want: u64 },
    #[error("exceeds block gas limit: tx {got}, block {limit}")]
    BlockGasLimit { got: u64, limit: u64 },
    #[error("transaction gas limit too high (cap: {cap}, tx: {got})")]
    GasCap { got: u64, cap: u64 },
    #[error("max initcode size exceeded: code size {got}, limit {limit}")]
    InitCode { got: usize, limit: usize },
    #[error("oversized data: transaction size {got}, limit {limit}")]
    Oversized { got: usize, limit: usize },
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderHasCode { sender: Address, code_hash: B256 },
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    #[error("missing blobs: the transaction must come with its sidecar")]
    BlobsMissing,
    #[error("blob sidecar is not that of the transaction: {0}")]
    Sidecar(&'static str),
    #[error("too many blobs in transaction: have {got}, permitted {most}")]
    TooManyBlobs { got: usize, most: u64 },
    #[error("transaction type not supported: the chain's fork does not know it")]
    TypeNotSupported,
    #[error("txpool is full")]
    Full,
}
