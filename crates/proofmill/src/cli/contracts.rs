//! `proofmill contracts`.

use super::{Chains, Paying, Rules, Sending, YEAR};
use clap::{Args, Subcommand};
use proofmill_backends::prover_type;
use proofmill_chain::Halo2Verifier;
use proofmill_primitives::ProverType;
use std::path::PathBuf;
use url::Url;

#[derive(Debug, Subcommand)]
pub(crate) enum Contracts {
    /// Deploy a rollup's contract, and the verifiers that are not there yet; says first what it will deploy
    Deploy(Box<Deploy>),
    /// Deploy only a verifier: of SNARKs, or one that counts attestors, for rules that are to be scheduled
    DeployVerifier(DeployVerifier),
    /// Show a rollup's constants, roles and rules, what is scheduled, and whether it is paused
    Show(Chains),
    /// As the owner: schedule new rules. What no flag names stays as it is
    Schedule(Box<Schedule>),
    /// As the owner: take back the rules that are scheduled
    Cancel(Act),
    /// As the owner: name the next one, who must accept
    TransferOwnership(TransferOwnership),
    /// As who was named as the next owner: accept
    AcceptOwnership(Act),
    /// As the owner: name another guardian
    SetGuardian(SetGuardian),
    /// As the guardian: stop proposals and proofs for a while
    Pause(Act),
    /// As the owner: end the pause
    Resume(Act),
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// JSON-RPC node of L1
    #[arg(long, env = "L1_RPC", hide_env_values = true, value_delimiter = ',', required = true, value_name = "URL", value_parser = super::node_url)]
    pub(crate) l1_rpc: Vec<Url>,
    /// Chain id that L1 must have
    #[arg(long, env = "PROOFMILL_L1_CHAIN_ID", value_name = "ID")]
    pub(crate) l1_chain_id: Option<u64>,
    /// JSON-RPC node of the rollup (L2)
    #[arg(long, env = "L2_RPC", hide_env_values = true, value_delimiter = ',', required = true, value_name = "URL", value_parser = super::node_url)]
    pub(crate) l2_rpc: Vec<Url>,
    /// Genesis file with the forks of L2, if it is not a well-known chain
    #[arg(long, env = "PROOFMILL_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// The L2 block that the first checkpoint follows on [default: the latest finalized one]
    #[arg(long, value_name = "BLOCK")]
    pub(crate) genesis_block: Option<u64>,
    /// Who may propose checkpoints
    #[arg(long, env = "PROOFMILL_PROPOSER", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) proposer: alloy_primitives::Address,
    #[command(flatten)]
    pub(crate) rules: Rules,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Who may schedule new rules and end a pause: a timelock or a multisig [default: nobody, and everything is final]
    #[arg(long, env = "PROOFMILL_OWNER", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) owner: Option<alloy_primitives::Address>,
    /// Who may stop proposals and proofs for a while, and nothing else [default: nobody]
    #[arg(long, env = "PROOFMILL_GUARDIAN", value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) guardian: Option<alloy_primitives::Address>,
    /// What must prove the rollup: openvm, sp1 or exec (proves nothing); several are all asked for
    #[arg(
        long,
        env = "PROOFMILL_PROVER",
        value_delimiter = ',',
        default_value = "openvm",
        value_name = "TYPE",
        value_parser = prover_type
    )]
    pub(crate) prover: Vec<ProverType>,
    /// A verifier that is there, such as Succinct's gateway: TYPE=ADDRESS
    #[arg(long, env = "PROOFMILL_VERIFIER", value_delimiter = ',', value_name = "TYPE=ADDRESS", value_parser = verifier)]
    pub(crate) verifier: Vec<(ProverType, alloy_primitives::Address)>,
    #[command(flatten)]
    pub(crate) halo2: Halo2,
    /// For types without a --verifier: the attestors
    #[arg(long, env = "PROOFMILL_ATTESTOR_ADDRESSES", value_delimiter = ',', value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) attestor: Vec<alloy_primitives::Address>,
    /// How many of the attestors must sign a proof [default: more than half of them]. A --verifier may count no more than half of its
    /// own only where this says so
    #[arg(long, env = "PROOFMILL_THRESHOLD", value_name = "NUMBER")]
    pub(crate) threshold: Option<u64>,
    /// Rely on attestors although L1 is a public network
    #[arg(long)]
    pub(crate) trust_attestors: bool,
    /// Only say what would be deployed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) paying: Paying,
}

/// What verifies SNARKs.
#[derive(Clone, Debug, Args)]
pub(crate) struct Halo2 {
    /// Have L1 verify a SNARK of each epoch's OpenVM proof, by this contract for Halo2 proofs (docs/snark.md), or by Proofmill's own on
    /// the setup for `development`. With --attestor, both are wanted
    #[arg(long, env = "PROOFMILL_HALO2_VERIFIER", value_name = "ADDRESS|development", value_parser = halo2_verifier)]
    pub(crate) halo2_verifier: Option<Halo2Verifier>,
    /// File with the SNARK of an epoch's proof that --halo2-verifier must take, and must refuse with a bit changed, to be tried in an EVM of
    /// this process before anything is deployed: a verifier of another circuit would take none, for ever
    #[arg(long, requires = "halo2_verifier", value_name = "FILE")]
    pub(crate) try_proof: Option<PathBuf>,
    /// Go without --try-proof although L1 is no development chain
    #[arg(long, requires = "halo2_verifier", conflicts_with = "try_proof")]
    pub(crate) untried: bool,
}

