// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

/// @title A factory of dispute games
/// @notice For development and tests alone: it has the calls and the event of the OP Stack's `DisputeGameFactory` that
/// proposers, challengers and games work with, and nothing of its upgrades.
contract OpDevGameFactory {
    struct Made {
        uint32 gameType;
        uint64 timestamp;
        address proxy;
    }

    event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);
    event ImplementationSet(address indexed impl, uint32 indexed gameType);
    event InitBondUpdated(uint32 indexed gameType, uint256 indexed newBond);

    error NoImplementation(uint32 gameType);
    error IncorrectBondAmount();
    error GameAlreadyExists(bytes32 uuid);

    address public immutable owner;
    mapping(uint32 gameType => address) public gameImpls;
    mapping(uint32 gameType => uint256) public initBonds;

    mapping(bytes32 uuid => Made) private _byUuid;
    Made[] private _games;

    modifier onlyOwner() {
        require(msg.sender == owner, "only the owner may do this");
        _;
    }

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Makes a game of a claim. What is sent is the bond, neither more nor less.
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        payable
        returns (address proxy)
    {
        address impl = gameImpls[gameType];
        if (impl == address(0)) revert NoImplementation(gameType);
        if (msg.value != initBonds[gameType]) revert IncorrectBondAmount();
        bytes32 uuid = getGameUUID(gameType, rootClaim, extraData);
        if (_byUuid[uuid].proxy != address(0)) revert GameAlreadyExists(uuid);
        bytes32 l1Head = blockhash(block.number - 1);
        proxy = Clones.cloneWithImmutableArgs(impl, abi.encodePacked(msg.sender, rootClaim, l1Head, extraData));
        IOpDevGameStart(proxy).initialize{value: msg.value}();
        Made memory made = Made(gameType, uint64(block.timestamp), proxy);
        _byUuid[uuid] = made;
        _games.push(made);
        emit DisputeGameCreated(proxy, gameType, rootClaim);
    }

    function setImplementation(uint32 gameType, address impl) external onlyOwner {
        gameImpls[gameType] = impl;
        emit ImplementationSet(impl, gameType);
    }

    function setInitBond(uint32 gameType, uint256 bond) external onlyOwner {
        initBonds[gameType] = bond;
        emit InitBondUpdated(gameType, bond);
    }

    function gameCount() external view returns (uint256) {
        return _games.length;
    }

    function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, address proxy) {
        Made storage made = _games[index];
        return (made.gameType, made.timestamp, made.proxy);
    }

    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (address proxy, uint64 timestamp)
    {
        Made storage made = _byUuid[getGameUUID(gameType, rootClaim, extraData)];
        return (made.proxy, made.timestamp);
    }

    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) public pure returns (bytes32) {
        return keccak256(abi.encode(gameType, rootClaim, extraData));
    }
}

/// @notice What the factory uses of a new game.
interface IOpDevGameStart {
    function initialize() external payable;
}
