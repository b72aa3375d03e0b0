//! Bindings of the contracts in `contracts/`, made from the committed artifacts.
#![expect(clippy::too_many_arguments, reason = "an event has as many fields as the ABI says")]

use alloy_sol_types::sol;

/// The contract version that this code knows.
pub(crate) const VERSION: u64 = 2;

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    Rollup,
    "../../contracts/artifacts/Rollup.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    AttestedVerifier,
    "../../contracts/artifacts/AttestedVerifier.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    OpOutputOracle,
    "../../contracts/artifacts/OpOutputOracle.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    AcceptsAnythingVerifier,
    "../../contracts/artifacts/AcceptsAnythingVerifier.json"
}
