//! Moments of L1. Not of the type of this machine's, because only L1's decide what L1 accepts.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A moment of L1, in Unix seconds: the timestamp of one of its blocks. Slots, epochs and deadlines are counted in it, so
/// that a wrong clock on this machine decides nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct L1Time(pub u64);

impl fmt::Display for L1Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}
