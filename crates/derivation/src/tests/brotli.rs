//! Brotli, against streams of Google's encoder. Its decoder takes and refuses the same.

use super::encode::brotli as uncompressed;
use crate::brotli::decompressed;
use crate::channel;
use alloy_primitives::hex;
use proptest::prelude::*;

const TEXT: &str = "Which blocks of a chain follow from what L1 has: the frames in the transactions of its batcher are parts of \
                    channels. A channel is compressed batches, and a batch has what the sequencer put into one block, or into \
                    several that follow on each other. THE END \u{e9}\u{20ac} 0123456789 0123456789.";
/// By words of the dictionary, at the highest quality.
const WORDS: &str = "\
    1b1c01402c126c5b0bdb47b4d7051fc92967d8b6546f1df39029e5d5a1055359c5551055a10d674c1112fcdb4e03e5fd\
    dea0db0514856918581468c6b1f44dfb1d2e4a38c8d60ad3358444a7862441eab1fc8150a662c10b487b26a0bc1a4c5c\
    61fc69be064a3ea64505a9026f22bccf7b051bf4fd258d2348e80541532c237c76cc5191ffaf186c290a17521795c9be\
    ab3873a6782ae90f91f9dd099365ddf6e3bc6ea20c";
/// A meta-block for each 90 bytes, with a window of 4 KB, as text.
const PARTS: &str = "\
    4164010020f09fb7545fa8aa9075f918bb0bd8fc73ca81434b024ea854c2e36107ec4c393eaa7b4c47bce26d4e303a2e\
    084113262fade0a6fa8afffc7696d8968a48b37306988c14c3d200c8020040d46da92ea4876e8ae30e3488baab530ed8\
    5b4501b6c3410f80f71c1ea743125afb73c8a085433fd1979e40e317b3907b6dab3aac7abe1088660d046ee97e03c802\
    0040fcdcf1a46fde5a7fb0b6e681b5d3bbd60a24b3b6c422cb29a7014b96514bb25fecc6878db1dfee19b46de246037d\
    cdc41408130494463d847b5bfc4b9c238cd14ca3968c6ffeeffc7d61acf321260370000040dae506274729824d4cdbc2\
    0003";
/// All bytes, twice, and the first 40 of the text, at quality 1.
const BYTES: &str = "\
    8313010080aaaaaaea7f59378b755d3c3cc2c33cc2232c768f655bd65cb61536e0c0354c0003f25d6603b804c6ffc3c0\
    c4c2c6c1c5c32720242226212523a7a0a4a2a6a1a5a36760646266616563073838b9b87978f9f8050485844544c5c425\
    24a5a46564e5e4151495945554d5d43534b5b47574f5f40d0c8d8c4d4ccdcc2d2cadac6d6cedec1d1c9d9c5d5cdddc61\
    1e704f2f843788f4f145f9f943018141c121a161e8f088c8a8e898d8b8f884c4a4e494d4b4f48cccacec9cdcbcfc82c2\
    a2e292d2b2f28acaaaea9adabafa86c6a6e696d6b6f68eceaeee9edebefe81c1a1e191d1b1f189c9a9e999d9b9f985c5\
    a5e595d5b5f58dcdaded9dddbdfd83c3a3e393d3b3f38bcbabeb9bdbbbfb87478f9f3c7df6fcc5cb57afdfbc7df7fec3\
    c74f9fbf7cfdf6fdc7cf5fbffffcfdf71fe3c16e323b100907010f1404f70d0620040003e0200ce90f2020140a420388\
    20c80f4083b09001";
/// A meta-block that makes more bytes than it says, and another after it.
const OVERSHOOTS: &str = "40010080c0061c69acf5b98827c8249178d9f8df27034000087461696c207461696c03";
/// 150 MB of one byte.
const BOMB: &str = "\
    cbffff3f002400e3b14072effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800\
    baf77ffcffff034002200e0b40f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfb3ffeffff01200110\
    8705a07bffc7ffff3f002400e2b00074effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f00\
    1200715800baf77ffcffff034002200e0b40f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfb3ffeff\
    ff012001108705a07bffc7ffff3f002400e2b00074effff22f1a0e8004401c16804e321c";

#[test]
fn streams_of_the_encoder_are_read() {
    let bytes: Vec<u8> = (0..=255).chain(0..=255).chain(TEXT.bytes().take(40)).collect();
    for (stream, expected) in [(WORDS, TEXT.as_bytes()), (PARTS, TEXT.as_bytes()), (BYTES, &bytes[..])] {
        let stream = hex::decode(stream).unwrap();
        assert_eq!(decompressed(&stream, 100_000).as_deref(), Some(expected));
        // It is cut off where it is too long.
        assert_eq!(decompressed(&stream, 50).as_deref(), Some(&expected[..50]));
        // Nodes differ in what they make of bytes behind it.
        for behind in [&[0][..], &[1, 2, 3], &[3; 9]] {
            assert_eq!(decompressed(&[&stream[..], behind].concat(), 100_000), None);
        }
        // None of it is missing.
        for end in 0..stream.len() {
            assert_eq!(decompressed(&stream[..end], 100_000), None, "{end}");
        }
    }
    assert_eq!(decompressed(&[6], 100), Some(Vec::new()), "the shortest one");
}

#[test]
fn a_part_that_makes_more_than_it_says_is_damage() {
    let stream = hex::decode(OVERSHOOTS).unwrap();
    assert_eq!(decompressed(&stream, 100_000), None);
    let channel = [&[1][..], &stream].concat();
    assert_eq!(channel::decompressed(&channel), Err("its brotli data are damaged"));
}

#[test]
fn a_channel_that_bursts_is_cut_off() {
    let channel = [&[1][..], &hex::decode(BOMB).unwrap()].concat();
    assert!(channel.len() < 300);
    let bytes = channel::decompressed(&channel).unwrap();
    assert!(bytes.len() == 100_000_000 && bytes.iter().all(|byte| *byte == 0x80));
}

#[test]
fn padding_is_zeros() {
    let mut stream = uncompressed(b"padding");
    assert_eq!(decompressed(&stream[1..], 100).unwrap(), b"padding");
    // The last byte has two bits that say the end.
    *stream.last_mut().unwrap() |= 0x10;
    assert_eq!(decompressed(&stream[1..], 100), None);
}

proptest! {
    #[test]
    fn changed_streams_panic_nowhere(
        which in 0_usize..3,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut stream = hex::decode([WORDS, PARTS, BYTES][which]).unwrap();
        for (at, byte) in changes {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        drop(decompressed(&stream, 1_000_000));
    }

    #[test]
    fn arbitrary_streams_panic_nowhere(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(decompressed(&stream, 1_000_000));
    }
}
