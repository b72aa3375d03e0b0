// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {load, store} from "./CodeStorage.sol";
import {GuardianPause} from "./GuardianPause.sol";
import {isContract} from "./IsContract.sol";
import {InvalidConfig, ProofType, Roles, Rules, Schedule} from "./RollupTypes.sol";

/// @title The rules of a rollup, and how they change
/// @notice Rules are numbered from 0. The owner schedules the next ones for a checkpoint to come, for everybody to see. They
/// are in force from the first checkpoint of an epoch that has that number or a higher one, and not before
/// `changeDelay` has passed. Once in force they stay until the next ones, whatever is pruned. A checkpoint is proven under
/// the rules that were in force when it was proposed.
abstract contract RollupRules is GuardianPause {
    /// @notice New rules are visible. They may be in force from `notBefore` on, in Unix seconds.
    event RulesScheduled(uint64 indexed index, uint64 fromCheckpoint, uint256 notBefore, Rules rules);
    /// @notice Scheduled rules will not be in force.
    event ScheduledRulesCancelled(uint64 indexed index);
    /// @notice Rules are in force, from a checkpoint on.
    event RulesInForce(uint64 indexed index, uint64 indexed fromCheckpoint);

    /// @notice There are no such rules: those that were ever in force end at `last`.
    error UnknownRules(uint64 index, uint64 last);
    /// @notice Rules are scheduled already: cancel them first.
    error AlreadyScheduled(uint64 index);
    /// @notice No rules are scheduled.
    error NothingScheduled();
    /// @notice Checkpoints up to `pending` were proposed under other rules.
    error WouldOrphanCheckpoints(uint64 fromCheckpoint, uint64 pending);

    uint64 internal immutable CHANGE_DELAY;

    /// @dev Where all rules are kept, encoded, each as the code of an account: a proof needs the whole of one, and code is
    /// read at once.
    mapping(uint64 index => address code) private _rules;
    uint64 private _inForce;
    /// @dev Zero if nothing is scheduled. What is scheduled is the last of the list.
    uint64 private _fromCheckpoint;
    /// @dev In the time that counts.
    uint64 private _notBefore;

    constructor(Roles memory roles, uint64 maxPause, uint64 changeDelay, Rules memory first)
        GuardianPause(roles, maxPause)
    {
        CHANGE_DELAY = changeDelay;
        if (roles.owner == address(0)) _requireShortPauses();
        _keep(0, first);
        emit RulesInForce(0, 1);
    }

    /// @notice Schedules rules. By the owner alone.
    /// @param next What they say.
    /// @param fromCheckpoint From which checkpoint on: one that is not proposed yet. 0: from the next one on.
    function scheduleRules(Rules calldata next, uint64 fromCheckpoint) external onlyOwner {
        if (_fromCheckpoint != 0) revert AlreadyScheduled(_inForce + 1);
        uint64 pending = _lastCheckpoint();
        if (fromCheckpoint == 0) fromCheckpoint = pending + 1;
        else if (fromCheckpoint <= pending) revert WouldOrphanCheckpoints(fromCheckpoint, pending);
        _keep(_inForce + 1, next);
        _fromCheckpoint = fromCheckpoint;
        _notBefore = uint64(_activeTime()) + CHANGE_DELAY;
        emit RulesScheduled(_inForce + 1, fromCheckpoint, _notBefore + _pausedInAll(), next);
    }

    /// @notice Takes back what is scheduled. By the owner alone.
    function cancelScheduledRules() external onlyOwner {
        if (_fromCheckpoint == 0) revert NothingScheduled();
        (_fromCheckpoint, _notBefore) = (0, 0);
        delete _rules[_inForce + 1];
        emit ScheduledRulesCancelled(_inForce + 1);
    }

    /// @notice Gives the role up, for ever. By the owner alone. Refused where a guardian stays whose pauses are too long.
    function renounceOwnership() public override {
        super.renounceOwnership();
        _requireShortPauses();
    }

    /// @notice Rules that are in force, or were.
    function rules(uint64 index) public view returns (Rules memory) {
        if (index > _inForce) revert UnknownRules(index, _inForce);
        return _rulesAt(index);
    }

    /// @notice The number of the rules that are in force, and what they say.
    function currentRules() external view returns (uint64 index, Rules memory current) {
        return (_inForce, _rulesAt(_inForce));
    }

    /// @notice The rules that are to be in force next; those with the number 0 if none are scheduled.
    function scheduledRules() external view returns (Schedule memory scheduled) {
        if (_fromCheckpoint != 0) {
            scheduled.index = _inForce + 1;
            scheduled.fromCheckpoint = _fromCheckpoint;
            scheduled.notBefore = _notBefore + _pausedInAll();
            scheduled.rules = _rulesAt(_inForce + 1);
        }
    }

    /// @dev The last checkpoint that was proposed and not given up.
    function _lastCheckpoint() internal view virtual returns (uint64);

    /// @dev The number of the rules for the next checkpoint: the scheduled ones from now on, if it is time for them.
    function _rulesForNext(uint64 checkpoint, bool beginsEpoch) internal returns (uint64 index) {
        index = _inForce;
        uint64 from = _fromCheckpoint;
        if (from == 0 || checkpoint < from || !beginsEpoch || _activeTime() < _notBefore) return index;
        index += 1;
        (_inForce, _fromCheckpoint, _notBefore) = (index, 0, 0);
        emit RulesInForce(index, checkpoint);
    }

    /// @dev Rules by their number, which must be one that there is.
    function _rulesAt(uint64 index) internal view returns (Rules memory) {
        return abi.decode(load(_rules[index]), (Rules));
    }

    /// @dev Without an owner nobody ends a pause: it must be no longer than what everybody has to reckon with anyway.
    function _requireShortPauses() private view {
        if (guardian() != address(0) && MAX_PAUSE > CHANGE_DELAY) revert InvalidConfig("maxPause");
    }

    function _keep(uint64 index, Rules memory next) private {
        if (next.configHash == 0) revert InvalidConfig("configHash");
        if (next.proposer == address(0)) revert InvalidConfig("proposer");
        if (next.proofTypes.length == 0) revert InvalidConfig("proofTypes");
        for (uint256 i; i < next.proofTypes.length; ++i) {
            ProofType memory proofType = next.proofTypes[i];
            if (proofType.name == 0) revert InvalidConfig("name");
            for (uint256 j; j < i; ++j) {
                if (proofType.name == next.proofTypes[j].name) revert InvalidConfig("name");
            }
            if (!isContract(address(proofType.verifier))) revert InvalidConfig("verifier");
            if (proofType.rangeKey == 0) revert InvalidConfig("rangeKey");
            if (proofType.aggregationKey == 0) revert InvalidConfig("aggregationKey");
        }
        _rules[index] = store(abi.encode(next));
    }
}
