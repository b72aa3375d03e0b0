//! What can be wrong with a string or its file.

use crate::Setup;
use std::{io, path::PathBuf};

/// Why there is no string.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrsError {
    /// The file is not there.
    #[error(
        "there is no {setup} setup of degree {degree}: {} is missing. {}",
        path.display(),
        remedy(*setup, *degree)
    )]
    Missing {
        /// Which setup.
        setup: Setup,
        /// Log2 of its powers.
        degree: u32,
        /// The file that should be there.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {source}. Name another folder with --snark-dir", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The disk is too small.
    #[error(
        "{}: the file takes {needed} MB and the disk has {free} MB left: free some, or name another folder with --snark-dir",
        path.display()
    )]
    DiskTooSmall {
        /// Which file.
        path: PathBuf,
        /// What it takes.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// The file is no setup.
    #[error("{} is no setup: {cause}", path.display())]
    NotASetup {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The file was cut off, or something was added.
    #[error("{} is damaged: it has {given} bytes, and one of its degree has {expected}. Fetch or make it again", path.display())]
    WrongLength {
        /// Which file.
        path: PathBuf,
        /// What it should have.
        expected: u64,
        /// What it has.
        given: u64,
    },
    /// Bytes of the file were changed.
    #[error("{} is damaged: {cause}. Remove it, and import or make it again", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not match.
        cause: String,
    },
    /// The file says that it is of another setup.
    #[error(
        "{} is of the {found} setup, not of the {expected} one: give it back its name, and import or make the other with `proofmill srs`",
        path.display()
    )]
    OtherSetup {
        /// Which file.
        path: PathBuf,
        /// What was wanted.
        expected: Setup,
        /// What it says.
        found: Setup,
    },
    /// Two files of one setup rest on two secrets.
    #[error(
        "{} and {} rest on two secrets: the ceremony has files of several contributions, and one SNARK takes those of one. \
         Import both degrees from files of the same",
        path.display(),
        other.display()
    )]
    TwoSecrets {
        /// One file.
        path: PathBuf,
        /// Another one.
        other: PathBuf,
    },
    /// There is a file already that rests on another secret.
    #[error(
        "{} is there already, and rests on another contribution to the ceremony: keys and SNARKs may belong to it. Name another \
         folder with --snark-dir, or remove the file first",
        path.display()
    )]
    OtherThere {
        /// Which file.
        path: PathBuf,
    },
    /// The file says that it has another degree.
    #[error(
        "{} is of degree {found}, not {expected}: give it back its name, and import or make the other with `proofmill srs`",
        path.display()
    )]
    OtherDegree {
        /// Which file.
        path: PathBuf,
        /// What was wanted.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// The degree is smaller than what is needed.
    #[error(
        "the setup has degree {has}, which is less than {needed}: take a larger file of the same ceremony"
    )]
    TooSmall {
        /// What it has.
        has: u32,
        /// What is needed.
        needed: u32,
    },
    /// The degree is none.
    #[error("a setup has a degree from {} to {}, not {degree}", crate::LEAST_DEGREE, crate::LARGEST_DEGREE)]
    NoSuchDegree {
        /// What was asked for.
        degree: u32,
    },
    /// A point is none of the group.
    #[error(
        "point {index} of the setup's {part} is not on the curve, has a coordinate that is no number of the field, or is zero: fetch it \
         again"
    )]
    BadPoint {
        /// Powers, Lagrange points, or points of the second group.
        part: &'static str,
        /// Which, from 0.
        index: usize,
    },
    /// The points are not powers of one secret.
    #[error("the setup does not hold together: {cause}. Fetch it again")]
    Inconsistent {
        /// What does not fit.
        cause: &'static str,
    },
    /// Its secret is of neither setup that is known.
    #[error(
        "the setup is neither the perpetual powers of tau nor the one for development: who knows its secret is not known, and it is \
         not taken"
    )]
    UnknownSetup,
    /// A file of snarkjs that was not prepared.
    #[error(
        "{} has no Lagrange points of degree {degree}: prepare it with `snarkjs powersoftau prepare phase2`, or take a prepared file",
        path.display()
    )]
    NotPrepared {
        /// Which file.
        path: PathBuf,
        /// Which degree.
        degree: u32,
    },
}

fn remedy(setup: Setup, degree: u32) -> String {
    match setup {
        Setup::Development => format!("Make it with `proofmill srs dev --degree {degree}`"),
        Setup::Ceremony => {
            format!("Import one of the ceremony with `proofmill srs import FILE --degree {degree}`")
        }
    }
}
