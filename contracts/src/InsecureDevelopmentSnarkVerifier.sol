// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SnarkVerifier} from "./SnarkVerifier.sol";

/// @title A verifier of SNARKs on a setup whose secret everybody knows
/// @notice INSECURE: anybody can make a proof of anything for it. It exists on chain 31337 only: that of development nodes (anvil,
/// hardhat), and no network that lasts has it.
contract InsecureDevelopmentSnarkVerifier is SnarkVerifier {
    /// @notice This is no development chain.
    error NotADevelopmentChain(uint256 chainId);

    /// @param halo2Verifier_ The contract that verifies Halo2 proofs.
    constructor(address halo2Verifier_) SnarkVerifier(halo2Verifier_) {
        _requireDevelopmentChain();
    }

    /// @inheritdoc SnarkVerifier
    /// @dev Looks at the chain again, because a development chain's state may be loaded under another id.
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes)
        external
        view
        override
    {
        _requireDevelopmentChain();
        _verify(programVKey, publicValues, proofBytes);
    }

    function _requireDevelopmentChain() private view {
        uint256 id = block.chainid;
        if (id != 31337) revert NotADevelopmentChain(id);
    }
}
