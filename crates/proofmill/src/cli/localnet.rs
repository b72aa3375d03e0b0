//! The settings of a local rollup's chains.

use super::{Cli, Observing, OpChain, Rules, Stack, node_url};
use clap::{Args, CommandFactory};
use proofmill_backends::prover_type;
use proofmill_chain::majority;
use proofmill_devnet::L1Verifier;
use proofmill_primitives::ProverType;
use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroUsize},
};
use url::Url;

#[derive(Clone, Debug, Args)]
pub(crate) struct Localnet {
    /// What must prove the rollup: openvm, sp1 or exec (proves nothing); several are all asked for
    #[arg(
        long,
        env = "PROOFMILL_PROVER",
        value_delimiter = ',',
        default_value = "exec",
        value_name = "TYPE",
        value_parser = prover_type
    )]
    pub(crate) prover: Vec<ProverType>,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Seconds between L2 blocks while there are transactions
    #[arg(long, env = "PROOFMILL_L2_BLOCK_TIME", default_value_t = 1, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) l2_block_time: u64,
    /// What L1 wants to be shown of proofs: attestors (their signatures), snark (one on the setup for development, which it verifies
    /// itself) or both
    #[arg(long, env = "PROOFMILL_L1_VERIFIER", default_value_t = L1Verifier::Attestors)]
    pub(crate) l1_verifier: L1Verifier,
    /// How many attestors there are
    #[arg(long, env = "PROOFMILL_ATTESTOR_COUNT", default_value_t = 3, value_name = "NUMBER")]
    pub(crate) attestors: usize,
    /// How many attestors must sign a proof [default: more than half of them]
    #[arg(long, env = "PROOFMILL_THRESHOLD", value_name = "NUMBER")]
    pub(crate) threshold: Option<u64>,
    /// L1 that is there already and stays: an anvil of chain 31337 with its well-known accounts and a block each second
    /// [default: one is started]
    #[arg(long, hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) on_l1: Option<Url>,
    /// L2's port [default: a free one]
    #[arg(long, env = "PROOFMILL_L2_PORT", value_name = "PORT")]
    pub(crate) l2_port: Option<NonZeroU16>,
    /// How many transactions may wait on L2 for a block
    #[arg(long, env = "PROOFMILL_L2_MEMPOOL_LIMIT", default_value = "20000", value_name = "NUMBER")]
    pub(crate) l2_mempool_limit: NonZeroUsize,
}

impl Localnet {
    /// How many attestors must sign a proof.
    pub(crate) fn threshold(&self) -> u64 {
        self.threshold.unwrap_or(majority(self.attestors) as u64)
    }

    /// The settings by their flags. What is left out, or means nothing beside the others, has no value.
    pub(crate) fn flags(&self) -> BTreeMap<&'static str, String> {
        let mut provers: Vec<&str> = self.prover.iter().map(|prover| prover.name()).collect();
        provers.sort_unstable();
        let signed = self.l1_verifier.has_attestors();
        let set = [
            ("prover", Some(provers.join(","))),
            ("slot-seconds", Some(self.rules.slot_seconds.to_string())),
            ("epoch-slots", Some(self.rules.epoch_slots.to_string())),
            ("window-epochs", Some(self.rules.window_epochs.to_string())),
            ("l2-block-time", Some(self.l2_block_time.to_string())),
            ("l1-verifier", Some(self.l1_verifier.to_string())),
            ("attestors", signed.then(|| self.attestors.to_string())),
            ("threshold", signed.then(|| self.threshold().to_string())),
            ("on-l1", self.on_l1.as_ref().map(ToString::to_string)),
            ("l2-port", self.l2_port.map(|port| port.to_string())),
            ("l2-mempool-limit", Some(self.l2_mempool_limit.to_string())),
        ];
        set.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct LocalnetAlone {
    /// Which chain L2 is: one by Ethereum's rules with Proofmill's own contracts, or one of the OP Stack with OP Succinct's
    /// interface on L1
    #[arg(long, env = "PROOFMILL_STACK", value_enum, default_value_t = Stack::Ethereum)]
    pub(crate) stack: Stack,
    #[command(flatten)]
    pub(crate) op: OpChain,
    #[command(flatten)]
    pub(crate) chains: Localnet,
    #[command(flatten)]
    pub(crate) observing: Observing,
}

/// What only chains by Ethereum's rules have, which prove in epochs on an L1 that may be another's.
const OF_ETHEREUM: [&str; 6] =
    ["slot-seconds", "epoch-slots", "window-epochs", "l1-verifier", "on-l1", "l2-mempool-limit"];

impl LocalnetAlone {
    /// Settings that mean nothing for the stack and are not left as they are by default, as flags.
    pub(crate) fn of_the_other_stack(&self) -> Vec<String> {
        let mut given = match self.stack {
            Stack::Ethereum => self.op.flags(),
            Stack::Op => self.chains.flags(),
        };
        if self.stack == Stack::Op {
            given.retain(|flag, _| OF_ETHEREUM.contains(flag));
        }
        let command = Cli::command();
        let by_default = |flag: &str| {
            let arg = command
                .find_subcommand("localnet")?
                .get_arguments()
                .find(|arg| arg.get_long() == Some(flag))?;
            Some(arg.get_default_values().first()?.to_string_lossy().into_owned())
        };
        let named = given.into_iter().filter(|(flag, value)| by_default(flag).as_ref() != Some(value));
        named.map(|(flag, _)| format!("--{flag}")).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cli::Command;
    use clap::Parser;

    fn localnet(words: &[&str]) -> LocalnetAlone {
        match Cli::try_parse_from(["proofmill", "localnet"].iter().chain(words)).unwrap().command {
            Command::Localnet(args) => args,
            other => panic!("{other:?}"),
        }
    }

    /// One that is forgotten would reach neither the chains that `dev` starts nor the comparison with those it finds.
    #[test]
    fn every_setting_of_a_localnet_is_among_its_flags() {
        let words = ["--on-l1=http://127.0.0.1:1", "--l2-port=2"];
        let flags = localnet(&words).chains.flags();
        let known = Localnet::augment_args(clap::Command::new("localnet"));
        let known: Vec<&str> = known.get_arguments().filter_map(clap::Arg::get_long).collect();
        let missing: Vec<_> = known.iter().filter(|flag| !flags.contains_key(*flag)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let op = OpChain::augment_args(clap::Command::new("localnet"));
        let flags = localnet(&[]).op.flags();
        assert!(op.get_arguments().filter_map(clap::Arg::get_long).all(|flag| flags.contains_key(flag)));
    }

    #[test]
    fn what_means_nothing_for_a_stack_is_known() {
        let none: [String; 0] = [];
        assert_eq!(localnet(&[]).of_the_other_stack(), none);
        assert_eq!(localnet(&["--stack=op"]).of_the_other_stack(), none);
        let all =
            localnet(&["--stack=op", "--on-l1=http://127.0.0.1:1", "--l1-verifier=snark", "--epoch-slots=9"]);
        assert_eq!(all.of_the_other_stack(), ["--epoch-slots", "--l1-verifier", "--on-l1"]);
        assert_eq!(localnet(&["--stack=op", "--attestors=1", "--op-interval=9"]).of_the_other_stack(), none);
        let op = localnet(&["--op-batches=span", "--op-data=blobs", "--op-interval=9"]);
        assert_eq!(op.of_the_other_stack(), ["--op-batches", "--op-data", "--op-interval"]);
    }
}
