//! The settings of `proofmill op-proposer` and `proofmill op-challenger`.

use super::{L1, L2, Observing, Paying, Sending, Site, node_url};
use clap::{Args, builder::BoolishValueParser};
use proofmill_backends::prover_type;
use proofmill_chain::OutputOracle;
use proofmill_op_proposer::AnchorTag;
use proofmill_primitives::{ProofMode, ProverType};
use std::{
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};
use url::Url;

/// Fault proofs: dispute games, in place of an output oracle.
#[derive(Debug, Args)]
pub(crate) struct OpGames {
    /// Fault proofs: the DisputeGameFactory on L1
    #[arg(long, env = "FACTORY_ADDRESS", value_name = "ADDRESS")]
    pub(crate) factory: Option<alloy_primitives::Address>,
    /// Fault proofs: the type of OP Succinct's games there
    #[arg(long, env = "GAME_TYPE", default_value_t = 42, value_name = "TYPE", conflicts_with = "oracle")]
    pub(crate) game_type: u32,
    /// Fault proofs: the AnchorStateRegistry, which must be that of the games [default: theirs]
    #[arg(long, env = "ANCHOR_STATE_REGISTRY_ADDRESS", value_name = "ADDRESS", conflicts_with = "oracle")]
    pub(crate) registry: Option<alloy_primitives::Address>,
    /// Fault proofs: blocks of L2 between two games
    #[arg(long, env = "PROPOSAL_INTERVAL_IN_BLOCKS", default_value_t = 1800, value_name = "BLOCKS", conflicts_with = "oracle", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) game_interval: u64,
    /// Fault proofs: challenged games that are proven at the same time
    #[arg(
        long,
        env = "MAX_CONCURRENT_DEFENSE_TASKS",
        default_value = "8",
        value_name = "NUMBER",
        conflicts_with = "oracle"
    )]
    pub(crate) max_defenses: NonZeroUsize,
    /// Fault proofs: prove the account's own games before anybody challenges them
    #[arg(long, env = "FAST_FINALITY_MODE", conflicts_with = "oracle", value_parser = BoolishValueParser::new())]
    pub(crate) fast_finality: bool,
    /// Fault proofs: so many of them at the same time
    #[arg(
        long,
        env = "FAST_FINALITY_PROVING_LIMIT",
        default_value = "1",
        value_name = "NUMBER",
        conflicts_with = "oracle"
    )]
    pub(crate) fast_finality_limit: NonZeroUsize,
    /// Fault proofs: ranges in which a game is proven
    #[arg(
        long,
        env = "RANGE_SPLIT_COUNT",
        default_value = "1",
        value_name = "NUMBER",
        conflicts_with = "oracle"
    )]
    pub(crate) range_splits: NonZeroU64,
    /// Fault proofs: ranges of each game that are proven at the same time
    #[arg(
        long,
        env = "MAX_CONCURRENT_RANGE_PROOFS",
        default_value = "1",
        value_name = "NUMBER",
        conflicts_with = "oracle"
    )]
    pub(crate) max_game_ranges: NonZeroUsize,
    /// Fault proofs: seconds between two looks at both chains
    #[arg(long, env = "FETCH_INTERVAL", default_value_t = 30, value_name = "SECONDS", conflicts_with = "oracle", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) fetch_interval: u64,
    /// Fault proofs: games are read so many blocks before L1's newest one
    #[arg(
        long,
        env = "SYNC_L1_CONFIRMATIONS",
        default_value_t = 0,
        value_name = "BLOCKS",
        conflicts_with = "oracle"
    )]
    pub(crate) sync_l1_confirmations: u64,
    /// Fault proofs: --metrics-port, by the name that it has there
    #[arg(long, env = "PROPOSER_METRICS_PORT", value_name = "PORT", conflicts_with_all = ["oracle", "metrics_port", "metrics_listen"])]
    pub(crate) proposer_metrics_port: Option<NonZeroU16>,
}

/// Who pays on L1, by OP Succinct's names and ours.
#[derive(Debug, Args)]
pub(crate) struct OpPaying {
    #[command(flatten)]
    pub(crate) paying: Paying,
    /// Web3Signer that signs for --signer-address; goes before the other accounts
    #[arg(long, env = "SIGNER_URL", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) signer_url: Option<Url>,
    /// Account whose key --signer-url has
    #[arg(long, env = "SIGNER_ADDRESS", value_name = "ADDRESS")]
    pub(crate) signer_address: Option<alloy_primitives::Address>,
    /// Seconds for which a transaction is waited for; then it is sent again, in the same place, for more
    #[arg(long, env = "TX_CONFIRMATION_TIMEOUT", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) tx_confirmation_timeout: u64,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

impl OpPaying {
    /// The account that pays: that of `SIGNER_URL`, where that is given.
    pub(crate) fn account(&self) -> Paying {
        match (&self.signer_url, self.signer_address) {
            (None, None) => self.paying.clone(),
            (url, address) => Paying {
                web3signer: url.clone(),
                web3signer_account: address.into_iter().collect(),
                ..Paying::default()
            },
        }
    }

