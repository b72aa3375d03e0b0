//! How tasks are written down.

use crate::proof::UnknownName;
use alloc::{format, string::String};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// How a task says what is to be done, and how its results are made. A worker that does not speak a task's dialect cannot do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Dialect {
    /// That of the SP1 cluster's own controllers: what is to be done follows from the kind, inputs and outputs are laid out and
    /// encoded as `sp1-prover` does.
    Sp1Cluster,
    /// Proofmill's own: the metadata say what is to be done. The number stands for everything that must be the same on both
    /// sides: the layout of tasks, the version, the prover type and its circuits.
    Own(u64),
}

impl Dialect {
    /// Of workers and tasks from before dialects had names.
    pub const UNNAMED: Self = Self::Own(0);
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sp1Cluster => f.pad("sp1-cluster"),
            Self::Own(number) => f.pad(&format!("proofmill-{number:016x}")),
        }
    }
}

impl FromStr for Dialect {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "sp1-cluster" {
            return Ok(Self::Sp1Cluster);
        }
        let digits = name
            .strip_prefix("proofmill-")
            .filter(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Self::Own).ok_or_else(|| {
            UnknownName::new("dialect", name, "sp1-cluster, or proofmill- and 16 hexadecimal digits")
        })
    }
}

impl TryFrom<String> for Dialect {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl From<Dialect> for String {
    fn from(dialect: Dialect) -> Self {
        format!("{dialect}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_read_as_it_was_written() {
        for dialect in [Dialect::Sp1Cluster, Dialect::UNNAMED, Dialect::Own(u64::MAX), Dialect::Own(0xab)] {
            assert_eq!(format!("{dialect}").parse(), Ok(dialect));
        }
        for bad in [
            "",
            "sp1",
            "proofmill-",
            "proofmill-1",
            "proofmill-+00000000000000a",
            "proofmill-000000000000000g",
        ] {
            assert!(bad.parse::<Dialect>().is_err(), "{bad}");
        }
    }
}
