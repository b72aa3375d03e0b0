// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {InvalidConfig, Roles} from "./RollupTypes.sol";

/// @title Pauses by a guardian who can only stop
/// @notice A pause ends when the owner ends it, or by itself. After one, the guardian must wait as long as it lasted. While
/// it lasts, time does not count: neither for the window of an epoch that had begun, nor for the delay of new rules,
/// nor for the silence after which anybody may propose. What could be proven before a pause can be proven after it.
abstract contract GuardianPause is Ownable2Step {
    /// @dev A pause.
    struct Pause {
        /// When it began, in Unix seconds.
        uint64 start;
        /// When it ended, or will.
        uint64 end;
        /// Seconds of all pauses before it.
        uint64 earlier;
    }

    /// @notice The guardian stopped everything until a time in Unix seconds, at the latest.
    event Paused(address indexed guardian, uint64 until);
    /// @notice The owner ended the pause.
    event Resumed();
    /// @notice There is another guardian.
    event GuardianChanged(address indexed before, address indexed guardian);

    /// @notice Everything is stopped until a time in Unix seconds, if the owner does not end the pause before.
    error ContractPaused(uint64 until);
    /// @notice There is no pause to end.
    error NotPaused();
    /// @notice Only the guardian may pause.
    error NotTheGuardian(address guardian, address sender);
    /// @notice The last pause is not over for as long as it lasted. The next one may begin at `from`, in Unix seconds.
    error PausedTooRecently(uint64 from);

    uint64 internal immutable MAX_PAUSE;

    address private _guardian;
    /// @dev All that there were, numbered from 0, because deadlines are told from them.
    mapping(uint256 number => Pause) private _pauses;

    modifier unlessPaused() {
        uint64 until = pausedUntil();
        if (until != 0) revert ContractPaused(until);
        _;
    }

    constructor(Roles memory roles, uint64 maxPause) Ownable(msg.sender) {
        // The library takes no zero here, and has it for an owner who renounced.
        _transferOwnership(roles.owner);
        MAX_PAUSE = maxPause;
        if (roles.guardian != address(0)) _setGuardian(roles.guardian);
    }

    /// @notice Stops proposals, proofs and prunes. By the guardian alone.
    function pause() external {
        if (msg.sender != _guardian) revert NotTheGuardian(_guardian, msg.sender);
        uint64 start = uint64(block.timestamp);
        uint64 earlier;
        uint64 count = _pauseCount();
        if (count != 0) {
            Pause storage last = _pauses[count - 1];
            if (start < last.end) revert ContractPaused(last.end);
            uint64 lasted = last.end - last.start;
            if (start < last.end + lasted) revert PausedTooRecently(last.end + lasted);
            earlier = last.earlier + lasted;
        }
        uint64 end = start + MAX_PAUSE;
        _pauses[count] = Pause({start: start, end: end, earlier: earlier});
        _setPauseCount(count + 1);
        emit Paused(msg.sender, end);
    }

    /// @notice Ends the pause. By the owner alone.
    function resume() external onlyOwner {
        if (pausedUntil() == 0) revert NotPaused();
        _pauses[_pauseCount() - 1].end = uint64(block.timestamp);
        emit Resumed();
    }

    /// @notice Names another guardian; zero: nobody. By the owner alone. A pause that has begun goes on.
    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    /// @notice Who may pause; zero: nobody.
    function guardian() public view returns (address) {
        return _guardian;
    }

    /// @notice When the pause ends, in Unix seconds; 0 if there is none.
    function pausedUntil() public view returns (uint64) {
        uint256 count = _pauseCount();
        if (count == 0) return 0;
        uint64 end = _pauses[count - 1].end;
        return block.timestamp < end ? end : 0;
    }

    function _setGuardian(address guardian_) private {
        if (guardian_ != address(0) && MAX_PAUSE == 0) revert InvalidConfig("maxPause");
        emit GuardianChanged(_guardian, guardian_);
        _guardian = guardian_;
    }

    /// @dev How many pauses there were. It is kept beside what every call reads.
    function _pauseCount() internal view virtual returns (uint64);

    function _setPauseCount(uint64 count) internal virtual;

    // ---------------------------------------------------------------- time that counts

    /// @dev Seconds of all pauses, and of the one that lasts until its end.
    function _pausedInAll() internal view returns (uint256) {
        uint256 count = _pauseCount();
        if (count == 0) return 0;
        Pause storage last = _pauses[count - 1];
        return uint256(last.earlier) + last.end - last.start;
    }

    /// @dev L1's time without all pauses so far. It stands still while one lasts.
    function _activeTime() internal view returns (uint256) {
        return block.timestamp - _pausedBefore(block.timestamp);
    }

    /// @dev When a period closes that opens and closes at these times if there is no pause. It closes later by each pause
    /// that began before that, as far as it came after the opening.
    function _closes(uint256 opens, uint256 closes) internal view returns (uint256) {
        if (_pauseCount() == 0) return closes;
        uint256 before = _pausedBefore(opens);
        // How much of the time that counts is over when a pause begins, grows from pause to pause.
        uint256 began = _countPauses(closes - before, true);
        if (began == 0) return closes;
        Pause storage last = _pauses[began - 1];
        return closes - before + last.earlier + last.end - last.start;
    }

    /// @dev Seconds of pauses before a time.
    function _pausedBefore(uint256 time) private view returns (uint256) {
        uint256 began = _countPauses(time, false);
        if (began == 0) return 0;
        Pause storage last = _pauses[began - 1];
        uint256 end = time < last.end ? time : last.end;
        return last.earlier + end - last.start;
    }

    /// @dev How many pauses began before a time, of L1 or of the time that counts.
    function _countPauses(uint256 time, bool active) private view returns (uint256) {
        (uint256 low, uint256 high) = (0, _pauseCount());
        // Mostly the last one is meant.
        uint256 middle = high == 0 ? 0 : high - 1;
        while (low < high) {
            Pause storage at = _pauses[middle];
            uint256 start = active ? at.start - at.earlier : at.start;
            if (start < time) low = middle + 1;
            else high = middle;
            middle = (low + high) / 2;
        }
        return low;
    }
}
