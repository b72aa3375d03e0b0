// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev What an epoch proof says: executing blocks `firstBlock` to `lastBlock` under the rules with hash `configHash` leads
/// from the parent to the last block, and the checkpoints on the way end where `toCommitment` says. A range proof says
/// the first eleven words. docs/statement.md has the whole table.
struct AggregationPublicValues {
    /// EIP-155 chain id of the rollup.
    uint64 chainId;
    /// keccak256 of the encoded chain specification.
    bytes32 configHash;
    /// The rollup's contract on L1.
    address rollup;
    /// Who proved it.
    address prover;
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
    /// Time of the last block.
    uint64 lastTimestamp;
    /// The key of the range program whose proofs were verified.
    bytes32 rangeKey;
    /// Commitment to the checkpoints before the first.
    bytes32 fromCommitment;
    /// Commitment to the checkpoints up to the last.
    bytes32 toCommitment;
}

/// @dev Number of words of a range proof's public values.
uint256 constant RANGE_WORDS = 11;

/// @dev Number of words of an epoch proof's public values.
uint256 constant AGGREGATION_WORDS = 14;

/// @dev Which word is the hash of the block before the first; two words later comes the state root before the first.
uint256 constant PARENT_WORD = 6;

/// @dev Which word is the hash of the last block; two words later comes the state root after it.
uint256 constant LAST_WORD = 7;

/// @dev The name of the first word of `said` that is not as in `expected`; 0 if there is none. Whole words are compared, so
/// nothing hides in the unused bits of one. `said` has `RANGE_WORDS` or `AGGREGATION_WORDS` words.
function firstDifference(AggregationPublicValues memory expected, bytes calldata said) pure returns (bytes32) {
    bytes memory words = abi.encode(expected);
    bytes32 hash;
    uint256 length = said.length;
    assembly ("memory-safe") {
        hash := keccak256(add(words, 0x20), length)
    }
    if (hash == keccak256(said)) return 0;
    for (uint256 i; i < length; i += 32) {
        bytes32 word;
        assembly ("memory-safe") {
            word := mload(add(add(words, 0x20), i))
        }
        if (bytes32(said[i:i + 32]) != word) return wordName(i / 32);
    }
    return 0;
}

/// @dev The name of a word of the public values.
function wordName(uint256 at) pure returns (bytes32) {
    bytes32[AGGREGATION_WORDS] memory names = [
        bytes32("chainId"),
        bytes32("configHash"),
        bytes32("rollup"),
        bytes32("prover"),
        bytes32("firstBlock"),
        bytes32("lastBlock"),
        bytes32("parentHash"),
        bytes32("lastHash"),
        bytes32("preStateRoot"),
        bytes32("postStateRoot"),
        bytes32("lastTimestamp"),
        bytes32("rangeKey"),
        bytes32("fromCommitment"),
        bytes32("toCommitment")
    ];
    return names[at];
}

/// @dev Commits to the end of a checkpoint, and by `before` to those of all checkpoints before it. The aggregation program
/// computes the same.
function commitTo(bytes32 before, uint64 lastBlock, bytes32 lastHash, bytes32 stateRoot, uint64 lastTimestamp)
    pure
    returns (bytes32)
{
    return keccak256(abi.encode(before, lastBlock, lastHash, stateRoot, lastTimestamp));
}
