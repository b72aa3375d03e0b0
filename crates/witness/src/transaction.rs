//! Transactions from the JSON of a block, as the block's body holds them.
//!
//! Only what is signed is read, so hashes, senders, places and sidecars do not matter. The header's transactions root
//! tells whether it was read right.

use crate::json::{Object, bytes, fixed, list, number, padded, text, whole};
use alloy_consensus::{
    EthereumTxEnvelope, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    transaction::from_eip155_value,
};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, TxDeposit};
use serde_json::value::RawValue;

#[cfg(test)]
pub(crate) mod tests;

/// Why a transaction is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is right, but of a kind that is not followed.
    Unsupported(String),
    /// A member cannot be read.
    Member(String),
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::Member(reason)
    }
}

/// The EIP-2718 encoding.
pub(crate) fn encoded(raw: &RawValue) -> Result<Bytes, Unread> {
    if raw.get().starts_with('"') {
        return Err(Unread::Member("the block shows hashes in place of transactions".to_owned()));
    }
    let shown = Object::read(raw.get())?;
    if kind(&shown)? == u64::from(DEPOSIT_TX_TYPE_ID) {
        return Ok(deposit(&shown)?.encoded_2718().into());
    }
    let envelope: EthereumTxEnvelope<TxEip4844> = match kind(&shown)? {
        0 => {
            let (signature, chain_id) = legacy_signature(&shown)?;
            let transaction = TxLegacy {
                chain_id,
                nonce: nonce(&shown)?,
                gas_price: gas_price(&shown)?,
                gas_limit: gas_limit(&shown)?,
                to: to(&shown)?,
                value: value(&shown)?,
                input: input(&shown)?,
            };
            signed(transaction, signature).into()
        }
        1 => {
            let transaction = TxEip2930 {
                chain_id: chain_id(&shown)?,
                nonce: nonce(&shown)?,
                gas_price: gas_price(&shown)?,
                gas_limit: gas_limit(&shown)?,
                to: to(&shown)?,
                value: value(&shown)?,
                access_list: access_list(&shown)?,
                input: input(&shown)?,
            };
            signed(transaction, signature(&shown)?).into()
        }
        2 => {
            let transaction = TxEip1559 {
                chain_id: chain_id(&shown)?,
                nonce: nonce(&shown)?,
                gas_limit: gas_limit(&shown)?,
                max_fee_per_gas: fee(&shown, "maxfeepergas")?,
                max_priority_fee_per_gas: fee(&shown, "maxpriorityfeepergas")?,
                to: to(&shown)?,
                value: value(&shown)?,
                access_list: access_list(&shown)?,
                input: input(&shown)?,
            };
            signed(transaction, signature(&shown)?).into()
        }
        3 => {
            let transaction = TxEip4844 {
                chain_id: chain_id(&shown)?,
                nonce: nonce(&shown)?,
                gas_limit: gas_limit(&shown)?,
                max_fee_per_gas: fee(&shown, "maxfeepergas")?,
                max_priority_fee_per_gas: fee(&shown, "maxpriorityfeepergas")?,
                to: shown.required(&["to"], address)?,
                value: value(&shown)?,
                access_list: access_list(&shown)?,
                blob_versioned_hashes: shown.required(&["blobversionedhashes"], |hashes| {
                    list(hashes)?.into_iter().map(fixed::<32>).collect()
                })?,
                max_fee_per_blob_gas: fee(&shown, "maxfeeperblobgas")?,
                input: input(&shown)?,
            };
            signed(transaction, signature(&shown)?).into()
        }
        4 => {
            let transaction = TxEip7702 {
                chain_id: chain_id(&shown)?,
                nonce: nonce(&shown)?,
                gas_limit: gas_limit(&shown)?,
                max_fee_per_gas: fee(&shown, "maxfeepergas")?,
                max_priority_fee_per_gas: fee(&shown, "maxpriorityfeepergas")?,
                to: shown.required(&["to"], address)?,
                value: value(&shown)?,
                access_list: access_list(&shown)?,
                authorization_list: shown.required(&["authorizationlist"], |authorizations| {
                    list(authorizations)?.into_iter().map(authorization).collect()
                })?,
                input: input(&shown)?,
            };
            signed(transaction, signature(&shown)?).into()
        }
        other => {
            return Err(Unread::Unsupported(format!("a transaction is of the unknown type {other:#04x}")));
        }
    };
    Ok(envelope.encoded_2718().into())
}

/// A deposit of the OP Stack, which nobody signs.
fn deposit(shown: &Object<'_>) -> Result<TxDeposit, Unread> {
    let mint = shown.optional(&["mint"], whole)?.unwrap_or_default();
    let mint = u128::try_from(mint)
        .map_err(|_| Unread::Unsupported(format!("a deposit mints {mint} wei, which no L1 has")))?;
    Ok(TxDeposit {
        source_hash: shown.required(&["sourcehash"], fixed::<32>)?,
        from: shown.required(&["from"], address)?,
        to: to(shown)?,
        mint,
        value: value(shown)?,
        gas_limit: gas_limit(shown)?,
        is_system_transaction: shown.optional(&["issystemtx"], truth)?.unwrap_or_default(),
        input: input(shown)?,
    })
}

