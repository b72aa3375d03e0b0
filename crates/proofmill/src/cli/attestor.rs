//! The settings of `proofmill attestor`.

use super::{L1, Observing};
use clap::Args;
use proofmill_chain::Games;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Attestor {
    #[command(flatten)]
    pub(crate) l1: L1,
    /// The rollup's contract on L1, whose proofs are attested; this, --oracle or --factory
    #[arg(long, env = "PROOFMILL_ROLLUP", conflicts_with_all = ["oracle", "factory"], value_name = "ADDRESS")]
    pub(crate) rollup: Option<alloy_primitives::Address>,
    /// OP Succinct's OPSuccinctL2OutputOracle on L1, for whose verifier aggregations of an OP Stack chain are attested
    #[arg(long, env = "L2OO_ADDRESS", conflicts_with = "factory", value_name = "ADDRESS")]
    pub(crate) oracle: Option<alloy_primitives::Address>,
    /// The DisputeGameFactory on L1, for the verifier of whose games aggregations of an OP Stack chain are attested
    #[arg(long, env = "FACTORY_ADDRESS", value_name = "ADDRESS")]
    pub(crate) factory: Option<alloy_primitives::Address>,
    /// With --factory: the type of OP Succinct's games there
    #[arg(long, env = "GAME_TYPE", default_value_t = Games::TYPE, conflicts_with_all = ["rollup", "oracle"], value_name = "TYPE")]
    pub(crate) game_type: u32,
    #[command(flatten)]
    pub(crate) observing: Observing,
    /// Where to listen
    #[arg(
        long,
        env = "PROOFMILL_ATTESTOR_LISTEN",
        default_value = "127.0.0.1:50061",
        value_name = "HOST:PORT",
        value_parser = super::nodes::host_port
    )]
    pub(crate) listen: String,
    /// File with the private key that signs; without one, the environment variable PROOFMILL_ATTESTOR_KEY holds the key
    #[arg(long, env = "PROOFMILL_ATTESTOR_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        of: Attestor,
    }

    const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";

    fn attestor(more: &[&str]) -> Result<Attestor, String> {
        let words = ["proofmill", "--l1-rpc", "http://l1"].into_iter().chain(more.iter().copied());
        Parsed::try_parse_from(words).map(|parsed| parsed.of).map_err(|error| error.to_string())
    }

    #[test]
    fn one_contract_is_named() {
        let contracts = ["--rollup", "--oracle", "--factory"];
        for (at, one) in contracts.into_iter().enumerate() {
            attestor(&[one, ADDRESS]).unwrap();
            for other in contracts.into_iter().skip(at + 1) {
                let said = attestor(&[one, ADDRESS, other, ADDRESS]).unwrap_err();
                assert!(said.contains(one) && said.contains(other), "{said}");
            }
        }
        assert_eq!(attestor(&["--factory", ADDRESS]).unwrap().game_type, 42);
        assert_eq!(attestor(&["--factory", ADDRESS, "--game-type", "7"]).unwrap().game_type, 7);
        for other in ["--rollup", "--oracle"] {
            let said = attestor(&[other, ADDRESS, "--game-type", "42"]).unwrap_err();
            assert!(said.contains("--game-type") && said.contains(other), "{said}");
        }
    }
}
