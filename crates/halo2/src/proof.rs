//! A proof, in the order in which halo2's verifier reads it.

use crate::{
    Coefficients, Error, Params, ProvingKey, Values,
    columns::{ColumnId, Columns, columns_of},
    domain::{check_phases, degree, rows},
    key::at_rows,
    lookup::{Lookup, Permuted},
    opening::Opening,
    permutation,
    quotient::{Challenges, Committed, pieces},
    random::Random,
};
use halo2_base::halo2_proofs::{
    arithmetic::{eval_polynomial, parallelize},
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
        group::Curve,
    },
    poly::{
        Rotation,
        commitment::{Blind, Params as _, ParamsProver},
    },
    transcript::{EncodedChallenge, TranscriptWrite},
};

/// Writes a proof for a witness. `instances` are the public values of each column, `advice` the witness, with all rows: what is in those
/// for blinding does not matter.
///
/// # Errors
/// The columns are not those of the key's circuit, the circuit has several phases or challenges, or a looked-up value is in no table. A
/// witness that is wrong in another way makes a proof that does not hold: nothing is verified here.
pub fn prove<E: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, E>>(
    params: &Params,
    key: &ProvingKey,
    instances: &[Vec<Fr>],
    advice: Vec<Vec<Fr>>,
    transcript: &mut T,
) -> Result<(), Error> {
    let (system, domain) = (key.get_vk().cs(), key.get_vk().get_domain());
    let (rows, usable) = check(params, key, instances, &advice)?;
    let mut random = Random::new();

    key.get_vk().hash_into(transcript)?;
    let instance = instances.iter().map(|given| {
        let mut values = domain.empty_lagrange();
        values[0..given.len()].copy_from_slice(given);
        values
    });
    let instance: Vec<Values> = instance.collect();
    for value in instances.iter().flatten() {
        transcript.common_scalar(*value)?;
    }
    let commit = |transcript: &mut T, values: &Values| {
        transcript.write_point(params.commit_lagrange(values, Blind::default()).to_affine())
    };
    let commit_coefficients = |transcript: &mut T, polynomial: &Coefficients| {
        transcript.write_point(params.commit(polynomial, Blind::default()).to_affine())
    };
    let challenge = |transcript: &mut T| *transcript.squeeze_challenge_scalar::<()>();

    let advice = advice.into_iter().map(|mut column| {
        random.fill(&mut column[usable..]);
        domain.lagrange_from_vec(column)
    });
    let advice: Vec<Values> = advice.collect();
    for column in &advice {
        commit(transcript, column)?;
    }
    // The key has coefficients alone: what is needed of the fixed columns' values is made.
    let fixed_values = |needed: &[ColumnId]| -> Vec<Values> {
        let made = key.fixed_polys().iter().enumerate().map(|(at, polynomial)| {
            let needed = needed.contains(&ColumnId::Fixed(at));
            if needed { at_rows(domain, polynomial) } else { Values::new(Vec::new()) }
        });
        made.collect()
    };

    let theta = challenge(transcript);
    let mut permuted = Vec::new();
    for argument in system.lookups() {
        let expressions = [argument.input_expressions().as_slice(), argument.table_expressions()];
        let fixed = fixed_values(&columns_of(expressions.into_iter().flatten()));
        let columns = Columns::new(rows, &fixed, &instance, &advice);
        let lookup = Permuted::new(expressions, system, &columns, theta, domain, &mut random)?;
        drop(columns);
        drop(fixed);
        commit(transcript, &lookup.permuted_input)?;
        commit(transcript, &lookup.permuted_table)?;
        permuted.push(lookup);
    }
    let (beta, gamma) = (challenge(transcript), challenge(transcript));
    let mut products: Vec<Coefficients> = Vec::new();
    let copied = system.permutation().get_columns().into_iter().map(ColumnId::from);
    let fixed = fixed_values(&copied.collect::<Vec<_>>());
    let columns = Columns::new(rows, &fixed, &instance, &advice);
    permutation::products(key, &columns, [beta, gamma], domain, &mut random, |product| {
        commit(transcript, &product)?;
        products.push(domain.lagrange_to_coeff(product));
        Ok::<_, Error>(())
    })?;
    drop(columns);
    drop(fixed);
    let mut lookups = Vec::new();
    for mut lookup in permuted {
        let product = lookup.product(system, beta, gamma, &mut random);
        commit(transcript, &product)?;
        lookups.push(lookup.into_lookup(product, domain));
    }
    let mut blinding = domain.empty_coeff();
    random.fill(&mut blinding);
    commit_coefficients(transcript, &blinding)?;
    let y = challenge(transcript);

    let [advice, instance] = [advice, instance]
        .map(|columns| columns.into_iter().map(|values| domain.lagrange_to_coeff(values)).collect());
    let committed = Committed { advice, instance, products, lookups };
    let pieces = pieces(key, &committed, Challenges { theta, beta, gamma, y });
    for piece in &pieces {
        commit_coefficients(transcript, piece)?;
    }
    let x = challenge(transcript);
    let quotient = joined(pieces, x.pow_vartime([domain.get_n()]));

    let Committed { advice, instance, products, lookups } = committed;
    // The verifier evaluates public values itself.
    drop(instance);
    let at = |rotation| domain.rotate_omega(x, rotation);
    let back = Rotation(-(system.blinding_factors() as i32 + 1));
    let of_advice: Vec<Query<'_>> = system
        .advice_queries()
        .iter()
        .map(|(column, to)| Query::new(&advice[column.index()], at(*to)))
        .collect();
    let of_fixed: Vec<Query<'_>> = system
        .fixed_queries()
        .iter()
        .map(|(column, to)| Query::new(&key.fixed_polys()[column.index()], at(*to)))
        .collect();
    let of_permutations: Vec<Query<'_>> =
        key.permutation().polys().iter().map(|polynomial| Query::new(polynomial, x)).collect();
    let mut of_products: Vec<Query<'_>> = Vec::new();
    for (index, product) in products.iter().enumerate() {
        of_products.extend([Query::new(product, x), Query::new(product, at(Rotation::next()))]);
        // Where it ends the next one begins.
        of_products.extend((index + 1 < products.len()).then(|| Query::new(product, at(back))));
    }
    let mut of_lookups: Vec<Query<'_>> = Vec::new();
    for Lookup { product, input, table } in &lookups {
        of_lookups.extend([Query::new(product, x), Query::new(product, at(Rotation::next()))]);
        of_lookups.extend([Query::new(input, x), Query::new(input, at(Rotation::prev()))]);
        of_lookups.push(Query::new(table, x));
    }
    let of_blinding = [Query::new(&blinding, x)];
    for queries in [&of_advice[..], &of_fixed, &of_blinding, &of_permutations, &of_products, &of_lookups] {
        for query in queries {
            transcript.write_scalar(query.value)?;
        }
    }
    // Its value follows from all others, and is not written.
    let of_quotient = [Query::new(&quotient, x)];
    let mut opening = Opening::default();
    for queries in
        [&of_advice[..], &of_products, &of_lookups, &of_fixed, &of_permutations, &of_quotient, &of_blinding]
    {
        for Query { polynomial, point, value } in queries {
            opening.add(polynomial, *point, *value);
        }
    }
    Ok(opening.write(params, domain, transcript)?)
}

