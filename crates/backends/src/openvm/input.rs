//! What a guest reads: byte strings, one for each read.
//!
//! Two encodings are understood. Ours, which [`encode`] makes: the magic `PMSTDIN1`, then for each byte string its length
//! (u32, little endian) and its bytes. And the JSON of OpenVM's own command line, `{"input": ["0x01…", …]}`, where each
//! string is hex that begins with 01 for bytes or with 02 for field elements of 4 little-endian bytes.

use super::F;
use crate::BackendError;
use openvm_sdk::StdIn;
use openvm_stark_backend::p3_field::{PrimeCharacteristicRing, PrimeField32};
use proofmill_primitives::ProverType;
use serde::Deserialize;

const MAGIC: &[u8; 8] = b"PMSTDIN1";

/// Encodes byte strings. One longer than 4 GiB is cut off: no guest has that much memory.
pub(super) fn encode(frames: &[&[u8]]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&frame[..length as usize]);
    }
    out
}

/// Decodes either encoding.
pub(super) fn decode(input: &[u8]) -> Result<StdIn<F>, BackendError> {
    let frames = match input.strip_prefix(MAGIC) {
        Some(rest) => decode_frames(rest),
        None => decode_json(input),
    };
    frames
        .map(StdIn::from)
        .map_err(|cause| BackendError::MalformedInput { prover: ProverType::OpenVm, cause })
}

fn decode_frames(mut rest: &[u8]) -> Result<Vec<Vec<F>>, String> {
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let at = frames.len();
        let (length, after) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| format!("it ends inside the length of byte string {at}; it was cut off"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (frame, after) = after.split_at_checked(length).ok_or_else(|| {
            format!(
                "byte string {at} should have {length} bytes but {} are left; it was cut off",
                after.len()
            )
        })?;
        frames.push(bytes(frame));
        rest = after;
    }
    Ok(frames)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandLineInput {
    input: Vec<String>,
}

fn decode_json(input: &[u8]) -> Result<Vec<Vec<F>>, String> {
    let file: CommandLineInput = serde_json::from_slice(input).map_err(|error| {
        format!(
            "it is neither Proofmill's encoding (it does not begin with `PMSTDIN1`) nor OpenVM's JSON \
             `{{\"input\": [\"0x01…\"]}}` ({error})"
        )
    })?;
    file.input
        .iter()
        .enumerate()
        .map(|(at, text)| decode_hex(text).map_err(|cause| format!("entry {at} of `input`: {cause}")))
        .collect()
}

fn decode_hex(text: &str) -> Result<Vec<F>, String> {
    let decoded = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| error.to_string())?;
    match decoded.split_first() {
        Some((1, rest)) => Ok(bytes(rest)),
        Some((2, rest)) => rest
            .chunks(4)
            .map(|word| {
                let word = word.try_into().map_err(|_| "field elements have 4 bytes each".to_owned())?;
                let value = u32::from_le_bytes(word);
                if value < F::ORDER_U32 {
                    Ok(F::from_u32(value))
                } else {
                    Err(format!("{value} is not an element of the field of {} elements", F::ORDER_U32))
                }
            })
            .collect(),
        Some((kind, _)) => Err(format!("it begins with {kind:02x}: use 01 for bytes, 02 for field elements")),
        None => Err("it is empty: it must begin with 01 for bytes or 02 for field elements".to_owned()),
    }
}

fn bytes(frame: &[u8]) -> Vec<F> {
    frame.iter().map(|byte| F::from_u8(*byte)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8]) -> Vec<Vec<u32>> {
        let stdin = decode(input).unwrap();
        stdin.buffer.iter().map(|frame| frame.iter().map(PrimeField32::as_canonical_u32).collect()).collect()
    }

    #[test]
    fn both_encodings_say_the_same() {
        let ours = encode(&[&[1, 2, 255], &[], &[9]]);
        let theirs = br#"{"input": ["0x010102ff", "0x01", "0109"]}"#;
        assert_eq!(read(&ours), vec![vec![1, 2, 255], vec![], vec![9]]);
        assert_eq!(read(&ours), read(theirs));
        assert_eq!(read(br#"{"input": ["0x0201000000ff000000"]}"#), vec![vec![1, 255]]);
        assert!(read(&encode(&[])).is_empty());
    }

    #[test]
    fn what_is_neither_is_refused_with_its_place() {
        for (input, cause) in [
            (&b""[..], "neither"),
            (b"\x7fELF", "neither"),
            (br#"{"input": "0x01"}"#, "neither"),
            (br#"{"input": [], "more": 1}"#, "neither"),
            (br#"{"input": ["0x01", "0x0"]}"#, "entry 1"),
            (br#"{"input": ["0x"]}"#, "entry 0"),
            (br#"{"input": ["0x03aa"]}"#, "begins with 03"),
            (br#"{"input": ["0x0201"]}"#, "4 bytes each"),
            (br#"{"input": ["0x02ffffffff"]}"#, "not an element"),
        ] {
            let error = decode(input).err().unwrap().to_string();
            assert!(error.contains(cause), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_is_noticed(frames: Vec<Vec<u8>>, cut: prop::sample::Index) {
            let encoded = encode(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let cut = cut.index(encoded.len());
            if let Ok(stdin) = decode(&encoded[..cut]) {
                // A cut between two byte strings leaves a shorter, valid list; never the same list.
                prop_assert!(stdin.buffer.len() < frames.len());
            }
        }

        #[test]
        fn nothing_makes_it_panic(mut input: Vec<u8>, ours: bool) {
            if ours {
                input.splice(0..0, *MAGIC);
            }
            let _ = decode(&input);
        }
    }
}
