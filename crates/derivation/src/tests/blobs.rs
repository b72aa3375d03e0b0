//! Blobs: proven by another implementation of KZG, posted, and lied about.

use super::encode::{frames, rlp, transaction, zlib};
use super::world::{INBOX, World, key, signed, user};
use crate::blob::{BLOB, decode};
use crate::kzg::check;
use crate::{Arkworks, BlobData, DerivationError, DerivationInput, combination};
use alloy_consensus::TxEip4844;
use alloy_primitives::{B256, Bytes, keccak256};
use ark_bls12_381::Fr;
use ark_ff::PrimeField;
use c_kzg::{Blob, ethereum_kzg_settings};
use proofmill_stateless::OpFork;
use proptest::prelude::*;

/// A batcher's data in a blob (`protocol/ecotone/derivation.md`, "Blob Encoding"): bit by bit, unlike the decoder.
pub(super) fn encoded(data: &[u8]) -> Vec<u8> {
    // Version and length take the place of the first bytes of the first element.
    let mut bytes = vec![0, (data.len() >> 16) as u8, (data.len() >> 8) as u8, data.len() as u8];
    bytes.extend(data);
    bytes.resize((4 * 31 + 3) * 1024, 0);
    let mut blob = Vec::new();
    for round in bytes.chunks(127) {
        // Three bytes of a round are in the six free bits of its four elements.
        let (parts, spare) = (
            [&round[..31], &round[32..63], &round[64..95], &round[96..127]],
            [round[31], round[63], round[95]],
        );
        let [x, y, z] = spare;
        let tops = [x & 0x3f, y & 0x0f | (x & 0xc0) >> 2, z & 0x3f, y >> 4 | (z & 0xc0) >> 2];
        for (top, part) in tops.into_iter().zip(parts) {
            blob.push(top);
            blob.extend(part);
        }
    }
    blob
}

/// A blob with the commitment to it.
fn committed(blob: Vec<u8>) -> BlobData {
    let commitment =
        ethereum_kzg_settings(0).blob_to_kzg_commitment(&Blob::from_bytes(&blob).unwrap()).unwrap();
    BlobData { blob: blob.into(), commitment: Bytes::copy_from_slice(commitment.to_bytes().as_ref()) }
}

/// The proof of these blobs, and the value that it shows. Nothing where they are no blobs.
fn opened(blobs: &[BlobData]) -> Option<(Bytes, c_kzg::Bytes32)> {
    let combined = combination(blobs)?;
    let blob = Blob::from_bytes(&combined.blob).unwrap();
    let (proof, y) = ethereum_kzg_settings(0).compute_kzg_proof(&blob, &combined.z.0.into()).unwrap();
    Some((Bytes::copy_from_slice(proof.to_bytes().as_ref()), y))
}

pub(super) fn proof(blobs: &[BlobData]) -> Bytes {
    if blobs.is_empty() { Bytes::new() } else { opened(blobs).unwrap_or_default().0 }
}

fn in_blobs(datas: &[Vec<u8>]) -> World {
    let mut world = World::new(OpFork::Isthmus);
    world.blobs = datas.iter().map(|data| committed(encoded(data))).collect();
    let blob_versioned_hashes: Vec<B256> = world.blobs.iter().map(BlobData::versioned_hash).collect();
    let posted =
        signed(1, TxEip4844 { chain_id: 900, to: INBOX, blob_versioned_hashes, ..Default::default() });
    world.mine(vec![posted], Vec::new());
    world
}

/// Two blobs, and the blocks that follow from them.
fn two() -> World {
    let mut blocks = World::new(OpFork::Isthmus);
    let mut batches = Vec::new();
    for nonces in [0..40, 40..41] {
        blocks.block(3, Vec::new(), nonces.map(user).collect());
        batches.push(blocks.batch());
    }
    let frames = frames(1, &zlib(&rlp(&batches)), 1_500);
    let (first, second) = frames.split_at(frames.len() / 2);
    let mut world = in_blobs(&[transaction(first), transaction(second)]);
    world.blocks = blocks.blocks;
    world
}

/// What is wrong with an input's blobs after a change: with the proof of before, and with the one that is made of what is there then.
fn refused(world: &World, change: impl Fn(&mut DerivationInput)) -> &'static str {
    let mut input = world.input();
    change(&mut input);
    let what = |input: &DerivationInput| match world.derive_from(input) {
        Err(DerivationError::Blobs { what }) => what,
        other => panic!("{other:?}"),
    };
    let before = what(&input);
    input.blobs_proof = proof(&input.blobs);
    if !input.blobs_proof.is_empty() {
        assert_eq!(what(&input), before);
    }
    before
}

fn changed(blob: &Bytes, at: usize, to: &[u8]) -> Bytes {
    let mut blob = blob.to_vec();
    blob[at..at + to.len()].copy_from_slice(to);
    blob.into()
}