/// A polynomial, and what it is at a point.
struct Query<'a> {
    polynomial: &'a Coefficients,
    point: Fr,
    value: Fr,
}

impl<'a> Query<'a> {
    fn new(polynomial: &'a Coefficients, point: Fr) -> Self {
        Self { polynomial, point, value: eval_polynomial(polynomial, point) }
    }
}

/// One polynomial of the pieces, for a point whose power of the rows' number is known.
fn joined(pieces: Vec<Coefficients>, power: Fr) -> Coefficients {
    let mut pieces = pieces.into_iter().rev();
    let mut sum = pieces.next().unwrap_or_else(|| Coefficients::new(Vec::new()));
    for piece in pieces {
        parallelize(&mut sum, |sum, start| {
            for (sum, coefficient) in sum.iter_mut().zip(&piece[start..]) {
                *sum = *sum * power + coefficient;
            }
        });
    }
    sum
}

/// How many rows there are, and how many of them are not for blinding.
fn check(
    params: &Params,
    key: &ProvingKey,
    instances: &[Vec<Fr>],
    advice: &[Vec<Fr>],
) -> Result<(usize, usize), Error> {
    let system = key.get_vk().cs();
    let (rows, usable) = rows(system, key.get_vk().get_domain().k())?;
    check_phases(system)?;
    degree(system)?;
    let same = |what, given, needed| {
        if given == needed { Ok(()) } else { Err(Error::Shape { what, given, needed }) }
    };
    same("rows of the setup", 1 << params.k(), rows)?;
    same("columns of public values", instances.len(), system.num_instance_columns())?;
    same("columns of the witness", advice.len(), system.num_advice_columns())?;
    for column in advice {
        same("rows of the witness", column.len(), rows)?;
    }
    match instances.iter().find(|column| column.len() > usable) {
        Some(column) => {
            Err(Error::Shape { what: "public values of a column", given: column.len(), needed: usable })
        }
        None => Ok((rows, usable)),
    }
}
