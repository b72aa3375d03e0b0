//! The transactions of a span batch, whose parts are kept apart from each other.

use super::Unread;
use super::span::{MAX_ELEMENTS, bits, uvarint};
use crate::codec::Reader;
use alloc::{vec, vec::Vec};
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use alloy_rlp::{Decodable, Header};

/// What is written of a transaction beside its signature, recipient, nonce and gas.
enum Data {
    Legacy {
        value: U256,
        gas_price: u128,
        input: Bytes,
    },
    Eip2930 {
        value: U256,
        gas_price: u128,
        input: Bytes,
        access_list: AccessList,
    },
    Eip1559 {
        value: U256,
        tip: u128,
        max_fee: u128,
        input: Bytes,
        access_list: AccessList,
    },
    Eip7702 {
        value: U256,
        tip: u128,
        max_fee: u128,
        input: Bytes,
        access_list: AccessList,
        authorizations: Vec<SignedAuthorization>,
    },
}

/// So many transactions, each in its EIP-2718 encoding.
pub(super) fn decode(input: &mut Reader<'_>, count: u64, chain_id: u64) -> Result<Vec<Bytes>, Unread> {
    let (signatures, recipients) = signatures(input, count).ok_or(Unread::NoBatch)?;
    let datas: Vec<Data> = (0..count).map(|_| data(input)).collect::<Result<_, _>>()?;
    envelopes(input, chain_id, &signatures, &recipients, datas)
}

fn signatures(input: &mut Reader<'_>, count: u64) -> Option<(Vec<Signature>, Vec<TxKind>)> {
    let creates = bits(input, count)?;
    let parities = bits(input, count)?;
    let signatures = parities
        .into_iter()
        .map(|parity| {
            let (r, s) = (input.fixed::<32>().ok()?, input.fixed::<32>().ok()?);
            Some(Signature::new(U256::from_be_bytes(r), U256::from_be_bytes(s), parity))
        })
        .collect::<Option<_>>()?;
    let recipients = creates
        .iter()
        .map(|creates| match creates {
            true => Some(TxKind::Create),
            false => input.fixed::<20>().ok().map(|to| TxKind::Call(Address(to.into()))),
        })
        .collect::<Option<_>>()?;
    Some((signatures, recipients))
}

fn envelopes(
    input: &mut Reader<'_>,
    chain_id: u64,
    signatures: &[Signature],
    recipients: &[TxKind],
    datas: Vec<Data>,
) -> Result<Vec<Bytes>, Unread> {
    let mut numbers =
        || datas.iter().map(|_| uvarint(input)).collect::<Option<Vec<u64>>>().ok_or(Unread::NoBatch);
    let (nonces, gases) = (numbers()?, numbers()?);
    let legacy = datas.iter().filter(|data| matches!(data, Data::Legacy { .. })).count();
    let mut protected = bits(input, legacy as u64).ok_or(Unread::NoBatch)?.into_iter();

    let mut transactions = vec![];
    for (at, data) in datas.into_iter().enumerate() {
        let (signature, nonce, gas_limit, to) = (signatures[at], nonces[at], gases[at], recipients[at]);
        let mut encoded = Vec::new();
        match data {
            Data::Legacy { value, gas_price, input } => {
                let chain_id = (protected.next() == Some(true)).then_some(chain_id);
                let one = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                one.eip2718_encode(&signature, &mut encoded);
            }
            Data::Eip2930 { value, gas_price, input, access_list } => {
                let one = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
                one.eip2718_encode(&signature, &mut encoded);
            }
            Data::Eip1559 { value, tip, max_fee, input, access_list } => {
                let one = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    input,
                };
                one.eip2718_encode(&signature, &mut encoded);
            }
            Data::Eip7702 { value, tip, max_fee, input, access_list, authorizations } => {
                let one = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: tip,
                    // It cannot create.
                    to: *to.to().ok_or(Unread::Unusable)?,
                    value,
                    access_list,
                    authorization_list: authorizations,
                    input,
                };
                one.eip2718_encode(&signature, &mut encoded);
            }
        }
        transactions.push(encoded.into());
    }
    Ok(transactions)
}

/// What is written of a transaction: a byte for its type, where it has one, and a list.
fn data(input: &mut Reader<'_>) -> Result<Data, Unread> {
    // A list, or what should be one, is of a transaction without a type.
    let kind = input.0.first().copied().filter(|first| *first < 0x80);
    input.0 = &input.0[usize::from(kind.is_some())..];
    let before = input.0.len();
    let list = Header::decode_bytes(&mut input.0, true).map_err(|_| Unread::NoBatch)?;
    if (before - input.0.len()) as u64 > MAX_ELEMENTS {
        return Err(Unread::NoBatch);
    }
    fields(kind, list).map_err(|_| Unread::Unusable)
}

/// The fields of a transaction of this type.
fn fields(kind: Option<u8>, mut list: &[u8]) -> alloy_rlp::Result<Data> {
    let fields = &mut list;
    let value = U256::decode(fields)?;
    let data = match kind {
        None | Some(1) => {
            let gas_price = u128::decode(fields)?;
            let input = Bytes::decode(fields)?;
            match kind {
                None => Data::Legacy { value, gas_price, input },
                _ => Data::Eip2930 { value, gas_price, input, access_list: AccessList::decode(fields)? },
            }
        }
        Some(2 | 4) => {
            let (tip, max_fee) = (u128::decode(fields)?, u128::decode(fields)?);
            let input = Bytes::decode(fields)?;
            let access_list = AccessList::decode(fields)?;
            match kind {
                Some(2) => Data::Eip1559 { value, tip, max_fee, input, access_list },
                _ => {
                    let authorizations = Vec::decode(fields)?;
                    Data::Eip7702 { value, tip, max_fee, input, access_list, authorizations }
                }
            }
        }
        Some(_) => return Err(alloy_rlp::Error::Custom("another type")),
    };
    if fields.is_empty() { Ok(data) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}
