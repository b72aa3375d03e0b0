/// The little-endian bytes of a number in hexadecimal digits, for constants.
///
/// ```
/// assert_eq!(proofmill_curves::constant::<3>("1ff"), [0xff, 0x01, 0x00]);
/// ```
pub const fn constant<const N: usize>(hex: &str) -> [u8; N] {
    let digits = hex.as_bytes();
    let mut out = [0; N];
    let mut i = 0;
    while i < digits.len() {
        let digit = digits[digits.len() - 1 - i];
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        };
        out[i / 2] |= value << (i % 2 * 4);
        i += 1;
    }
    out
}

/// The bits of a big-endian number from the highest on.
pub(crate) fn bits(number: &[u8]) -> impl Iterator<Item = bool> {
    number.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1 == 1))
}

/// The digits −1, 0 and 1 of a number without two neighbours that are not zero, below the highest digit, which is 1.
pub(crate) fn signed_digits(number: u128) -> impl Iterator<Item = i8> {
    let triple = number * 3;
    let top = triple.ilog2();
    (1..top).rev().map(move |i| (triple >> i & 1) as i8 - (number >> i & 1) as i8)
}
