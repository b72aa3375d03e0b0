//! The one definition of every command and setting: flag, environment name, meaning and default. The names that the SP1
//! cluster and OP Succinct use in the environment work as they are.

use clap::{Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use proofmill_backends::{SnarkVariant, prover_type};
use proofmill_loadgen::{LoadKind, LoadPlan};
use proofmill_primitives::{ProofMode, ProverType, Weight};
use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

mod aggregate;
mod attestor;
mod bench;
mod cluster;
mod contracts;
mod database;
mod failures;
mod following;
mod localnet;
mod nodes;
mod op_chain;
mod op_proposer;
mod paying;
mod prove;
mod prover_node;
mod pulling;
mod srs;
mod store;
mod submit;
pub(crate) use aggregate::Aggregate;
pub(crate) use attestor::Attestor;
pub(crate) use bench::{Bench, Collect, Compare, GpuChoice, NamedLog, Run};
pub(crate) use cluster::{Cluster, Worker};
pub(crate) use contracts::{Act, Contracts, Deploy, DeployVerifier, Halo2, Limits, Schedule};
pub(crate) use database::Database;
pub(crate) use failures::{Failures, Place as FailurePlace, Record as FailureRecord, Rerun};
pub(crate) use following::Following;
pub(crate) use localnet::{Localnet, LocalnetAlone};
pub(crate) use nodes::{Chains, L1, L2, Observing, Sending, node_url};
pub(crate) use op_chain::{OpBatches, OpChain, OpData, Stack};
pub(crate) use op_proposer::{OpChallenger, OpPaying, OpProposer};
pub(crate) use paying::Paying;
pub(crate) use prove::{Prove, Range, Site};
pub(crate) use prover_node::{ProverNode, Proving, PruneAfter, Room};
pub(crate) use pulling::{ProofCoordinator, Prover, Service, Serving};
pub(crate) use srs::{Srs, SrsCommand};
pub(crate) use store::Store;
pub(crate) use submit::Submit;

/// The longest that anything may be waited for, in seconds.
const YEAR: u64 = 365 * 24 * 60 * 60;

/// Proofmill: the self-hosted proving system for rollups.
#[derive(Debug, Parser)]
#[command(name = "proofmill", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings of every command")]
pub(crate) struct Global {
    /// TOML file with settings; flags and environment go before it [default: proofmill.toml if there is one]
    #[arg(long, global = true, env = "PROOFMILL_SETTINGS", value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Folder for the ledger, artifacts, caches and finished proofs
    #[arg(long, global = true, env = "PROOFMILL_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Binary that has a prover type which this one lacks, to check proofs of the type and to run its workers: TYPE=FILE
    /// [default: `proofmill` and `proofmill-sp1` beside this one]
    #[arg(long, global = true, env = "PROOFMILL_BINARY", value_delimiter = ',', value_name = "TYPE=FILE", value_parser = binary)]
    pub(crate) binary: Vec<(ProverType, PathBuf)>,
    /// SNARK of epoch proofs that this process, and those it starts, can make for an L1 that verifies it: small, published, or
    /// one on the setup for development (docs/snark.md)
    #[arg(long, global = true, env = "PROOFMILL_SNARK", value_name = "VARIANT")]
    pub(crate) snark: Option<SnarkVariant>,
    /// Folder with the SNARK's setup and proving keys, gigabytes of them [default: `snark` in the data folder]
    #[arg(long, global = true, env = "PROOFMILL_SNARK_DIR", value_name = "DIR")]
    pub(crate) snark_dir: Option<PathBuf>,
    /// What to log, as tracing filters: `debug`, `warn,proofmill_worker=debug`
    #[arg(
        long,
        global = true,
        env = "PROOFMILL_LOG",
        default_value = "warn,proofmill=info",
        value_name = "FILTER",
        value_parser = log_filter
    )]
    pub(crate) log_filter: String,
    /// How to log
    #[arg(long, global = true, env = "PROOFMILL_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What is set to something else than its default, as `name=value`, without what may be an access key
    #[arg(skip)]
    pub(crate) changed: Vec<String>,
}

