//! Epochs that another prover has settled already.

use super::session::SessionKind;
use proofmill_primitives::CheckpointNumber;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What becomes of an epoch that another prover has settled on L1. The contract records a submission for each prover, so a
/// second one is accepted and paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettledEpochs {
    /// It is left alone: what is being proven of it is withdrawn.
    #[default]
    Skip,
    /// It is proven, and the proof is kept and not submitted.
    Prove,
    /// It is proven and submitted.
    Submit,
}

impl SettledEpochs {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Prove, Self::Submit];

    /// The name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Prove => "prove",
            Self::Submit => "submit",
        }
    }

    /// Whether L1's proven tip leaves nothing to do for a session up to `last`. A partial one is worthless then.
    pub(crate) fn is_superseded(
        self,
        session: (SessionKind, CheckpointNumber, Made),
        proven: CheckpointNumber,
    ) -> bool {
        let (kind, last, made) = session;
        let wanted = match (kind, self) {
            (SessionKind::Partial, _) | (_, Self::Skip) => false,
            (SessionKind::Full, Self::Prove) => made == Made::NotYet,
            (SessionKind::Full, Self::Submit) => true,
        };
        last <= proven && !wanted
    }
}

/// Whether a session has its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    NotYet,
    Yes,
}

impl fmt::Display for SettledEpochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SettledEpochs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|policy| policy.name() == text);
        known.ok_or_else(|| {
            format!("{text:?} is nothing to do with an epoch that another prover has settled: skip, prove or submit")
        })
    }
}
