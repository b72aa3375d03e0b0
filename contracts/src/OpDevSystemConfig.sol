// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title The configuration of a local OP Stack chain
/// @notice For development and tests alone: it has the event of `SystemConfig` that chains are derived from
/// (specs.optimism.io, `protocol/system-config.md`), and remembers nothing.
contract OpDevSystemConfig {
    /// @notice A change, which holds on L2 from the block on that follows this L1 block.
    event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data);

    error NotOwner(address caller);
    error GasLimitTooLow(uint64 given, uint64 least);

    /// @dev The deposits of an L1 block and the L1 attributes must fit into a block.
    uint64 private constant LEAST_GAS = 21_000_000;

    address public immutable owner;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Who posts batches.
    function setBatcher(address batcher) external onlyOwner {
        emit ConfigUpdate(0, 0, abi.encode(batcher));
    }

    /// @notice Ecotone's scalars of the L1 fee.
    function setGasConfigEcotone(uint32 baseFeeScalar, uint32 blobBaseFeeScalar) external onlyOwner {
        uint256 scalar = (uint256(1) << 248) | (uint256(blobBaseFeeScalar) << 32) | baseFeeScalar;
        emit ConfigUpdate(0, 1, abi.encode(uint256(0), scalar));
    }

    function setGasLimit(uint64 gasLimit) external onlyOwner {
        if (gasLimit < LEAST_GAS) revert GasLimitTooLow(gasLimit, LEAST_GAS);
        emit ConfigUpdate(0, 2, abi.encode(gasLimit));
    }

    /// @notice Holocene's parameters of the base fee.
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external onlyOwner {
        emit ConfigUpdate(0, 4, abi.encode((uint256(denominator) << 32) | elasticity));
    }

    /// @notice Isthmus' fee of the operator.
    function setOperatorFeeScalars(uint32 scalar, uint64 constant_) external onlyOwner {
        emit ConfigUpdate(0, 5, abi.encode((uint256(scalar) << 64) | constant_));
    }

    /// @notice Jovian's least base fee.
    function setMinBaseFee(uint64 minBaseFee) external onlyOwner {
        emit ConfigUpdate(0, 6, abi.encode(minBaseFee));
    }

    /// @notice Jovian's price of data availability, in gas for each byte.
    function setDAFootprintGasScalar(uint16 scalar) external onlyOwner {
        emit ConfigUpdate(0, 7, abi.encode(scalar));
    }
}
