// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Where a local OP Stack chain keeps messages for L1
/// @notice For development and tests alone: the call, the event and the first slot that the specifications give the predeploy
/// `L2ToL1MessagePasser` (specs.optimism.io, `protocol/withdrawals.md`), and no proxy before it.
contract OpDevMessagePasser {
    /// @notice By the hash of a withdrawal. Headers commit to it from Isthmus on.
    mapping(bytes32 => bool) public sentMessages;
    uint240 private nonce;

    /// @notice A message for L1.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );

    receive() external payable {
        initiateWithdrawal(msg.sender, 100_000, "");
    }

    /// @notice The number of the next message, with version 1 before it.
    function messageNonce() public view returns (uint256) {
        return (uint256(1) << 240) | nonce;
    }

    /// @notice Sends what is paid, and a call, to L1.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) public payable {
        uint256 number = messageNonce();
        bytes32 withdrawal = keccak256(abi.encode(number, msg.sender, target, msg.value, gasLimit, data));
        sentMessages[withdrawal] = true;
        emit MessagePassed(number, msg.sender, target, msg.value, gasLimit, data, withdrawal);
        unchecked {
            ++nonce;
        }
    }
}
