//! Blobs: proven by another implementation of KZG, posted, and lied about.

use super::encode::{frames, rlp, transaction, zlib};
use super::world::{INBOX, World, key, signed, user};
use crate::blob::{BLOB, decode};
use crate::{BlobData, DerivationError};
use alloy_consensus::TxEip4844;
use alloy_primitives::{B256, Bytes};
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

fn proven(data: &[u8]) -> BlobData {
    let (settings, blob) = (ethereum_kzg_settings(0), Blob::from_bytes(&encoded(data)).unwrap());
    let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
    let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap().to_bytes();
    let bytes = |bytes: c_kzg::Bytes48| Bytes::copy_from_slice(bytes.as_ref());
    BlobData { blob: encoded(data).into(), commitment: bytes(commitment), proof: bytes(proof) }
}

fn in_blobs(datas: &[Vec<u8>]) -> World {
    let mut world = World::new(OpFork::Isthmus);
    world.blobs = datas.iter().map(|data| proven(data)).collect();
    let blob_versioned_hashes: Vec<B256> = world.blobs.iter().map(BlobData::versioned_hash).collect();
    let posted =
        signed(1, TxEip4844 { chain_id: 900, to: INBOX, blob_versioned_hashes, ..Default::default() });
    world.mine(vec![posted], Vec::new());
    world
}

#[test]
fn batches_come_in_blobs() {
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
    world.follows();

    let refused = |change: fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        match world.derive() {
            Err(DerivationError::Blob { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|world| drop(world.blobs.pop())), "is missing");
    let changed = |at: usize| {
        let mut blob = world.blobs[0].blob.to_vec();
        blob[at] ^= 1;
        let mut world = world.clone();
        world.blobs[0].blob = blob.into();
        world.derive()
    };
    for at in [1, 31, 4_000, BLOB - 1] {
        let error = changed(at).unwrap_err();
        assert!(
            matches!(error, DerivationError::Blob { reason, .. } if reason.contains("commits")),
            "{error}"
        );
    }
    let other = refused(|world| world.blobs[0].commitment = world.blobs[1].commitment.clone());
    assert!(other.contains("commits"), "{other}");
    let other = refused(|world| world.blobs[0].proof = world.blobs[1].proof.clone());
    assert!(other.contains("commits"), "{other}");
    let short = refused(|world| world.blobs[0].blob = world.blobs[0].blob.slice(..BLOB - 32));
    assert!(short.contains("4,096"), "{short}");
    let above = refused(|world| {
        let mut blob = world.blobs[0].blob.to_vec();
        blob[..32].fill(0xff);
        world.blobs[0].blob = blob.into();
    });
    assert!(above.contains("4,096"), "{above}");
    let empty = refused(|world| world.blobs[0].proof = Bytes::new());
    assert!(empty.contains("KZG"), "{empty}");
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
