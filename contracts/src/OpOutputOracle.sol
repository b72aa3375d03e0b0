// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";
import {AggregationOutputs} from "./OpAggregation.sol";

/// @title Output roots of an OP Stack chain, each proven before it is taken
/// @notice For development and tests: it answers the calls by which OP Succinct's proposer works with
/// `OPSuccinctL2OutputOracle` v3.0.0 (same selectors, events and public values), so that what works here works with that
/// contract. It is not that contract: there is no proxy, no optimistic mode and no finalization, and nobody should put a
/// bridge behind it.
contract OpOutputOracle {
    /// @notice What a proof must be of.
    struct OpSuccinctConfig {
        bytes32 aggregationVkey;
        bytes32 rangeVkeyCommitment;
        bytes32 rollupConfigHash;
    }

    /// @notice An output root that was proven.
    struct OutputProposal {
        bytes32 outputRoot;
        uint128 timestamp;
        uint128 l2BlockNumber;
    }

    /// @notice Where the chain of outputs begins, who may propose, and how a proof is verified.
    struct InitParams {
        address proposer;
        address owner;
        uint256 l2BlockTime;
        bytes32 aggregationVkey;
        bytes32 rangeVkeyCommitment;
        bytes32 rollupConfigHash;
        bytes32 startingOutputRoot;
        uint256 startingBlockNumber;
        uint256 startingTimestamp;
        uint256 submissionInterval;
        address verifier;
        uint256 fallbackTimeout;
    }

    event OutputProposed(
        bytes32 indexed outputRoot, uint256 indexed l2OutputIndex, uint256 indexed l2BlockNumber, uint256 l1Timestamp
    );
    event OpSuccinctConfigUpdated(
        bytes32 indexed configName, bytes32 aggregationVkey, bytes32 rangeVkeyCommitment, bytes32 rollupConfigHash
    );
    event ProposerUpdated(address indexed proposer, bool added);
    event SubmissionIntervalUpdated(uint256 oldSubmissionInterval, uint256 newSubmissionInterval);
    event DisputeGameFactorySet(address indexed disputeGameFactory);

    /// @notice `blockhash` does not have it any more: 256 blocks are over.
    error L1BlockHashNotAvailable();
    /// @notice `checkpointBlockHash` was not called for that block.
    error L1BlockHashNotCheckpointed();

    string public constant version = "v3.0.0";
    /// @notice The name of the configuration that the contract begins with.
    bytes32 public constant GENESIS_CONFIG_NAME = keccak256("opsuccinct_genesis");
    /// @notice There is no optimistic mode here.
    bool public constant optimisticMode = false;

    uint256 public immutable startingBlockNumber;
    uint256 public immutable startingTimestamp;
    uint256 public immutable l2BlockTime;
    address public immutable owner;
    address public immutable verifier;
    uint256 public immutable fallbackTimeout;
    uint256 public submissionInterval;
    address public disputeGameFactory;
    mapping(address proposer => bool) public approvedProposers;
    mapping(uint256 l1Block => bytes32) public historicBlockHashes;
    mapping(bytes32 name => OpSuccinctConfig) public opSuccinctConfigs;

    OutputProposal[] private _outputs;
    bool private _creatingGame;

    modifier onlyOwner() {
        require(msg.sender == owner, "only the owner may do this");
        _;
    }

    constructor(InitParams memory init) {
        require(init.submissionInterval > 0 && init.l2BlockTime > 0, "an interval of zero");
        startingBlockNumber = init.startingBlockNumber;
        startingTimestamp = init.startingTimestamp;
        l2BlockTime = init.l2BlockTime;
        owner = init.owner;
        verifier = init.verifier;
        fallbackTimeout = init.fallbackTimeout;
        submissionInterval = init.submissionInterval;
        approvedProposers[init.proposer] = true;
        _outputs.push(
            OutputProposal(
                init.startingOutputRoot, uint128(init.startingTimestamp), uint128(init.startingBlockNumber)
            )
        );
        _setConfig(
            GENESIS_CONFIG_NAME,
            OpSuccinctConfig(init.aggregationVkey, init.rangeVkeyCommitment, init.rollupConfigHash)
        );
    }

    /// @notice Keeps the hash of one of the last 256 blocks, for a proof that ends there.
    function checkpointBlockHash(uint256 blockNumber) external {
        bytes32 hash = blockhash(blockNumber);
        if (hash == bytes32(0)) revert L1BlockHashNotAvailable();
        historicBlockHashes[blockNumber] = hash;
    }

    /// @notice Takes an output root with its proof. The proof must begin with the newest output that is here.
    function proposeL2Output(
        bytes32 configName,
        bytes32 outputRoot,
        uint256 l2BlockNumber,
        uint256 l1BlockNumber,
        bytes memory proof,
        address proverAddress
    ) external {
        require(
            approvedProposers[tx.origin] || approvedProposers[address(0)]
                || block.timestamp - lastProposalTimestamp() > fallbackTimeout,
            "the sender is no approved proposer"
        );
        require(l2BlockNumber >= nextBlockNumber(), "the block is before the next one to be proposed");
        require(computeL2Timestamp(l2BlockNumber) < block.timestamp, "the block is in the future");
        require(_creatingGame == (disputeGameFactory != address(0)), "propose as the dispute game factory wants it");
        require(outputRoot != bytes32(0), "an output root of zero");
        bytes32 l1Head = historicBlockHashes[l1BlockNumber];
        if (l1Head == bytes32(0)) revert L1BlockHashNotCheckpointed();
        OpSuccinctConfig memory config = opSuccinctConfigs[configName];
        require(isValidOpSuccinctConfig(config), "no configuration of this name");
        AggregationOutputs memory says = AggregationOutputs({
            l1Head: l1Head,
            l2PreRoot: _outputs[latestOutputIndex()].outputRoot,
            claimRoot: outputRoot,
            claimBlockNum: l2BlockNumber,
            rollupConfigHash: config.rollupConfigHash,
            rangeVkeyCommitment: config.rangeVkeyCommitment,
            proverAddress: proverAddress
        });
        IProofVerifier(verifier).verifyProof(config.aggregationVkey, abi.encode(says), proof);
        emit OutputProposed(outputRoot, nextOutputIndex(), l2BlockNumber, block.timestamp);
        _outputs.push(OutputProposal(outputRoot, uint128(block.timestamp), uint128(l2BlockNumber)));
    }

    /// @notice As `proposeL2Output`, where a factory makes a game of each output.
    function dgfProposeL2Output(
        bytes32 configName,
        bytes32 outputRoot,
        uint256 l2BlockNumber,
        uint256 l1BlockNumber,
        bytes memory proof,
        address proverAddress
    ) external payable returns (address game) {
        require(disputeGameFactory != address(0), "no dispute game factory is set");
        _creatingGame = true;
        game = IOpGameFactory(disputeGameFactory).create{value: msg.value}(
            6, outputRoot, abi.encodePacked(l2BlockNumber, l1BlockNumber, proverAddress, configName, proof)
        );
        _creatingGame = false;
    }

    function addOpSuccinctConfig(
        bytes32 name,
        bytes32 rollupConfigHash,
        bytes32 aggregationVkey,
        bytes32 rangeVkeyCommitment
    ) external onlyOwner {
        require(name != bytes32(0) && !isValidOpSuccinctConfig(opSuccinctConfigs[name]), "the name is taken or empty");
        _setConfig(name, OpSuccinctConfig(aggregationVkey, rangeVkeyCommitment, rollupConfigHash));
    }

    function deleteOpSuccinctConfig(bytes32 name) external onlyOwner {
        delete opSuccinctConfigs[name];
    }

    function addProposer(address proposer) external onlyOwner {
        approvedProposers[proposer] = true;
        emit ProposerUpdated(proposer, true);
    }

    function removeProposer(address proposer) external onlyOwner {
        approvedProposers[proposer] = false;
        emit ProposerUpdated(proposer, false);
    }

    function updateSubmissionInterval(uint256 interval) external onlyOwner {
        require(interval > 0, "an interval of zero");
        emit SubmissionIntervalUpdated(submissionInterval, interval);
        submissionInterval = interval;
    }

    function setDisputeGameFactory(address factory) external onlyOwner {
        disputeGameFactory = factory;
        emit DisputeGameFactorySet(factory);
    }

    function getL2Output(uint256 index) external view returns (OutputProposal memory) {
        return _outputs[index];
    }

    function latestOutputIndex() public view returns (uint256) {
        return _outputs.length - 1;
    }

    function nextOutputIndex() public view returns (uint256) {
        return _outputs.length;
    }

    function latestBlockNumber() public view returns (uint256) {
        return _outputs[latestOutputIndex()].l2BlockNumber;
    }

    function nextBlockNumber() public view returns (uint256) {
        return latestBlockNumber() + submissionInterval;
    }

    function lastProposalTimestamp() public view returns (uint256) {
        return _outputs[latestOutputIndex()].timestamp;
    }

    function computeL2Timestamp(uint256 l2BlockNumber) public view returns (uint256) {
        return startingTimestamp + (l2BlockNumber - startingBlockNumber) * l2BlockTime;
    }

    function isValidOpSuccinctConfig(OpSuccinctConfig memory config) public pure returns (bool) {
        return config.aggregationVkey != bytes32(0) && config.rangeVkeyCommitment != bytes32(0)
            && config.rollupConfigHash != bytes32(0);
    }

    function _setConfig(bytes32 name, OpSuccinctConfig memory config) private {
        require(isValidOpSuccinctConfig(config), "a configuration with a zero in it");
        opSuccinctConfigs[name] = config;
        emit OpSuccinctConfigUpdated(
            name, config.aggregationVkey, config.rangeVkeyCommitment, config.rollupConfigHash
        );
    }
}

/// @notice What is used of a dispute game factory.
interface IOpGameFactory {
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        payable
        returns (address game);
}
