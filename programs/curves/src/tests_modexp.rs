use super::*;

fn compare(base: &[u8], exponent: &[u8], modulus: &[u8]) {
    let mut expected = DefaultCrypto.modexp(base, exponent, modulus).unwrap();
    // Another implementation may leave leading zeros out.
    let mut padded = vec![0; modulus.len().saturating_sub(expected.len())];
    padded.append(&mut expected);
    assert_eq!(crate::modexp::<Fp381>(base, exponent, modulus), padded, "{base:x?} ^ {exponent:x?} mod {modulus:x?}");
}

#[test]
fn powers_are_those_of_another_implementation() {
    let rng = &mut rng();
    let mut bytes = |len: usize, kind: usize| -> Vec<u8> {
        let mut out = vec![0; len];
        rng.fill(&mut out[..]);
        match kind % 7 {
            0 => out.fill(0xff),
            1 => out.iter_mut().for_each(|byte| *byte &= 0x81),
            2 if len > 3 => out[..len / 2].fill(0),
            3 if len > 3 => out[len / 2..].fill(0),
            4 if len > 0 => out[len - 1] |= 1,
            5 => {
                out.fill(0);
                if len > 0 {
                    out[0] = 0x80;
                }
            }
            _ => {}
        }
        out
    };
    let lengths = [0, 1, 2, 4, 5, 15, 16, 17, 31, 32, 33, 47, 48, 64, 65, 128, 200];
    let mut n = 0;
    for round in 0..5 {
        for (i, base) in lengths.iter().enumerate() {
            for (j, modulus) in lengths.iter().enumerate() {
                let exponent = [0, 1, 2, 7, 33][(i * 5 + j + round) % 5];
                n += 1;
                compare(&bytes(*base, n), &bytes(exponent, n / 3), &bytes(*modulus, n / 7 + round));
            }
        }
    }
    // Every small case.
    for modulus in 0..40 {
        for base in 0..12 {
            for exponent in 0..6 {
                compare(&[base], &[exponent], &[modulus]);
                compare(&[base], &[0, exponent], &[0, 0, modulus]);
            }
        }
    }
}
