// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {byteStrings} from "./ByteStrings.sol";
import {IProofVerifier} from "./IProofVerifier.sol";

/// @title A verifier that relies on attestors
/// @notice Accepts public values when enough of a fixed set of attestors signed that they verified a proof of them off
/// chain. Meant for development chains and for proof systems that the EVM cannot verify.
/// @dev Signatures are over EIP-712 typed data, which binds them to this chain and this contract. What the proof is for
/// (which rollup, which blocks) stands in the public values. A signature is no secret and may be shown again: it says
/// that a proof exists, and stays true.
contract AttestedVerifier is IProofVerifier, EIP712 {
    /// @notice There are no attestors, or the threshold is zero or above their number.
    error InvalidThreshold(uint256 threshold, uint256 attestors);
    /// @notice Addresses must be strictly ascending, so that none is there twice.
    error NotAscending(address previous, address next);
    /// @notice Fewer signatures than the threshold.
    error TooFewSignatures(uint256 required, uint256 given);
    /// @notice A signature that is not 65 bytes, not in its canonical (low-s) form, or of no key.
    error MalformedSignature(uint256 index);
    /// @notice The signer is none of the attestors, or signed something else.
    error NotAnAttestor(address signer);

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 programVKey,bytes32 publicValuesHash)");

    /// @notice How many attestors must have signed.
    uint256 public immutable threshold;
    /// @notice Whether an address is an attestor.
    mapping(address signer => bool) public isAttestor;

    address[] private _attestors;

    /// @param attestors_ Addresses of the attestors, strictly ascending, none zero.
    /// @param threshold_ How many of them must have signed: from 1 to their number.
    constructor(address[] memory attestors_, uint256 threshold_) EIP712("Proofmill attested verifier", "1") {
        if (threshold_ == 0 || threshold_ > attestors_.length) {
            revert InvalidThreshold(threshold_, attestors_.length);
        }
        address previous;
        for (uint256 i; i < attestors_.length; ++i) {
            address next = attestors_[i];
            if (next <= previous) revert NotAscending(previous, next);
            isAttestor[next] = true;
            previous = next;
        }
        _attestors = attestors_;
        threshold = threshold_;
    }

    /// @notice The addresses of all attestors, ascending.
    function attestors() external view returns (address[] memory) {
        return _attestors;
    }

    /// @inheritdoc IProofVerifier
    /// @param proofBytes `abi.encode(bytes[] signatures)`: at least `threshold` of them, each `r ‖ s ‖ v` of another
    /// attestor, in strictly ascending order of their addresses. One that is not valid makes all of them invalid. There is
    /// one encoding only, so that nobody can make another proof out of a valid one; any other reverts with `NotCanonical`.
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view {
        bytes[] calldata signatures = byteStrings(proofBytes);
        if (signatures.length < threshold) revert TooFewSignatures(threshold, signatures.length);
        bytes32 signed = digest(programVKey, keccak256(publicValues));
        address previous;
        for (uint256 i; i < signatures.length; ++i) {
            // Takes 65 bytes, the lower `s` of the two that are equally valid, and no zero signer.
            (address signer, ECDSA.RecoverError error,) = ECDSA.tryRecoverCalldata(signed, signatures[i]);
            if (error != ECDSA.RecoverError.NoError) revert MalformedSignature(i);
            if (!isAttestor[signer]) revert NotAnAttestor(signer);
            if (signer <= previous) revert NotAscending(previous, signer);
            previous = signer;
        }
    }

    /// @notice What an attestor signs: the EIP-712 hash of
    /// `Attestation(bytes32 programVKey,bytes32 publicValuesHash)`.
    function digest(bytes32 programVKey, bytes32 publicValuesHash) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPEHASH, programVKey, publicValuesHash)));
    }
}