/// How long things may take, and must, on a rollup that is deployed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Limits {
    /// How far the last block of a checkpoint may be behind L1's time [default: twice the proof submission window]
    #[arg(long, env = "PROOFMILL_MAX_LAG", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_lag: Option<u64>,
    /// After so long without a checkpoint of the proposer's anybody may propose: the proof submission window and an epoch at least; 0: never
    /// [default: three times --max-lag, and a week at least]
    #[arg(long, env = "PROOFMILL_SILENCE", value_name = "SECONDS")]
    pub(crate) silence: Option<u64>,
    /// How long new rules are visible before they are in force [default: the proof submission window and an epoch]
    #[arg(long, env = "PROOFMILL_CHANGE_DELAY", value_name = "SECONDS")]
    pub(crate) change_delay: Option<u64>,
    /// How long a pause by the guardian lasts, if the owner does not end it. Without an owner --change-delay at the most
    #[arg(long, env = "PROOFMILL_MAX_PAUSE", default_value_t = 86_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) max_pause: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DeployVerifier {
    /// JSON-RPC node of L1
    #[arg(long, env = "L1_RPC", hide_env_values = true, value_delimiter = ',', required = true, value_name = "URL", value_parser = super::node_url)]
    pub(crate) l1_rpc: Vec<Url>,
    /// Chain id that L1 must have
    #[arg(long, env = "PROOFMILL_L1_CHAIN_ID", value_name = "ID")]
    pub(crate) l1_chain_id: Option<u64>,
    #[command(flatten)]
    pub(crate) halo2: Halo2,
    /// The attestors
    #[arg(
        long,
        env = "PROOFMILL_ATTESTOR_ADDRESSES",
        value_delimiter = ',',
        required_unless_present = "halo2_verifier",
        value_name = "ADDRESS",
        value_parser = super::account
    )]
    pub(crate) attestor: Vec<alloy_primitives::Address>,
    /// How many of the attestors must sign a proof [default: more than half of them]
    #[arg(long, env = "PROOFMILL_THRESHOLD", value_name = "NUMBER")]
    pub(crate) threshold: Option<u64>,
    /// Rely on attestors although L1 is a public network
    #[arg(long)]
    pub(crate) trust_attestors: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) paying: Paying,
}

/// What only a role may do.
#[derive(Debug, Args)]
pub(crate) struct Act {
    #[command(flatten)]
    pub(crate) chains: Chains,
    /// Print the call, for the timelock or the multisig that has the role, and send nothing
    #[arg(long)]
    pub(crate) calldata: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) paying: Paying,
}

#[derive(Debug, Args)]
pub(crate) struct TransferOwnership {
    #[command(flatten)]
    pub(crate) act: Act,
    /// The next owner: a timelock or a multisig. The owner itself takes back that another was named
    #[arg(long, value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) to: alloy_primitives::Address,
}

#[derive(Debug, Args)]
pub(crate) struct SetGuardian {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Who may stop proposals and proofs for a while [default: nobody]
    #[arg(long, value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) guardian: Option<alloy_primitives::Address>,
}

#[derive(Debug, Args)]
pub(crate) struct Schedule {
    #[command(flatten)]
    pub(crate) act: Act,
    /// From which checkpoint on: one that is not proposed yet [default: the next]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from_checkpoint: Option<u64>,
    /// Who is to propose checkpoints
    #[arg(long, value_name = "ADDRESS", value_parser = super::account)]
    pub(crate) proposer: Option<alloy_primitives::Address>,
    /// Hash that the new chain specification must have, as `verify` prints it; the node of --l2-rpc must follow it
    #[arg(long, value_name = "HASH")]
    pub(crate) config_hash: Option<alloy_primitives::B256>,
    /// Genesis file with the new chain specification; the node of --l2-rpc must follow it
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// JSON-RPC node of the rollup (L2), for --config-hash and --genesis
    #[arg(
        long,
        env = "L2_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL",
        value_parser = super::node_url
    )]
    pub(crate) l2_rpc: Vec<Url>,
    /// What is to prove the rollup, with the programs of this release: openvm, sp1 or exec
    #[arg(long, value_delimiter = ',', value_name = "TYPE", value_parser = prover_type)]
    pub(crate) prover: Vec<ProverType>,
    /// Another verifier: TYPE=ADDRESS
    #[arg(long, value_delimiter = ',', value_name = "TYPE=ADDRESS", value_parser = verifier)]
    pub(crate) verifier: Vec<(ProverType, alloy_primitives::Address)>,
    /// How many attestors the --verifier counts, where that is no more than half of them
    #[arg(long, value_name = "NUMBER")]
    pub(crate) threshold: Option<u64>,
    /// Rely on attestors although L1 is a public network
    #[arg(long)]
    pub(crate) trust_attestors: bool,
}

fn halo2_verifier(text: &str) -> Result<Halo2Verifier, String> {
    match text {
        "development" => Ok(Halo2Verifier::InsecureDevelopment),
        address => address
            .parse()
            .map(Halo2Verifier::There)
            .map_err(|error| format!("it is neither `development` nor an address: {error}")),
    }
}

fn verifier(text: &str) -> Result<(ProverType, alloy_primitives::Address), String> {
    let (prover, address) = text.split_once('=').ok_or("write it as TYPE=ADDRESS")?;
    let prover = prover_type(prover).map_err(|error| error.to_string())?;
    let address = address.parse().map_err(|error| format!("`{address}` is not an address: {error}"))?;
    Ok((prover, address))
}
