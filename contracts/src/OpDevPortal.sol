// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Where deposits to a local OP Stack chain are made
/// @notice For development and tests alone: it has the call and the event of `OptimismPortal` that chains are derived from
/// (specs.optimism.io, `protocol/deposits.md`), and nothing else. What is sent here never comes back.
contract OpDevPortal {
    /// @notice A transaction for L2.
    event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);

    error ToOfCreation(address to);
    error TooLittleGas(uint64 given, uint64 needed);
    error TooMuchData(uint256 given, uint256 most);
    error TooMuchEther(uint256 given);
    error BlockIsFull(uint64 wanted, uint64 left);

    /// @dev Contracts of L1 have other addresses on L2 ("Address Aliasing").
    uint160 private constant ALIAS = uint160(0x1111000000000000000000000000000000001111);
    uint256 private constant MOST_DATA = 120_000;
    /// @dev Gas that the deposits of an L1 block may have together, so that they fit into a block of L2.
    uint64 private constant MOST_GAS = 20_000_000;

    uint64 private lastBlock;
    uint64 private gasOfBlock;

    receive() external payable {
        depositTransaction(msg.sender, msg.value, 100_000, false, "");
    }

    /// @notice Has L2 mint what is sent, and execute a transaction of the caller.
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data)
        public
        payable
    {
        if (isCreation && to != address(0)) revert ToOfCreation(to);
        uint64 needed = uint64(data.length) * 40 + 21_000;
        if (gasLimit < needed) revert TooLittleGas(gasLimit, needed);
        if (data.length > MOST_DATA) revert TooMuchData(data.length, MOST_DATA);
        if (msg.value > type(uint128).max) revert TooMuchEther(msg.value);
        uint64 taken = lastBlock == block.number ? gasOfBlock : 0;
        if (gasLimit > MOST_GAS - taken) revert BlockIsFull(gasLimit, MOST_GAS - taken);
        (lastBlock, gasOfBlock) = (uint64(block.number), taken + gasLimit);
        address from = msg.sender;
        if (from.code.length > 0) {
            unchecked {
                from = address(uint160(from) + ALIAS);
            }
        }
        emit TransactionDeposited(from, to, 0, abi.encodePacked(msg.value, value, gasLimit, isCreation, data));
    }
}
