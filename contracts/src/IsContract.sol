// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev Whether there is a contract at an address, whose code stays. An account that delegates (EIP-7702) has code too, which is
/// `0xef0100 ‖ address`: whoever has its key puts another one there. No contract's code begins so (EIP-3541).
function isContract(address at) view returns (bool) {
    bytes32 start;
    assembly ("memory-safe") {
        // Into the scratch space, with zeros behind the code's end.
        extcodecopy(at, 0, 0, 32)
        start := mload(0)
    }
    return at.code.length != 0 && bytes3(start) != 0xef0100;
}
