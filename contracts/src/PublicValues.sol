// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev What every proof says: executing blocks `firstBlock` to `lastBlock` under the rules with hash `configHash` leads
/// from the parent to the last block. These are the public values of a range proof, and the first words of those of an
/// epoch proof.
struct ExecutionPublicValues {
    /// EIP-155 chain id of the rollup.
    uint64 chainId;
    /// keccak256 of the encoded chain configuration.
    bytes32 configHash;
    /// The rollup's contract on L1.
    address rollup;
    /// Number of the first block.
    uint64 firstBlock;
    /// Number of the last block.
    uint64 lastBlock;
    /// Hash of the block before the first.
    bytes32 parentHash;
    /// Hash of the last block.
    bytes32 lastHash;
    /// State root before the first block.
    bytes32 preStateRoot;
    /// State root after the last block.
    bytes32 postStateRoot;
    /// Gas used by all blocks.
    uint64 gasUsed;
    /// Number of transactions in all blocks.
    uint64 transactions;
    /// Commitment to the hashes of all blocks.
    bytes32 blockHashes;
}

/// @dev What an epoch proof says besides.
struct AggregationPublicValues {
    /// Number of range proofs that were verified.
    uint64 ranges;
    /// The key of the range program that they are of.
    bytes32 rangeKey;
    /// Who proved it.
    address proverId;
}

/// @dev Length in bytes of `abi.encode(ExecutionPublicValues)`.
uint256 constant EXECUTION_LENGTH = 12 * 32;

/// @dev Length in bytes of `abi.encode(AggregationPublicValues)`.
uint256 constant AGGREGATION_LENGTH = 3 * 32;
