// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";
import {
    AGGREGATION_LENGTH,
    AggregationPublicValues,
    EXECUTION_LENGTH,
    ExecutionPublicValues
} from "./PublicValues.sol";

/// @title The settlement of a rollup
/// @notice A proposer commits to ranges of the rollup's blocks, one checkpoint a slot at the most. Anybody proves them:
/// an epoch at a time, or checkpoint by checkpoint. What is not proven within the proof submission window is given up.
///
/// Time is counted from `genesisTime` in slots of `slotSeconds`, and in epochs of `epochSlots` slots. The genesis counts
/// as checkpoint 0 in slot 0, therefore the first checkpoint can land in slot 1. The proofs of an epoch are accepted until
/// `windowEpochs` epochs after its end.
///
/// @dev There is no owner and no proxy: every constant is final, and a new set of them is a new contract.
/// Invariants: `proven <= pending`; checkpoints 0 to `pending` follow on each other by block number and by hash, in
/// strictly ascending slots; `proven` goes up only, and only behind a proof of each type. Verifiers are called
/// statically, before any state changes.
contract Rollup {
    /// @notice Something that makes proofs, and what verifies them. Every type must prove everything.
    struct ProofType {
        /// Its name, as text with zeros behind: "openvm", "sp1", "exec".
        bytes32 name;
        /// What verifies its proofs.
        IProofVerifier verifier;
        /// The key of the range program.
        bytes32 rangeKey;
        /// The key of the aggregation program.
        bytes32 aggregationKey;
    }

    /// @notice The constants of a rollup.
    struct Config {
        /// EIP-155 chain id of the rollup.
        uint64 chainId;
        /// keccak256 of the encoded chain configuration.
        bytes32 configHash;
        /// When slot 0 begins, in Unix seconds.
        uint64 genesisTime;
        /// Length of a slot in seconds.
        uint64 slotSeconds;
        /// Length of an epoch in slots.
        uint64 epochSlots;
        /// The proof submission window: for how many epochs after its end an epoch may be proven.
        uint64 windowEpochs;
        /// Who may propose checkpoints.
        address proposer;
        /// Number of the block that the first checkpoint follows on.
        uint64 genesisBlock;
        /// Hash of that block.
        bytes32 genesisHash;
        /// State root after that block.
        bytes32 genesisStateRoot;
        /// What must prove every checkpoint.
        ProofType[] proofTypes;
    }

    /// @notice A range of blocks, as its proposer commits to it.
    struct Proposal {
        uint64 firstBlock;
        uint64 lastBlock;
        bytes32 parentHash;
        bytes32 lastHash;
        bytes32 stateRoot;
    }

    /// @notice What is kept of a checkpoint: the rest follows from the one before it.
    struct Checkpoint {
        uint64 slot;
        uint64 lastBlock;
        bytes32 lastHash;
        bytes32 stateRoot;
    }

    /// @notice A proof of one type.
    struct Proof {
        /// What the program made public.
        bytes publicValues;
        /// The proof, in the encoding of its verifier.
        bytes proof;
    }

    /// @notice The range proofs of one checkpoint: one for each type, in the contract's order.
    struct BatchProof {
        Proof[] proofs;
    }

    /// @dev Whether the proofs are epoch proofs or range proofs.
    enum Aggregated {
        No,
        Yes
    }

    /// @dev What proofs must say: the blocks after checkpoint `from` lead to checkpoint `to`.
    struct Claim {
        Checkpoint from;
        Checkpoint to;
        uint64 checkpoint;
        Aggregated aggregated;
        address prover;
    }

    /// @notice A checkpoint landed.
    event CheckpointProposed(
        uint64 indexed number,
        uint64 indexed slot,
        uint64 firstBlock,
        uint64 lastBlock,
        bytes32 parentHash,
        bytes32 lastHash,
        bytes32 stateRoot
    );
    /// @notice Checkpoints were given up, because they were not proven in time. Their numbers are given again.
    event CheckpointsPruned(uint64 from, uint64 to);
    /// @notice A prover proved an epoch up to a checkpoint of it.
    event EpochProofVerified(uint64 indexed epoch, address indexed prover, uint64 first, uint64 last);
    /// @notice Checkpoints were proven one by one.
    event BatchesVerified(uint64 first, uint64 last);

    /// @notice A constant makes no sense. `field` is its name.
    error InvalidConfig(bytes32 field);
    /// @notice Only the proposer may propose.
    error WrongProposer(address sender);
    /// @notice Slot 0 has not begun.
    error BeforeGenesis(uint256 genesisTime, uint256 timestamp);
    /// @notice The slot is not after that of the last checkpoint.
    error SlotTaken(uint64 lastSlot, uint64 slot);
    /// @notice The first block is not the one after the last checkpoint.
    error NotNextBlock(uint64 expected, uint64 got);
    /// @notice A checkpoint without blocks.
    error EmptyCheckpoint(uint64 firstBlock, uint64 lastBlock);
    /// @notice The blocks do not follow on the last checkpoint.
    error ParentMismatch(bytes32 expected, bytes32 got);
    /// @notice Nothing is unproven that has passed its deadline.
    error NothingToPrune();
    /// @notice No such checkpoints: those that there are end at `pending`.
    error UnknownCheckpoints(uint64 first, uint64 last, uint64 pending);
    /// @notice The checkpoint is not the first of its epoch.
    error NotAnEpochStart(uint64 checkpoint);
    /// @notice The checkpoints are of different epochs.
    error NotOneEpoch(uint64 firstEpoch, uint64 lastEpoch);
    /// @notice Checkpoints between the proven tip and `got` are not proven.
    error UnprovenBefore(uint64 expected, uint64 got);
    /// @notice The first batch is not the one after the proven tip.
    error NotNextBatch(uint64 expected, uint64 got);
    /// @notice There is no batch to verify.
    error NoBatches();
    /// @notice The proof submission window of the epoch has closed.
    error WindowClosed(uint256 deadline, uint256 timestamp);
    /// @notice This prover has proven as much of the epoch already.
    error AlreadySubmitted(uint64 epoch, address prover, uint64 last);
    /// @notice There must be one proof for each type.
    error WrongProofCount(uint256 expected, uint256 got);
    /// @notice The public values have another length.
    error WrongPublicValuesLength(bytes32 proofType, uint256 expected, uint256 got);
    /// @notice The proof that ends at `checkpoint` says something else. `field` is the name of the first difference.
    error StatementMismatch(bytes32 proofType, uint64 checkpoint, bytes32 field);
    /// @notice The verifier rejected the proof that ends at `checkpoint`, with `reason`.
    error ProofRejected(bytes32 proofType, uint64 checkpoint, bytes reason);

    uint64 private immutable CHAIN_ID;
    bytes32 private immutable CONFIG_HASH;
    uint64 private immutable GENESIS_TIME;
    uint64 private immutable SLOT_SECONDS;
    uint64 private immutable EPOCH_SLOTS;
    uint64 private immutable WINDOW_EPOCHS;
    address private immutable PROPOSER;

    uint64 private _proven;
    uint64 private _pending;
    ProofType[] private _proofTypes;
    mapping(uint64 number => Checkpoint) private _checkpoints;
    mapping(uint64 epoch => mapping(address prover => uint64 last)) private _longest;

    constructor(Config memory constants) {
        if (constants.chainId == 0) revert InvalidConfig("chainId");
        if (constants.configHash == 0) revert InvalidConfig("configHash");
        if (constants.slotSeconds == 0) revert InvalidConfig("slotSeconds");
        if (constants.epochSlots == 0) revert InvalidConfig("epochSlots");
        if (constants.windowEpochs == 0) revert InvalidConfig("windowEpochs");
        if (constants.proposer == address(0)) revert InvalidConfig("proposer");
        if (constants.genesisHash == 0) revert InvalidConfig("genesisHash");
        if (constants.genesisStateRoot == 0) revert InvalidConfig("genesisStateRoot");
        if (constants.proofTypes.length == 0) revert InvalidConfig("proofTypes");

        CHAIN_ID = constants.chainId;
        CONFIG_HASH = constants.configHash;
        GENESIS_TIME = constants.genesisTime;
        SLOT_SECONDS = constants.slotSeconds;
        EPOCH_SLOTS = constants.epochSlots;
        WINDOW_EPOCHS = constants.windowEpochs;
        PROPOSER = constants.proposer;
        _checkpoints[0] = Checkpoint({
            slot: 0,
            lastBlock: constants.genesisBlock,
            lastHash: constants.genesisHash,
            stateRoot: constants.genesisStateRoot
        });
        for (uint256 i; i < constants.proofTypes.length; ++i) {
            ProofType memory proofType = constants.proofTypes[i];
            if (proofType.name == 0) revert InvalidConfig("name");
            for (uint256 j; j < i; ++j) {
                if (proofType.name == constants.proofTypes[j].name) revert InvalidConfig("name");
            }
            if (address(proofType.verifier).code.length == 0) revert InvalidConfig("verifier");
            if (proofType.rangeKey == 0) revert InvalidConfig("rangeKey");
            if (proofType.aggregationKey == 0) revert InvalidConfig("aggregationKey");
            _proofTypes.push(proofType);
        }
    }

    // ---------------------------------------------------------------- what the proposer and the provers send

    /// @notice Commits to the blocks after the last checkpoint. Gives up first what was not proven in time.
    function propose(Proposal calldata proposal) external {
        if (msg.sender != PROPOSER) revert WrongProposer(msg.sender);
        _pruneIfDue();

        uint64 number = _pending + 1;
        uint64 slot = slotAt(block.timestamp);
        Checkpoint storage last = _checkpoints[number - 1];
        if (slot <= last.slot) revert SlotTaken(last.slot, slot);
        if (proposal.firstBlock != last.lastBlock + 1) {
            revert NotNextBlock(last.lastBlock + 1, proposal.firstBlock);
        }
        if (proposal.lastBlock < proposal.firstBlock) {
            revert EmptyCheckpoint(proposal.firstBlock, proposal.lastBlock);
        }
        if (proposal.parentHash != last.lastHash) revert ParentMismatch(last.lastHash, proposal.parentHash);

        _pending = number;
        _checkpoints[number] = Checkpoint({
            slot: slot,
            lastBlock: proposal.lastBlock,
            lastHash: proposal.lastHash,
            stateRoot: proposal.stateRoot
        });
        emit CheckpointProposed(
            number,
            slot,
            proposal.firstBlock,
            proposal.lastBlock,
            proposal.parentHash,
            proposal.lastHash,
            proposal.stateRoot
        );
    }

    /// @notice Gives up every checkpoint above the proven tip, if the first of them was not proven in time.
    function prune() external {
        if (!_pruneIfDue()) revert NothingToPrune();
    }

    /// @notice Proves an epoch, from its first checkpoint to `last`, which need not be its last one. May be given for
    /// checkpoints that are proven already: each prover's longest proof of an epoch is recorded.
    /// @param first The first checkpoint of its epoch.
    /// @param last A checkpoint of that epoch.
    /// @param prover Whom the proofs name as their prover.
    /// @param proofs One epoch proof for each type, in the contract's order.
    function submitEpochProof(uint64 first, uint64 last, address prover, Proof[] calldata proofs) external {
        (uint64 provenTip, uint64 pendingTip) = (_proven, _pending);
        if (first == 0 || last < first || last > pendingTip) revert UnknownCheckpoints(first, last, pendingTip);
        if (first > provenTip + 1) revert UnprovenBefore(provenTip + 1, first);
        uint64 epoch = epochOf(_checkpoints[first].slot);
        // The genesis is no part of an epoch's work, although it is in slot 0.
        if (first != 1 && epochOf(_checkpoints[first - 1].slot) == epoch) revert NotAnEpochStart(first);
        uint64 lastEpoch = epochOf(_checkpoints[last].slot);
        if (lastEpoch != epoch) revert NotOneEpoch(epoch, lastEpoch);
        _requireOpen(epoch);
        uint64 longest = _longest[epoch][prover];
        if (last <= longest) revert AlreadySubmitted(epoch, prover, longest);

        _verifyAll(first, last, proofs, Aggregated.Yes, prover);

        _longest[epoch][prover] = last;
        if (last > provenTip) _proven = last;
        emit EpochProofVerified(epoch, prover, first, last);
    }

    /// @notice Proves the checkpoints after the proven tip, one by one, with the range proofs of each.
    /// @param first The checkpoint after the proven tip.
    /// @param batches For each checkpoint from `first` on, one range proof for each type, in the contract's order.
    function verifyBatches(uint64 first, BatchProof[] calldata batches) external {
        (uint64 provenTip, uint64 pendingTip) = (_proven, _pending);
        if (first != provenTip + 1) revert NotNextBatch(provenTip + 1, first);
        if (batches.length == 0) revert NoBatches();
        if (batches.length > pendingTip - provenTip) {
            revert UnknownCheckpoints(first, uint64(provenTip + batches.length), pendingTip);
        }
        // The deadline of the first is the earliest.
        _requireOpen(epochOf(_checkpoints[first].slot));

        for (uint256 i; i < batches.length; ++i) {
            uint64 number = first + uint64(i);
            _verifyAll(number, number, batches[i].proofs, Aggregated.No, address(0));
        }

        uint64 last = first + uint64(batches.length) - 1;
        _proven = last;
        emit BatchesVerified(first, last);
    }

    // ---------------------------------------------------------------- what anybody reads

    /// @notice Tells this contract from others with other rules.
    function version() external pure returns (uint64) {
        return 1;
    }

    /// @notice Every constant.
    function config() external view returns (Config memory) {
        Checkpoint storage genesis = _checkpoints[0];
        return Config({
            chainId: CHAIN_ID,
            configHash: CONFIG_HASH,
            genesisTime: GENESIS_TIME,
            slotSeconds: SLOT_SECONDS,
            epochSlots: EPOCH_SLOTS,
            windowEpochs: WINDOW_EPOCHS,
            proposer: PROPOSER,
            genesisBlock: genesis.lastBlock,
            genesisHash: genesis.lastHash,
            genesisStateRoot: genesis.stateRoot,
            proofTypes: _proofTypes
        });
    }

    /// @notice The last proven checkpoint and the last checkpoint; 0 is the genesis.
    function tips() external view returns (uint64 proven, uint64 pending) {
        return (_proven, _pending);
    }

    /// @notice Checkpoints `first` to `last`, both included; 0 is the genesis.
    function checkpoints(uint64 first, uint64 last) external view returns (Checkpoint[] memory list) {
        if (last < first || last > _pending) revert UnknownCheckpoints(first, last, _pending);
        list = new Checkpoint[](last - first + 1);
        for (uint256 i; i < list.length; ++i) {
            list[i] = _checkpoints[first + uint64(i)];
        }
    }

    /// @notice The last checkpoint of an epoch that a prover has proven it up to; 0 if it has proven nothing of it.
    function longestProof(uint64 epoch, address prover) external view returns (uint64 last) {
        return _longest[epoch][prover];
    }

    /// @notice The slot at a time in Unix seconds.
    function slotAt(uint256 timestamp) public view returns (uint64) {
        if (timestamp < GENESIS_TIME) revert BeforeGenesis(GENESIS_TIME, timestamp);
        return uint64((timestamp - GENESIS_TIME) / SLOT_SECONDS);
    }

    /// @notice The epoch of a slot.
    function epochOf(uint64 slot) public view returns (uint64) {
        return slot / EPOCH_SLOTS;
    }

    /// @notice When the proof submission window of an epoch closes, in Unix seconds: from then on its proofs are refused.
    function deadline(uint64 epoch) public view returns (uint256) {
        // No overflow: each factor is below 2^65.
        return GENESIS_TIME + (uint256(epoch) + 1 + WINDOW_EPOCHS) * EPOCH_SLOTS * SLOT_SECONDS;
    }

    // ---------------------------------------------------------------- what they share

    /// @dev Gives up everything unproven, if the first unproven checkpoint has passed its deadline.
    function _pruneIfDue() private returns (bool) {
        (uint64 provenTip, uint64 pendingTip) = (_proven, _pending);
        if (provenTip == pendingTip) return false;
        if (block.timestamp < deadline(epochOf(_checkpoints[provenTip + 1].slot))) return false;
        _pending = provenTip;
        emit CheckpointsPruned(provenTip + 1, pendingTip);
        return true;
    }

    function _requireOpen(uint64 epoch) private view {
        uint256 closes = deadline(epoch);
        if (block.timestamp >= closes) revert WindowClosed(closes, block.timestamp);
    }

    /// @dev Reverts unless there is a valid proof of each type that the blocks of checkpoints `first` to `last` lead from
    /// the checkpoint before them to `last`.
    function _verifyAll(uint64 first, uint64 last, Proof[] calldata proofs, Aggregated aggregated, address prover)
        private
        view
    {
        uint256 count = _proofTypes.length;
        if (proofs.length != count) revert WrongProofCount(count, proofs.length);
        Claim memory claim = Claim({
            from: _checkpoints[first - 1],
            to: _checkpoints[last],
            checkpoint: last,
            aggregated: aggregated,
            prover: prover
        });
        for (uint256 i; i < count; ++i) {
            _verify(claim, _proofTypes[i], proofs[i]);
        }
    }

    function _verify(Claim memory claim, ProofType memory proofType, Proof calldata proof) private view {
        bytes calldata publicValues = proof.publicValues;
        bool aggregated = claim.aggregated == Aggregated.Yes;
        uint256 length = EXECUTION_LENGTH + (aggregated ? AGGREGATION_LENGTH : 0);
        if (publicValues.length != length) {
            revert WrongPublicValuesLength(proofType.name, length, publicValues.length);
        }
        bytes32 difference = _executionDifference(publicValues, claim.from, claim.to);
        if (difference == 0 && aggregated) {
            difference = _aggregationDifference(publicValues, proofType.rangeKey, claim.prover);
        }
        if (difference != 0) revert StatementMismatch(proofType.name, claim.checkpoint, difference);
        bytes32 key = aggregated ? proofType.aggregationKey : proofType.rangeKey;
        try proofType.verifier.verifyProof(key, publicValues, proof.proof) {}
        catch (bytes memory reason) {
            revert ProofRejected(proofType.name, claim.checkpoint, reason);
        }
    }

    /// @dev The name of the first field that is not as the checkpoints have it; 0 if there is none. What a checkpoint does
    /// not say (gas, transactions, the hashes before the last) follows from the last block's hash.
    function _executionDifference(bytes calldata publicValues, Checkpoint memory from, Checkpoint memory to)
        private
        view
        returns (bytes32)
    {
        ExecutionPublicValues memory said = abi.decode(publicValues[:EXECUTION_LENGTH], (ExecutionPublicValues));
        if (said.chainId != CHAIN_ID) return "chainId";
        if (said.configHash != CONFIG_HASH) return "configHash";
        if (said.rollup != address(this)) return "rollup";
        if (said.firstBlock != from.lastBlock + 1) return "firstBlock";
        if (said.lastBlock != to.lastBlock) return "lastBlock";
        if (said.parentHash != from.lastHash) return "parentHash";
        if (said.lastHash != to.lastHash) return "lastHash";
        if (said.preStateRoot != from.stateRoot) return "preStateRoot";
        if (said.postStateRoot != to.stateRoot) return "postStateRoot";
        return 0;
    }

    /// @dev The same of what only epoch proofs say.
    function _aggregationDifference(bytes calldata publicValues, bytes32 rangeKey, address prover)
        private
        pure
        returns (bytes32)
    {
        AggregationPublicValues memory said =
            abi.decode(publicValues[EXECUTION_LENGTH:], (AggregationPublicValues));
        if (said.rangeKey != rangeKey) return "rangeKey";
        if (said.proverId != prover) return "proverId";
        return 0;
    }
}