    pub(crate) const fn include_within(&self) -> Duration {
        Duration::from_secs(self.tx_confirmation_timeout)
    }
}

#[derive(Debug, Args)]
pub(crate) struct OpProposer {
    #[command(flatten)]
    pub(crate) l1: L1,
    /// Beacon node of L1, for batches in blobs
    #[arg(long, env = "L1_BEACON_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l1_beacon_rpc: Option<Url>,
    /// Genesis file of L1 with its forks, where it is no well-known network: what blobs cost there follows from them
    #[arg(long, env = "PROOFMILL_L1_GENESIS", value_name = "FILE")]
    pub(crate) l1_genesis: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) l2: L2,
    /// Rollup node (op-node) of the chain: for its configuration, and for what is safe where --l1-block-tag is not `finalized`
    #[arg(long, env = "L2_NODE_RPC", hide_env_values = true, value_parser = node_url, value_name = "URL")]
    pub(crate) l2_node_rpc: Url,
    /// The chain's rollup.json, where it is not to be asked of the rollup node
    #[arg(long, env = "PROOFMILL_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Validity: the OPSuccinctL2OutputOracle on L1
    #[arg(long, env = "L2OO_ADDRESS", conflicts_with = "factory", value_name = "ADDRESS")]
    pub(crate) oracle: Option<alloy_primitives::Address>,
    #[command(flatten)]
    pub(crate) games: OpGames,
    /// Validity: name of the contract's configuration that is proven by
    #[arg(long, env = "OP_SUCCINCT_CONFIG_NAME", default_value = OutputOracle::FIRST_CONFIG, conflicts_with = "factory", value_name = "NAME")]
    pub(crate) config_name: String,
    /// Validity: blocks of L2 in each range proof
    #[arg(long, env = "RANGE_PROOF_INTERVAL", default_value_t = 1800, conflicts_with = "factory", value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) range_interval: u64,
    /// Gas of L2 in each range proof, beside the limits that it has otherwise; one block may have more. 0 for no limit
    #[arg(long, env = "RANGE_PROOF_EVM_GAS_LIMIT", default_value_t = 0, value_name = "GAS")]
    pub(crate) range_gas_limit: u64,
    /// Validity: blocks of L2 that must be proven before an output is proposed; the contract may want more
    #[arg(long, env = "SUBMISSION_INTERVAL", default_value_t = 1800, conflicts_with = "factory", value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) submission_interval: u64,
    /// Validity: proofs that are made at the same time: ranges, and the aggregation of those before
    #[arg(
        long,
        env = "MAX_CONCURRENT_PROOF_REQUESTS",
        default_value = "1",
        conflicts_with = "factory",
        value_name = "NUMBER"
    )]
    pub(crate) max_ranges: NonZeroUsize,
    /// Validity: seconds between two looks at both chains
    #[arg(long, env = "LOOP_INTERVAL", default_value_t = 60, conflicts_with = "factory", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) loop_interval: u64,
    /// Up to which block of L1 things are proven: finalized, safe or latest
    #[arg(long, env = "L1_BLOCK_TAG", default_value_t = AnchorTag::Finalized, value_name = "TAG")]
    pub(crate) l1_block_tag: AnchorTag,
    /// So many blocks before that one
    #[arg(long, env = "L1_CONFIRMATIONS", default_value_t = 0, value_name = "BLOCKS")]
    pub(crate) l1_confirmations: u64,
    /// How far aggregations are carried: compressed, which attestors sign for L1; or plonk, which a SnarkVerifier there takes, with OpenVM
    /// and --snark. groth16, for OP Succinct's own verifiers, is not made here, and refused
    #[arg(long, env = "AGG_PROOF_MODE", default_value_t = ProofMode::Compressed, value_parser = aggregation_mode, value_name = "MODE")]
    pub(crate) aggregation_mode: ProofMode,
    /// OP Succinct's mode without proofs: here that is --prover exec, and any other is refused with it. MOCK_MODE means the same
    #[arg(long, env = "OP_SUCCINCT_MOCK", value_parser = BoolishValueParser::new())]
    mock: bool,
    /// --mock, by the name that it has for dispute games
    #[arg(long, env = "MOCK_MODE", hide = true, value_parser = BoolishValueParser::new())]
    mock_mode: bool,
    #[command(flatten)]
    pub(crate) paying: OpPaying,
    /// Attestors that verify the proofs for L1, where the contract's verifier counts their signatures
    #[arg(long, env = "PROOFMILL_ATTESTORS", value_delimiter = ',', value_name = "URL")]
    pub(crate) attestor: Vec<String>,
    /// What makes the proofs: openvm, sp1, or exec (runs the program natively and proves nothing)
    #[arg(long, env = "PROOFMILL_PROVER_TYPE", default_value_t = ProverType::OpenVm, value_parser = prover_type)]
    pub(crate) prover: ProverType,
    /// End after so many outputs came to L1, by whomever
    #[arg(long, value_name = "NUMBER", conflicts_with = "factory", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) until_proposed: Option<u64>,
    #[command(flatten)]
    pub(crate) site: Site,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Serve metrics, health and status on this port of all addresses of the machine: --metrics-listen 0.0.0.0:PORT [default: nowhere]
    #[arg(long, env = "METRICS_PORT", value_name = "PORT", conflicts_with = "metrics_listen")]
    pub(crate) metrics_port: Option<NonZeroU16>,
}

