//! The contracts that load is sent to, compiled from `contracts/*.sol` by `contracts/build.mjs`.

use alloy_primitives::Bytes;
use alloy_sol_types::sol;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::LazyLock};

sol! {
    function mint(address to, uint256 value) external;
    function transfer(address to, uint256 value) external returns (bool);
    function fill(uint256 count) external;
    function fibonacci(uint256 rounds) external;

    function write(uint256 first, uint256 count, uint256 value) public;
    function move(uint256 from, uint256 to, uint256 count) public;
    function writeThenRevert(uint256 first, uint256 count) public;
    function survive(uint256 first, uint256 count) public;
    function burnAllGas() public;
    function ask(address target, bytes calldata input, uint256 slot) public;
    function pay(address payable to, uint256 value) public payable;
    function look(uint256 back, address at, uint256 slot) public;
    function create(uint256 slots) public payable;
    function create2(bytes32 salt, uint256 slots) public payable;
    function createAndDestroy(bytes32 salt, uint256 slots, address payable heir) public payable;
    function createDestroyThenPay(bytes32 salt, uint256 slots, address payable heir) public payable;
    function destroy(address child, address payable heir) public;
    function several(bytes[] calldata calls) external payable;
}

/// A compiled contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contract {
    Token,
    Storage,
    Compute,
    Chaos,
    Child,
}

#[derive(Deserialize)]
struct Artifacts {
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the sources by a test"))]
    sources: BTreeMap<String, String>,
    creation_code: BTreeMap<String, Bytes>,
}

static ARTIFACTS: LazyLock<Artifacts> = LazyLock::new(|| {
    // The file is part of the program, and a test reads it.
    #[expect(clippy::expect_used)]
    serde_json::from_str(include_str!("../contracts/artifacts.json"))
        .expect("the committed artifacts are valid")
});

impl Contract {
    pub(crate) fn creation_code(self) -> Bytes {
        ARTIFACTS.creation_code.get(&format!("{self:?}")).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use sha2::{Digest, Sha256};
    use std::{fs, path::Path};

    #[test]
    fn artifacts_are_made_from_the_sources_beside_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        for (name, expected) in &ARTIFACTS.sources {
            let hash = Sha256::digest(fs::read(folder.join(name)).unwrap());
            assert_eq!(
                &alloy_primitives::hex::encode(hash),
                expected,
                "{name} changed: run `node crates/loadgen/contracts/build.mjs`"
            );
        }
        let count = fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "sol"))
            .count();
        assert_eq!(count, ARTIFACTS.sources.len());
        for contract in
            [Contract::Token, Contract::Storage, Contract::Compute, Contract::Chaos, Contract::Child]
        {
            assert!(!contract.creation_code().is_empty(), "{contract:?}");
        }
    }
}
