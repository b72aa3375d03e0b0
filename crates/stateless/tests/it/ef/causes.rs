//! Which of our errors are the exceptions that tests name.

use StatelessError as E;
use proofmill_stateless::StatelessError;
use revm::context::result::InvalidTransaction as Tx;

/// Why a wrong block was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be taken apart into a header, transactions and withdrawals.
    NotABlock(String),
    /// Execution says so.
    Refused(StatelessError),
}

impl Refusal {
    /// Whether this is one of the exceptions `A|B|...`; errors with a name that is not in the table.
    pub(crate) fn is_one_of(&self, exceptions: &str) -> Result<bool, String> {
        let mut is = false;
        for name in exceptions.split('|') {
            let (_, matches) = TABLE
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| format!("the exception {name} is not in the table"))?;
            is |= matches(self);
        }
        Ok(is)
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotABlock(reason) => write!(f, "it is not a block: {reason}"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

type Matches = fn(&Refusal) -> bool;

/// A transaction's reason.
macro_rules! tx {
    ($pattern:pat) => {
        |refusal: &Refusal| matches!(refusal, Refusal::Refused(E::InvalidTransaction { reason, .. }) if matches!(**reason, $pattern))
    };
}

/// An error of the block.
macro_rules! block {
    ($pattern:pat) => {
        |refusal: &Refusal| matches!(refusal, Refusal::Refused($pattern))
    };
}

/// The block or one of its transactions is not encoded as it must be.
const ENCODING: Matches = |refusal| {
    matches!(
        refusal,
        Refusal::NotABlock(_)
            | Refusal::Refused(
                E::Decode(_)
                    | E::MalformedTransaction { .. }
                    | E::FieldMissing { .. }
                    | E::FieldUnknown { .. }
                    | E::WithdrawalsMissing { .. }
            )
    )
};
const SIGNATURE: Matches =
    |refusal| matches!(refusal, Refusal::Refused(E::BadSignature { .. } | E::MalformedTransaction { .. }));
const OMMERS: Matches = block!(E::NotProofOfStake { field: "list of ommers", .. });
const NONCE: Matches = |refusal| ENCODING(refusal) || tx!(Tx::NonceOverflowInTransaction)(refusal);

const TABLE: &[(&str, Matches)] = &[
    ("TransactionException.ADDRESS_TOO_LONG", ENCODING),
    ("TransactionException.ADDRESS_TOO_SHORT", ENCODING),
    ("TransactionException.GASLIMIT_OVERFLOW", ENCODING),
    ("TransactionException.GASPRICE_OVERFLOW", ENCODING),
    ("TransactionException.PRIORITY_OVERFLOW", ENCODING),
    ("TransactionException.VALUE_OVERFLOW", ENCODING),
    ("TransactionException.TYPE_NOT_SUPPORTED", ENCODING),
    ("TransactionException.RLP_INVALID_VALUE", ENCODING),
    ("TransactionException.RLP_INVALID_DATA", ENCODING),
    ("TransactionException.RLP_INVALID_NONCE", ENCODING),
    ("TransactionException.RLP_INVALID_TO", ENCODING),
    ("TransactionException.RLP_INVALID_GASLIMIT", ENCODING),
    ("TransactionException.RLP_INVALID_HEADER", ENCODING),
    ("TransactionException.RLP_INVALID_SIGNATURE_R", ENCODING),
    ("TransactionException.RLP_INVALID_SIGNATURE_S", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_GASLIMIT", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_GASPRICE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_VALUE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_NONCE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_R", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_S", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_V", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_BASEFEE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_PRIORITY_FEE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_DATA_SIZE", ENCODING),
    ("TransactionException.RLP_LEADING_ZEROS_NONCE_SIZE", ENCODING),
    ("TransactionException.RLP_TOO_FEW_ELEMENTS", ENCODING),
    ("TransactionException.RLP_TOO_MANY_ELEMENTS", ENCODING),
    ("TransactionException.RLP_ERROR_EOF", ENCODING),
    ("TransactionException.RLP_ERROR_SIZE", ENCODING),
    ("TransactionException.RLP_ERROR_SIZE_LEADING_ZEROS", ENCODING),
    ("TransactionException.INVALID_SIGNATURE_VRS", SIGNATURE),
    ("TransactionException.INVALID_CHAINID", block!(E::ChainIdMismatch { .. })),
    ("TransactionException.SENDER_NOT_EOA", tx!(Tx::RejectCallerWithCode)),
    ("TransactionException.NONCE_MISMATCH_TOO_HIGH", tx!(Tx::NonceTooHigh { .. })),
    ("TransactionException.NONCE_MISMATCH_TOO_LOW", tx!(Tx::NonceTooLow { .. })),
    ("TransactionException.NONCE_IS_MAX", NONCE),
    ("TransactionException.NONCE_OVERFLOW", NONCE),
    ("TransactionException.NONCE_TOO_BIG", NONCE),
    (
        "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
        tx!(Tx::LackOfFundForMaxFee { .. } | Tx::OverflowPaymentInTransaction),
    ),
    // A price of 2^128 wei and more is not read.
    ("TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW", |refusal| {
        tx!(Tx::OverflowPaymentInTransaction)(refusal) || ENCODING(refusal)
    }),
    ("TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS", tx!(Tx::GasPriceLessThanBasefee)),
    ("TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", tx!(Tx::PriorityFeeGreaterThanMaxFee)),
    ("TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2", tx!(Tx::PriorityFeeGreaterThanMaxFee)),
    ("TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS", tx!(Tx::BlobGasPriceGreaterThanMax { .. })),
    (
        "TransactionException.INTRINSIC_GAS_TOO_LOW",
        tx!(Tx::CallGasCostMoreThanGasLimit { .. } | Tx::GasFloorMoreThanGasLimit { .. }),
    ),
    (
        "TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST",
        tx!(Tx::CallGasCostMoreThanGasLimit { .. } | Tx::GasFloorMoreThanGasLimit { .. }),
    ),
    ("TransactionException.INITCODE_SIZE_EXCEEDED", tx!(Tx::CreateInitCodeSizeLimit)),
    ("TransactionException.GAS_ALLOWANCE_EXCEEDED", block!(E::GasAboveBlockLimit { .. })),
    ("TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM", tx!(Tx::TxGasLimitGreaterThanCap { .. })),
    ("TransactionException.TYPE_1_TX_PRE_FORK", tx!(Tx::Eip2930NotSupported)),
    ("TransactionException.TYPE_2_TX_PRE_FORK", tx!(Tx::Eip1559NotSupported)),
    ("TransactionException.TYPE_3_TX_PRE_FORK", tx!(Tx::Eip4844NotSupported)),
    ("TransactionException.TYPE_3_TX_ZERO_BLOBS_PRE_FORK", tx!(Tx::Eip4844NotSupported)),
    ("TransactionException.TYPE_3_TX_ZERO_BLOBS", tx!(Tx::EmptyBlobs)),
    ("TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", tx!(Tx::BlobVersionNotSupported)),
    // What a header claims is compared with the maximum before transactions are looked at.
    ("TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED", block!(E::BlobGasAboveLimit { .. })),
    ("TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED", |refusal| {
        tx!(Tx::TooManyBlobs { .. })(refusal) || block!(E::BlobGasAboveLimit { .. })(refusal)
    }),
    ("TransactionException.TYPE_3_TX_CONTRACT_CREATION", ENCODING),
    ("TransactionException.TYPE_3_TX_WITH_FULL_BLOBS", ENCODING),
    ("TransactionException.TYPE_4_TX_PRE_FORK", tx!(Tx::Eip7702NotSupported)),
    ("TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST", tx!(Tx::EmptyAuthorizationList)),
    ("TransactionException.TYPE_4_TX_CONTRACT_CREATION", ENCODING),
    ("TransactionException.TYPE_4_INVALID_AUTHORITY_SIGNATURE", ENCODING),
    ("TransactionException.TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH", ENCODING),
    ("TransactionException.TYPE_4_INVALID_AUTHORIZATION_FORMAT", ENCODING),
    ("BlockException.UNKNOWN_PARENT", block!(E::ParentHashMismatch { .. })),
    ("BlockException.UNKNOWN_PARENT_ZERO", block!(E::ParentHashMismatch { .. })),
    ("BlockException.INVALID_BLOCK_NUMBER", block!(E::NumberMismatch { .. })),
    ("BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", block!(E::TimestampNotAfterParent { .. })),
    ("BlockException.EXTRA_DATA_TOO_BIG", block!(E::ExtraDataTooLong { .. })),
    (
        "BlockException.INVALID_GASLIMIT",
        block!(E::GasLimitOutOfBounds { .. } | E::GasLimitAboveMaximum { .. }),
    ),
    ("BlockException.INVALID_BASEFEE_PER_GAS", block!(E::BaseFeeMismatch { .. })),
    ("BlockException.INVALID_GAS_USED", block!(E::GasUsedMismatch { .. })),
    ("BlockException.INVALID_GAS_USED_ABOVE_LIMIT", block!(E::GasUsedAboveLimit { .. })),
    ("BlockException.GAS_USED_OVERFLOW", block!(E::GasUsedAboveLimit { .. } | E::GasAboveBlockLimit { .. })),
    ("BlockException.INVALID_LOG_BLOOM", block!(E::LogsBloomMismatch { .. })),
    ("BlockException.INVALID_STATE_ROOT", block!(E::StateRootMismatch { .. })),
    ("BlockException.INVALID_RECEIPTS_ROOT", block!(E::ReceiptsRootMismatch { .. })),
    ("BlockException.INVALID_TRANSACTIONS_ROOT", block!(E::TransactionsRootMismatch { .. })),
    ("BlockException.INVALID_WITHDRAWALS_ROOT", block!(E::WithdrawalsRootMismatch { .. })),
    ("BlockException.INCORRECT_EXCESS_BLOB_GAS", block!(E::ExcessBlobGasMismatch { .. })),
    (
        "BlockException.INCORRECT_BLOB_GAS_USED",
        block!(E::BlobGasUsedMismatch { .. } | E::BlobGasAboveLimit { .. }),
    ),
    ("BlockException.BLOB_GAS_USED_ABOVE_LIMIT", block!(E::BlobGasAboveLimit { .. })),
    ("BlockException.INVALID_REQUESTS", block!(E::RequestsHashMismatch { .. })),
    ("BlockException.INVALID_DEPOSIT_EVENT_LAYOUT", block!(E::MalformedDeposit { .. })),
    ("BlockException.SYSTEM_CONTRACT_EMPTY", block!(E::SystemContractMissing { .. })),
    ("BlockException.SYSTEM_CONTRACT_CALL_FAILED", block!(E::SystemCall { .. })),
    ("BlockException.RLP_BLOCK_LIMIT_EXCEEDED", block!(E::BlockTooLarge { .. })),
    ("BlockException.RLP_STRUCTURES_ENCODING", ENCODING),
    ("BlockException.RLP_INVALID_FIELD_OVERFLOW_64", ENCODING),
    ("BlockException.RLP_INVALID_ADDRESS", ENCODING),
    ("BlockException.RLP_WITHDRAWALS_NOT_READ", ENCODING),
    ("BlockException.INCORRECT_BLOCK_FORMAT", ENCODING),
    // What a consensus client compares with the block; the header's own rules find it otherwise.
    ("BlockException.INVALID_VERSIONED_HASHES", |_| false),
    (
        "BlockException.IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
        block!(E::NotProofOfStake { field: "difficulty", .. }),
    ),
    ("BlockException.INVALID_DIFFICULTY", block!(E::NotProofOfStake { field: "difficulty", .. })),
    ("BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", OMMERS),
    ("BlockException.INVALID_UNCLES_HASH", OMMERS),
    ("BlockException.TOO_MANY_UNCLES", OMMERS),
];