fn truth(raw: &RawValue) -> Result<bool, String> {
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

fn signed<T>(transaction: T, signature: Signature) -> Signed<T> {
    Signed::new_unchecked(transaction, signature, B256::ZERO)
}

/// The type; where it is not said, that of the newest member that is there.
fn kind(shown: &Object<'_>) -> Result<u64, String> {
    if let Some(kind) = shown.optional(&["type"], number)? {
        return Ok(kind);
    }
    let newest =
        [(4, "authorizationlist"), (3, "blobversionedhashes"), (2, "maxfeepergas"), (1, "accesslist")];
    Ok(newest.into_iter().find(|(_, name)| shown.get(name).is_some()).map_or(0, |(kind, _)| kind))
}

fn nonce(shown: &Object<'_>) -> Result<u64, String> {
    shown.required(&["nonce"], number)
}

fn chain_id(shown: &Object<'_>) -> Result<u64, String> {
    shown.required(&["chainid"], number)
}

fn gas_limit(shown: &Object<'_>) -> Result<u64, String> {
    shown.required(&["gas", "gaslimit"], number)
}

fn gas_price(shown: &Object<'_>) -> Result<u128, Unread> {
    fee(shown, "gasprice")
}

fn fee(shown: &Object<'_>, name: &str) -> Result<u128, Unread> {
    let wei = shown.required(&[name], whole)?;
    u128::try_from(wei)
        .map_err(|_| Unread::Unsupported(format!("a transaction offers {wei} wei for a unit of gas")))
}

fn value(shown: &Object<'_>) -> Result<U256, String> {
    Ok(shown.optional(&["value"], whole)?.unwrap_or_default())
}

fn input(shown: &Object<'_>) -> Result<Bytes, String> {
    Ok(shown.optional(&["input", "data"], bytes)?.unwrap_or_default())
}

fn address(raw: &RawValue) -> Result<Address, String> {
    fixed::<20>(raw).map(Address)
}

fn to(shown: &Object<'_>) -> Result<TxKind, String> {
    let nobody = |raw: &RawValue| text(raw).is_ok_and(|written| matches!(written.as_ref(), "" | "0x"));
    match shown.get("to") {
        Some(raw) if !nobody(raw) => {
            Ok(TxKind::Call(address(raw).map_err(|error| format!("`to`: {error}"))?))
        }
        _ => Ok(TxKind::Create),
    }
}

fn access_list(shown: &Object<'_>) -> Result<AccessList, String> {
    let item = |raw: &RawValue| {
        let item = Object::read(raw.get())?;
        let keys =
            item.optional(&["storagekeys"], |keys| list(keys)?.into_iter().map(padded::<32>).collect())?;
        Ok(AccessListItem {
            address: item.required(&["address"], address)?,
            storage_keys: keys.unwrap_or_default(),
        })
    };
    let items = shown.optional(&["accesslist"], |items| {
        list(items)?.into_iter().map(item).collect::<Result<_, String>>()
    })?;
    Ok(AccessList(items.unwrap_or_default()))
}

fn authorization(raw: &RawValue) -> Result<SignedAuthorization, String> {
    let shown = Object::read(raw.get())?;
    let inner = Authorization {
        chain_id: shown.required(&["chainid"], whole)?,
        address: shown.required(&["address"], address)?,
        nonce: nonce(&shown)?,
    };
    // It may be any byte: what is not 0 or 1 makes the authorization void, not the transaction.
    let parity = shown.required(&["yparity", "v"], number::<u8>)?;
    let (r, s) = (shown.required(&["r"], whole)?, shown.required(&["s"], whole)?);
    Ok(SignedAuthorization::new_unchecked(inner, parity, r, s))
}

/// The signature of a typed transaction: `v` is its parity, or as in older ones.
fn signature(shown: &Object<'_>) -> Result<Signature, String> {
    let said = shown.required(&["yparity", "v"], number::<u128>)?;
    let odd = parity(said).ok_or_else(|| format!("`yparity` is {said}"))?;
    Ok(Signature::new(shown.required(&["r"], whole)?, shown.required(&["s"], whole)?, odd))
}

fn legacy_signature(shown: &Object<'_>) -> Result<(Signature, Option<u64>), String> {
    let said = shown.required(&["v", "yparity"], number::<u128>)?;
    let odd = parity(said).ok_or_else(|| format!("`v` is {said}"))?;
    let chain_id = match said {
        // The parity alone: the chain is said beside it, if it is signed.
        0 | 1 => shown.optional(&["chainid"], number)?,
        _ => from_eip155_value(said).and_then(|(_, chain_id)| chain_id),
    };
    Ok((Signature::new(shown.required(&["r"], whole)?, shown.required(&["s"], whole)?, odd), chain_id))
}

fn parity(said: u128) -> Option<bool> {
    match said {
        0 | 1 => Some(said == 1),
        _ => from_eip155_value(said).map(|(odd, _)| odd),
    }
}
