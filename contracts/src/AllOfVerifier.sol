// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {NotCanonical, byteStrings} from "./ByteStrings.sol";
import {IProofVerifier} from "./IProofVerifier.sol";
import {isContract} from "./IsContract.sol";

/// @title A verifier that wants what each of several verifiers wants
/// @notice For a rollup that demands a SNARK and attestations together: a fault in one of both lets nothing wrong through.
contract AllOfVerifier is IProofVerifier {
    /// @notice There are fewer than two verifiers, or more than eight.
    error WrongNumberOfVerifiers(uint256 given);
    /// @notice There is no contract at this address.
    error NoVerifier(address given);
    /// @notice A verifier is there twice.
    error TheSameVerifier(address given);

    address[] private _verifiers;

    /// @param verifiers_ From two to eight contracts, each once.
    constructor(address[] memory verifiers_) {
        if (verifiers_.length < 2 || verifiers_.length > 8) revert WrongNumberOfVerifiers(verifiers_.length);
        for (uint256 i; i < verifiers_.length; ++i) {
            if (!isContract(verifiers_[i])) revert NoVerifier(verifiers_[i]);
            for (uint256 j; j < i; ++j) {
                if (verifiers_[i] == verifiers_[j]) revert TheSameVerifier(verifiers_[i]);
            }
        }
        _verifiers = verifiers_;
    }

    /// @notice The verifiers, in the order of their proofs.
    function verifiers() external view returns (address[] memory) {
        return _verifiers;
    }

    /// @inheritdoc IProofVerifier
    /// @param proofBytes `abi.encode(bytes[] proofs)`: one for each verifier, in their order. Reverts with `NotCanonical` for anything else.
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view {
        bytes[] calldata proofs = byteStrings(proofBytes);
        if (proofs.length != _verifiers.length) revert NotCanonical();
        for (uint256 i; i < proofs.length; ++i) {
            IProofVerifier(_verifiers[i]).verifyProof(programVKey, publicValues, proofs[i]);
        }
    }
}
