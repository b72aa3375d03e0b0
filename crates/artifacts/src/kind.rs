//! What a blob is.

use std::fmt;

/// What a blob is. Part of its name: the same id under two kinds is two blobs, as in the stores of the SP1 cluster,
/// where each kind has a prefix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactKind {
    /// What tasks hand to each other: plans, segments, shard and recursion proofs.
    Intermediate,
    /// What tasks in the SP1 cluster's dialect hand to each other, as its nodes write and read it; SP1 calls it unspecified. In Redis
    /// and S3 it stands where intermediate results do, so an id is for one of the two.
    Exchanged,
    /// A program.
    Program,
    /// A program's input.
    Stdin,
    /// A program's input that must not leave the cluster.
    PrivateStdin,
    /// A finished proof.
    Proof,
}

impl ArtifactKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Intermediate, Self::Exchanged, Self::Program, Self::Stdin, Self::PrivateStdin, Self::Proof];

    /// The name, also that of the kind's folder in a store on the file system.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intermediate => "intermediate",
            Self::Exchanged => "exchanged",
            Self::Program => "program",
            Self::Stdin => "stdin",
            Self::PrivateStdin => "private-stdin",
            Self::Proof => "proof",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
