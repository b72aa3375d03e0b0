//! Rules from genesis files.

use alloy_genesis::Genesis;
use proofmill_stateless::{ChainSpec, ChainSpecError, Consensus, MAX_GAS_LIMIT, RequestContracts};
use serde_json::{Value, json};

fn genesis(chain_id: u64, section: Option<Value>, alloc: Value) -> Genesis {
    let mut config = json!({
        "chainId": chain_id, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "londonBlock": 0,
    });
    if let Some(section) = section {
        config["proofmill"] = section;
    }
    let file = json!({
        "config": config, "alloc": alloc, "difficulty": "0x0", "gasLimit": "0x1c9c380", "extraData": "0x",
        "nonce": "0x0", "timestamp": "0x0",
    });
    serde_json::from_value(file).unwrap()
}

fn rules(chain_id: u64, section: Option<Value>) -> Result<ChainSpec, ChainSpecError> {
    ChainSpec::from_genesis(&genesis(chain_id, section, json!({})).config)
}

#[test]
fn the_chain_id_tells_who_checks_consensus() {
    for chain_id in [1, 11_155_111, 17_000, 560_048] {
        assert_eq!(rules(chain_id, None).unwrap().consensus, Consensus::Ethereum);
    }
    let rollup = rules(4242, None).unwrap();
    assert_eq!(rollup.consensus, Consensus::Rollup);
    assert_eq!(rollup.request_contracts, RequestContracts::Required);
    assert_eq!(rollup.max_gas_limit, MAX_GAS_LIMIT);
}

#[test]
fn a_rollup_says_what_it_does_without() {
    let optional = rules(4242, Some(json!({ "requestContracts": "optional" }))).unwrap();
    assert_eq!(optional.request_contracts, RequestContracts::Optional);
    let required = rules(4242, Some(json!({ "requestContracts": "required", "maxGasLimit": 60_000_000 })));
    assert_eq!(required.as_ref().unwrap().request_contracts, RequestContracts::Required);
    assert_eq!(required.unwrap().max_gas_limit, 60_000_000);
    for section in [
        json!("optional"),
        json!({ "requestContracts": "none" }),
        json!({ "requestContracts": false }),
        json!({ "maxGasLimit": "60000000" }),
        json!({ "maxGasLimit": -1 }),
        json!({ "consensus": "ethereum" }),
    ] {
        assert_eq!(rules(4242, Some(section.clone())), Err(ChainSpecError::GenesisSection), "{section}");
    }
    let refused = rules(4242, Some(json!({ "maxGasLimit": 4999 })));
    assert_eq!(refused, Err(ChainSpecError::MaxGasLimit { gas: 4999 }));
}

/// Accounts of EIP-7610.
#[test]
fn a_genesis_with_storage_but_no_code_is_refused() {
    let address = "0x00000000000000000000000000000000000000aa";
    let slot =
        |value: &str| json!({ "0x0000000000000000000000000000000000000000000000000000000000000001": value });
    let one = slot("0x0000000000000000000000000000000000000000000000000000000000000001");
    let zero = slot("0x0000000000000000000000000000000000000000000000000000000000000000");
    let check = |account: Value| {
        let genesis =
            genesis(4242, Some(json!({ "requestContracts": "optional" })), json!({ address: account }));
        ChainSpec::from_genesis(&genesis.config).unwrap().check_genesis(&genesis)
    };
    let refused = Err(ChainSpecError::StorageWithoutCode { address: address.parse().unwrap() });
    assert_eq!(check(json!({ "balance": "0x0", "storage": one })), refused);
    assert_eq!(check(json!({ "balance": "0x5", "storage": one, "nonce": "0x0", "code": "0x" })), refused);
    assert_eq!(check(json!({ "balance": "0x0", "storage": one, "nonce": "0x1" })), Ok(()));
    assert_eq!(check(json!({ "balance": "0x0", "storage": one, "code": "0x00" })), Ok(()));
    assert_eq!(check(json!({ "balance": "0x0", "storage": zero })), Ok(()));
    assert_eq!(check(json!({ "balance": "0x5" })), Ok(()));
}

#[test]
fn a_prague_genesis_needs_the_contracts_that_its_blocks_call() {
    let withdrawals = "0x00000961ef480eb55e80d19ad83579a64c007002";
    let consolidations = "0x0000bbddc7ce488642fb579f8b00f3a590007251";
    let code = || json!({ "balance": "0x0", "nonce": "0x1", "code": "0x00" });
    let check = |section: Option<Value>, alloc: Value| {
        let genesis = genesis(4242, section, alloc);
        ChainSpec::from_genesis(&genesis.config).unwrap().check_genesis(&genesis)
    };
    let missing =
        |address: &str| Err(ChainSpecError::RequestContractMissing { address: address.parse().unwrap() });
    let other = "0x00000000000000000000000000000000000000aa";
    assert_eq!(check(None, json!({ other: { "balance": "0x1" } })), missing(withdrawals));
    assert_eq!(check(None, json!({ withdrawals: code() })), missing(consolidations));
    assert_eq!(check(None, json!({ withdrawals: code(), consolidations: code() })), Ok(()));
    let optional = Some(json!({ "requestContracts": "optional" }));
    assert_eq!(check(optional, json!({ other: { "balance": "0x1" } })), Ok(()));
    // The state comes from elsewhere.
    assert_eq!(check(None, json!({})), Ok(()));
}
