//! A key as it is kept: commitments, and the coefficients of the fixed columns and of the permutation.
//!
//! halo2 keeps each column's values, too, and three polynomials that follow from the number of rows: more than twice as much. All of
//! that is a transform away, and is made when its turn comes.

use crate::{
    Coefficients, Domain, Error, ProvingKey, System, Values,
    domain::{check_rows, degree, domain, rows},
};
use halo2_base::halo2_proofs::{
    halo2curves::{
        CurveAffine,
        bn256::{Fr, G1Affine},
        ff::{Field, WithSmallOrderMulGroup},
        serde::SerdeObject,
    },
    plonk::{self, Circuit, permutation},
};
use std::io::{self, Read, Write};

/// First byte of a key. To be raised with its form.
const VERSION: u8 = 3;
/// Bytes of a scalar.
const SCALAR: usize = 32;
/// Scalars that are read or written at once.
const AT_ONCE: usize = 512;

/// The values at the rows of a polynomial.
pub(crate) fn at_rows(domain: &Domain, polynomial: &Coefficients) -> Values {
    // The coset whose shift is one.
    let unshifted = Fr::ZETA.invert().unwrap_or(Fr::ZERO);
    domain.coeff_to_extended_part(polynomial.clone(), unshifted)
}

/// Polynomials, and the commitment to each.
pub(crate) type CommittedTo = (Vec<G1Affine>, Vec<Coefficients>);

/// A key of halo2's type with the coefficients alone, of a system without selectors.
pub(crate) fn key(
    domain: Domain,
    system: System,
    (fixed_commitments, fixed): CommittedTo,
    (permutation_commitments, permutations): CommittedTo,
) -> ProvingKey {
    let permutation = permutation::VerifyingKey::from_commitments(permutation_commitments);
    let verifying =
        plonk::VerifyingKey::from_parts(domain, fixed_commitments, permutation, system, Vec::new(), false);
    let none = || Coefficients::new(Vec::new());
    let permutation = permutation::ProvingKey::from_parts(Vec::new(), permutations);
    ProvingKey::from_parts(verifying, none(), none(), none(), Vec::new(), fixed, permutation)
}

/// Writes a key for [`read_key`].
///
/// # Errors
/// The writer's.
pub fn write_key(key: &ProvingKey, writer: &mut impl Write) -> io::Result<()> {
    let verifying = key.get_vk();
    writer.write_all(&[VERSION])?;
    writer.write_all(&verifying.get_domain().k().to_le_bytes())?;
    let permutation = key.permutation().polys();
    let polynomials = key.fixed_polys().iter().chain(permutation);
    let commitments = verifying.fixed_commitments().iter().chain(verifying.permutation().commitments());
    for columns in [key.fixed_polys(), permutation] {
        writer.write_all(&(columns.len() as u32).to_le_bytes())?;
    }
    for commitment in commitments {
        commitment.write_raw(writer)?;
    }
    let mut bytes = Vec::with_capacity(AT_ONCE * SCALAR);
    for scalars in polynomials.flat_map(|polynomial| polynomial.chunks(AT_ONCE)) {
        bytes.clear();
        for scalar in scalars {
            scalar.write_raw(&mut bytes)?;
        }
        writer.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads a key that [`write_key`] has written, of a circuit of type `C` with these parameters. A number that is too large for its field, and
/// what is no point of the curve, is refused.
///
/// # Errors
/// It ends early, or is none of such a circuit.
pub fn read_key<C: Circuit<Fr>>(reader: &mut impl Read, params: C::Params) -> Result<ProvingKey, Error> {
    let strange = |what: &str| Error::Io(strange(what));
    let mut version = [0];
    reader.read_exact(&mut version)?;
    if version != [VERSION] {
        return Err(strange("another version"));
    }
    let k = number(reader)?;
    let mut system = System::default();
    C::configure_with_params(&mut system, params);
    let degree = degree(&system)?;
    check_rows(degree, k)?;
    let (rows, _) = rows(&system, k)?;
    let selectors = vec![vec![false]; system.num_selectors()];
    let (system, _) = system.directly_convert_selectors_to_fixed(selectors);
    let (fixed, permuted) = (system.num_fixed_columns(), system.permutation().get_columns().len());
    if [number(reader)?, number(reader)?].map(|number| number as usize) != [fixed, permuted] {
        return Err(strange("other columns than the circuit's"));
    }
    let mut points =
        |count: usize| -> io::Result<Vec<G1Affine>> { (0..count).map(|_| point(reader)).collect() };
    let (fixed_commitments, permutation_commitments) = (points(fixed)?, points(permuted)?);
    let mut polynomials = |count: usize| -> io::Result<Vec<Coefficients>> {
        (0..count).map(|_| Ok(Coefficients::new(scalars(reader, rows)?))).collect()
    };
    let (fixed, permutations) = (polynomials(fixed)?, polynomials(permuted)?);
    let fixed = (fixed_commitments, fixed);
    Ok(key(domain(degree, k)?, system, fixed, (permutation_commitments, permutations)))
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no key: {what}"))
}

fn number(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// A point of the curve, also the one at infinity.
fn point(reader: &mut impl Read) -> io::Result<G1Affine> {
    let point = G1Affine::read_raw(reader)?;
    if bool::from(point.is_on_curve()) { Ok(point) } else { Err(strange("a point that is not on the curve")) }
}

fn scalars(reader: &mut impl Read, count: usize) -> io::Result<Vec<Fr>> {
    let mut scalars = Vec::new();
    // A number of rows that is damaged may be any.
    scalars.try_reserve_exact(count).map_err(io::Error::other)?;
    let mut bytes = [0; AT_ONCE * SCALAR];
    while scalars.len() < count {
        let bytes = &mut bytes[..(count - scalars.len()).min(AT_ONCE) * SCALAR];
        reader.read_exact(bytes)?;
        for scalar in bytes.chunks_exact(SCALAR) {
            let scalar = Fr::from_raw_bytes(scalar);
            scalars.push(scalar.ok_or_else(|| strange("a number that is too large for its field"))?);
        }
    }
    Ok(scalars)
}