#[test]
fn batches_come_in_blobs() {
    let world = two();
    world.follows();
    // In any order, twice, and beside one that is of no use.
    let mut more = world.clone();
    more.blobs.push(committed(encoded(&[7; 100])));
    more.blobs.push(world.blobs[0].clone());
    more.blobs.reverse();
    more.follows();
    // But only with the proof of all of them in their order.
    let changes: [fn(&mut DerivationInput); 3] = [
        |input| input.blobs.reverse(),
        |input| input.blobs.push(input.blobs[0].clone()),
        |input| drop(input.blobs.pop()),
    ];
    for change in changes {
        let mut input = more.input();
        change(&mut input);
        assert!(matches!(more.derive_from(&input), Err(DerivationError::Blobs { .. })));
    }
}

#[test]
fn a_blob_that_is_not_there_is_missed() {
    let world = two();
    let mut missing = world.clone();
    let hash = missing.blobs.pop().unwrap().versioned_hash();
    assert!(
        matches!(missing.derive(), Err(DerivationError::BlobMissing { hash: missed, .. }) if missed == hash)
    );
    // Another one of its own commitment does not stand for it.
    missing.blobs.push(committed(encoded(&[7; 100])));
    assert!(
        matches!(missing.derive(), Err(DerivationError::BlobMissing { hash: missed, .. }) if missed == hash)
    );
    missing.blobs.clear();
    assert!(matches!(missing.derive(), Err(DerivationError::BlobMissing { .. })));
}

#[test]
fn blobs_that_are_not_those_of_their_commitments_are_refused() {
    let world = two();
    for at in [1, 31, 4_000, BLOB - 1] {
        let what = refused(&world, |input| {
            let blob = &mut input.blobs[0].blob;
            *blob = changed(blob, at, &[blob[at] ^ 1]);
        });
        assert!(what.contains("commitments"), "{what}");
    }
    let swapped = refused(&world, |input| {
        let blob = input.blobs[0].blob.clone();
        input.blobs[0].blob = std::mem::replace(&mut input.blobs[1].blob, blob);
    });
    assert!(swapped.contains("commitments"), "{swapped}");
    // What one has too much, another one has too little.
    let moved = refused(&world, |input| {
        for (at, more) in [(0, 1), (1, 255)] {
            let blob = &mut input.blobs[at].blob;
            *blob = changed(blob, BLOB - 1, &[blob[BLOB - 1].wrapping_add(more)]);
        }
    });
    assert!(moved.contains("commitments"), "{moved}");
    let other = refused(&world, |input| input.blobs[0].commitment = input.blobs[1].commitment.clone());
    assert!(other.contains("commitments"), "{other}");
    let short = refused(&world, |input| input.blobs[0].blob = input.blobs[0].blob.slice(..BLOB - 32));
    assert!(short.contains("131,072"), "{short}");
    let short = refused(&world, |input| input.blobs[0].commitment = input.blobs[0].commitment.slice(..47));
    assert!(short.contains("48"), "{short}");
    // Elements that are not below the order: itself, and the most.
    let order = alloy_primitives::hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    for above in [order, [0xff; 32]] {
        let what = refused(&world, |input| {
            let blob = &mut input.blobs[0].blob;
            *blob = changed(blob, BLOB - 32, &above);
        });
        assert!(what.contains("commitments"), "{what}");
    }
}

#[test]
fn commitments_that_are_no_points_of_the_group_are_refused() {
    let world = two();
    let mut outside = [0_u8; 48];
    (outside[0], outside[47]) = (0x80, 4);
    let infinity = |last| {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (0xc0, last);
        bytes
    };
    // Of the curve and not of the group: x is 4. Of neither: x is 1. Not below the modulus; infinity, of a blob that is not zero, and in
    // another form; not compressed.
    let mut none = outside;
    none[47] = 1;
    for bytes in [outside, none, [0x9f; 48], infinity(0), infinity(1), [0; 48]] {
        let what = refused(&world, |input| input.blobs[1].commitment = Bytes::copy_from_slice(&bytes));
        assert!(what.contains("commitments"), "{what}");
    }
}

#[test]
fn proofs_that_are_not_of_these_blobs_are_refused() {
    let world = two();
    let what = |proof: Bytes| {
        let input = DerivationInput { blobs_proof: proof, ..world.input() };
        match world.derive_from(&input) {
            Err(DerivationError::Blobs { what }) => what,
            other => panic!("{other:?}"),
        }
    };
    let honest = proof(&world.blobs);
    for other in [
        proof(&world.blobs[..1]),
        proof(&[committed(encoded(&[1]))]),
        world.blobs[0].commitment.clone(),
        changed(&honest, 0, &[honest[0] ^ 0x20]),
        changed(&honest, 0, &[0x1f]),
        [&[0xc0], &[0; 47][..]].concat().into(),
    ] {
        assert!(what(other).contains("proof is of other ones"));
    }
    for other in [Bytes::new(), honest.slice(..47), [&honest[..], &[0]].concat().into()] {
        assert!(what(other).contains("48 bytes"));
    }
}

