//! What precompiles are called with: at their worst, and with good and bad arguments.

use super::repeated;
use alloy_primitives::{U256, hex, keccak256};

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

/// `base^exponent mod modulus`, each of `size` bytes.
fn modexp(size: usize, exponent: usize, even: bool) -> Vec<u8> {
    let mut data = [word(size as u64), word(exponent as u64), word(size as u64)].concat();
    data.extend(vec![0xfe; size]);
    data.extend(vec![0xff; exponent]);
    let mut modulus = vec![0xfd; size];
    modulus[size - 1] = if even { 0xf0 } else { 0xf1 };
    data.extend(modulus);
    data
}

fn padded(hexadecimal: &[&str]) -> Vec<u8> {
    hexadecimal
        .iter()
        .flat_map(|text| [vec![0; 16], hex::decode(text).expect("hexadecimal")].concat())
        .collect()
}

/// The generators of BLS12-381.
fn bls_first() -> Vec<u8> {
    padded(&[
        "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
        "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
    ])
}

fn bls_second() -> Vec<u8> {
    padded(&[
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
        "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
        "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801",
        "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
    ])
}

fn bn_second() -> Vec<u8> {
    hex!(
        "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
        "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
        "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
        "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
    )
    .to_vec()
}

fn bn_first() -> Vec<u8> {
    [word(1), word(2)].concat()
}

/// Address, data and turns of a precompile's attack.
pub(super) fn precompile(name: &str) -> Option<(u8, Vec<u8>, u32)> {
    let scalar = vec![0xff; 32];
    Some(match name {
        "ecrecover" => {
            let key = keccak256("key");
            let digest = keccak256("message");
            let signature = alloy_consensus::crypto::secp256k1::sign_message(key, digest).expect("signed");
            let v = word(27 + u64::from(signature.v()));
            (1, [digest.0, v, signature.r().to_be_bytes(), signature.s().to_be_bytes()].concat(), 900)
        }
        "sha256" => (2, vec![7; 65_536], 110),
        "sha256-short" => (2, vec![7; 55], 12_000),
        "ripemd160" => (3, vec![7; 65_536], 11),
        "identity" => (4, vec![7; 65_536], 450),
        "identity-short" => (4, vec![7; 32], 20_000),
        "modexp-32" => (5, modexp(32, 32, false), 1_800),
        "modexp-32-even" => (5, modexp(32, 32, true), 1_800),
        "modexp-256" => (5, modexp(256, 32, false), 30),
        "modexp-256-even" => (5, modexp(256, 32, true), 30),
        "modexp-1024" => (5, modexp(1024, 32, false), 2),
        "modexp-256-square" => {
            let mut data = modexp(256, 1, false);
            data[96 + 256] = 2;
            (5, data, 5_000)
        }
        "bn254-add" => (6, [bn_first(), bn_first()].concat(), 10_000),
        "bn254-mul" => (7, [bn_first(), scalar].concat(), 480),
        "bn254-pairing-1" => (8, [bn_first(), bn_second()].concat(), 36),
        "bn254-pairing-20" => (8, repeated(&[bn_first(), bn_second()].concat(), 20), 4),
        "blake2f" => (9, [1_000_000u32.to_be_bytes().to_vec(), vec![5; 208], vec![1]].concat(), 3),
        "blake2f-short" => (9, [vec![0, 0, 0, 1], vec![5; 208], vec![1]].concat(), 20_000),
        "kzg" => {
            let commitment = hex!(
                "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7"
            );
            // Version 1, and the rest of the commitment's SHA-256.
            let hash = hex!("01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b");
            let z = hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000");
            let y = hex!("1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9");
            let proof = hex!(
                "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c"
            );
            (10, [&hash[..], &z, &y, &commitment, &proof].concat(), 40)
        }
        "bls-g1-add" => (11, [bls_first(), bls_first()].concat(), 5_500),
        "bls-g1-msm-1" => (12, [bls_first(), scalar].concat(), 240),
        "bls-g1-msm-128" => (12, repeated(&[bls_first(), scalar].concat(), 128), 4),
        "bls-g2-add" => (13, [bls_second(), bls_second()].concat(), 4_000),
        "bls-g2-msm-128" => (14, repeated(&[bls_second(), scalar].concat(), 128), 2),
        "bls-pairing-1" => (15, [bls_first(), bls_second()].concat(), 40),
        "bls-pairing-20" => (15, repeated(&[bls_first(), bls_second()].concat(), 20), 4),
        "bls-map-g1" => (16, [vec![0; 16], vec![9; 48]].concat(), 500),
        "bls-map-g2" => (17, [vec![0; 16], vec![9; 48], vec![0; 16], vec![8; 48]].concat(), 120),
        _ => return None,
    })
}

