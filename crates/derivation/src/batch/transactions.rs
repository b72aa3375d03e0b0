//! The transactions of a span batch, whose parts are kept apart from each other.

use super::Unread;
use super::span::{bits, uvarint};
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
    envelopes(input, chain_id, &signatures, &recipients, datas).ok_or(Unread::NoBatch)
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
) -> Option<Vec<Bytes>> {
    let mut numbers = || datas.iter().map(|_| uvarint(input)).collect::<Option<Vec<u64>>>();
    let (nonces, gases) = (numbers()?, numbers()?);
    let legacy = datas.iter().filter(|data| matches!(data, Data::Legacy { .. })).count();
    let mut protected = bits(input, legacy as u64)?.into_iter();

    let mut transactions = vec![];
    for (at, data) in datas.into_iter().enumerate() {
        let (signature, nonce, gas_limit, to) = (signatures[at], nonces[at], gases[at], recipients[at]);
        let mut encoded = Vec::new();
        match data {
            Data::Legacy { value, gas_price, input } => {
                let chain_id = protected.next()?.then_some(chain_id);
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
                    to: *to.to()?,
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
    Some(transactions)
}

fn data(input: &mut Reader<'_>) -> Result<Data, Unread> {
    let kind = match *input.0.first().ok_or(Unread::NoBatch)? {
        kind @ (1 | 2 | 4) => {
            input.0 = &input.0[1..];
            kind
        }
        // A list is a transaction without a type.
        0xc0.. => 0,
        _ => return Err(Unread::NoBatch),
    };
    let mut fields = Header::decode_bytes(&mut input.0, true)?;
    let fields = &mut fields;
    let value = U256::decode(fields)?;
    let data = match kind {
        0 | 1 => {
            let gas_price = u128::decode(fields)?;
            let input = Bytes::decode(fields)?;
            match kind {
                0 => Data::Legacy { value, gas_price, input },
                _ => Data::Eip2930 { value, gas_price, input, access_list: AccessList::decode(fields)? },
            }
        }
        _ => {
            let (tip, max_fee) = (u128::decode(fields)?, u128::decode(fields)?);
            let input = Bytes::decode(fields)?;
            let access_list = AccessList::decode(fields)?;
            match kind {
                2 => Data::Eip1559 { value, tip, max_fee, input, access_list },
                _ => {
                    let authorizations = Vec::decode(fields)?;
                    Data::Eip7702 { value, tip, max_fee, input, access_list, authorizations }
                }
            }
        }
    };
    if fields.is_empty() { Ok(data) } else { Err(Unread::NoBatch) }
}