impl Global {
    /// Where the SNARK's setup and keys are.
    pub(crate) fn snark_folder(&self) -> PathBuf {
        self.snark_dir.clone().unwrap_or_else(|| self.data_dir.join("snark"))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the API and the coordinator of a proving cluster
    Cluster(Cluster),
    /// Run a worker that takes tasks from a coordinator
    Worker(Worker),
    /// Prove a program, or a range of a chain's blocks
    Prove(Box<Prove>),
    /// Validate a range of a chain's blocks: run it in the zkVM and show what it takes; and prove it, with --prove
    Range(Box<Range>),
    /// Join range proofs: of an OP Stack chain for OP Succinct's contracts, of another rollup to a checkpoint of its own
    Aggregate(Box<Aggregate>),
    /// Prove an OP Stack chain, and propose its outputs to OP Succinct's contract
    OpProposer(Box<OpProposer>),
    /// Challenge wrong claims in OP Succinct's dispute games
    OpChallenger(Box<OpChallenger>),
    /// Check a proof file
    Verify(Verify),
    /// Make, import or check the setup that a SNARK rests on
    Srs(Srs),
    /// Show workers, proofs and what keeps them waiting
    Status(Status),
    /// Send transactions to a node
    Load(Load),
    /// Run a whole rollup on this machine: L1, L2, cluster, workers, attestors and prover node, all as the settings of `dev`
    /// say
    Dev(Box<Dev>),
    /// Run only the chains of a rollup on this machine: L1, L2 (any transaction that Ethereum takes), contracts and proposer
    Localnet(LocalnetAlone),
    /// Follow a rollup and settle its epochs on L1
    ProverNode(Box<ProverNode>),
    /// Give the batches of a rollup to provers that pull, and verify what they hand in
    ProofCoordinator(Box<ProofCoordinator>),
    /// Pull batches from proof coordinators, and prove them
    Prover(Box<Prover>),
    /// Commit on L1 to the rollup's new blocks, once in each slot
    Proposer(Proposer),
    /// Settle on L1 what was proven elsewhere: an epoch, a checkpoint, or blocks that are proposed with their proofs
    Submit(Box<Submit>),
    /// Ask a prover node to prove an epoch before it ends, or to try it again
    #[command(subcommand)]
    Epoch(Epoch),
    /// Look at what a prover node could not prove, and prove it again without any node
    #[command(subcommand)]
    Failures(Failures),
    /// Measure provers: whole sessions, reports from logs and metrics, and how two of them differ
    #[command(subcommand)]
    Bench(Bench),
    /// Verify proofs off chain and sign them, for an L1 that cannot verify them
    Attestor(Attestor),
    /// The contracts on L1
    #[command(subcommand)]
    Contracts(Contracts),
    /// Answer another Proofmill binary that lacks a prover type, over standard input and output
    #[command(hide = true)]
    Backend(Backend),
}

impl Command {
    /// Whether this process itself makes SNARKs where one is named. Others ask for them, and verify them.
    pub(crate) fn makes_snarks(&self) -> bool {
        match self {
            Self::Worker(args) => args.prover.is_empty() || args.prover.contains(&ProverType::OpenVm),
            Self::Dev(args) => args.localnet.prover.contains(&ProverType::OpenVm),
            Self::Prove(args) => args.wants_snark() && self.own_site().is_some(),
            Self::Range(args) => args.prove && args.of.wants_snark() && self.own_site().is_some(),
            Self::OpProposer(args) => args.aggregation_mode == ProofMode::Plonk && self.own_site().is_some(),
            _ => false,
        }
    }

