// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";
import {isContract} from "./IsContract.sol";

/// @title A verifier of SNARKs of OpenVM programs
/// @notice Takes Halo2 proofs that OpenVM's static verifier and its wrapper made (`docs/snark.md`). Nobody has to be trusted but
/// the setup behind the Halo2 verifier.
/// @dev The Halo2 verifier is generated from the circuit and takes scalars and a proof as its whole calldata. Of the scalars
/// this contract makes all that say what was proven: the program's commitments, whose hash is the program's key, and the 32
/// bytes that the program commits to, which are the hash of its public values. The rest is a pairing's accumulator.
contract SnarkVerifier is IProofVerifier {
    /// @notice The proof bytes are not as long as every proof is.
    error WrongProofLength(uint256 expected, uint256 given);
    /// @notice The proof is of another program, or for another machine.
    error WrongProgram(bytes32 expected, bytes32 given);
    /// @notice A word that stands for a scalar is not below the order of the field: it is another form of the same scalar. The other words
    /// are coordinates of points, which the Halo2 verifier takes in one form alone, and the commitments, of whose one form the key is.
    error NotCanonical(uint256 index);
    /// @notice The proof does not hold, or is of other public values, another circuit or another setup.
    error ProofDoesNotHold();
    /// @notice There is no contract at this address.
    error NoHalo2Verifier(address given);

    /// @dev Commitments to the program and to the machine.
    uint256 private constant COMMITMENTS = 2;
    /// @dev Scalars of the accumulator.
    uint256 private constant ACCUMULATOR = 12;
    /// @dev Where the accumulator ends and the proof begins, in words of the proof bytes.
    uint256 private constant HEAD = COMMITMENTS + ACCUMULATOR;
    /// @dev Bytes of the wrapper's proof: 43 words. 20 are coordinates of 10 points, 19 are evaluations, 4 are coordinates of 2 points.
    uint256 private constant PROOF = 1376;
    /// @dev The first evaluation, and the word behind the last, in words of the proof bytes. The source is the generated Halo2 verifier: it reads
    /// `mod(calldataload(0x840), f_q)` to `mod(calldataload(0xa80), f_q)`, and its calldata has the proof from 0x5c0 on.
    uint256 private constant EVALUATIONS = HEAD + 20;
    uint256 private constant EVALUATIONS_END = EVALUATIONS + 19;
    /// @dev The order of BN254's groups, which is that of the scalars' field.
    uint256 private constant ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice The contract that verifies Halo2 proofs.
    address public immutable halo2Verifier;

    /// @param halo2Verifier_ The contract that verifies Halo2 proofs.
    constructor(address halo2Verifier_) {
        if (!isContract(halo2Verifier_)) revert NoHalo2Verifier(halo2Verifier_);
        halo2Verifier = halo2Verifier_;
    }

    /// @inheritdoc IProofVerifier
    /// @param proofBytes The commitments to program and machine (2 words), the accumulator (12 words), the proof (43 words).
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes)
        external
        view
        virtual
    {
        _verify(programVKey, publicValues, proofBytes);
    }

    function _verify(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) internal view {
        if (proofBytes.length != HEAD * 32 + PROOF) revert WrongProofLength(HEAD * 32 + PROOF, proofBytes.length);
        // Of the canonical form alone: another form of the same scalar has another hash.
        bytes32 program = keccak256(proofBytes[:COMMITMENTS * 32]);
        if (program != programVKey) revert WrongProgram(programVKey, program);
        _requireCanonical(proofBytes, COMMITMENTS, HEAD);
        _requireCanonical(proofBytes, EVALUATIONS, EVALUATIONS_END);
        if (!_holds(keccak256(publicValues), proofBytes)) revert ProofDoesNotHold();
    }

    /// @dev The Halo2 verifier reads these words modulo the order. Each has one form alone here.
    function _requireCanonical(bytes calldata proofBytes, uint256 first, uint256 end) private pure {
        uint256 at;
        uint256 behind;
        // There are as many words: the length is right.
        assembly ("memory-safe") {
            at := add(proofBytes.offset, shl(5, first))
            behind := add(proofBytes.offset, shl(5, end))
            for {} lt(at, behind) { at := add(at, 32) } {
                if iszero(lt(calldataload(at), ORDER)) { break }
            }
        }
        if (at < behind) revert NotCanonical(end - (behind - at) / 32);
    }

    /// @dev Asks with the accumulator, the commitments, the 32 bytes as a scalar each, and the proof.
    function _holds(bytes32 digest, bytes calldata proofBytes) private view returns (bool holds) {
        address verifier = halo2Verifier;
        // The memory behind the free pointer, which is left where it is: nothing uses it afterwards.
        assembly ("memory-safe") {
            let to := mload(0x40)
            calldatacopy(to, add(proofBytes.offset, 64), 384)
            calldatacopy(add(to, 384), proofBytes.offset, 64)
            let scalars := add(to, 448)
            for { let i := 0 } lt(i, 32) { i := add(i, 4) } {
                mstore(scalars, byte(i, digest))
                mstore(add(scalars, 32), byte(add(i, 1), digest))
                mstore(add(scalars, 64), byte(add(i, 2), digest))
                mstore(add(scalars, 96), byte(add(i, 3), digest))
                scalars := add(scalars, 128)
            }
            calldatacopy(add(to, 1472), add(proofBytes.offset, 448), PROOF)
            holds := staticcall(gas(), verifier, to, add(1472, PROOF), 0, 0)
        }
    }
}
