//! Answers to `debug_executionWitness`, in all the shapes in which clients publish them.
//!
//! Nothing in them is trusted: nodes and codes are used by their hashes, and headers as far as they are linked to the
//! parent of the range. So what cannot be read, or is not known, is left out, and execution tells whether it was needed.

use crate::{
    BuildError,
    blocks::quantity,
    header::header,
    json::{Entries, Object, bytes, list},
    node::Inner,
    proof::is_about_form,
    rpc::{About, Fault, Unread},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable};
use proofmill_endpoints::Need;
use serde_json::{Value, json, value::RawValue};
use std::{collections::HashMap, sync::atomic::Ordering};

pub(crate) const EXECUTION_WITNESS: &str = "debug_executionWitness";

/// How far back BLOCKHASH reaches.
const REACH: usize = 256;

/// A block's witness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockWitness {
    /// Trie nodes.
    pub(crate) state: Vec<Bytes>,
    pub(crate) codes: Vec<Bytes>,
    pub(crate) headers: Vec<Header>,
}

impl BlockWitness {
    /// Reads an answer. It is an object with `state`, `codes` and `headers`, each a list, an object by hash, `null` or
    /// absent; headers are RLP or JSON. Or it is RLP: a list of headers, codes and nodes, as geth hands it to its engine
    /// API.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "null" {
            return Err("the node knows no witness of the block".to_owned());
        }
        if text.starts_with('"') {
            return Self::from_rlp(&bytes(serde_json::from_str(text).map_err(|error| error.to_string())?)?);
        }
        let shown = Object::read(text)?;
        let state = shown.required(&["state"], |raw| values(raw)?.into_iter().map(bytes).collect())?;
        let codes = shown.optional(&["codes"], |raw| values(raw)?.into_iter().map(bytes).collect())?;
        let headers = shown.optional(&["headers"], values)?.unwrap_or_default();
        let headers = headers.into_iter().filter_map(|raw| match one_header(raw) {
            Ok(header) => Some(header),
            Err(error) => {
                tracing::debug!(error, "a header of an execution witness cannot be read and is left out");
                None
            }
        });
        Ok(Self { state, codes: codes.unwrap_or_default(), headers: headers.collect() })
    }

    fn from_rlp(mut rlp: &[u8]) -> Result<Self, String> {
        let malformed = |error: alloy_rlp::Error| format!("it is not the RLP of a witness: {error}");
        let mut fields = alloy_rlp::Header::decode_bytes(&mut rlp, true).map_err(malformed)?;
        let mut headers = alloy_rlp::Header::decode_bytes(&mut fields, true).map_err(malformed)?;
        let mut read = Self::default();
        while !headers.is_empty() {
            read.headers.push(Header::decode(&mut headers).map_err(malformed)?);
        }
        read.codes = Vec::<Bytes>::decode(&mut fields).map_err(malformed)?;
        read.state = Vec::<Bytes>::decode(&mut fields).map_err(malformed)?;
        Ok(read)
    }

    /// The form in which it is kept.
    pub(crate) fn to_text(&self) -> String {
        let rlp = |header: &Header| {
            let mut rlp = Vec::new();
            header.encode(&mut rlp);
            Bytes::from(rlp)
        };
        let headers: Vec<Bytes> = self.headers.iter().map(rlp).collect();
        json!({ "state": self.state, "codes": self.codes, "headers": headers }).to_string()
    }
}

/// Of these headers those that lead back from `parent` by their hashes, newest first and without `parent`.
pub(crate) fn ancestors(headers: impl IntoIterator<Item = Header>, parent: &Header) -> Vec<Header> {
    let mut known: HashMap<B256, Header> =
        headers.into_iter().map(|header| (header.hash_slow(), header)).collect();
    let mut linked = Vec::new();
    let mut wanted = parent.parent_hash;
    while linked.len() < REACH
        && let Some(header) = known.remove(&wanted)
    {
        wanted = header.parent_hash;
        linked.push(header);
    }
    linked
}

/// What a list holds, or an object under whatever names, without `null`.
fn values(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    let mut values = match raw.get().as_bytes().first() {
        Some(b'{') => Entries::read(raw.get())?.0.into_iter().map(|(_, value)| value).collect(),
        _ => list(raw)?,
    };
    values.retain(|value| value.get() != "null");
    Ok(values)
}

