use super::*;
use ark_bls12_381::{Fq, Fq2, Fr, G1Affine, G2Affine};
use bls12_381::{G1, G2};

fn array<const N: usize>(bytes: Vec<u8>) -> [u8; N] {
    bytes.try_into().unwrap()
}

fn first(point: G1Affine) -> G1 {
    point.xy().map_or(([0; 48], [0; 48]), |(x, y)| (array(bytes(x)), array(bytes(y))))
}

fn second(point: G2Affine) -> G2 {
    let encode = |x: Fq2| (array(bytes(x.c0)), array(bytes(x.c1)));
    point.xy().map_or(([0; 48], [0; 48], [0; 48], [0; 48]), |(x, y)| {
        let ((a, b), (c, d)) = (encode(x), encode(y));
        (a, b, c, d)
    })
}

fn first_inputs(rng: &mut StdRng) -> Vec<G1> {
    let point = G1Affine::rand(rng);
    let outside = loop {
        if let Some(point) = G1Affine::get_point_from_x_unchecked(Fq::rand(rng), rng.r#gen())
            && !point.is_in_correct_subgroup_assuming_on_curve()
        {
            break point;
        }
    };
    // A point of order 3, which additions and doublings of the subgroup's points never meet.
    let small = G1Affine::new_unchecked(Fq::ZERO, Fq::from(2));
    assert!(small.is_on_curve());
    let mut off = first(point);
    off.1[47] ^= 1;
    let mut modulus: [u8; 48] = array(bytes(-Fq::ONE));
    modulus[47] += 1;
    vec![
        first(point), first(-point), first(G1Affine::generator()), first(G1Affine::rand(rng)), first(outside), first(-outside),
        first(small), ([0; 48], [0; 48]), off, ([0xff; 48], [0xff; 48]), (modulus, [0; 48]), ([0; 48], modulus),
    ]
}

fn second_inputs(rng: &mut StdRng) -> Vec<G2> {
    let point = G2Affine::rand(rng);
    let outside = loop {
        if let Some(point) = G2Affine::get_point_from_x_unchecked(Fq2::rand(rng), rng.r#gen())
            && !point.is_in_correct_subgroup_assuming_on_curve()
        {
            break point;
        }
    };
    let mut off = second(point);
    off.3[47] ^= 1;
    let mut above = second(point);
    above.0 = [0xff; 48];
    vec![
        second(point), second(-point), second(G2Affine::generator()), second(outside), second(-outside),
        ([0; 48], [0; 48], [0; 48], [0; 48]), off, above,
    ]
}

#[test]
fn bls12_381_sums_are_those_of_another_implementation() {
    let rng = &mut rng();
    let firsts = first_inputs(rng);
    for a in &firsts {
        for b in &firsts {
            assert_eq!(bls12_381::g1_add::<Fp381>(a, b).ok(), DefaultCrypto.bls12_381_g1_add(*a, *b).ok());
        }
    }
    let seconds = second_inputs(rng);
    for a in &seconds {
        for b in &seconds {
            assert_eq!(bls12_381::g2_add::<Fp381>(a, b).ok(), DefaultCrypto.bls12_381_g2_add(*a, *b).ok());
        }
    }
}

#[test]
fn bls12_381_multiples_are_those_of_another_implementation() {
    let rng = &mut rng();
    let order: [u8; 32] = array(Fr::MODULUS.to_bytes_be());
    let mut scalars = vec![[0; 32], [0xff; 32], order, array(bytes(Fr::rand(rng))), array(bytes(-Fr::ONE))];
    scalars.push(core::array::from_fn(|i| u8::from(i == 31)));
    let compare = |firsts: &[(G1, [u8; 32])], seconds: &[(G2, [u8; 32])]| {
        let one = bls12_381::g1_msm::<Fp381, _>(&mut firsts.iter().copied().map(Ok), |invalid| invalid).ok();
        assert_eq!(one, DefaultCrypto.bls12_381_g1_msm(&mut firsts.iter().copied().map(Ok)).ok());
        let two = bls12_381::g2_msm::<Fp381, _>(&mut seconds.iter().copied().map(Ok), |invalid| invalid).ok();
        assert_eq!(two, DefaultCrypto.bls12_381_g2_msm(&mut seconds.iter().copied().map(Ok)).ok());
        one.is_some()
    };
    let (firsts, seconds) = (first_inputs(rng), second_inputs(rng));
    for scalar in &scalars {
        for i in 0..firsts.len() {
            let second = seconds[i % seconds.len()];
            compare(&[(firsts[i], *scalar)], &[(second, *scalar)]);
        }
    }
    for n in [2, 5, 17] {
        let firsts: Vec<_> = (0..n).map(|i| (firsts[[0, 1, 2, 3, 7][i % 5]], scalars[i % 5])).collect();
        let seconds: Vec<_> = (0..n).map(|i| (seconds[[0, 1, 2, 5][i % 4]], scalars[(i + 1) % 5])).collect();
        assert!(compare(&firsts, &seconds));
    }
}

#[test]
fn bls12_381_pairings_are_those_of_another_implementation() {
    let rng = &mut rng();
    let compare = |pairs: &[(G1, G2)]| {
        let expected = DefaultCrypto.bls12_381_pairing_check(pairs).ok();
        assert_eq!(bls12_381::pairing_check::<Fp381>(pairs).ok(), expected);
        expected
    };
    let (firsts, seconds) = (first_inputs(rng), second_inputs(rng));
    for a in &firsts {
        for b in &seconds {
            compare(&[(*a, *b)]);
        }
    }
    assert_eq!(bls12_381::pairing_check::<Fp381>(&[(firsts[4], seconds[0])]), Err(Invalid::NotInSubgroup));
    assert_eq!(bls12_381::pairing_check::<Fp381>(&[(firsts[6], seconds[0])]), Err(Invalid::NotInSubgroup));
    assert_eq!(bls12_381::pairing_check::<Fp381>(&[(firsts[0], seconds[3])]), Err(Invalid::NotInSubgroup));
    for n in 1..4 {
        let mut pairs = Vec::new();
        for _ in 0..n {
            let (a, b) = (Fr::rand(rng), Fr::rand(rng));
            let (p, q) = (G1Affine::rand(rng), G2Affine::rand(rng));
            pairs.push((first((p * a).into_affine()), second((q * b).into_affine())));
            pairs.push((first((-p * (a * b)).into_affine()), second(q)));
            pairs.push((first(G1Affine::zero()), second(q)));
            pairs.push((first(p), second(G2Affine::zero())));
        }
        assert_eq!(compare(&pairs), Some(true));
        pairs[0].0 = first(G1Affine::rand(rng));
        assert_eq!(compare(&pairs), Some(false));
    }
}

#[test]
fn bls12_381_maps_are_those_of_another_implementation() {
    let rng = &mut rng();
    let mut elements = vec![[0; 48], array(bytes(Fq::ONE)), array(bytes(-Fq::ONE)), [0xff; 48]];
    elements.extend((0..30).map(|_| array::<48>(bytes(Fq::rand(rng)))));
    // Where the map's denominator is zero: z·u² = −1.
    if let Some(root) = (-Fq::from(11).inverse().unwrap()).sqrt() {
        elements.push(array(bytes(root)));
    }
    for element in &elements {
        assert_eq!(bls12_381::map_to_g1::<Fp381>(element).ok(), DefaultCrypto.bls12_381_fp_to_g1(element).ok());
    }
    for (i, a) in elements.iter().enumerate() {
        let pair = (*a, elements[i * 7 % elements.len()]);
        assert_eq!(bls12_381::map_to_g2::<Fp381>(&pair).ok(), DefaultCrypto.bls12_381_fp2_to_g2(pair).ok());
    }
}

/// The isogenies' coefficients are arkworks'. `WRITE=1` writes them anew.
#[test]
fn tables_of_the_isogenies() {
    fn fp(value: &Fq) -> Vec<u8> {
        value.into_bigint().to_bytes_le()
    }
    let first = <ark_bls12_381::g1::Config as WBConfig>::ISOGENY_MAP;
    let parts = [first.x_map_numerator, first.x_map_denominator, first.y_map_numerator, first.y_map_denominator];
    let one: Vec<u8> = parts.into_iter().flatten().flat_map(fp).collect();
    let second = <ark_bls12_381::g2::Config as WBConfig>::ISOGENY_MAP;
    let parts = [second.x_map_numerator, second.x_map_denominator, second.y_map_numerator, second.y_map_denominator];
    let two: Vec<u8> = parts.into_iter().flatten().flat_map(|c| [fp(&c.c0), fp(&c.c1)].concat()).collect();
    if std::env::var_os("WRITE").is_some() {
        std::fs::write("src/isogeny1.bin", &one).unwrap();
        std::fs::write("src/isogeny2.bin", &two).unwrap();
    } else {
        assert_eq!(one, include_bytes!("isogeny1.bin"));
        assert_eq!(two, include_bytes!("isogeny2.bin"));
    }
}

#[test]
fn kzg_proofs_are_judged_as_by_another_implementation() {
    use ark_serialize::CanonicalSerialize;
    let rng = &mut rng();
    let compress = |point: G1Affine| {
        let mut out = [0; 48];
        point.serialize_compressed(&mut out[..]).unwrap();
        out
    };
    let compare = |z: &[u8; 32], y: &[u8; 32], commitment: &[u8; 48], proof: &[u8; 48]| {
        let expected = DefaultCrypto.verify_kzg_proof(z, y, commitment, proof).is_ok();
        assert_eq!(crate::verify_kzg_proof::<Fp381>(z, y, commitment, proof), expected);
        expected
    };
    let scalar = |value: Fr| array::<32>(bytes(value));
    // A constant polynomial: its commitment is a multiple of the generator, and the quotient is zero.
    let c = Fr::rand(rng);
    let constant = compress((G1Affine::generator() * c).into_affine());
    let infinity = compress(G1Affine::zero());
    assert!(compare(&scalar(Fr::rand(rng)), &scalar(c), &constant, &infinity));
    assert!(!compare(&scalar(Fr::rand(rng)), &scalar(c + Fr::ONE), &constant, &infinity));
    assert!(compare(&scalar(Fr::ZERO), &scalar(Fr::ZERO), &infinity, &infinity));
    let order: [u8; 32] = array(Fr::MODULUS.to_bytes_be());
    assert!(!compare(&order, &scalar(c), &constant, &infinity));
    assert!(!compare(&scalar(c), &order, &constant, &infinity));
    // The vector of the KZG library that revm tests with, true and with each argument changed.
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let commitment = array(hex("8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7"));
    let z = array(hex("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"));
    let y = array(hex("1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9"));
    let proof = array(hex("a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c"));
    assert!(compare(&z, &y, &commitment, &proof));
    let mut flipped = proof;
    flipped[0] ^= 0x20;
    assert!(!compare(&z, &y, &commitment, &flipped));
    assert!(!compare(&z, &y, &proof, &commitment));
    assert!(!compare(&y, &z, &commitment, &proof));
    for byte in [0, 17, 47] {
        for bit in [0x01, 0x40, 0x80] {
            let mut bad = commitment;
            bad[byte] ^= bit;
            compare(&z, &y, &bad, &proof);
        }
    }
    for _ in 0..10 {
        // Some of the curve, outside the subgroup.
        let mut outside = [0; 48];
        rng.fill(&mut outside[..]);
        outside[0] = outside[0] & 0x3f | 0x80;
        compare(&z, &y, &outside, &proof);
    }
    // Ethereum's rules want the one encoding of infinity; arkworks takes others too.
    let mut other = infinity;
    other[47] = 1;
    assert!(!crate::verify_kzg_proof::<Fp381>(&z, &scalar(Fr::ZERO), &infinity, &other));
}
