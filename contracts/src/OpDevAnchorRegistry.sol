// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Where dispute games begin, and when they are final
/// @notice For development and tests alone: it answers what games and proposers ask of the OP Stack's
/// `AnchorStateRegistry`. One game type counts, nothing is retired, and the owner may blacklist games.
contract OpDevAnchorRegistry {
    event AnchorUpdated(address indexed game);

    error AnchorStateRegistry_InvalidAnchorGame();

    address public immutable owner;
    address public immutable disputeGameFactory;
    uint32 public immutable respectedGameType;
    uint256 public immutable disputeGameFinalityDelaySeconds;
    address public anchorGame;
    mapping(address game => bool) public disputeGameBlacklist;

    bytes32 private _root;
    uint256 private _block;

    constructor(address owner_, address factory, uint32 gameType, uint256 finalityDelay, bytes32 root, uint256 number) {
        owner = owner_;
        disputeGameFactory = factory;
        respectedGameType = gameType;
        disputeGameFinalityDelaySeconds = finalityDelay;
        _root = root;
        _block = number;
    }

    function blacklistDisputeGame(address game) external {
        require(msg.sender == owner, "only the owner may do this");
        disputeGameBlacklist[game] = true;
    }

    /// @notice Makes a final game that was won by its claim the anchor, if it is newer.
    function setAnchorState(address game) external {
        if (!isGameClaimValid(game) || IOpDevGame(game).l2SequenceNumber() <= _block) {
            revert AnchorStateRegistry_InvalidAnchorGame();
        }
        anchorGame = game;
        _root = IOpDevGame(game).rootClaim();
        _block = IOpDevGame(game).l2SequenceNumber();
        emit AnchorUpdated(game);
    }

    function getAnchorRoot() external view returns (bytes32 root, uint256 l2SequenceNumber) {
        return (_root, _block);
    }

    function anchors(uint32) external view returns (bytes32 root, uint256 l2SequenceNumber) {
        return (_root, _block);
    }

    function isGameRegistered(address game) public view returns (bool) {
        (uint32 gameType, bytes32 root, bytes memory extra) = IOpDevGame(game).gameData();
        (address proxy,) = IOpDevGames(disputeGameFactory).games(gameType, root, extra);
        return proxy == game;
    }

    function isGameRespected(address game) public view returns (bool) {
        return IOpDevGame(game).wasRespectedGameTypeWhenCreated();
    }

    function isGameBlacklisted(address game) public view returns (bool) {
        return disputeGameBlacklist[game];
    }

    function isGameRetired(address) public pure returns (bool) {
        return false;
    }

    function isGameProper(address game) public view returns (bool) {
        return isGameRegistered(game) && !isGameBlacklisted(game);
    }

    function isGameResolved(address game) public view returns (bool) {
        return IOpDevGame(game).resolvedAt() != 0 && IOpDevGame(game).status() != 0;
    }

    function isGameFinalized(address game) public view returns (bool) {
        return isGameResolved(game)
            && block.timestamp - IOpDevGame(game).resolvedAt() > disputeGameFinalityDelaySeconds;
    }

    function isGameClaimValid(address game) public view returns (bool) {
        return isGameProper(game) && isGameRespected(game) && isGameFinalized(game) && IOpDevGame(game).status() == 2;
    }
}

/// @notice What is read of a game.
interface IOpDevGame {
    function gameData() external view returns (uint32 gameType, bytes32 rootClaim, bytes memory extraData);
    function l2SequenceNumber() external view returns (uint256);
    function resolvedAt() external view returns (uint64);
    function rootClaim() external view returns (bytes32);
    function status() external view returns (uint8);
    function wasRespectedGameTypeWhenCreated() external view returns (bool);
}

/// @notice What is read of the factory.
interface IOpDevGames {
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (address proxy, uint64 timestamp);
}
