//! Memory as the scheduler counts it.

use core::{fmt, iter::Sum, ops::Add};
use serde::{Deserialize, Serialize};

/// The memory that a task needs or a worker has, in GB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weight(u32);

impl Weight {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many GB.
    pub const fn gb(gb: u32) -> Self {
        Self(gb)
    }

    /// The number of GB, as it goes over the wire.
    pub const fn as_gb(self) -> u32 {
        self.0
    }

    /// What is left after taking `other` away; nothing where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Weight {
    type Output = Self;

    /// Saturates: a sum that does not fit is larger than any worker.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Weight {
    fn sum<I: Iterator<Item = Self>>(weights: I) -> Self {
        weights.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} GB", self.0)
    }
}
