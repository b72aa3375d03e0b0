//! KZG proofs of EIP-4844.

use crate::{
    Prime,
    bls12_381::{BYTES, Bls12, curve_b, is_first},
    constant,
    fp2::Fp2,
    pairing,
    point::{Affine, Point, add, multiply, negate},
};

/// The order of the groups.
pub(crate) const ORDER: [u8; 32] = {
    let mut bytes: [u8; 32] = constant("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    bytes.reverse();
    bytes
};

fn first_generator<F: Prime>() -> Affine<F> {
    const X: [u8; BYTES] = constant(concat!(
        "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905",
        "a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    ));
    const Y: [u8; BYTES] = constant(concat!(
        "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af6",
        "00db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
    ));
    Affine { x: F::constant(&X), y: F::constant(&Y) }
}

fn second_generator<F: Prime>() -> Affine<Fp2<F>> {
    const X0: [u8; BYTES] = constant(concat!(
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02",
        "b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    ));
    const X1: [u8; BYTES] = constant(concat!(
        "13e02b6052719f607dacd3a088274f65596bd0d09920b61a",
        "b5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    ));
    const Y0: [u8; BYTES] = constant(concat!(
        "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a7",
        "6d429a695160d12c923ac9cc3baca289e193548608b82801"
    ));
    const Y1: [u8; BYTES] = constant(concat!(
        "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af",
        "267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
    ));
    Affine { x: Fp2::constant(&X0, &X1), y: Fp2::constant(&Y0, &Y1) }
}

/// `τ` times the second generator, from Ethereum's ceremony.
fn tau<F: Prime>() -> Affine<Fp2<F>> {
    const X0: [u8; BYTES] = constant(concat!(
        "185cbfee53492714734429b7b38608e23926c911cceceac9",
        "a36851477ba4c60b087041de621000edc98edada20c1def2"
    ));
    const X1: [u8; BYTES] = constant(concat!(
        "15bfd7dd8cdeb128843bc287230af38926187075cbfbefa8",
        "1009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    ));
    const Y0: [u8; BYTES] = constant(concat!(
        "014353bdb96b626dd7d5ee8599d1fca2131569490e28de18",
        "e82451a496a9c9794ce26d105941f383ee689bfbbb832a99"
    ));
    const Y1: [u8; BYTES] = constant(concat!(
        "1666c54b0a32529503432fcae0181b4bef79de09fc63671f",
        "da5ed1ba9bfa07899495346f3d7ac9cd23048ef30d0a154f"
    ));
    Affine { x: Fp2::constant(&X0, &X1), y: Fp2::constant(&Y0, &Y1) }
}

/// A point of the first group from its x coordinate and three bits. `None` when it is not encoded so.
pub(crate) fn decompress<F: Prime>(bytes: &[u8; BYTES]) -> Option<Point<F>> {
    let (compressed, infinity, greater) = (bytes[0] & 0x80 != 0, bytes[0] & 0x40 != 0, bytes[0] & 0x20 != 0);
    if !compressed {
        return None;
    }
    if infinity {
        return (bytes[0] == 0xc0 && bytes[1..].iter().all(|byte| *byte == 0)).then_some(None);
    }
    let mut number = *bytes;
    number[0] &= 0x1f;
    let x = F::decode(&number)?;
    let y = x.square().mul(&x).add(&curve_b()).root()?;
    let negated = y.neg();
    let (mut one, mut other) = ([0; BYTES], [0; BYTES]);
    y.encode(&mut one);
    negated.encode(&mut other);
    let point = Affine { x, y: if (one > other) == greater { y } else { negated } };
    is_first(&point).then_some(Some(point))
}

/// Whether the polynomial that `commitment` commits to is `y` at `z`. Not when an argument is not well-formed.
pub fn verify_kzg_proof<F: Prime>(
    z: &[u8; 32],
    y: &[u8; 32],
    commitment: &[u8; BYTES],
    proof: &[u8; BYTES],
) -> bool {
    F::prepare();
    if *z >= ORDER || *y >= ORDER {
        return false;
    }
    let (Some(commitment), Some(proof)) = (decompress::<F>(commitment), decompress::<F>(proof)) else {
        return false;
    };
    opens(z, y, &commitment, &proof)
}

/// Whether a commitment opens to `y` at `z`. Both points are of the first group.
pub(crate) fn opens<F: Prime>(z: &[u8; 32], y: &[u8; 32], commitment: &Point<F>, proof: &Point<F>) -> bool {
    // e(C − y·G₁, G₂) = e(π, (τ − z)·G₂), with z on the other side: e(C − y·G₁ + z·π, G₂) = e(π, τ·G₂). So the second
    // arguments are constants, and nothing is multiplied in the larger group.
    let left = add(commitment, &negate(&multiply(&Some(first_generator()), y)));
    let left = add(&left, &multiply(proof, z));
    pairing::is_one::<Bls12<F>>(&[(left, Some(second_generator())), (negate(proof), Some(tau()))])
}