#[test]
fn the_blob_of_zeros_has_the_commitment_that_is_infinity() {
    let mut world = two();
    world.blobs.push(committed(vec![0; BLOB]));
    assert_eq!(world.blobs[2].commitment[..2], [0xc0, 0]);
    world.follows();
    let mut input = world.input();
    let blob = &mut input.blobs[2].blob;
    *blob = changed(blob, 31, &[1]);
    input.blobs_proof = proof(&input.blobs);
    assert!(matches!(world.derive_from(&input), Err(DerivationError::Blobs { .. })));
}

#[test]
fn without_blobs_there_is_nothing_to_prove() {
    let mut world = World::new(OpFork::Isthmus);
    world.block(3, Vec::new(), Vec::new());
    let batch = world.batch();
    world.post_channel(1, &[batch]);
    assert!(world.input().blobs_proof.is_empty());
    world.follows();
}

#[test]
fn an_input_of_an_older_version_is_refused() {
    let mut bytes = two().input().encode();
    bytes[7] = b'2';
    let error = DerivationInput::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("version 3"), "{error}");
}

/// Blobs of random elements, each below the order.
fn random(seed: u8, count: u8) -> Vec<BlobData> {
    let blob = |nth: u8| {
        let element = |at: u32| {
            let mut bytes = keccak256([&[seed, nth][..], &at.to_be_bytes()].concat()).0;
            bytes[0] &= 0x3f;
            bytes
        };
        committed((0..4096).flat_map(element).collect())
    };
    (0..count).map(blob).collect()
}

#[test]
fn values_are_those_of_another_implementation() {
    let settings = ethereum_kzg_settings(0);
    for count in [1, 2, 5] {
        let blobs = random(count, count);
        let (proof, y) = opened(&blobs).unwrap();
        check::<Arkworks>(&blobs, &proof).unwrap();
        // The value of the sum is the sum of the values.
        let z = combination(&blobs).unwrap().z;
        let sum: Fr = blobs
            .iter()
            .enumerate()
            .map(|(at, data)| {
                let blob = Blob::from_bytes(&data.blob).unwrap();
                let (_, y) = settings.compute_kzg_proof(&blob, &z.0.into()).unwrap();
                Fr::from_be_bytes_mod_order(y.as_ref()) * Fr::from(coefficient(&blobs, at))
            })
            .sum();
        assert_eq!(sum, Fr::from_be_bytes_mod_order(y.as_ref()));
    }
}

/// A coefficient as the format has it, written down once more.
fn coefficient(blobs: &[BlobData], at: usize) -> u128 {
    let mut all = b"PROOFMILL_BLOBS1".to_vec();
    all.extend((blobs.len() as u64).to_be_bytes());
    blobs.iter().for_each(|one| all.extend([&one.commitment[..], &keccak256(&one.blob)[..]].concat()));
    let hash = keccak256([&keccak256(&all)[..], &(at as u64 + 1).to_be_bytes()].concat());
    hash[..15].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[test]
fn the_key_of_a_transaction_with_blobs_counts_too() {
    let mut world = in_blobs(&[vec![0; 10]]);
    world.block(3, Vec::new(), Vec::new());
    assert_eq!(key(1).address(), world.l1_batcher());
    assert!(matches!(world.derive(), Err(DerivationError::NotYet { .. })));
}

#[test]
fn nodes_do_not_look_at_the_highest_bits_of_the_first_element() {
    let data: Vec<u8> = (0..200).collect();
    let mut blob = encoded(&data);
    blob[0] |= 0b0100_0000;
    assert_eq!(decode(&blob), Some(data));
    // Of the others they do.
    blob[32] |= 0b0100_0000;
    assert_eq!(decode(&blob), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn data_come_back_from_their_blob(data in proptest::collection::vec(any::<u8>(), 0..130_044)) {
        prop_assert_eq!(decode(&encoded(&data)), Some(data));
    }

    #[test]
    fn a_changed_bit_is_seen_or_changes_the_data(data in proptest::collection::vec(any::<u8>(), 0..3_000), at in 0..BLOB, bit in 0_u8..8) {
        // Nodes do not look at the highest bits of the first element: there it is the same data.
        prop_assume!(at > 0 || bit < 6);
        let mut blob = encoded(&data);
        blob[at] ^= 1 << bit;
        prop_assert_ne!(decode(&blob), Some(data));
    }
}