    /// Where this process itself makes the proof, or the SNARK, that it is for.
    pub(crate) fn own_site(&self) -> Option<&Site> {
        let site = match self {
            Self::Prove(args) => &args.site,
            Self::Range(args) => &args.of.site,
            Self::OpProposer(args) => &args.site,
            _ => return None,
        };
        site.cluster.is_none().then_some(site)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Backend {
    /// The prover type
    #[arg(value_parser = prover_type)]
    pub(crate) prover: ProverType,
}

/// What is said about cost.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Cost {
    /// Warn of blocks that take more instructions for each gas: transfers take 4
    #[arg(long, env = "PROOFMILL_COST_WARNING", default_value_t = 60, value_name = "INSTRUCTIONS")]
    pub(crate) cost_warning: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The proof file
    pub(crate) file: PathBuf,
    /// The program it must be of: an ELF. A bare proof needs it [default: Proofmill's own program for checkpoints or epochs,
    /// as the file says]
    #[arg(long, value_name = "FILE")]
    pub(crate) elf: Option<PathBuf>,
    /// The key of the range program whose proofs an epoch's proof must join: name it, and --elf, for a proof of another
    /// release [default: that of this release]
    #[arg(long, value_name = "KEY")]
    pub(crate) range_key: Option<alloy_primitives::B256>,
    /// Chain id that it must be about
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// Rollup contract that it must be bound to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) rollup: Option<alloy_primitives::Address>,
    /// Hash of the chain's rules (forks, chain id) that it must be under, as `verify` prints it
    #[arg(long, value_name = "HASH")]
    pub(crate) config_hash: Option<alloy_primitives::B256>,
    /// Accept a file of the prover type `exec`, which proves nothing
    #[arg(long)]
    pub(crate) allow_exec: bool,
    /// Accept a SNARK on the setup for development, which proves nothing to anybody: its secret is public
    #[arg(long)]
    pub(crate) allow_development: bool,
    /// Have the contracts check a SNARK too, and altered ones, in an EVM of this process, and say its gas. FILE has the creation code of the
    /// Halo2 verifier in hex, as solc prints it [default: Proofmill's own, for the setup for development alone]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(crate) evm: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Cluster to ask [default: http://127.0.0.1:50051; with --node, if one is there]
    #[arg(long, env = "CLI_CLUSTER_RPC", value_name = "URL")]
    pub(crate) cluster: Option<String>,
    /// Page of the cluster's workers and proofs, of 100 each
    #[arg(long, default_value = "1", value_name = "NUMBER")]
    pub(crate) page: NonZeroU32,
    /// Prover node to ask too: epochs, checkpoints, sessions and proofs
    #[arg(long, env = "PROOFMILL_NODE", value_name = "URL")]
    pub(crate) node: Option<String>,
    /// Ask only this role, of its endpoints and its account: the address of its --metrics-listen
    #[arg(long, env = "PROOFMILL_ROLE", hide_env_values = true, value_name = "URL", value_parser = node_url)]
    pub(crate) role: Option<Url>,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Node to send to
    #[arg(
        long,
        visible_alias = "node",
        env = "LOAD_TEST_RPC_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8545",
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) rpc_url: Url,
    /// What to send: eth-transfers, erc20, fibonacci, io-heavy or mixed (every sort of transaction, at random)
    #[arg(long, visible_alias = "test-type", env = "LOAD_TEST_KIND", default_value_t = LoadKind::EthTransfers)]
    pub(crate) kind: LoadKind,
    /// How many accounts send, where they are not those of --account-keys
    #[arg(long, env = "LOAD_TEST_ACCOUNTS", default_value_t = 10)]
    pub(crate) accounts: u32,
    /// How many transactions each account sends
    #[arg(long, visible_alias = "tx-amount", env = "LOAD_TEST_TX_AMOUNT", default_value_t = LoadPlan::TRANSACTIONS.get())]
    pub(crate) transactions: u32,
    /// Go on until stopped
    #[arg(long, env = "LOAD_TEST_ENDLESS", value_parser = BoolishValueParser::new(), default_value = "false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) endless: bool,
    /// File with the private keys of the accounts that send: one on each line, in hexadecimal, as ethrex has them [default: keys
    /// are derived from --seed]
    #[arg(long, visible_alias = "pkeys", env = "LOAD_TEST_ACCOUNT_KEYS", value_name = "FILE")]
    pub(crate) account_keys: Option<PathBuf>,
    /// How many transactions the node's mempool takes: a round that comes near it is warned of
    #[arg(long, env = "LOAD_TEST_MEMPOOL_LIMIT", default_value = "10000", value_name = "NUMBER")]
    pub(crate) mempool_limit: NonZeroU64,
    /// File with the private key that pays; without one, the environment variable LOAD_TEST_PRIVATE_KEY holds the key [default:
    /// the first of --account-keys]
    #[arg(long, env = "LOAD_TEST_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// What the accounts are derived from: two loads at the same time need different seeds
    #[arg(long, env = "LOAD_TEST_SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Chain id that the node must have
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
}

fn gb(text: &str) -> Result<Weight, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("a weight of 0 GB fits no task".into()),
        Ok(gb) => Ok(Weight::gb(gb)),
        Err(error) => Err(format!("not a whole number of GB: {error}")),
    }
}

/// Slots, epochs and attestors of a rollup that is deployed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Rules {
    /// Length of a slot in seconds
    #[arg(long, env = "PROOFMILL_SLOT_SECONDS", default_value_t = 6, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) slot_seconds: u64,
    /// Length of an epoch in slots
    #[arg(long, env = "PROOFMILL_EPOCH_SLOTS", default_value_t = 8, value_name = "SLOTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epoch_slots: u64,
    /// For how many epochs after its end an epoch may be proven
    #[arg(long, env = "PROOFMILL_WINDOW_EPOCHS", default_value_t = 150, value_name = "EPOCHS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) window_epochs: u64,
}

