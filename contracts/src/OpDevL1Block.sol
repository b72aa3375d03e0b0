// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title What a local OP Stack chain knows of L1
/// @notice For development and tests alone: the calls and the storage that the specifications give the predeploy `L1Block`
/// (specs.optimism.io, `l1-attributes.md` of Ecotone, Isthmus and Jovian), and no proxy before it.
contract OpDevL1Block {
    // Slot 0.
    uint64 public number;
    uint64 public timestamp;
    // Slots 1 and 2.
    uint256 public basefee;
    bytes32 public hash;
    // Slot 3.
    uint64 public sequenceNumber;
    uint32 public blobBaseFeeScalar;
    uint32 public baseFeeScalar;
    // Slots 4 to 7. The fifth and sixth are of before Ecotone.
    bytes32 public batcherHash;
    uint256 public l1FeeOverhead;
    uint256 public l1FeeScalar;
    uint256 public blobBaseFee;
    // Slot 8.
    uint64 public operatorFeeConstant;
    uint32 public operatorFeeScalar;
    uint16 public daFootprintGasScalar;

    error NotDepositor();

    address public constant DEPOSITOR_ACCOUNT = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    modifier onlyDepositor() {
        if (msg.sender != DEPOSITOR_ACCOUNT) revert NotDepositor();
        _;
    }

    function setL1BlockValuesEcotone() external onlyDepositor {
        _ecotone();
    }

    function setL1BlockValuesIsthmus() external onlyDepositor {
        _ecotone();
        _isthmus();
    }

    function setL1BlockValuesJovian() external onlyDepositor {
        _ecotone();
        _isthmus();
        uint16 scalar;
        assembly ("memory-safe") {
            scalar := shr(240, calldataload(176))
        }
        daFootprintGasScalar = scalar;
    }

    /// @dev The arguments are packed: scalars (4 and 4 bytes), sequence number, time and number (8 each), four words.
    function _ecotone() private {
        assembly ("memory-safe") {
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(hash.slot, calldataload(100))
            sstore(batcherHash.slot, calldataload(132))
        }
    }

    /// @dev Behind those: the operator's scalar (4 bytes) and constant (8).
    function _isthmus() private {
        uint32 scalar;
        uint64 constant_;
        assembly ("memory-safe") {
            let packed := calldataload(164)
            scalar := shr(224, packed)
            constant_ := and(shr(160, packed), 0xffffffffffffffff)
        }
        operatorFeeScalar = scalar;
        operatorFeeConstant = constant_;
    }
}
