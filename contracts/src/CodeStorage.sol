// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev No account could be made for the data: they are larger than code may be, or there is too little gas.
error NotStored(uint256 length);

/// @dev Keeps data that never change as the code of a new account. Writing 32 bytes costs 6,400 gas where a word of storage costs
/// 22,100, and reading all of it 2,600 where each word costs 2,100. The code begins with STOP: it does nothing when called.
function store(bytes memory data) returns (address account) {
    // Copies what follows its own ten bytes to memory, and returns it:
    // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE (0), RETURN.
    uint256 length = data.length + 1;
    if (length > type(uint16).max) revert NotStored(data.length);
    bytes memory creation = abi.encodePacked(hex"61", uint16(length), hex"80600a3d393df3", hex"00", data);
    assembly ("memory-safe") {
        account := create(0, add(creation, 32), mload(creation))
    }
    if (account == address(0)) revert NotStored(data.length);
}

/// @dev What `store` kept as the code of an account.
function load(address account) view returns (bytes memory data) {
    assembly ("memory-safe") {
        let length := sub(extcodesize(account), 1)
        data := mload(0x40)
        mstore(data, length)
        extcodecopy(account, add(data, 32), 1, length)
        mstore(0x40, and(add(add(data, length), 63), not(31)))
    }
}