/// The address of somebody. Nobody has the key of the zero address: who is left out is not named so.
fn account(text: &str) -> Result<alloy_primitives::Address, String> {
    let account: alloy_primitives::Address =
        text.parse().map_err(|error| format!("not an address: {error}"))?;
    if account.is_zero() {
        return Err("nobody has the key of the zero address: name an account, or leave it out".to_owned());
    }
    Ok(account)
}

/// A word alone counts as a target to whose library this is: of a level that is misspelled nothing would be logged, without a word.
fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let alone = |word: &&&str| !text.contains('[') && !word.contains('=') && !is_level(word);
    if let Some(word) = words.iter().find(alone) {
        return Err(format!(
            "`{word}` is no level (off, error, warn, info, debug or trace); write TARGET=LEVEL for that of a part"
        ));
    }
    let filter = words.join(",");
    EnvFilter::try_new(&filter).map(|_| filter.clone()).map_err(|error| error.to_string())
}

fn binary(text: &str) -> Result<(ProverType, PathBuf), String> {
    let (prover, file) = text.split_once('=').ok_or("write it as TYPE=FILE")?;
    Ok((prover_type(prover).map_err(|error| error.to_string())?, file.into()))
}

/// The memory of one worker process of `dev`: for one prover type, or for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerRoom {
    pub(crate) prover: Option<ProverType>,
    pub(crate) weight: Weight,
}

fn worker_room(text: &str) -> Result<WorkerRoom, String> {
    match text.split_once('=') {
        None => Ok(WorkerRoom { prover: None, weight: gb(text)? }),
        Some((prover, weight)) => {
            let prover = prover_type(prover).map_err(|error| error.to_string())?;
            Ok(WorkerRoom { prover: Some(prover), weight: gb(weight)? })
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Proposer {
    #[command(flatten)]
    pub(crate) chains: Chains,
    #[command(flatten)]
    pub(crate) l2: L2,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Propose blocks before they are final on L2: a reorg of L2 then costs their epoch
    #[arg(long, env = "PROOFMILL_PROPOSE_LATEST")]
    pub(crate) latest: bool,
    /// The time between two L1 blocks: a checkpoint is proposed in time for the last block of its slot
    #[arg(long, env = "PROOFMILL_L1_BLOCK_TIME", default_value_t = 12, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) l1_block_time: u64,
    /// The most L2 blocks in one checkpoint; what is left waits for the next slot
    #[arg(long, env = "PROOFMILL_MAX_BLOCKS", default_value = "1000", value_name = "BLOCKS")]
    pub(crate) max_blocks: NonZeroU64,
    /// Stand in for the rollup's proposer: propose when it was silent for as long as the contract says
    #[arg(long, env = "PROOFMILL_AFTER_SILENCE")]
    pub(crate) after_silence: bool,
    #[command(flatten)]
    pub(crate) paying: Paying,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Epoch {
    /// Prove what there is of an epoch so far, without waiting for its end
    Prove(AskedEpoch),
    /// Try the checkpoints and the proof of an epoch again that have failed
    Retry(AskedEpoch),
}

#[derive(Debug, Args)]
pub(crate) struct AskedEpoch {
    /// The epoch's number
    #[arg(value_name = "EPOCH")]
    pub(crate) epoch: u64,
    /// Prover node to ask
    #[arg(long, env = "PROOFMILL_NODE", default_value = "http://127.0.0.1:50071", value_name = "URL")]
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) localnet: Localnet,
    /// What the tasks of each worker process may weigh together, in GB: one worker for each number. TYPE=GB is a worker of
    /// the binary that has this prover type [default: one worker that takes the machine's memory]
    #[arg(long, env = "PROOFMILL_WORKERS", value_delimiter = ',', value_name = "[TYPE=]GB", value_parser = worker_room)]
    pub(crate) workers: Vec<WorkerRoom>,
    /// Memory that controllers cut segments for, in GB
    #[arg(long, env = "PROOFMILL_SEGMENT_MEMORY", default_value = "4", value_name = "GB", value_parser = gb)]
    pub(crate) segment_memory: Weight,
    #[command(flatten)]
    pub(crate) cost: Cost,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// End once so many epochs are settled
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) until_settled: Option<u64>,
    /// On the end, also write the figures of the run as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}
