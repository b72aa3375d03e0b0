//! The constant table: odd multiples of the generator and of 2¹²⁸ times the generator.

/// The window of the constant table's digits, in bits. Each bit more doubles the table and saves about 4 additions.
pub const TABLE_WINDOW: usize = 8;

/// How many odd multiples each of the two bases has.
pub(crate) const MULTIPLES: usize = 1 << (TABLE_WINDOW - 2);

/// One point: x then y, 32 little-endian bytes each, aligned as the machines want their operands.
#[repr(C, align(32))]
pub struct TablePoint(pub [u8; 64]);

static TABLE: [TablePoint; 2 * MULTIPLES] = {
    let bytes: &[u8; 128 * MULTIPLES] = include_bytes!("table.bin");
    let mut points = [const { TablePoint([0; 64]) }; 2 * MULTIPLES];
    let mut i = 0;
    while i < 2 * MULTIPLES {
        let mut j = 0;
        while j < 64 {
            points[i].0[j] = bytes[i * 64 + j];
            j += 1;
        }
        i += 1;
    }
    points
};

/// `1·G, 3·G, 5·G, …` and then the same multiples of `2¹²⁸·G`.
pub fn fixed_multiples() -> &'static [TablePoint] {
    &TABLE
}
