//! No byte of an encoded input can be changed without being noticed.

use crate::common::range;
use proofmill_stateless::{
    Fork, RangeOutcome, StatelessError, StatelessInput, StatelessInputRef, Witness, execute,
};
use proptest::prelude::*;
use std::sync::LazyLock;

struct Honest {
    outcome: RangeOutcome,
    bytes: Vec<u8>,
    /// Where the witness begins.
    witness: usize,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let (outcome, input) = range(Fork::Prague);
    let bytes = input.encode();
    let bare = StatelessInput { witness: Witness::default(), ..input };
    // Three empty lists, a word each, stand in the place of the witness.
    Honest { outcome, bytes, witness: bare.encode().len() - 12 }
});

fn run(bytes: &[u8]) -> Result<RangeOutcome, StatelessError> {
    execute(&StatelessInputRef::decode(bytes)?)
}

/// What may come of an input with a changed byte: an error; or, where the byte was one that headers leave free (extra
/// data, for instance) in the last block, or a rule of the chain that these blocks do not meet, an outcome that names
/// another last block or another configuration. Never another statement about the same ones.
fn check(bytes: &[u8], changed: usize) -> Result<(), String> {
    let Ok(outcome) = run(bytes) else { return Ok(()) };
    let honest = &HONEST.outcome;
    if changed >= HONEST.witness {
        return Err(format!("byte {changed}, of the witness, was changed unnoticed"));
    }
    if outcome.last_hash == honest.last_hash && outcome.config_hash == honest.config_hash {
        return Err(format!("byte {changed} was changed unnoticed: {outcome:?}"));
    }
    Ok(())
}

#[test]
fn the_honest_input_passes() {
    assert_eq!(run(&HONEST.bytes), Ok(HONEST.outcome.clone()));
}

#[test]
fn every_byte_matters() {
    let mut bytes = HONEST.bytes.clone();
    for at in 0..bytes.len() {
        let mask = 1 << (at % 8);
        bytes[at] ^= mask;
        check(&bytes, at).unwrap();
        bytes[at] ^= mask;
    }
}

#[test]
fn truncated_or_padded_inputs_are_refused() {
    let bytes = &HONEST.bytes;
    for len in (0..bytes.len()).step_by(7).chain(bytes.len() - 8..bytes.len()) {
        assert!(matches!(run(&bytes[..len]), Err(StatelessError::Decode(_))), "{len} bytes");
    }
    for extra in 1..9 {
        let padded = [bytes.as_slice(), &vec![0; extra]].concat();
        assert!(matches!(run(&padded), Err(StatelessError::Decode(_))), "{extra} more bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_byte_to_any_value(at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let mut bytes = HONEST.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert_eq!(check(&bytes, at), Ok(()));
    }

    #[test]
    fn any_word_to_any_value(at in any::<prop::sample::Index>(), word in any::<[u8; 4]>()) {
        let mut bytes = HONEST.bytes.clone();
        let at = at.index(bytes.len() / 4) * 4;
        bytes[at..at + 4].copy_from_slice(&word);
        prop_assume!(bytes != HONEST.bytes);
        prop_assert_eq!(check(&bytes, at), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), marked in any::<bool>()) {
        let mut bytes = bytes;
        if marked && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&HONEST.bytes[..8]);
        }
        prop_assert!(run(&bytes).is_err());
    }
}
