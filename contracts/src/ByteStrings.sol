// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice The bytes are not what `abi.encode` gives for a list of byte strings.
error NotCanonical();

/// @dev The list in what `abi.encode(bytes[])` gave, read where it lies, and refused by name in any other form: two forms of one list
/// would be two proofs of one thing. `abi.decode` takes many forms, and reverts without a word on what is none.
///
/// The form, in words: 32; how many strings there are; for each the place of its length, counted from the word behind their number; for each
/// its length and its bytes, with zeros up to a whole word; and nothing behind or between them.
function byteStrings(bytes calldata encoded) pure returns (bytes[] calldata list) {
    bool canonical;
    assembly ("memory-safe") {
        let body := add(encoded.offset, 64)
        let size := sub(encoded.length, 64)
        let count := calldataload(add(encoded.offset, 32))
        // Each string has two words at the least. Where there are not even the first two of all, the others mean nothing, and count for
        // nothing.
        canonical :=
            and(gt(encoded.length, 63), and(eq(calldataload(encoded.offset), 32), iszero(gt(count, shr(6, size)))))
        if canonical {
            // Where the next string begins, which is never behind the end.
            let at := shl(5, count)
            for { let end := add(body, at) let place := body } lt(place, end) { place := add(place, 32) } {
                canonical := and(eq(calldataload(place), at), gt(sub(size, at), 31))
                if iszero(canonical) { break }
                let length := calldataload(add(body, at))
                at := add(at, 32)
                canonical := iszero(gt(length, sub(size, at)))
                if iszero(canonical) { break }
                let used := and(length, 31)
                at := add(at, sub(length, used))
                if used {
                    canonical :=
                        and(gt(sub(size, at), 31), iszero(shl(shl(3, used), calldataload(add(body, at)))))
                    if iszero(canonical) { break }
                    at := add(at, 32)
                }
            }
            canonical := and(canonical, eq(at, size))
        }
        list.offset := body
        list.length := count
    }
    if (!canonical) revert NotCanonical();
}
