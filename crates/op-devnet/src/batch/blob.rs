//! Data in blobs (specification: `protocol/ecotone/derivation.md`, "Blob Encoding").

/// Bytes of a blob.
const BLOB: usize = 32 * 4096;
/// What four field elements hold: 31 bytes each, and three in what is left of their first bytes.
const GROUP: usize = 4 * 31 + 3;
/// The most data.
pub(crate) const MOST_DATA: usize = GROUP * 1024 - 4;

/// A blob with these data; none where they are too many.
pub(crate) fn encode(data: &[u8]) -> Option<Vec<u8>> {
    if data.len() > MOST_DATA {
        return None;
    }
    // The version and the length come before the data.
    let mut stream = (data.len() as u32).to_be_bytes().to_vec();
    stream.extend(data);
    stream.resize(GROUP * 1024, 0);
    let mut blob = Vec::with_capacity(BLOB);
    for group in stream.chunks(GROUP) {
        // Whole bytes and single ones take turns.
        let (x, y, z) = (group[31], group[63], group[95]);
        let tops = [x & 0x3f, y & 0x0f | (x & 0xc0) >> 2, z & 0x3f, y >> 4 | (z & 0xc0) >> 2];
        for (at, top) in tops.into_iter().enumerate() {
            blob.push(top);
            blob.extend(&group[32 * at..32 * at + 31]);
        }
    }
    Some(blob)
}
