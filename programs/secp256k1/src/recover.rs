use crate::{
    Machine, Uint, from_be_bytes,
    msm::double_mul,
    split::ORDER,
    uint::{checked_add, constant, is_zero, less},
};

/// Recovers the public key (x then y, big-endian) that signed `digest` with the signature `r`, `s` (big-endian).
///
/// `recovery_id` is 0 to 3: bit 0 is the parity of the y coordinate of the signature's point, bit 1 says that its x
/// coordinate is `r + order`. Any `s` below the order is accepted; that it is a low one is for the caller to check.
/// `None` when no key can have made the signature.
pub fn recover<M: Machine>(digest: &[u8; 32], r: &[u8; 32], s: &[u8; 32], recovery_id: u8) -> Option<[u8; 64]> {
    let (r, s) = (from_be_bytes(r), from_be_bytes(s));
    if recovery_id > 3 || !is_scalar(&r) || !is_scalar(&s) {
        return None;
    }
    let x = if recovery_id & 2 == 0 { r } else { checked_add(&r, &ORDER)? };
    let point = M::lift_x(&x, recovery_id & 1)?;

    // Q = (s·R − z·G) / r
    let inverse = M::invert(&M::scalar(&r));
    let z = M::mul(&M::scalar(&from_be_bytes(digest)), &inverse);
    let u1 = M::sub(&M::scalar(&constant([0; 8])), &z);
    let u2 = M::mul(&M::scalar(&s), &inverse);
    double_mul::<M>(&u1, &u2, point).map(|key| M::encode(&key))
}

/// Whether `value` is at least 1 and below the order of the group.
fn is_scalar(value: &Uint) -> bool {
    !is_zero(value) && less(value, &ORDER)
}
