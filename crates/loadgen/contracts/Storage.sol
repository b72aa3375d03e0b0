// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Storage-heavy load: each call writes slots that no call wrote before, so the storage trie grows.
contract Storage {
    mapping(uint256 => uint256) private values;
    uint256 public written;

    function fill(uint256 count) external {
        uint256 first = written;
        for (uint256 n = first; n < first + count; n++) {
            values[n] = n + 1;
        }
        written = first + count;
    }
}