fn one_header(raw: &RawValue) -> Result<Header, String> {
    if raw.get().starts_with('{') {
        return header(&Object::read(raw.get())?);
    }
    let rlp = bytes(raw)?;
    alloy_rlp::decode_exact(&rlp).map_err(|error| error.to_string())
}

/// A method, and its parameters for a block.
type WitnessRequest = (&'static str, fn(About) -> Value);

/// The ways to ask for a block's witness, in the order in which they are tried: by number all clients know, the others
/// are for nodes that have only those.
const WITNESS_REQUESTS: [WitnessRequest; 5] = [
    (EXECUTION_WITNESS, |about| json!([quantity(about.block)])),
    (EXECUTION_WITNESS, |about| json!([about.hash])),
    (EXECUTION_WITNESS, |about| json!([{ "blockHash": about.hash }])),
    ("debug_executionWitnessByBlockHash", |about| json!([about.hash])),
    ("debug_executionWitnessByHash", |about| json!([about.hash])),
];

/// The node's witness of one block.
pub(crate) struct BlockAnswer {
    pub(crate) witness: BlockWitness,
    /// Whether it is to be kept.
    pub(crate) is_new: bool,
}

impl Inner {
    /// The node's witness of a block; `None` where it does not have the method.
    pub(crate) async fn execution_witness(&self, about: About) -> Result<Option<BlockAnswer>, BuildError> {
        let cached = self.cache.get(about.hash, EXECUTION_WITNESS);
        if let Some(witness) = cached.and_then(|text| BlockWitness::read(&text).ok()) {
            return Ok(Some(BlockAnswer { witness, is_new: false }));
        }
        let known = self.witness_request.load(Ordering::Relaxed) % WITNESS_REQUESTS.len();
        let others = (0..WITNESS_REQUESTS.len()).filter(|place| *place != known);
        let mut refused = None;
        let mut missing = "";
        for place in std::iter::once(known).chain(others) {
            let (method, params) = WITNESS_REQUESTS[place];
            if method == missing {
                continue;
            }
            let read = |answer: &str| {
                BlockWitness::read(answer).map_err(|reason| BuildError::Malformed { method, reason })
            };
            let fault = match self.rpc.tried(Need::Block(about.block), method, params(about), read).await {
                Ok(witness) => {
                    self.witness_request.store(place, Ordering::Relaxed);
                    return Ok(Some(BlockAnswer { witness, is_new: self.cache.is_used() }));
                }
                Err(Unread::Rejected(error)) => return Err(error),
                Err(Unread::Fault(fault)) => fault,
            };
            match fault {
                Fault::MethodMissing => missing = method,
                fault if is_about_form(&fault) => {
                    refused.get_or_insert(fault.error(method, Some(about)));
                }
                fault => return Err(fault.error(method, Some(about))),
            }
        }
        refused.map_or(Ok(None), Err)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::keccak256;

    fn chain(length: u64) -> Vec<Header> {
        let mut headers: Vec<Header> = Vec::new();
        for number in 0..length {
            headers.push(Header {
                number,
                parent_hash: headers.last().map(Header::hash_slow).unwrap_or_default(),
                base_fee_per_gas: (number > 2).then_some(7),
                withdrawals_root: (number > 2).then_some(B256::repeat_byte(4)),
                extra_data: Bytes::from_static(b"extra"),
                ..Default::default()
            });
        }
        headers
    }

    fn example() -> BlockWitness {
        BlockWitness {
            state: vec![Bytes::from_static(&[1, 2]), Bytes::from_static(&[3]), Bytes::from_static(&[3])],
            codes: vec![Bytes::from_static(&[0x60])],
            headers: chain(5),
        }
    }

    fn read(shape: &Value) -> BlockWitness {
        BlockWitness::read(&shape.to_string()).unwrap()
    }

    /// geth, Erigon (its older form): headers as JSON objects, `keys` null; absent members are null.
    #[test]
    fn headers_as_objects_and_null_keys_are_read() {
        let wanted = example();
        let objects: Vec<Value> = wanted
            .headers
            .iter()
            .map(|header| {
                let mut shown = serde_json::to_value(header).unwrap();
                shown["hash"] = json!(header.hash_slow());
                for absent in [
                    "baseFeePerGas",
                    "withdrawalsRoot",
                    "blobGasUsed",
                    "requestsHash",
                    "slotNumber",
                    "balHash",
                ] {
                    if shown.get(absent).is_none() {
                        shown[absent] = Value::Null;
                    }
                }
                shown
            })
            .collect();
        let mut shape =
            json!({ "headers": objects, "codes": wanted.codes, "state": wanted.state, "keys": null });
        assert_eq!(read(&shape), wanted);
        shape.as_object_mut().unwrap().remove("keys");
        assert_eq!(read(&shape), wanted);
    }

    /// reth, Nethermind, Erigon, the specification: headers as RLP, with and without keys.
    #[test]
    fn headers_as_rlp_and_keys_are_read() {
        let wanted = example();
        let mut shape: Value = serde_json::from_str(&wanted.to_text()).unwrap();
        assert_eq!(read(&shape), wanted);
        shape["keys"] = json!(["0xaa", "0xbb"]);
        shape["stateSize"] = json!({ "something": "new" });
        assert_eq!(read(&shape), wanted);
        // Names in another case, and what Bor adds.
        let shape = json!({ "Context": {}, "Headers": shape["headers"], "State": shape["state"], "Codes": shape["codes"] });
        assert_eq!(read(&shape), wanted);
    }

    /// reth before 1.1: nodes and codes by their hashes, no headers.
    #[test]
    fn maps_by_hash_and_absent_headers_are_read() {
        let wanted = example();
        let map = |items: &[Bytes]| {
            items
                .iter()
                .map(|item| (keccak256(item).to_string(), json!(item)))
                .collect::<serde_json::Map<_, _>>()
        };
        let shape = json!({ "state": map(&wanted.state), "codes": map(&wanted.codes), "keys": {} });
        let mut got = read(&shape);
        got.state.sort();
        assert_eq!(got.state, [Bytes::from_static(&[1, 2]), Bytes::from_static(&[3])]);
        assert_eq!((got.codes, got.headers), (wanted.codes, Vec::new()));
        for codes in [Value::Null, json!([]), json!([null])] {
            let shape = json!({ "state": wanted.state, "codes": codes, "headers": null });
            assert_eq!(read(&shape), BlockWitness { state: example().state, ..Default::default() });
        }
    }

    #[test]
    fn the_rlp_of_a_witness_is_read() {
        let wanted = example();
        let mut fields = Vec::new();
        wanted.headers.encode(&mut fields);
        wanted.codes.encode(&mut fields);
        wanted.state.encode(&mut fields);
        for keys in [false, true] {
            if keys {
                Vec::<Bytes>::new().encode(&mut fields);
            }
            let mut rlp = Vec::new();
            alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut rlp);
            rlp.extend_from_slice(&fields);
            assert_eq!(read(&json!(Bytes::from(rlp))), wanted);
        }
        assert!(BlockWitness::read("\"0xc0\"").is_err());
    }

    #[test]
    fn what_is_not_a_witness_is_refused() {
        for shape in [
            "null",
            "{}",
            "[]",
            "5",
            "{\"state\": 5}",
            "{\"state\": [5]}",
            "{\"state\": [\"0x1\"]}",
            "{\"state\"",
        ] {
            assert!(BlockWitness::read(shape).is_err(), "{shape}");
        }
        // A header that cannot be read is left out.
        let got = read(&json!({ "state": [], "headers": ["0xc0", { "number": "0x1" }] }));
        assert_eq!(got, BlockWitness::default());
    }

    #[test]
    fn ancestors_are_those_that_are_linked() {
        let mut headers = chain(300);
        let parent = headers.pop().unwrap();
        let foreign = Header { number: 297, ..Default::default() };
        let mut shuffled: Vec<Header> = headers.iter().rev().cloned().collect();
        shuffled.insert(3, foreign.clone());
        shuffled.push(parent.clone());
        let linked = ancestors(shuffled, &parent);
        assert_eq!(linked.len(), 256);
        assert!(linked.iter().eq(headers.iter().rev().take(256)));
        assert!(ancestors([foreign], &parent).is_empty());
    }
}
