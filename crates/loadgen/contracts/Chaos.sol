// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What Chaos creates and destroys: a contract with some storage.
contract Child {
    constructor(uint256 slots) payable {
        for (uint256 n = 0; n < slots; n++) {
            assembly {
                sstore(n, add(n, 7))
            }
        }
    }

    function die(address payable heir) external {
        selfdestruct(heir);
    }

    receive() external payable {}
}

/// One function for each thing that a block can do to the state; for tests that compare executions.
contract Chaos {
    event Seen(uint256 indexed kind, bytes32 value);

    error Refused(uint256 kind);

    receive() external payable {}

    /// Writes `count` neighbouring slots; the value 0 deletes them.
    function write(uint256 first, uint256 count, uint256 value) public {
        for (uint256 n = 0; n < count; n++) {
            assembly {
                sstore(add(first, n), value)
            }
        }
    }

    /// Moves slots: every one is read and deleted, and its value written elsewhere.
    function move(uint256 from, uint256 to, uint256 count) public {
        for (uint256 n = 0; n < count; n++) {
            assembly {
                let value := sload(add(from, n))
                sstore(add(from, n), 0)
                sstore(add(to, n), value)
            }
        }
    }

    function writeThenRevert(uint256 first, uint256 count) public {
        write(first, count, 1);
        revert Refused(1);
    }

    /// Calls itself, lets the call revert, and goes on.
    function survive(uint256 first, uint256 count) public {
        try this.writeThenRevert(first, count) {
            write(first, 1, 2);
        } catch {
            write(first, 1, block.number);
        }
    }

    function burnAllGas() public {
        uint256 n;
        while (true) {
            n = uint256(keccak256(abi.encode(n)));
        }
    }

    /// Calls a precompile (or anything else) and stores the hash of its answer.
    function ask(address target, bytes calldata input, uint256 slot) public {
        (bool ok, bytes memory answer) = target.call{gas: 400_000}(input);
        bytes32 value = keccak256(abi.encode(ok, answer));
        assembly {
            sstore(slot, value)
        }
        emit Seen(uint160(target), value);
    }

    function pay(address payable to, uint256 value) public payable {
        (bool ok, ) = to.call{value: value, gas: 60_000}("");
        emit Seen(ok ? 1 : 0, bytes32(uint256(uint160(address(to)))));
    }

    /// Reads an old block hash, and the account around it.
    function look(uint256 back, address at, uint256 slot) public {
        bytes32 value = keccak256(
            abi.encode(blockhash(block.number - back), at.balance, at.codehash, at.code.length, block.prevrandao)
        );
        assembly {
            sstore(slot, value)
        }
    }

    function create(uint256 slots) public payable {
        Child child = new Child{value: msg.value}(slots);
        emit Seen(2, bytes32(uint256(uint160(address(child)))));
    }

    /// Twice with one salt fails, unless the first child was destroyed in its own transaction.
    function create2(bytes32 salt, uint256 slots) public payable {
        Child child = new Child{value: msg.value, salt: salt}(slots);
        emit Seen(3, bytes32(uint256(uint160(address(child)))));
    }

    function createAndDestroy(bytes32 salt, uint256 slots, address payable heir) public payable {
        Child child = new Child{value: msg.value, salt: salt}(slots);
        child.die(heir);
    }

    /// Destroys a child that is to be created again in the same transaction.
    function createDestroyThenPay(bytes32 salt, uint256 slots, address payable heir) public payable {
        Child child = new Child{value: msg.value / 2, salt: salt}(slots);
        child.die(heir);
        (bool ok, ) = address(child).call{value: msg.value / 2}("");
        emit Seen(ok ? 5 : 4, bytes32(0));
    }

    function destroy(address child, address payable heir) public {
        (bool ok, ) = child.call(abi.encodeCall(Child.die, (heir)));
        emit Seen(ok ? 7 : 6, bytes32(0));
    }

    /// Runs several of these as one transaction; the ones that fail are skipped.
    function several(bytes[] calldata calls) external payable {
        for (uint256 n = 0; n < calls.length; n++) {
            (bool ok, ) = address(this).delegatecall{gas: gasleft() / 2}(calls[n]);
            emit Seen(ok ? 9 : 8, bytes32(n));
        }
    }
}
