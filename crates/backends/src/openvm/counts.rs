//! What an encoded proof says of the lengths of its lists, checked before OpenVM's decoder believes it.
//!
//! That decoder (`Decode` of `Proof` in `openvm-stark-backend` 2.0.1) makes some lists as long as they are said to be
//! without reading a byte for each element: rounds of degree zero, tables that are not there, rows without columns. A
//! hundred bytes could ask it for a hundred gigabytes. Every other list takes at least four bytes for each element, so
//! that the length of the encoding limits it.

use super::Stark;
use openvm_continuations::RootSC;
use openvm_stark_backend::{codec::Decode, proof::Proof};
use openvm_verify_stark_host::VmStarkProof;
use std::io::{Cursor, Error};

/// Bytes of an element of the field.
const FIELD: usize = 4;
/// Bytes of an element of its extension of degree 4.
const EXTENSION: usize = 4 * FIELD;
/// Bytes of a digest.
const DIGEST: usize = 8 * FIELD;
/// Far more than the tables of a machine here: they are some sixty.
const MOST_TABLES: usize = 4096;
/// One for each halving of the tallest table, whose height is below the order of the field.
const MOST_ROUNDS: usize = 64;

/// Decodes the body of a compressed proof.
pub(super) fn decode_compressed(body: &[u8]) -> Result<VmStarkProof, Error> {
    check(body)?;
    VmStarkProof::decode_from_bytes(body)
}

/// Decodes the root of a SNARK. Its digests are single scalars of BN254, which take as many bytes as eight elements of the field.
pub(super) fn decode_root(body: &[u8]) -> Result<Proof<RootSC>, Error> {
    check(body)?;
    Proof::decode_from_bytes(body)
}

/// Decodes one proof, and leaves what follows it.
pub(super) fn decode(reader: &mut Cursor<&[u8]>) -> Result<Stark, Error> {
    let at = usize::try_from(reader.position()).unwrap_or(usize::MAX);
    check(reader.get_ref().get(at..).unwrap_or_default())?;
    Stark::decode(reader)
}

/// Refuses an encoding that begins with a proof whose lists are impossibly long. Whether it is a proof at all is for the
/// decoder to say.
fn check(encoded: &[u8]) -> Result<(), Error> {
    let mut walk = Walk(encoded);
    // The version of the encoding, the commitment to the traces.
    walk.skip(1, 4 + DIGEST)?;
    let tables = walk.count_up_to(MOST_TABLES, "tables")?;
    let present = walk.take(tables.div_ceil(8))?.iter().map(|byte| byte.count_ones()).sum();
    for _ in 0_u32..present {
        walk.skip(1, 4)?;
        walk.list(DIGEST)?;
    }
    walk.lists(FIELD)?; // public values

    // The sums of the lookups, layer by layer: two evaluations of two polynomials each, and one round more in each layer.
    walk.skip(1, FIELD + EXTENSION)?;
    let layers = walk.list(4 * EXTENSION)?;
    walk.skip(layers.saturating_sub(1).saturating_mul(layers) / 2, 3 * EXTENSION)?;

    // The constraints.
    let terms = walk.list(EXTENSION)?;
    walk.skip(terms, EXTENSION)?;
    walk.list(EXTENSION)?;
    let rounds = walk.count_up_to(MOST_ROUNDS, "rounds")?;
    if rounds > 0 {
        let degree = walk.count()?;
        walk.skip(rounds.saturating_mul(degree), EXTENSION)?;
    }
    for _ in 0..terms {
        walk.lists(EXTENSION)?;
    }

    // Stacking.
    walk.list(EXTENSION)?;
    walk.list(2 * EXTENSION)?;
    walk.lists(EXTENSION)?;

    // The openings: a proof of work and two evaluations for each round of folding; for each code word a commitment, a value
    // out of its domain, and a proof of work.
    walk.skip(1, FIELD)?;
    let folds = walk.list(2 * EXTENSION)?;
    let words = walk.list(DIGEST)?;
    walk.skip(words, EXTENSION)?;
    walk.skip(folds, FIELD)?;
    walk.skip(words.saturating_add(1), FIELD)?;
    let commitments = walk.count_up_to(MOST_TABLES, "commitments")?;
    if walk.count()? > 0 {
        walk.skip(1, 4)?; // the depth of the Merkle trees
        for _ in 0..commitments {
            if walk.count()? == 0 {
                return Err(Error::other("it opens rows that have no columns"));
            }
        }
    }
    Ok(())
}

