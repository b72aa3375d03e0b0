// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Interpreter-heavy load: arithmetic in a loop, one storage write at the end.
contract Compute {
    uint256 public last;

    function fibonacci(uint256 rounds) external {
        uint256 a = 0;
        uint256 b = 1;
        unchecked {
            for (uint256 n = 0; n < rounds; n++) {
                (a, b) = (b, a + b);
            }
        }
        last = a;
    }
}
