//! The settings of a prover node.

use super::{
    Chains, Cost, Following, L2, Observing, Paying, Sending, Service, Serving, Site, Store, YEAR, gb,
};
use clap::Args;
use proofmill_primitives::Weight;
use proofmill_prover_node::rules::SettledEpochs;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    str::FromStr,
    time::Duration,
};

#[derive(Debug, Args)]
pub(crate) struct ProverNode {
    #[command(flatten)]
    pub(crate) chains: Chains,
    #[command(flatten)]
    pub(crate) l2: L2,
    #[command(flatten)]
    pub(crate) following: Following,
    /// Who makes the proofs
    #[arg(long, env = "PROOFMILL_SERVICE", default_value = "cluster", value_name = "SERVICE")]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) serving: Serving,
    /// Cluster that makes the proofs
    #[arg(long, env = "CLI_CLUSTER_RPC", default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub(crate) cluster: String,
    #[command(flatten)]
    pub(crate) room: Room,
    #[command(flatten)]
    pub(crate) store: Store,
    /// Attestors that verify the proofs for L1
    #[arg(long, env = "PROOFMILL_ATTESTORS", value_delimiter = ',', value_name = "URL")]
    pub(crate) attestor: Vec<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Whom the proofs name as their prover, who may claim the reward [default: the account that pays on L1]
    #[arg(long, env = "PROOFMILL_PROVER_ID", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) prover_id: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) paying: Paying,
    /// Where to answer `proofmill status --node`
    #[arg(long, env = "PROOFMILL_NODE_LISTEN", default_value = "127.0.0.1:50071", value_name = "HOST:PORT", value_parser = super::nodes::host_port)]
    pub(crate) listen: String,
    #[command(flatten)]
    pub(crate) proving: Proving,
    /// Split a range that takes more instructions, and give up a block that does [default: ten times what can be proven until
    /// the window closes, at the speed of the fastest proof so far, or at an assumed one before there are enough to tell]
    #[arg(long, env = "PROOFMILL_CYCLE_LIMIT", value_name = "INSTRUCTIONS")]
    pub(crate) cycle_limit: Option<NonZeroU64>,
    #[command(flatten)]
    pub(crate) cost: Cost,
    /// Give up on one proof after so many seconds
    #[arg(long, env = "PROVING_TIMEOUT", default_value_t = 14_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) timeout: u64,
}

impl ProverNode {
    /// Where proofs are made with --service local.
    pub(crate) fn site(&self) -> Site {
        let Room { max_weight, segment_memory } = self.room;
        Site { timeout: self.timeout, cluster: None, store: self.store.clone(), max_weight, segment_memory }
    }
}

/// What a prover node has for proofs that it makes itself.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Room {
    /// With --service local: the most that its tasks may weigh together, in GB [default: from the machine's memory]
    #[arg(long, env = "WORKER_MAX_WEIGHT_OVERRIDE", value_name = "GB", value_parser = gb)]
    pub(crate) max_weight: Option<Weight>,
    /// With --service local: memory that it cuts segments for, in GB
    #[arg(long, env = "PROOFMILL_SEGMENT_MEMORY", default_value = "4", value_name = "GB", value_parser = gb)]
    pub(crate) segment_memory: Weight,
}

impl Default for Room {
    fn default() -> Self {
        Self { max_weight: None, segment_memory: Weight::gb(4) }
    }
}

/// When a prover node works, and on what.
#[derive(Clone, Debug, Args)]
pub(crate) struct Proving {
    /// The most epochs that are proven at the same time
    #[arg(long, env = "PROOFMILL_MAX_PENDING_JOBS", default_value_t = PENDING, value_name = "NUMBER")]
    pub(crate) max_pending_jobs: NonZeroUsize,
    /// The most range proofs of one prover type that are asked for at the same time, and witnesses that are built for them
    #[arg(long, env = "PROOFMILL_MAX_RANGE_JOBS", default_value_t = RANGES, value_name = "NUMBER")]
    pub(crate) max_range_jobs: NonZeroUsize,
    /// Seconds for which an epoch that is complete waits before its proof is begun, so that late events of the chain come
    /// first; at most a quarter of the proof submission window
    #[arg(long, env = "PROOFMILL_PROVING_DELAY", default_value_t = 0, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=YEAR))]
    pub(crate) proving_delay: u64,
    /// What to do with an epoch that another prover has settled: skip, prove (and keep the proof) or submit. L1 records a
    /// submission for each prover
    #[arg(long, env = "PROOFMILL_SETTLED_EPOCHS", default_value_t = SettledEpochs::Skip, value_name = "WHAT")]
    pub(crate) settled_epochs: SettledEpochs,
    /// Prove, have the proofs attested and ask L1 what they would cost, but send nothing
    #[arg(long, env = "PROOFMILL_DISABLE_PUBLISH")]
    pub(crate) disable_publish: bool,
    /// Seconds after which the node has L1 give up what was not proven in time, where no proposer has done so: until then L1 takes no
    /// proof of what follows. `never` leaves it to others, and so does --disable-publish [default: one slot]
    #[arg(long, env = "PROOFMILL_PRUNE_AFTER", value_name = "SECONDS|never")]
    pub(crate) prune_after: Option<PruneAfter>,
    /// Where records of failures are kept, for `proofmill failures`: a folder, or s3://BUCKET/PREFIX (keys, region and
    /// endpoint as for the AWS tools) [default: `failures` in the data folder]
    #[arg(long, env = "PROOFMILL_FAILURES", value_name = "DIR|S3")]
    pub(crate) failures: Option<String>,
}

const PENDING: NonZeroUsize = NonZeroUsize::new(10).unwrap();
const RANGES: NonZeroUsize = NonZeroUsize::new(16).unwrap();

impl Default for Proving {
    fn default() -> Self {
        Self {
            max_pending_jobs: PENDING,
            max_range_jobs: RANGES,
            proving_delay: 0,
            settled_epochs: SettledEpochs::Skip,
            disable_publish: false,
            prune_after: None,
            failures: None,
        }
    }
}

/// How long a node waits for others to give up what was not proven in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PruneAfter {
    Seconds(u64),
    Never,
}

impl PruneAfter {
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Self::Never => None,
        }
    }
}

impl FromStr for PruneAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            seconds => match seconds.parse() {
                Ok(seconds @ 0..=YEAR) => Ok(Self::Seconds(seconds)),
                _ => Err(format!("a number of seconds, at most {YEAR}, or `never`")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_or_never() {
        let wait = |text: &str| text.parse::<PruneAfter>().map(PruneAfter::wait);
        assert_eq!(wait("0"), Ok(Some(Duration::ZERO)));
        assert_eq!(wait("24"), Ok(Some(Duration::from_secs(24))));
        assert_eq!(wait("never"), Ok(None));
        for bad in ["", "Never", "-1", "1.5", "99999999999999999999", "31536001000"] {
            assert!(wait(bad).is_err(), "{bad}");
        }
    }
}
