//! Identities. Each is a type of its own, so that one cannot be given where another is meant.

use alloc::string::String;
use alloy_primitives::B256;
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is: ids are chosen by whoever creates the thing, and compared byte by byte.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

string_id! {
    /// One proof request. Chosen by the client, so that asking twice is the same request.
    ProofId
}
string_id! {
    /// One task of a proof. Chosen by the coordinator.
    TaskId
}
string_id! {
    /// One worker process, from its registration until it leaves.
    WorkerId
}
string_id! {
    /// The name of a blob in the artifact store.
    ArtifactId
}

/// The identity of a program: its verifying key, or a commitment to it, as the prover type defines it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgramVersion(pub B256);

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProgramVersion({})", self.0)
    }
}
