// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title A verifier of proofs of programs
/// @notice The interface of Succinct's SP1 verifier gateway, so that such a gateway can be used as it is.
interface IProofVerifier {
    /// @notice Returns when the proof is valid, and reverts when it is not.
    /// @param programVKey The key of the program that the proof must be of.
    /// @param publicValues What the program made public.
    /// @param proofBytes The proof, in the verifier's own encoding.
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view;
}