/// A signature by P-256, as its precompile takes it.
pub(super) const P256: &str = "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4da73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf\
5993d58468e8fb19086e8cac36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d604aebd3099c618202fcfe16ae7770b0c49ab5ea\
df74b754204a3bb6060e44eff37618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e";

/// Calls the precompile that the data's first word names with the rest of it, and stores a hash of what comes back, and
/// whether it failed: a guest that computes something else ends with another state root.
pub(crate) const RECORDER: &[u8] = &hex!("365f5f37365f205f5f6020360360205f355afa3d5f5f3e3d5f2001905500");

/// What the [`RECORDER`] is called with: each precompile of fields with good and bad arguments.
pub(crate) fn vectors() -> Vec<Vec<u8>> {
    let names = [
        "ecrecover",
        "sha256-short",
        "modexp-32",
        "modexp-32-even",
        "modexp-256",
        "modexp-256-even",
        "modexp-256-square",
        "bn254-add",
        "bn254-mul",
        "bn254-pairing-1",
        "kzg",
        "bls-g1-add",
        "bls-g1-msm-1",
        "bls-g2-add",
        "bls-pairing-1",
        "bls-map-g1",
        "bls-map-g2",
    ];
    let mut out = Vec::new();
    let mut push = |address: u16, data: &[u8]| out.push([&word(address.into())[..], data].concat());
    for name in names {
        let Some((address, data, _)) = precompile(name) else { continue };
        let address = u16::from(address);
        push(address, &data);
        push(address, &vec![0; data.len()]);
        push(address, &data[..data.len() - 1]);
        // A bit in each quarter: off the curve, not a proof, another number.
        for quarter in 0..4 {
            let mut changed = data.clone();
            changed[data.len() * quarter / 4 + data.len() / 4 - 1] ^= 1;
            push(address, &changed);
        }
        // Coordinates above the modulus.
        let mut changed = data.clone();
        changed[data.len().min(64) - 32..data.len().min(64)].fill(0xff);
        push(address, &changed);
    }
    // e(P, Q)·e(−P, Q) = 1, and of twice as much with an infinity between.
    let minus = |first: Vec<u8>, y: &[u8]| [&first[..first.len() - y.len()], y].concat();
    let bn = [
        bn_first(),
        bn_second(),
        minus(bn_first(), &hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45")),
        bn_second(),
    ]
    .concat();
    let negated = hex!(
        "114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca"
    );
    let bls = [bls_first(), bls_second(), minus(bls_first(), &negated), bls_second()].concat();
    push(8, &bn);
    push(8, &[&bn[..], &[0; 192], &bn].concat());
    push(15, &bls);
    push(15, &[&bls[..], &[0; 384], &bls].concat());
    push(8, &[]);
    // A signature; then with a bit changed in each number, numbers above their modulus or order, and zeros.
    let p256 = hex::decode(P256).expect("hexadecimal");
    push(256, &p256);
    for number in 0..5 {
        for fill in [None, Some(0xff), Some(0)] {
            let mut changed = p256.clone();
            match fill {
                None => changed[32 * number + 17] ^= 4,
                Some(byte) => changed[32 * number..32 * number + 32].fill(byte),
            }
            push(256, &changed);
        }
    }
    // Multi-scalar products of several points and scalars.
    let scalars = [[0xff; 32], [0x00; 32], word(1), [0x31; 32]];
    push(12, &scalars.iter().flat_map(|scalar| [&bls_first()[..], scalar].concat()).collect::<Vec<_>>());
    push(14, &scalars.iter().flat_map(|scalar| [&bls_second()[..], scalar].concat()).collect::<Vec<_>>());
    out
}