/// What is left of an encoding.
struct Walk<'a>(&'a [u8]);

impl<'a> Walk<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Error> {
        let (taken, left) =
            self.0.split_at_checked(bytes).ok_or_else(|| Error::other("it ends in the middle"))?;
        self.0 = left;
        Ok(taken)
    }

    fn skip(&mut self, count: usize, each: usize) -> Result<(), Error> {
        self.take(count.saturating_mul(each)).map(drop)
    }

    fn count(&mut self) -> Result<usize, Error> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |count, byte| count << 8 | usize::from(*byte)))
    }

    fn count_up_to(&mut self, most: usize, what: &str) -> Result<usize, Error> {
        let count = self.count()?;
        if count > most {
            return Err(Error::other(format!("it has {count} {what}, and {most} are the most")));
        }
        Ok(count)
    }

    /// Goes past a list whose elements have this length, and gives how many they are.
    fn list(&mut self, each: usize) -> Result<usize, Error> {
        let count = self.count()?;
        self.skip(count, each)?;
        Ok(count)
    }

    /// Goes past a list of such lists.
    fn lists(&mut self, each: usize) -> Result<(), Error> {
        for _ in 0..self.count()? {
            self.list(each)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use openvm_stark_backend::codec::Encode;

    /// An encoding that is as empty as can be, with these counts.
    struct Empty {
        tables: u32,
        rounds: u32,
        commitments: u32,
        widths: Option<u32>,
    }

    const NOTHING: Empty = Empty { tables: 0, rounds: 0, commitments: 1, widths: None };

    fn encode(empty: &Empty) -> Vec<u8> {
        let mut out = 3_u32.to_le_bytes().to_vec();
        out.extend([0; DIGEST]);
        let count = |out: &mut Vec<u8>, count: u32| out.extend(count.to_le_bytes());
        count(&mut out, empty.tables);
        out.extend(vec![0; empty.tables.min(1 << 20).div_ceil(8) as usize]);
        count(&mut out, 0); // public values
        out.extend([0; FIELD + EXTENSION]);
        count(&mut out, 0); // layers
        count(&mut out, 0); // terms
        count(&mut out, 0); // coefficients
        count(&mut out, empty.rounds);
        if empty.rounds > 0 {
            count(&mut out, 0); // degree
        }
        for _ in 0..3 {
            count(&mut out, 0); // stacking
        }
        out.extend([0; FIELD]);
        count(&mut out, 0); // folds
        count(&mut out, 0); // code words
        out.extend([0; FIELD]);
        count(&mut out, empty.commitments);
        count(&mut out, u32::from(empty.widths.is_some())); // queries
        if let Some(width) = empty.widths {
            count(&mut out, 0); // depth
            for _ in 0..empty.commitments {
                count(&mut out, width);
            }
        }
        count(&mut out, 0); // depth of the code words' trees
        count(&mut out, 0); // the last polynomial
        out
    }

    #[test]
    fn lists_that_take_no_bytes_are_not_believed_to_be_long() {
        // Large enough to be refused, and small enough to be survived where they are not.
        let refused = |empty: &Empty| {
            let encoded = encode(empty);
            decode(&mut Cursor::new(&encoded[..])).err().unwrap().to_string()
        };
        let most = MOST_TABLES as u32;
        assert!(refused(&Empty { tables: most + 1, ..NOTHING }).contains("4097 tables"));
        assert!(refused(&Empty { rounds: 65, ..NOTHING }).contains("65 rounds"));
        assert!(refused(&Empty { commitments: most + 1, ..NOTHING }).contains("4097 commitments"));
        assert!(refused(&Empty { widths: Some(0), ..NOTHING }).contains("no columns"));
    }

    #[test]
    fn what_is_possible_is_left_to_the_decoder() {
        for empty in [NOTHING, Empty { tables: 100, rounds: 20, ..NOTHING }] {
            let encoded = encode(&empty);
            let mut reader = Cursor::new(&encoded[..]);
            decode(&mut reader).unwrap();
            assert_eq!(reader.position(), encoded.len() as u64, "the test's encoding is the decoder's");
            // A root's has the same layout.
            let root = decode_root(&encoded).unwrap();
            assert_eq!(root.encode_to_vec().unwrap(), encoded);
            for end in 0..encoded.len() {
                assert!(decode(&mut Cursor::new(&encoded[..end])).is_err(), "{end}");
            }
        }
    }
}