#[derive(Debug, Args)]
pub(crate) struct OpChallenger {
    #[command(flatten)]
    pub(crate) l1: L1,
    #[command(flatten)]
    pub(crate) l2: L2,
    /// The DisputeGameFactory on L1
    #[arg(long, env = "FACTORY_ADDRESS", value_name = "ADDRESS")]
    pub(crate) factory: alloy_primitives::Address,
    /// The type of OP Succinct's games there
    #[arg(long, env = "GAME_TYPE", default_value_t = 42, value_name = "TYPE")]
    pub(crate) game_type: u32,
    /// The AnchorStateRegistry, which must be that of the games [default: theirs]
    #[arg(long, env = "ANCHOR_STATE_REGISTRY_ADDRESS", value_name = "ADDRESS")]
    pub(crate) registry: Option<alloy_primitives::Address>,
    /// Seconds between two looks at both chains
    #[arg(long, env = "FETCH_INTERVAL", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) fetch_interval: u64,
    /// Games are read so many blocks before L1's newest one: a reorg may put another game at the address of one
    #[arg(long, env = "SYNC_L1_CONFIRMATIONS", default_value_t = 2, value_name = "BLOCKS")]
    pub(crate) sync_l1_confirmations: u64,
    /// By which blocks of L2 claims are judged: finalized, or safe, which a reorg of L1 may take back
    #[arg(long, env = "PROOFMILL_L2_BLOCK_TAG", default_value_t = AnchorTag::Finalized, value_parser = judging_tag, value_name = "TAG")]
    pub(crate) l2_block_tag: AnchorTag,
    /// Only 0: right claims are not challenged here, not even to try a proposer's defense
    #[arg(long, env = "MALICIOUS_CHALLENGE_PERCENTAGE", default_value_t = 0.0, value_name = "PERCENT", value_parser = no_malice)]
    malicious_challenge_percentage: f64,
    #[command(flatten)]
    pub(crate) paying: OpPaying,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Serve metrics, health and status on this port of all addresses of the machine: --metrics-listen 0.0.0.0:PORT [default: nowhere]
    #[arg(long, env = "CHALLENGER_METRICS_PORT", value_name = "PORT", conflicts_with = "metrics_listen")]
    pub(crate) metrics_port: Option<NonZeroU16>,
}

impl OpProposer {
    /// Whether OP Succinct's environment wants no proofs.
    pub(crate) const fn is_mock(&self) -> bool {
        self.mock || self.mock_mode
    }

    pub(crate) fn observing(&self) -> Observing {
        observing(&self.observing, self.metrics_port.or(self.games.proposer_metrics_port))
    }
}

impl OpChallenger {
    pub(crate) fn observing(&self) -> Observing {
        observing(&self.observing, self.metrics_port)
    }
}

/// OP Succinct's ports are those of all addresses.
fn observing(observing: &Observing, port: Option<NonZeroU16>) -> Observing {
    match port {
        Some(port) => Observing { metrics_listen: Some(format!("0.0.0.0:{port}")) },
        None => observing.clone(),
    }
}

fn aggregation_mode(text: &str) -> Result<ProofMode, String> {
    let wanted = text.to_lowercase();
    let modes = [ProofMode::Compressed, ProofMode::Plonk, ProofMode::Groth16];
    let found = modes.into_iter().find(|mode| mode.name() == wanted);
    found.ok_or_else(|| "aggregations are compressed, plonk or groth16".to_owned())
}

