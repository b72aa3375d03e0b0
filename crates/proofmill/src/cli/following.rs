//! How a role follows a rollup.

use super::YEAR;
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// How the chains are followed, and what is proven gathered from them.
#[derive(Clone, Debug, Args)]
pub(crate) struct Following {
    /// Genesis file with the forks of L2, if it is not a well-known chain
    #[arg(long, env = "PROOFMILL_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Milliseconds between two looks at L1 and L2
    #[arg(long, env = "PROOFMILL_POLL_INTERVAL", default_value_t = POLL, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=600_000))]
    poll_interval: u64,
    /// Seconds within which the witness of what is proven must be gathered from L2's nodes; then it is tried again later
    #[arg(long, env = "PROOFMILL_GATHER_TIMEOUT", default_value_t = GATHER, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    gather_timeout: u64,
}

const POLL: u64 = 1_000;
const GATHER: u64 = 600;

impl Following {
    pub(crate) const fn poll_every(&self) -> Duration {
        Duration::from_millis(self.poll_interval)
    }

    pub(crate) const fn gather_within(&self) -> Duration {
        Duration::from_secs(self.gather_timeout)
    }
}

impl Default for Following {
    fn default() -> Self {
        Self { genesis: None, poll_interval: POLL, gather_timeout: GATHER }
    }
}
