//! What a proof is made by, and how far it is carried.

use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// What makes a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProverType {
    /// Runs the program natively and proves nothing. For development only.
    Exec,
    /// The OpenVM zkVM.
    OpenVm,
    /// The SP1 zkVM.
    Sp1,
}

impl ProverType {
    /// Every prover type, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Exec, Self::OpenVm, Self::Sp1];

    /// The name in settings, on the command line, in metrics and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::OpenVm => "openvm",
            Self::Sp1 => "sp1",
        }
    }

    /// Whether a proof of this type convinces anybody. `exec` does not.
    pub const fn proves(self) -> bool {
        !matches!(self, Self::Exec)
    }
}

impl fmt::Display for ProverType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProverType {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|prover| prover.name() == name)
            .ok_or_else(|| UnknownName::new("prover type", name, "exec, openvm or sp1"))
    }
}

/// How far a proof is carried. The numbers are those of SP1's `ProofMode`, which clients of the SP1 cluster send as
/// decimal text in `options_artifact_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofMode {
    /// Only run the program and report what it costs and what it outputs.
    Execute,
    /// One proof per segment; grows with the length of the execution.
    Core,
    /// All segments folded into one STARK of constant size.
    Compressed,
    /// Wrapped in a PLONK SNARK that the EVM can verify.
    Plonk,
    /// Wrapped in a Groth16 SNARK that the EVM can verify.
    Groth16,
}

impl ProofMode {
    /// Every mode, in the order of the work it takes.
    pub const ALL: [Self; 5] = [Self::Execute, Self::Core, Self::Compressed, Self::Plonk, Self::Groth16];

    /// The name in settings, on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Core => "core",
            Self::Compressed => "compressed",
            Self::Plonk => "plonk",
            Self::Groth16 => "groth16",
        }
    }

    /// The number on the wire. `Execute` is 0, which SP1 calls unspecified and never asks a proof for.
    pub const fn wire(self) -> u32 {
        match self {
            Self::Execute => 0,
            Self::Core => 1,
            Self::Compressed => 2,
            Self::Plonk => 3,
            Self::Groth16 => 4,
        }
    }

    /// The mode with this number on the wire.
    pub fn from_wire(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.wire() == number)
    }
}

impl fmt::Display for ProofMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProofMode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
            UnknownName::new("proof mode", name, "execute, core, compressed, plonk or groth16")
        })
    }
}

/// A name that is none of those known, with those that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`: use {known}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    known: &'static str,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, name: &str, known: &'static str) -> Self {
        Self { what, name: name.to_owned(), known }
    }
}

/// A number of zkVM instructions (SP1 calls them cycles): what proving costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instructions(pub u64);

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