fn judging_tag(text: &str) -> Result<AnchorTag, String> {
    match text.parse()? {
        AnchorTag::Latest => Err("L2's latest block is nothing to judge by: finalized or safe".to_owned()),
        tag => Ok(tag),
    }
}

fn no_malice(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if percent == 0.0 {
        return Ok(percent);
    }
    Err("a challenger that challenges right claims is not made here: set it to 0, and challenge a game from an account of your own to \
         try a proposer's defense (call challenge() with the game's challengerBond())"
        .to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Proposer {
        #[command(flatten)]
        of: OpProposer,
    }

    #[derive(Debug, Parser)]
    struct Challenger {
        #[command(flatten)]
        of: OpChallenger,
    }

    const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";
    const NODES: [&str; 6] =
        ["--l1-rpc", "http://l1", "--l2-rpc", "http://l2", "--l2-node-rpc", "http://node"];

    fn proposer(more: &[&str]) -> Result<OpProposer, String> {
        let words = ["proofmill"].into_iter().chain(NODES).chain(more.iter().copied());
        Proposer::try_parse_from(words).map(|parsed| parsed.of).map_err(|error| error.to_string())
    }

    fn challenger(more: &[&str]) -> Result<OpChallenger, String> {
        let words = ["proofmill", "--factory", ADDRESS].into_iter().chain(NODES[..4].iter().copied());
        let parsed = Challenger::try_parse_from(words.chain(more.iter().copied()));
        parsed.map(|parsed| parsed.of).map_err(|error| error.to_string())
    }

    #[test]
    fn a_setting_of_the_other_mode_is_refused() {
        let (oracle, factory) = (["--oracle", ADDRESS], ["--factory", ADDRESS]);
        proposer(&oracle).unwrap();
        proposer(&factory).unwrap();
        for flag in ["range-interval", "submission-interval", "max-ranges", "loop-interval", "config-name"] {
            let flag = format!("--{flag}");
            proposer(&[&oracle[..], &[&flag, "3"]].concat()).unwrap();
            let said = proposer(&[&factory[..], &[&flag, "3"]].concat()).unwrap_err();
            assert!(said.contains(&flag) && said.contains("--factory"), "{said}");
        }
        for flag in [
            "game-type",
            "game-interval",
            "max-defenses",
            "fast-finality-limit",
            "range-splits",
            "max-game-ranges",
            "fetch-interval",
            "sync-l1-confirmations",
            "proposer-metrics-port",
        ] {
            let flag = format!("--{flag}");
            proposer(&[&factory[..], &[&flag, "3"]].concat()).unwrap();
            let said = proposer(&[&oracle[..], &[&flag, "3"]].concat()).unwrap_err();
            assert!(said.contains(&flag) && said.contains("--oracle"), "{said}");
        }
        for flag in ["range-gas-limit", "tx-confirmation-timeout", "metrics-port"] {
            let flag = format!("--{flag}");
            for mode in [oracle, factory] {
                proposer(&[&mode[..], &[&flag, "3"]].concat()).unwrap();
            }
        }
    }

    #[test]
    fn a_metrics_port_is_that_of_all_addresses() {
        let listens = |more: &[&str]| proposer(more).unwrap().observing().metrics_listen;
        assert_eq!(listens(&[]), None);
        assert_eq!(listens(&["--metrics-port", "8080"]).unwrap(), "0.0.0.0:8080");
        assert_eq!(listens(&["--proposer-metrics-port", "9000"]).unwrap(), "0.0.0.0:9000");
        assert_eq!(listens(&["--metrics-listen", "[::1]:1"]).unwrap(), "[::1]:1");
        proposer(&["--metrics-port", "1", "--metrics-listen", "a:1"]).unwrap_err();
        let of = challenger(&["--metrics-port", "9001"]).unwrap().observing();
        assert_eq!(of.metrics_listen.unwrap(), "0.0.0.0:9001");
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(proposer(&["--aggregation-mode", "PLONK"]).unwrap().aggregation_mode, ProofMode::Plonk);
        assert!(proposer(&["--aggregation-mode", "core"]).unwrap_err().contains("groth16"));
        assert_eq!(challenger(&[]).unwrap().l2_block_tag, AnchorTag::Finalized);
        challenger(&["--l2-block-tag", "safe", "--malicious-challenge-percentage", "0.0"]).unwrap();
        assert!(challenger(&["--l2-block-tag", "latest"]).unwrap_err().contains("finalized or safe"));
        let said = challenger(&["--malicious-challenge-percentage", "0.1"]).unwrap_err();
        assert!(said.contains("challengerBond()"), "{said}");
    }
}
