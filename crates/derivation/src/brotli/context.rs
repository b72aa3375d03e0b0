//! Contexts of literals, by the two bytes before them (RFC 7932, section 7.1).

/// Of each character that is the last one before: a quarter of its part of the context.
const LAST: [u8; 128] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    2, 3, 4, 3, 3, 5, 3, 4, 6, 7, 3, 3, 8, 3, 9, 3, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 8, 8, 6, 10, 7,
    3, //
    3, 12, 13, 13, 13, 12, 13, 13, 13, 12, 13, 13, 13, 13, 13, 12, 13, 13, 13, 13, 13, 12, 13, 13, 13, 13,
    13, 6, 3, 7, 3, 3, //
    3, 14, 15, 15, 15, 14, 15, 15, 15, 14, 15, 15, 15, 15, 15, 14, 15, 15, 15, 15, 15, 14, 15, 15, 15, 15,
    15, 6, 3, 7, 3, 0,
];

/// From 0 to 63.
pub(super) fn context(mode: u8, last: u8, older: u8) -> u8 {
    match mode {
        0 => last & 63,
        1 => last >> 2,
        2 => of_last(last) | of_older(older),
        _ => size(last) << 3 | size(older),
    }
}

fn of_last(byte: u8) -> u8 {
    match LAST.get(usize::from(byte)) {
        Some(quarter) => 4 * quarter,
        None => byte & 1 | (byte >> 5) & 2,
    }
}

const fn of_older(byte: u8) -> u8 {
    match byte {
        0..=32 | 127..=223 => 0,
        b'a'..=b'z' => 3,
        b'0'..=b'9' | b'A'..=b'Z' | 224.. => 2,
        _ => 1,
    }
}

/// How large a byte is, as a number with a sign.
const fn size(byte: u8) -> u8 {
    match byte {
        0 => 0,
        1..16 => 1,
        16..64 => 2,
        64..128 => 3,
        128..192 => 4,
        192..240 => 5,
        240..255 => 6,
        255 => 7,
    }
}
