//! The transactions of a span batch, whose parts are kept apart from each other.

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
pub(super) fn decode(input: &mut Reader<'_>, count: u64, chain_id: u64) -> Option<Vec<Bytes>> {
    let creates = bits(input, count)?;
    let parities = bits(input, count)?;
    let signatures: Vec<(U256, U256)> = (0..count)
        .map(|_| {
            let (r, s) = (input.fixed::<32>().ok()?, input.fixed::<32>().ok()?);
            Some((U256::from_be_bytes(r), U256::from_be_bytes(s)))
        })
        .collect::<Option<_>>()?;
    let recipients: Vec<TxKind> = creates
        .iter()
        .map(|creates| match creates {
            true => Some(TxKind::Create),
            false => input.fixed::<20>().ok().map(|to| TxKind::Call(Address(to.into()))),
        })
        .collect::<Option<_>>()?;
    let datas: Vec<Data> = (0..count).map(|_| data(input)).collect::<Option<_>>()?;
    let nonces: Vec<u64> = (0..count).map(|_| uvarint(input)).collect::<Option<_>>()?;
    let gases: Vec<u64> = (0..count).map(|_| uvarint(input)).collect::<Option<_>>()?;
    let legacy = datas.iter().filter(|data| matches!(data, Data::Legacy { .. })).count();
    let mut protected = bits(input, legacy as u64)?.into_iter();

    let mut transactions = vec![];
    for (at, data) in datas.into_iter().enumerate() {
        let (r, s) = signatures[at];
        let signature = Signature::new(r, s, parities[at]);
        let (nonce, gas_limit, to) = (nonces[at], gases[at], recipients[at]);
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

fn data(input: &mut Reader<'_>) -> Option<Data> {
    let kind = match *input.0.first()? {
        kind @ (1 | 2 | 4) => {
            input.take(1).ok()?;
            kind
        }
        // A list is a transaction without a type.
        0xc0.. => 0,
        _ => return None,
    };
    let mut fields = Header::decode_bytes(&mut input.0, true).ok()?;
    let fields = &mut fields;
    let value = U256::decode(fields).ok()?;
    let data = match kind {
        0 | 1 => {
            let gas_price = u128::decode(fields).ok()?;
            let input = Bytes::decode(fields).ok()?;
            match kind {
                0 => Data::Legacy { value, gas_price, input },
                _ => Data::Eip2930 { value, gas_price, input, access_list: AccessList::decode(fields).ok()? },
            }
        }
        _ => {
            let (tip, max_fee) = (u128::decode(fields).ok()?, u128::decode(fields).ok()?);
            let input = Bytes::decode(fields).ok()?;
            let access_list = AccessList::decode(fields).ok()?;
            match kind {
                2 => Data::Eip1559 { value, tip, max_fee, input, access_list },
                _ => {
                    let authorizations = Vec::decode(fields).ok()?;
                    Data::Eip7702 { value, tip, max_fee, input, access_list, authorizations }
                }
            }
        }
    };
    fields.is_empty().then_some(data)
}
