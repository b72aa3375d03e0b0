//! Whether a transaction can be in a block, before anything is executed.

use crate::{
    pool::{BodyTransaction, Pooled},
    refusal::Refusal,
};
use alloy_consensus::{
    Header, Transaction, TxEip4844Variant, TxEnvelope,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{eip2718::Decodable2718, eip2718::Encodable2718, eip7594::BlobTransactionSidecarVariant};
use alloy_evm::ToTxEnv;
use alloy_primitives::{B256, U256};
use proofmill_stateless::{ChainSpec, Fork};
use revm::{
    context::TxEnv,
    context_interface::cfg::gas::calculate_initial_tx_gas_for_tx,
    primitives::{eip3860::MAX_INITCODE_SIZE, eip7825::TX_GAS_LIMIT_CAP, hardfork::SpecId},
    state::AccountInfo,
};

/// The most bytes of a transaction without blobs, as geth's pool takes them.
const MOST_BYTES: usize = 128 << 10;
/// The most bytes of one with blobs: nine of 128 KiB, and their proofs.
const MOST_BYTES_WITH_BLOBS: usize = 2 << 20;
/// A base fee below this does not fall any more (EIP-1559 takes an eighth, rounded down).
pub(crate) const LEAST_BASE_FEE: u64 = 7;
/// More wei than there are; so that no product of gas and price leaves 256 bits or is nonsense.
const MOST_FEE: u128 = 1 << 96;

/// Reads what `eth_sendRawTransaction` was given.
pub(crate) fn read(raw: &[u8]) -> Result<TxEnvelope, Refusal> {
    let limit = if raw.first() == Some(&3) { MOST_BYTES_WITH_BLOBS } else { MOST_BYTES };
    if raw.len() > limit {
        return Err(Refusal::Oversized { got: raw.len(), limit });
    }
    TxEnvelope::decode_2718_exact(raw).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// Checks a transaction for itself. `next` is the header that the next block would have.
pub(crate) fn check(rules: &ChainSpec, next: &Header, transaction: TxEnvelope) -> Result<Pooled, Refusal> {
    let fork = rules.fork_at(next.timestamp).unwrap_or(Fork::Shanghai);
    if let Some(got) = transaction.chain_id()
        && got != rules.chain_id
    {
        return Err(Refusal::ChainId { got, want: rules.chain_id });
    }
    match &transaction {
        TxEnvelope::Eip4844(_) if fork < Fork::Cancun => return Err(Refusal::TypeNotSupported),
        TxEnvelope::Eip7702(_) if fork < Fork::Prague => return Err(Refusal::TypeNotSupported),
        TxEnvelope::Eip4844(signed) => {
            let TxEip4844Variant::TxEip4844WithSidecar(with) = signed.tx() else {
                return Err(Refusal::BlobsMissing);
            };
            check_blobs(rules, next, &with.tx.blob_versioned_hashes, &with.sidecar, fork)?;
        }
        TxEnvelope::Eip7702(signed) if signed.tx().authorization_list.is_empty() => {
            return Err(Refusal::NoAuthorizations);
        }
        _ => {}
    }
    let sender = transaction.recover_signer().map_err(|_| Refusal::Signature)?;
    check_prices(&transaction)?;
    let got = transaction.gas_limit();
    if fork >= Fork::Osaka && got > TX_GAS_LIMIT_CAP {
        return Err(Refusal::GasCap { got, cap: TX_GAS_LIMIT_CAP });
    }
    if got > next.gas_limit {
        return Err(Refusal::BlockGasLimit { got, limit: next.gas_limit });
    }
    if transaction.is_create() && transaction.input().len() > MAX_INITCODE_SIZE {
        return Err(Refusal::InitCode { got: transaction.input().len(), limit: MAX_INITCODE_SIZE });
    }
    if transaction.nonce() == u64::MAX {
        return Err(Refusal::NonceMax);
    }
    let hash = *transaction.tx_hash();
    let body = Recovered::new_unchecked(BodyTransaction::from(transaction), sender);
    let environment: TxEnv = body.to_tx_env();
    let gas = calculate_initial_tx_gas_for_tx(&environment, spec(fork), None);
    if got < gas.initial_total_gas() {
        return Err(Refusal::IntrinsicGas { got, want: gas.initial_total_gas() });
    }
    if fork >= Fork::Prague && got < gas.floor_gas() {
        return Err(Refusal::FloorGas { got, want: gas.floor_gas() });
    }
    Ok(Pooled { size: body.encode_2718_len(), hash, body })
}

/// Checks a transaction against its sender in the newest block.
pub(crate) fn check_sender(
    transaction: &Pooled,
    account: &AccountInfo,
    delegated: bool,
) -> Result<(), Refusal> {
    let (body, sender) = (&transaction.body, transaction.body.signer());
    if body.nonce() < account.nonce {
        return Err(Refusal::NonceTooLow { next: account.nonce, got: body.nonce() });
    }
    // EIP-3607; EIP-7702 lets those send that only point to code.
    if !account.is_empty_code_hash() && !delegated {
        return Err(Refusal::SenderHasCode { sender, code_hash: account.code_hash });
    }
    let gas = U256::from(body.max_fee_per_gas()) * U256::from(body.gas_limit());
    let blobs = U256::from(body.max_fee_per_blob_gas().unwrap_or_default())
        * U256::from(body.blob_gas_used().unwrap_or_default());
    let want = body.value().saturating_add(gas).saturating_add(blobs);
    if want > account.balance {
        return Err(Refusal::Funds { sender, have: account.balance, want });
    }
    Ok(())
}

fn check_prices(transaction: &TxEnvelope) -> Result<(), Refusal> {
    let fee = transaction.max_fee_per_gas();
    let tip = transaction.max_priority_fee_per_gas().unwrap_or(fee);
    if fee.max(transaction.max_fee_per_blob_gas().unwrap_or_default()) > MOST_FEE {
        return Err(Refusal::FeeAbsurd);
    }
    if tip > fee {
        return Err(Refusal::TipAboveFee { tip, fee });
    }
    if fee < u128::from(LEAST_BASE_FEE) {
        return Err(Refusal::Underpriced { got: fee, least: LEAST_BASE_FEE });
    }
    if transaction.max_fee_per_blob_gas() == Some(0) {
        return Err(Refusal::Underpriced { got: 0, least: 1 });
    }
    Ok(())
}

/// That the commitments are those that the transaction names. Nobody reads the blobs of this chain: their KZG proofs are not
/// verified, and they are not kept.
fn check_blobs(
    rules: &ChainSpec,
    next: &Header,
    hashes: &[B256],
    sidecar: &BlobTransactionSidecarVariant,
    fork: Fork,
) -> Result<(), Refusal> {
    let most = rules.blobs_at(next.timestamp).map_or(0, |params| params.max_blobs_per_tx);
    if hashes.is_empty() {
        return Err(Refusal::Sidecar("it has no blobs"));
    }
    if hashes.len() as u64 > most {
        return Err(Refusal::TooManyBlobs { got: hashes.len(), most });
    }
    let (blobs, commitments) = match (sidecar, fork >= Fork::Osaka) {
        (BlobTransactionSidecarVariant::Eip4844(sidecar), false) => {
            if sidecar.proofs.len() != sidecar.blobs.len() {
                return Err(Refusal::Sidecar("there must be one proof for each blob"));
            }
            (sidecar.blobs.len(), &sidecar.commitments)
        }
        (BlobTransactionSidecarVariant::Eip7594(sidecar), true) => {
            if sidecar.cell_proofs.len() != sidecar.blobs.len() * alloy_eips::eip7594::CELLS_PER_EXT_BLOB {
                return Err(Refusal::Sidecar("there must be 128 cell proofs for each blob"));
            }
            (sidecar.blobs.len(), &sidecar.commitments)
        }
        (_, true) => return Err(Refusal::Sidecar("from Osaka on it must have cell proofs (EIP-7594)")),
        (_, false) => return Err(Refusal::Sidecar("before Osaka it must have one proof for each blob")),
    };
    if blobs != hashes.len() || commitments.len() != hashes.len() {
        return Err(Refusal::Sidecar("blobs, commitments and hashes differ in number"));
    }
    let named =
        commitments.iter().map(|commitment| alloy_eips::eip4844::kzg_to_versioned_hash(&commitment[..]));
    if !named.eq(hashes.iter().copied()) {
        return Err(Refusal::Sidecar("a commitment does not hash to what the transaction names"));
    }
    Ok(())
}

pub(crate) const fn spec(fork: Fork) -> SpecId {
    match fork {
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
    }
}
