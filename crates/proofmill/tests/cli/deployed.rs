//! A rollup of a test's own on local chains, beside theirs: nobody proposes there but by the test.

use crate::process::{proofmill, succeed};
use alloy_primitives::Address;
use proofmill_devnet::{Description, DevKeys};
use std::{path::Path, process::Command};

/// Deploys it, with slots of two seconds and what else the flags say; gives where it is.
pub(crate) fn deploy(data: &Path, chains: &Description, flags: &str) -> Address {
    let mut command = proofmill(data);
    command.args(["contracts", "deploy", "--l1-rpc", chains.l1_rpc.as_str()]);
    command.args(["--l2-rpc", chains.l2_rpc.as_str(), "--genesis-block", "0", "--slot-seconds", "2"]);
    command.args(["--proposer", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]).args(flags.split_whitespace());
    let deployed = succeed(command.env("PRIVATE_KEY", DevKeys::funder_text().to_string()));
    deployed.split_once("\nrollup ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

/// Its proposer.
pub(crate) fn proposer(data: &Path, chains: &Description, rollup: Address) -> Command {
    let mut command = proofmill(data);
    command.args(["proposer", "--l1-rpc", chains.l1_rpc.as_str(), "--l2-rpc", chains.l2_rpc.as_str()]);
    command.args(["--rollup", &rollup.to_string(), "--latest", "--l1-block-time", "1"]);
    command.env("PRIVATE_KEY", DevKeys::funder_text().to_string());
    command
}
