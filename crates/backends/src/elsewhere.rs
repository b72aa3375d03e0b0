//! Prover types that other systems have and no release of Proofmill: each with its reason, so that nobody who asks for one looks
//! for a spelling mistake.

use proofmill_primitives::{ProverType, UnknownName};
use std::fmt;

/// A prover type of other systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// RISC Zero.
    Risc0,
    /// ZisK.
    Zisk,
    /// Intel's Trust Domain Extensions.
    Tdx,
}

impl Elsewhere {
    /// All.
    pub const ALL: [Self; 3] = [Self::Risc0, Self::Zisk, Self::Tdx];

    /// What operators call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Risc0 => "risc0",
            Self::Zisk => "zisk",
            Self::Tdx => "tdx",
        }
    }

    /// Why no release has it.
    pub const fn reason(self) -> &'static str {
        match self {
            // Its build script fetches `recursion_zkr.zip` from a bucket; `benches/risc0.sh` shows it.
            Self::Risc0 => {
                "the crate `risc0-circuit-recursion` downloads its circuits while it is built and does not hold them, and \
                 without them no proof can be folded"
            }
            Self::Zisk => {
                "its prover is on no package registry, and its proving keys are a download of many GB"
            }
            Self::Tdx => {
                "it attests by hardware what was run and proves nothing; Proofmill has neither an image for such a machine nor a \
                 contract that verifies its quotes"
            }
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no prover type of any release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchProver {
    /// Another system has it.
    #[error("no release of Proofmill has the prover type `{name}` ({}): use exec, openvm or sp1", name.reason())]
    Elsewhere {
        /// Which one.
        name: Elsewhere,
    },
    /// Nobody has it.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
}

/// The prover type of a name.
///
/// # Errors
/// There is none of that name: no other release has it either.
pub fn prover_type(name: &str) -> Result<ProverType, NoSuchProver> {
    match Elsewhere::ALL.into_iter().find(|elsewhere| elsewhere.name() == name) {
        Some(name) => Err(NoSuchProver::Elsewhere { name }),
        None => Ok(name.parse::<ProverType>()?),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_a_type_or_says_why_not() {
        for prover in ProverType::ALL {
            assert_eq!(prover_type(prover.name()), Ok(prover));
        }
        for elsewhere in Elsewhere::ALL {
            let said = prover_type(elsewhere.name()).unwrap_err().to_string();
            assert!(said.contains(elsewhere.name()) && said.contains(elsewhere.reason()), "{said}");
        }
        for word in ["", "EXEC", "risc-0", "sp2"] {
            assert!(matches!(prover_type(word), Err(NoSuchProver::Unknown(_))), "{word}");
        }
    }
}
