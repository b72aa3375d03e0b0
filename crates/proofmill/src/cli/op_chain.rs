//! The settings of a local chain of the OP Stack.

use clap::{Args, ValueEnum, builder::PossibleValue};
use std::{collections::BTreeMap, num::NonZeroU64};

/// Which chain L2 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stack {
    /// Ethereum's rules
    Ethereum,
    /// The OP Stack's
    Op,
}

/// What a batch is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpBatches {
    /// One block
    Single,
    /// Several that follow on each other
    Span,
}

/// Where batches are on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpData {
    /// In the calldata of transactions
    Calldata,
    /// In blobs; L1 is then a node of Proofmill's own
    Blobs,
}

/// How a chain of the OP Stack is to be; for `--stack op`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OpChain {
    /// OP Stack: blocks of L2 between two outputs, at the least
    #[arg(long, env = "PROOFMILL_OP_INTERVAL", default_value = "4", value_name = "BLOCKS")]
    pub(crate) op_interval: NonZeroU64,
    /// OP Stack: what a batch is of
    #[arg(long, env = "PROOFMILL_OP_BATCHES", value_enum, default_value_t = OpBatches::Single)]
    pub(crate) op_batches: OpBatches,
    /// OP Stack: where batches are on L1
    #[arg(long, env = "PROOFMILL_OP_DATA", value_enum, default_value_t = OpData::Calldata)]
    pub(crate) op_data: OpData,
}

impl OpChain {
    /// The settings by their flags.
    pub(crate) fn flags(&self) -> BTreeMap<&'static str, String> {
        let name = |value: &dyn Fn() -> Option<PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        BTreeMap::from([
            ("op-interval", self.op_interval.to_string()),
            ("op-batches", name(&|| self.op_batches.to_possible_value())),
            ("op-data", name(&|| self.op_data.to_possible_value())),
        ])
    }
}
