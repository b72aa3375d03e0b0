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
    OpDevGameFactory,
    "../../contracts/artifacts/OpDevGameFactory.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    OpDevGame,
    "../../contracts/artifacts/OpDevGame.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    OpDevAnchorRegistry,
    "../../contracts/artifacts/OpDevAnchorRegistry.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    /// Errors of the stock contracts that ours do not have.
    interface StockGame {
        error BadAuth();
        error GameNotResolved();
        error GamePaused();
        error InvalidProposalStatus();
        error InvalidBondDistributionMode();
        error UnexpectedGameType();
    }
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    /// Errors of Succinct's gateway and of the verifiers behind it (sp1-contracts, 6.1).
    interface Sp1Verifiers {
        error RouteNotFound(bytes4 selector);
        error RouteIsFrozen(bytes4 selector);
        error WrongVerifierSelector(bytes4 received, bytes4 expected);
        error InvalidExitCode();
        error InvalidVkRoot();
        error PublicInputNotInField();
        error ProofInvalid();
        error InvalidProof();
    }
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    AcceptsAnythingVerifier,
    "../../contracts/artifacts/AcceptsAnythingVerifier.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    SnarkVerifier,
    "../../contracts/artifacts/SnarkVerifier.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    InsecureDevelopmentSnarkVerifier,
    "../../contracts/artifacts/InsecureDevelopmentSnarkVerifier.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    InsecureDevelopmentHalo2Verifier,
    "../../contracts/artifacts/InsecureDevelopmentHalo2Verifier.json"
}

sol! {
    #![sol(extra_derives(Debug, PartialEq, Eq))]
    AllOfVerifier,
    "../../contracts/artifacts/AllOfVerifier.json"
}
