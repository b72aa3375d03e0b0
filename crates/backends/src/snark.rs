//! Which SNARKs there are of an epoch's proof. What makes them is in the OpenVM backend.

use proofmill_primitives::Weight;
use proofmill_srs::Setup;
use std::{path::PathBuf, str::FromStr};

/// Which circuits, and so how much memory they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SnarkSize {
    /// The static verifier at 2^22 rows, and a wrapper of 2^23: for machines of 16 GB.
    Small,
    /// OpenVM's own sizes, 2^23 rows and a wrapper of 2^22: for machines of 16 GB that do nothing else meanwhile.
    Published,
}

impl SnarkSize {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Small, Self::Published];

    /// Log2 of the rows of the static verifier.
    pub const fn verifier_k(self) -> u32 {
        match self {
            Self::Small => 22,
            Self::Published => 23,
        }
    }

    /// Log2 of the rows of the wrapper.
    pub const fn wrapper_k(self) -> u32 {
        match self {
            // The more columns the static verifier has, the more there is to verify.
            Self::Small => 23,
            Self::Published => 22,
        }
    }

    /// The memory of the heaviest step (measured: `openvm/memory.rs`).
    pub const fn memory(self) -> Weight {
        match self {
            Self::Small => Weight::gb(11),
            Self::Published => Weight::gb(14),
        }
    }
}

/// Which SNARK: its circuits, and the setup that it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnarkVariant {
    /// Of which circuits.
    pub size: SnarkSize,
    /// Whose secret it rests on.
    pub setup: Setup,
}

impl SnarkVariant {
    /// That of Proofmill's own contract, which verifies it on development chains.
    pub const DEVELOPMENT: Self = Self { size: SnarkSize::Small, setup: Setup::Development };

    /// All there are, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::DEVELOPMENT,
        Self { size: SnarkSize::Small, setup: Setup::Ceremony },
        Self { size: SnarkSize::Published, setup: Setup::Development },
        Self { size: SnarkSize::Published, setup: Setup::Ceremony },
    ];

    /// The name in settings and files.
    pub fn name(self) -> &'static str {
        match (self.setup, self.size) {
            (Setup::Development, SnarkSize::Small) => "insecure-development-small",
            (Setup::Development, SnarkSize::Published) => "insecure-development-published",
            (Setup::Ceremony, SnarkSize::Small) => "small",
            (Setup::Ceremony, SnarkSize::Published) => "published",
        }
    }

    /// Whether it is on the setup for development, whose secret everybody knows.
    pub fn is_for_development(self) -> bool {
        self.setup == Setup::Development
    }

    #[cfg(feature = "openvm")]
    pub(crate) fn number(self) -> u8 {
        Self::ALL.iter().position(|variant| *variant == self).map_or(u8::MAX, |index| index as u8)
    }

    #[cfg(feature = "openvm")]
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl std::fmt::Display for SnarkVariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SnarkVariant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|variant| variant.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown SNARK '{name}': use one of {names}")
        })
    }
}

/// Which SNARKs a process makes, and where it keeps what they are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnarkConfig {
    /// Which.
    pub variant: SnarkVariant,
    /// Where the reference string is, and where proving keys are kept: 5 GB for [`SnarkSize::Small`].
    pub folder: PathBuf,
}

impl SnarkConfig {
    /// The degrees of the setups that it needs, ascending.
    pub fn degrees(&self) -> Vec<u32> {
        let size = self.variant.size;
        let mut degrees = vec![size.wrapper_k(), size.verifier_k()];
        degrees.sort_unstable();
        degrees.dedup();
        degrees
    }
}
