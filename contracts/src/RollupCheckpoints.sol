// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {commitTo} from "./PublicValues.sol";
import {RollupRules} from "./RollupRules.sol";
import {Checkpoint, Constants, InvalidConfig, Roles, Rules} from "./RollupTypes.sol";

/// @title The checkpoints of a rollup
/// @notice What is kept of them, how their time is counted, and what anybody reads.
///
/// A bridge or a light client may rely on every checkpoint at or below the proven tip, each with its last block, the hash of
/// that block, its state root and its time: `provenCheckpoint(number)` returns one, and reverts for one that is not
/// proven. `checkpointOf(block)` finds the number; `checkpoints` and `tips().pending` say what is only claimed.
///
/// Time is counted from `genesisTime` in slots of `slotSeconds`, and in epochs of `epochSlots` slots. The genesis counts
/// as checkpoint 0 in slot 0, therefore the first checkpoint can land in slot 1. The proofs of an epoch are accepted until
/// `windowEpochs` epochs after its end.
abstract contract RollupCheckpoints is RollupRules {
    /// @dev What changes with every call.
    struct Tips {
        /// The last checkpoint that is proven.
        uint64 proven;
        /// The last checkpoint.
        uint64 pending;
        /// When the proposer proposed last, in the time that counts.
        uint64 quietSince;
        /// How many pauses there were.
        uint64 pauses;
    }

    /// @notice Slot 0 has not begun.
    error BeforeGenesis(uint256 genesisTime, uint256 timestamp);
    /// @notice No such checkpoints: those that there are end at `pending`.
    error UnknownCheckpoints(uint64 first, uint64 last, uint64 pending);
    /// @notice No checkpoint has this block: those that there are end with block `last`.
    error UnknownBlock(uint64 number, uint64 genesis, uint64 last);
    /// @notice The checkpoint is not proven.
    error NotProven(uint64 checkpoint, uint64 proven);

    /// @dev The longest that a setting may be, so that sums of times fit 64 bits.
    uint64 private constant LONGEST = 100 * 365 days;

    uint64 internal immutable CHAIN_ID;
    uint64 internal immutable GENESIS_TIME;
    uint64 internal immutable SLOT_SECONDS;
    uint64 internal immutable EPOCH_SLOTS;
    uint64 internal immutable WINDOW_EPOCHS;
    uint64 internal immutable MAX_LAG;
    uint64 internal immutable SILENCE;

    Tips internal _tips;
    mapping(uint64 number => Checkpoint) internal _checkpoints;

    constructor(Constants memory constants_, Rules memory first, Roles memory roles)
        RollupRules(roles, constants_.maxPause, constants_.changeDelay, first)
    {
        if (constants_.chainId == 0) revert InvalidConfig("chainId");
        if (constants_.slotSeconds == 0) revert InvalidConfig("slotSeconds");
        if (constants_.epochSlots == 0) revert InvalidConfig("epochSlots");
        if (constants_.windowEpochs == 0) revert InvalidConfig("windowEpochs");
        if (constants_.maxLag < constants_.slotSeconds || constants_.maxLag > LONGEST) {
            revert InvalidConfig("maxLag");
        }
        if (constants_.maxPause > LONGEST) revert InvalidConfig("maxPause");
        // Who sees rules that he does not want can have all that he did before settled, and leave.
        uint256 window = (uint256(constants_.windowEpochs) + 1) * constants_.epochSlots * constants_.slotSeconds;
        if (constants_.changeDelay < window || constants_.changeDelay > LONGEST) {
            revert InvalidConfig("changeDelay");
        }
        // When it is over, nothing of the proposer's can still be proven: `Rollup` relies on that where it gives up.
        if (constants_.silence != 0 && (constants_.silence < window || constants_.silence > LONGEST)) {
            revert InvalidConfig("silence");
        }
        if (constants_.genesisHash == 0) revert InvalidConfig("genesisHash");
        if (constants_.genesisStateRoot == 0) revert InvalidConfig("genesisStateRoot");
        if (constants_.genesisTimestamp > block.timestamp) revert InvalidConfig("genesisTimestamp");

        CHAIN_ID = constants_.chainId;
        GENESIS_TIME = constants_.genesisTime;
        SLOT_SECONDS = constants_.slotSeconds;
        EPOCH_SLOTS = constants_.epochSlots;
        WINDOW_EPOCHS = constants_.windowEpochs;
        MAX_LAG = constants_.maxLag;
        SILENCE = constants_.silence;
        _tips.quietSince = uint64(block.timestamp);
        _checkpoints[0] = Checkpoint({
            slot: 0,
            lastBlock: constants_.genesisBlock,
            lastTimestamp: constants_.genesisTimestamp,
            rules: 0,
            lastHash: constants_.genesisHash,
            stateRoot: constants_.genesisStateRoot,
            commitment: commitTo(
                0,
                constants_.genesisBlock,
                constants_.genesisHash,
                constants_.genesisStateRoot,
                constants_.genesisTimestamp
            )
        });
    }

    // ---------------------------------------------------------------- what anybody reads

    /// @notice A checkpoint that a bridge or a light client may rely on, whoever proposed it and whatever happens later.
    /// Reverts for one that is not proven. 0 is the genesis.
    function provenCheckpoint(uint64 number) external view returns (Checkpoint memory) {
        if (number > _tips.proven) revert NotProven(number, _tips.proven);
        return _checkpoints[number];
    }

    /// @notice The number of the checkpoint that has a block of the rollup, proven or not. The genesis block is of checkpoint 0.
    function checkpointOf(uint64 number) external view returns (uint64) {
        (uint64 low, uint64 high) = (0, _tips.pending);
        uint64 genesis = _checkpoints[0].lastBlock;
        if (number < genesis || number > _checkpoints[high].lastBlock) {
            revert UnknownBlock(number, genesis, _checkpoints[high].lastBlock);
        }
        while (low < high) {
            uint64 middle = low + (high - low) / 2;
            if (_checkpoints[middle].lastBlock < number) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// @notice Everything that never changes.
    function constants() external view returns (Constants memory) {
        Checkpoint storage genesis = _checkpoints[0];
        return Constants({
            chainId: CHAIN_ID,
            genesisTime: GENESIS_TIME,
            slotSeconds: SLOT_SECONDS,
            epochSlots: EPOCH_SLOTS,
            windowEpochs: WINDOW_EPOCHS,
            maxLag: MAX_LAG,
            silence: SILENCE,
            changeDelay: CHANGE_DELAY,
            maxPause: MAX_PAUSE,
            genesisBlock: genesis.lastBlock,
            genesisHash: genesis.lastHash,
            genesisStateRoot: genesis.stateRoot,
            genesisTimestamp: genesis.lastTimestamp
        });
    }

    /// @notice The rules that a checkpoint was proposed under, and is proven under.
    function rulesOf(uint64 checkpoint) external view returns (Rules memory) {
        if (checkpoint > _tips.pending) revert UnknownCheckpoints(checkpoint, checkpoint, _tips.pending);
        return rules(_checkpoints[checkpoint].rules);
    }

    /// @notice The last proven checkpoint and the last checkpoint; 0 is the genesis.
    function tips() public view returns (uint64 proven, uint64 pending) {
        return (_tips.proven, _tips.pending);
    }

    /// @notice Checkpoints `first` to `last`, both included, proven or not; 0 is the genesis.
    function checkpoints(uint64 first, uint64 last) external view returns (Checkpoint[] memory list) {
        if (last < first || last > _tips.pending) revert UnknownCheckpoints(first, last, _tips.pending);
        list = new Checkpoint[](last - first + 1);
        for (uint256 i; i < list.length; ++i) {
            list[i] = _checkpoints[first + uint64(i)];
        }
    }

    /// @notice From when on anybody may propose, in Unix seconds, if the proposer does not until then; the highest number if never.
    /// What others propose does not move it.
    function openFrom() public view returns (uint256) {
        if (SILENCE == 0) return type(uint256).max;
        return uint256(_tips.quietSince) + SILENCE + _pausedInAll();
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

    /// @notice When the proof submission window of an epoch closes, in Unix seconds: from then on its proofs are refused. It is
    /// later by every pause since the epoch began.
    function deadline(uint64 epoch) public view returns (uint256) {
        // No overflow: each factor is below 2^65.
        uint256 length = uint256(EPOCH_SLOTS) * SLOT_SECONDS;
        uint256 begins = GENESIS_TIME + epoch * length;
        return _closes(begins, begins + (1 + uint256(WINDOW_EPOCHS)) * length);
    }

    // ---------------------------------------------------------------- what rules and pauses ask for

    function _lastCheckpoint() internal view override returns (uint64) {
        return _tips.pending;
    }

    function _pauseCount() internal view override returns (uint64) {
        return _tips.pauses;
    }

    function _setPauseCount(uint64 count) internal override {
        _tips.pauses = count;
    }
}
