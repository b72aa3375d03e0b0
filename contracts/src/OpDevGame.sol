// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IProofVerifier} from "./IProofVerifier.sol";
import {AggregationOutputs} from "./OpAggregation.sol";

/// @title A dispute game that a proof decides: game type 42
/// @notice For development and tests alone: it answers the calls by which OP Succinct's proposer and challenger work with
/// `OPSuccinctFaultDisputeGame` v2.0.0 (same selectors, events, errors and public values). Anybody may propose and challenge, and
/// nobody should put a bridge behind it.
contract OpDevGame {
    enum GameStatus {
        IN_PROGRESS,
        CHALLENGER_WINS,
        DEFENDER_WINS
    }
    enum ProposalStatus {
        Unchallenged,
        Challenged,
        UnchallengedAndValidProofProvided,
        ChallengedAndValidProofProvided,
        Resolved
    }
    enum BondDistributionMode {
        UNDECIDED,
        NORMAL,
        REFUND
    }

    struct ClaimData {
        uint32 parentIndex;
        address counteredBy;
        address prover;
        bytes32 claim;
        ProposalStatus status;
        uint64 deadline;
    }

    struct Proposal {
        bytes32 root;
        uint256 l2SequenceNumber;
    }

    /// @notice What all games of a factory have in common.
    struct GameParams {
        uint64 maxChallengeDuration;
        uint64 maxProveDuration;
        address disputeGameFactory;
        address verifier;
        bytes32 rollupConfigHash;
        bytes32 aggregationVkey;
        bytes32 rangeVkeyCommitment;
        uint256 challengerBond;
        address anchorStateRegistry;
    }

    event Challenged(address indexed challenger);
    event Proved(address indexed prover);
    event Resolved(GameStatus indexed status);
    event GameClosed(BondDistributionMode bondDistributionMode);

    error AlreadyInitialized();
    error IncorrectDisputeGameFactory();
    error BadExtraData();
    error InvalidParentGame();
    error UnexpectedRootClaim(bytes32 rootClaim);
    error ClaimAlreadyChallenged();
    error GameOver();
    error GameNotOver();
    error IncorrectBondAmount();
    error ClaimAlreadyResolved();
    error ParentGameNotResolved();
    error GameNotFinalized();
    error NoCreditToClaim();
    error BondTransferFailed();

    string public constant version = "2.0.0";
    uint32 public constant gameType = 42;
    uint32 private constant NO_PARENT = type(uint32).max;

    uint64 public immutable maxChallengeDuration;
    uint64 public immutable maxProveDuration;
    address public immutable disputeGameFactory;
    address public immutable sp1Verifier;
    bytes32 public immutable rollupConfigHash;
    bytes32 public immutable aggregationVkey;
    bytes32 public immutable rangeVkeyCommitment;
    uint256 public immutable challengerBond;
    address public immutable anchorStateRegistry;
    /// @notice It lets everybody do everything.
    address public immutable accessManager;

    uint64 public createdAt;
    uint64 public resolvedAt;
    GameStatus public status;
    bool private _initialized;
    bool public wasRespectedGameTypeWhenCreated;
    BondDistributionMode public bondDistributionMode;
    ClaimData public claimData;
    Proposal public startingOutputRoot;
    mapping(address account => uint256) public normalModeCredit;
    mapping(address account => uint256) public refundModeCredit;

    constructor(GameParams memory params) {
        maxChallengeDuration = params.maxChallengeDuration;
        maxProveDuration = params.maxProveDuration;
        disputeGameFactory = params.disputeGameFactory;
        sp1Verifier = params.verifier;
        rollupConfigHash = params.rollupConfigHash;
        aggregationVkey = params.aggregationVkey;
        rangeVkeyCommitment = params.rangeVkeyCommitment;
        challengerBond = params.challengerBond;
        anchorStateRegistry = params.anchorStateRegistry;
        accessManager = address(this);
    }

    /// @notice Begins: the factory calls it, with the bond.
    function initialize() external payable {
        if (_initialized) revert AlreadyInitialized();
        if (msg.sender != disputeGameFactory) revert IncorrectDisputeGameFactory();
        // The creator, the claim, the L1 head; then the block's number, and the parent's.
        if (_args().length != 20 + 32 + 32 + 32 + 4) revert BadExtraData();
        _initialized = true;
        startingOutputRoot = _start();
        if (l2SequenceNumber() <= startingOutputRoot.l2SequenceNumber) revert UnexpectedRootClaim(rootClaim());
        claimData.parentIndex = parentIndex();
        claimData.claim = rootClaim();
        claimData.deadline = uint64(block.timestamp) + maxChallengeDuration;
        refundModeCredit[gameCreator()] = msg.value;
        createdAt = uint64(block.timestamp);
        wasRespectedGameTypeWhenCreated = IOpDevRegistry(anchorStateRegistry).respectedGameType() == gameType;
    }

    /// @notice Says that the claim is wrong. From now on somebody has to prove it.
    function challenge() external payable returns (ProposalStatus) {
        if (claimData.status != ProposalStatus.Unchallenged) revert ClaimAlreadyChallenged();
        if (gameOver()) revert GameOver();
        if (msg.value != challengerBond) revert IncorrectBondAmount();
        claimData.counteredBy = msg.sender;
        claimData.status = ProposalStatus.Challenged;
        claimData.deadline = uint64(block.timestamp) + maxProveDuration;
        refundModeCredit[msg.sender] += msg.value;
        emit Challenged(msg.sender);
        return ProposalStatus.Challenged;
    }

    /// @notice Proves the claim. The proof names who sends it.
    function prove(bytes calldata proofBytes) external returns (ProposalStatus) {
        if (gameOver()) revert GameOver();
        AggregationOutputs memory says = AggregationOutputs({
            l1Head: l1Head(),
            l2PreRoot: startingOutputRoot.root,
            claimRoot: rootClaim(),
            claimBlockNum: l2SequenceNumber(),
            rollupConfigHash: rollupConfigHash,
            rangeVkeyCommitment: rangeVkeyCommitment,
            proverAddress: msg.sender
        });
        IProofVerifier(sp1Verifier).verifyProof(aggregationVkey, abi.encode(says), proofBytes);
        claimData.prover = msg.sender;
        claimData.status = claimData.counteredBy == address(0)
            ? ProposalStatus.UnchallengedAndValidProofProvided
            : ProposalStatus.ChallengedAndValidProofProvided;
        emit Proved(msg.sender);
        return claimData.status;
    }

    /// @notice Decides, once the time is over or the claim is proven, and the parent is decided.
    function resolve() external returns (GameStatus) {
        if (status != GameStatus.IN_PROGRESS) revert ClaimAlreadyResolved();
        GameStatus parent = _parentStatus();
        if (parent == GameStatus.IN_PROGRESS) revert ParentGameNotResolved();
        bool lost = parent == GameStatus.CHALLENGER_WINS;
        if (!lost) {
            if (!gameOver()) revert GameNotOver();
            lost = claimData.status == ProposalStatus.Challenged;
        }
        uint256 all = address(this).balance;
        if (lost) {
            status = GameStatus.CHALLENGER_WINS;
            normalModeCredit[claimData.counteredBy] = all;
        } else {
            status = GameStatus.DEFENDER_WINS;
            // Who proves a challenged claim has earned what the challenger put in.
            uint256 earned =
                claimData.status == ProposalStatus.ChallengedAndValidProofProvided ? challengerBond : 0;
            normalModeCredit[gameCreator()] = all - earned;
            normalModeCredit[claimData.prover] += earned;
        }
        claimData.status = ProposalStatus.Resolved;
        resolvedAt = uint64(block.timestamp);
        emit Resolved(status);
        return status;
    }

    /// @notice Pays what somebody has won, or put in where the game does not count.
    function claimCredit(address recipient) external {
        closeGame();
        uint256 amount = credit(recipient);
        if (amount == 0) revert NoCreditToClaim();
        refundModeCredit[recipient] = 0;
        normalModeCredit[recipient] = 0;
        (bool paid,) = recipient.call{value: amount}("");
        if (!paid) revert BondTransferFailed();
    }

    /// @notice Settles how the bonds are paid out, and makes the game the anchor where it can be.
    function closeGame() public {
        if (bondDistributionMode != BondDistributionMode.UNDECIDED) return;
        IOpDevRegistry registry = IOpDevRegistry(anchorStateRegistry);
        if (!registry.isGameFinalized(address(this))) revert GameNotFinalized();
        try registry.setAnchorState(address(this)) {} catch {}
        bondDistributionMode =
            registry.isGameProper(address(this)) ? BondDistributionMode.NORMAL : BondDistributionMode.REFUND;
        emit GameClosed(bondDistributionMode);
    }

    function gameOver() public view returns (bool) {
        return claimData.deadline < uint64(block.timestamp) || claimData.prover != address(0);
    }

    function credit(address recipient) public view returns (uint256) {
        return bondDistributionMode == BondDistributionMode.REFUND
            ? refundModeCredit[recipient]
            : normalModeCredit[recipient];
    }

    function gameCreator() public view returns (address) {
        return address(bytes20(_word(0)));
    }

    function rootClaim() public view returns (bytes32) {
        return _word(20);
    }

    function l1Head() public view returns (bytes32) {
        return _word(52);
    }

    function l2SequenceNumber() public view returns (uint256) {
        return uint256(_word(84));
    }

    function l2BlockNumber() external view returns (uint256) {
        return l2SequenceNumber();
    }

    function parentIndex() public view returns (uint32) {
        return uint32(bytes4(_word(116)));
    }

    function extraData() public view returns (bytes memory) {
        return abi.encodePacked(l2SequenceNumber(), parentIndex());
    }

    function gameData() external view returns (uint32 gameType_, bytes32 rootClaim_, bytes memory extraData_) {
        return (gameType, rootClaim(), extraData());
    }

    function startingBlockNumber() external view returns (uint256) {
        return startingOutputRoot.l2SequenceNumber;
    }

    function startingRootHash() external view returns (bytes32) {
        return startingOutputRoot.root;
    }

    function isAllowedProposer(address) external pure returns (bool) {
        return true;
    }

    function isAllowedChallenger(address) external pure returns (bool) {
        return true;
    }

    /// @dev Where the claim begins: with a parent that is ahead of the anchor and not lost, or with the anchor.
    function _start() private view returns (Proposal memory) {
        IOpDevRegistry registry = IOpDevRegistry(anchorStateRegistry);
        (bytes32 root, uint256 anchor) = registry.getAnchorRoot();
        if (parentIndex() == NO_PARENT) return Proposal(root, anchor);
        address parent = _parent();
        uint256 number = OpDevGame(parent).l2SequenceNumber();
        if (
            !registry.isGameRespected(parent) || registry.isGameBlacklisted(parent) || registry.isGameRetired(parent)
                || OpDevGame(parent).status() == GameStatus.CHALLENGER_WINS || number <= anchor
        ) revert InvalidParentGame();
        return Proposal(OpDevGame(parent).rootClaim(), number);
    }

    function _parent() private view returns (address parent) {
        (,, parent) = IOpDevFactory(disputeGameFactory).gameAtIndex(parentIndex());
    }

    function _parentStatus() private view returns (GameStatus) {
        return parentIndex() == NO_PARENT ? GameStatus.DEFENDER_WINS : OpDevGame(_parent()).status();
    }

    function _args() private view returns (bytes memory) {
        return Clones.fetchCloneArgs(address(this));
    }

    /// @dev The word that begins there; zeros behind the end.
    function _word(uint256 at) private view returns (bytes32 word) {
        bytes memory args = bytes.concat(_args(), bytes32(0));
        assembly ("memory-safe") {
            word := mload(add(add(args, 0x20), at))
        }
    }
}

/// @notice What is used of the registry.
interface IOpDevRegistry {
    function getAnchorRoot() external view returns (bytes32 root, uint256 l2SequenceNumber);
    function isGameBlacklisted(address game) external view returns (bool);
    function isGameFinalized(address game) external view returns (bool);
    function isGameProper(address game) external view returns (bool);
    function isGameRespected(address game) external view returns (bool);
    function isGameRetired(address game) external view returns (bool);
    function respectedGameType() external view returns (uint32);
    function setAnchorState(address game) external;
}

/// @notice What is used of the factory.
interface IOpDevFactory {
    function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, address proxy);
}
