// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";

/// @title A verifier that accepts anything
/// @notice For the `exec` prover type, which executes and proves nothing. It exists on chain 31337 only: that of development
/// nodes (anvil, hardhat), and no network that lasts has it.
contract AcceptsAnythingVerifier is IProofVerifier {
    /// @notice This is no development chain.
    error NotADevelopmentChain(uint256 chainId);

    constructor() {
        _requireDevelopmentChain();
    }

    /// @inheritdoc IProofVerifier
    /// @dev Looks at the chain again, because a development chain's state may be loaded under another id.
    function verifyProof(bytes32, bytes calldata, bytes calldata) external view {
        _requireDevelopmentChain();
    }

    function _requireDevelopmentChain() private view {
        uint256 id = block.chainid;
        if (id != 31337) revert NotADevelopmentChain(id);
    }
}
