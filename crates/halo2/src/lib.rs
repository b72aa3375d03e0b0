//! Keys and proofs of Halo2 circuits, over KZG commitments on BN254, in a part of the memory that halo2's own functions take.
//!
//! Verifying keys are those of halo2, and its verifiers take the proofs: circuits, transcripts and contracts stay what they are. What
//! differs is what is in memory at once:
//!
//! - [`Layout`] runs through a circuit once, and everything that its key is made of is in there: the circuit itself, which is several
//!   times as large, may be dropped before the first polynomial is made. Constants are values and not fractions, and the permutation
//!   is of 12 bytes for each cell in place of 80.
//! - A key has the coefficients of its polynomials. halo2's has the values, too. It leaves out the tables of roots of unity for
//!   transforms that are larger than the circuit, which are 12 columns in size, and two more for its own size where transforms need none.
//! - [`witness`] makes the columns of a witness without the proof, so that the circuit may be dropped here, too.
//! - [`prove`] makes the quotient one coset of the circuit's own size after the other, each column when its turn comes, and
//!   interpolates it from those; and it opens polynomials by adding them up, where halo2 has copies of all of them.
//!
//! Circuits have one phase, and no challenges of their own: those of `halo2-base` without its random linear combinations.
//!
//! Sources: the halo2 book (proving system), and `halo2-axiom`, whose verifier says what is written in which order.

mod columns;
mod cycles;
mod domain;
mod key;
mod layout;
mod lookup;
mod opening;
mod permutation;
mod proof;
mod quotient;
mod random;
mod witness;

pub use key::{read_key, write_key};
pub use layout::Layout;
pub use proof::prove;
pub use witness::witness;

use halo2_base::halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk,
    poly::{self, Coeff, LagrangeCoeff, Polynomial, kzg::commitment::ParamsKZG},
};

/// The setup.
pub type Params = ParamsKZG<Bn256>;
/// What a proof is made with: of halo2's type, but with the coefficients alone. halo2's own prover cannot use it.
pub type ProvingKey = plonk::ProvingKey<G1Affine>;

type Domain = poly::EvaluationDomain<Fr>;
type System = plonk::ConstraintSystem<Fr>;
/// A polynomial as its values at the circuit's rows.
type Values = Polynomial<Fr, LagrangeCoeff>;
/// A polynomial as its coefficients.
type Coefficients = Polynomial<Fr, Coeff>;

/// Why there is no key, witness or proof.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The circuit does not fit, or cannot be run through.
    #[error("the circuit: {0}")]
    Circuit(#[from] plonk::Error),
    /// It has more cells than a number of 32 bits counts.
    #[error("the circuit has {cells} cells that take part in copies: more than 2^32")]
    TooManyCells {
        /// How many.
        cells: usize,
    },
    /// There are not enough roots of unity.
    #[error("2^{k} rows are more than the field has roots of unity for")]
    TooManyRows {
        /// The rows' power of two.
        k: u32,
    },
    /// halo2 makes no keys for equations of this degree.
    #[error(
        "the circuit's equations have a degree of {needed}, and halo2 takes {given} at most (MAX_DEGREE in the environment)"
    )]
    Degree {
        /// What halo2 makes keys for.
        given: usize,
        /// What the circuit has.
        needed: usize,
    },
    /// It is none of one phase, or has challenges.
    #[error("the circuit has challenges or several phases, and is to have neither")]
    Phases,
    /// It was given other columns than it has.
    #[error("{what}: there are {given}, and the circuit has {needed}")]
    Shape {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many.
        given: usize,
        /// How many it has.
        needed: usize,
    },
    /// The witness is wrong: a value that is looked up is not in its table.
    #[error("row {row} of the circuit looks up a value that is not in the table")]
    NotInTable {
        /// The first one that looks it up.
        row: usize,
    },
    /// The transcript, or what a key is read from.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
