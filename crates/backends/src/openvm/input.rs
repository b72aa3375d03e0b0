//! What a guest reads: byte strings, one for each read, and the proofs that it verifies.
//!
//! Three encodings are understood. Ours without proofs, which [`encode`] makes: the magic `PMSTDIN1`, then for each byte
//! string its length (u32, little endian) and its bytes. Ours with proofs: the magic `PMSTDIN2`, the number of proofs (u32,
//! little endian), the body of each as a byte string, then the byte strings. And the JSON of OpenVM's own command line,
//! `{"input": ["0x01…", …]}`, where each string is hex that begins with 01 for bytes or with 02 for field elements of 4
//! little-endian bytes.

use super::F;
use crate::BackendError;
use openvm_sdk::StdIn;
use openvm_stark_backend::p3_field::{PrimeCharacteristicRing, PrimeField32};
use proofmill_primitives::ProverType;
use serde::Deserialize;

const MAGIC: &[u8; 8] = b"PMSTDIN1";
const MAGIC_WITH_PROOFS: &[u8; 8] = b"PMSTDIN2";

/// What a program is given.
pub(super) struct Input {
    /// What it reads.
    frames: Vec<Vec<F>>,
    /// The bodies of the proofs that it verifies.
    pub(super) proofs: Vec<Vec<u8>>,
}

/// Encodes byte strings and proofs. One longer than 4 GiB is cut off: no guest has that much memory.
pub(super) fn encode(frames: &[&[u8]], proofs: &[&[u8]]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    if !proofs.is_empty() {
        out = MAGIC_WITH_PROOFS.to_vec();
        out.extend_from_slice(&u32::try_from(proofs.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    for frame in proofs.iter().chain(frames) {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&frame[..length as usize]);
    }
    out
}

/// Decodes each of the encodings.
pub(super) fn decode(input: &[u8]) -> Result<Input, BackendError> {
    let decoded = if let Some(rest) = input.strip_prefix(MAGIC) {
        decode_frames(rest).map(|frames| Input { frames: fields(&frames), proofs: Vec::new() })
    } else if let Some(rest) = input.strip_prefix(MAGIC_WITH_PROOFS) {
        decode_with_proofs(rest)
    } else {
        decode_json(input).map(|frames| Input { frames, proofs: Vec::new() })
    };
    decoded.map_err(|cause| BackendError::MalformedInput { prover: ProverType::OpenVm, cause })
}

impl Input {
    /// What the machine reads from: the byte strings, and after them, where the program verifies proofs, the names of
    /// those, one behind the other.
    pub(super) fn stdin(&self, names: &[&[u8]]) -> StdIn<F> {
        let mut frames = self.frames.clone();
        if !names.is_empty() {
            frames.push(bytes(&names.concat()));
        }
        StdIn::from(frames)
    }
}

fn decode_with_proofs(input: &[u8]) -> Result<Input, String> {
    let (count, rest) = input.split_first_chunk::<4>().ok_or("it ends inside the number of proofs")?;
    let count = u32::from_le_bytes(*count) as usize;
    let mut all = decode_frames(rest)?;
    if all.len() < count || count == 0 {
        return Err(format!(
            "it should have {count} proofs but has {} byte strings; it was cut off",
            all.len()
        ));
    }
    let frames = all.split_off(count);
    Ok(Input { frames: fields(&frames), proofs: all.iter().map(|proof| proof.to_vec()).collect() })
}

fn decode_frames(mut rest: &[u8]) -> Result<Vec<&[u8]>, String> {
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
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}

fn fields(frames: &[&[u8]]) -> Vec<Vec<F>> {
    frames.iter().map(|frame| bytes(frame)).collect()
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
        let stdin = decode(input).unwrap().stdin(&[]);
        stdin.buffer.iter().map(|frame| frame.iter().map(PrimeField32::as_canonical_u32).collect()).collect()
    }

    #[test]
    fn both_encodings_say_the_same() {
        let ours = encode(&[&[1, 2, 255], &[], &[9]], &[]);
        let theirs = br#"{"input": ["0x010102ff", "0x01", "0109"]}"#;
        assert_eq!(read(&ours), vec![vec![1, 2, 255], vec![], vec![9]]);
        assert_eq!(read(&ours), read(theirs));
        assert_eq!(read(br#"{"input": ["0x0201000000ff000000"]}"#), vec![vec![1, 255]]);
        assert!(read(&encode(&[], &[])).is_empty());
    }

    #[test]
    fn proofs_travel_beside_what_is_read() {
        let encoded = encode(&[&[1, 2], &[]], &[&[7; 300], &[8]]);
        let input = decode(&encoded).unwrap();
        assert_eq!(input.proofs, [vec![7; 300], vec![8]]);
        assert_eq!(input.stdin(&[]).buffer.len(), 2);
        let named = input.stdin(&[&[3; 32], &[4; 32]]);
        assert_eq!(named.buffer.len(), 3);
        assert_eq!(named.buffer[2].len(), 64);
        // A cut among the proofs is noticed; one between what is read leaves less to read, as without proofs.
        let end_of_proofs = encoded.len() - 10;
        for cut in 8..end_of_proofs {
            assert!(decode(&encoded[..cut]).is_err(), "{cut}");
        }
        assert!(decode(&encoded[..end_of_proofs]).unwrap().stdin(&[]).buffer.is_empty());
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
            let encoded = encode(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>(), &[]);
            let cut = cut.index(encoded.len());
            if let Ok(input) = decode(&encoded[..cut]) {
                // A cut between two byte strings leaves a shorter, valid list; never the same list.
                prop_assert!(input.frames.len() < frames.len());
            }
        }

        #[test]
        fn nothing_makes_it_panic(mut input: Vec<u8>, magic in prop::option::of(prop::sample::select(
            vec![*MAGIC, *MAGIC_WITH_PROOFS],
        ))) {
            input.splice(0..0, magic.into_iter().flatten());
            let _ = decode(&input);
        }
    }
}
