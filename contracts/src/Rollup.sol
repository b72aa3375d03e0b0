// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {
    AGGREGATION_WORDS,
    AggregationPublicValues,
    LAST_WORD,
    PARENT_WORD,
    RANGE_WORDS,
    commitTo,
    firstDifference
} from "./PublicValues.sol";
import {RollupCheckpoints} from "./RollupCheckpoints.sol";
import {BatchProof, Checkpoint, Constants, Proof, ProofType, Proposal, Roles, Rules} from "./RollupTypes.sol";

/// @title The settlement of a rollup
/// @notice A proposer commits to ranges of the rollup's blocks, one checkpoint a slot at the most. Anybody proves them:
/// an epoch at a time, or checkpoint by checkpoint. What is not proven within the proof submission window is given up.
/// Where the proposer is silent for long, anybody may stand in for it. A checkpoint of such a stranger stands only once it is
/// proven: until then the next proposal takes its place. Whoever proposes and proves in one transaction, by `multicall`, is
/// stopped by nobody.
///
/// What a bridge or a light client may rely on, and how time is counted, is in `RollupCheckpoints`.
///
/// @dev There is no proxy: this code is final, and so are the constants, the genesis and every proven checkpoint. What an owner
/// and a guardian can do is in `RollupRules` and `GuardianPause`.
/// Invariants: `proven <= pending`; checkpoints 0 to `pending` follow on each other by block number, by hash and by time, in
/// strictly ascending slots; each keeps the commitment to all up to it; the checkpoints of an epoch have the same rules;
/// `proven` goes up only, and only behind a proof of each type. Verifiers are called statically, before their call changes any
/// state.
/// docs/statement.md says what each word of a proof is compared with.
contract Rollup is RollupCheckpoints {
    /// @dev A checkpoint, but for what its commitment says of it.
    struct End {
        uint64 number;
        uint64 lastBlock;
        uint64 lastTimestamp;
        bytes32 commitment;
        /// Commitment to the checkpoints before it.
        bytes32 before;
    }

    /// @dev What proofs must say: the blocks after `from` lead to `to`.
    struct Claim {
        End from;
        End to;
        /// Whether by epoch proofs, or by range proofs.
        bool aggregated;
        address prover;
        bytes32 configHash;
    }

    /// @notice A checkpoint landed.
    event CheckpointProposed(
        uint64 indexed number,
        uint64 indexed slot,
        uint64 indexed rules,
        address proposer,
        uint64 firstBlock,
        uint64 lastBlock,
        bytes32 parentHash,
        bytes32 lastHash,
        bytes32 stateRoot,
        uint64 lastTimestamp,
        bytes32 commitment
    );
    /// @notice Checkpoints were given up, because they were not proven in time, or are a stranger's. Their numbers are given again.
    event CheckpointsPruned(uint64 from, uint64 to);
    /// @notice A prover proved an epoch up to a checkpoint of it.
    event EpochProofVerified(uint64 indexed epoch, address indexed prover, uint64 first, uint64 last);
    /// @notice A prover proved checkpoints one by one.
    event BatchesVerified(address indexed prover, uint64 first, uint64 last);

    /// @notice Only the proposer may propose, until it was silent for long: anybody from `openFrom` on, in Unix seconds.
    error WrongProposer(address proposer, address sender, uint256 openFrom);
    /// @notice The slot is not after that of the last checkpoint.
    error SlotTaken(uint64 lastSlot, uint64 slot);
    /// @notice The first block is not the one after the last checkpoint.
    error NotNextBlock(uint64 expected, uint64 got);
    /// @notice A checkpoint without blocks.
    error EmptyCheckpoint(uint64 firstBlock, uint64 lastBlock);
    /// @notice The blocks do not follow on the last checkpoint.
    error ParentMismatch(bytes32 expected, bytes32 got);
    /// @notice The last block is not after that of the checkpoint before.
    error TimestampNotAfter(uint64 before, uint64 got);
    /// @notice The last block is ahead of L1's time.
    error TimestampAhead(uint256 timestamp, uint64 got);
    /// @notice The last block is too far behind L1's time.
    error TimestampStalled(uint256 oldest, uint64 got);
    /// @notice Nothing is unproven that has passed its deadline, or that the next proposal would take the place of.
    error NothingToPrune();
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
    /// @notice The prover has proven as much of the epoch already.
    error AlreadySubmitted(uint64 epoch, address prover, uint64 last);
    /// @notice There must be one proof for each type.
    error WrongProofCount(uint256 expected, uint256 got);
    /// @notice The public values have another length.
    error WrongPublicValuesLength(bytes32 proofType, uint256 expected, uint256 got);
    /// @notice The proof says something else. `field` is the name of the first public value that differs.
    error StatementMismatch(bytes32 proofType, uint64 checkpoint, bytes32 field);
    /// @notice The verifier rejected the proof.
    error ProofRejected(bytes32 proofType, uint64 checkpoint, bytes reason);

    /// @dev Four epochs share a word: who proves one after the other pays for a new word once in four.
    mapping(uint64 epochs => mapping(address prover => uint64[4] lasts)) private _longest;

    constructor(Constants memory constants_, Rules memory first, Roles memory roles)
        RollupCheckpoints(constants_, first, roles)
    {}

    // ---------------------------------------------------------------- what proposers and provers send

    /// @notice Commits to the blocks after the last checkpoint. Gives up first what was not proven in time. By the proposer of
    /// the rules in force. After a silence by anybody, and then on the last proven checkpoint: all others are given up.
    function propose(Proposal calldata proposal) external unlessPaused {
        _pruneIfDue();

        uint64 number = _tips.pending + 1;
        uint64 slot = slotAt(block.timestamp);
        Checkpoint memory last = _checkpoints[number - 1];
        if (slot <= last.slot) revert SlotTaken(last.slot, slot);
        // The genesis is no part of an epoch's work, although it is in slot 0.
        bool beginsEpoch = number == 1 || epochOf(slot) != epochOf(last.slot);
        uint64 index = _rulesForNext(number, beginsEpoch);
        address proposer = _rulesAt(index).proposer;
        _requireMayPropose(proposer);
        _requireFollows(proposal, last);

        Checkpoint memory next = Checkpoint({
            slot: slot,
            lastBlock: proposal.lastBlock,
            lastTimestamp: proposal.lastTimestamp,
            rules: index,
            lastHash: proposal.lastHash,
            stateRoot: proposal.stateRoot,
            commitment: commitTo(
                last.commitment,
                proposal.lastBlock,
                proposal.lastHash,
                proposal.stateRoot,
                proposal.lastTimestamp
            )
        });
        _checkpoints[number] = next;
        _tips.pending = number;
        if (msg.sender == proposer) _tips.quietSince = uint64(_activeTime());
        emit CheckpointProposed(
            number,
            slot,
            index,
            msg.sender,
            proposal.firstBlock,
            next.lastBlock,
            proposal.parentHash,
            next.lastHash,
            next.stateRoot,
            next.lastTimestamp,
            next.commitment
        );
    }

    /// @notice Makes calls of this contract for the sender, in their order: all of them, or none. For whoever proposes and proves
    /// in one transaction: `propose`, and then `verifyBatches` or `submitEpochProof`. Each call is as if the sender made it
    /// itself, and may do no more. What the calls return is not returned.
    /// @param calls The function and its arguments, as `abi.encodeCall` gives them. The first that reverts says why.
    /// @dev No function takes ether, so none can count what was sent once for several calls.
    function multicall(bytes[] calldata calls) external {
        for (uint256 i; i < calls.length; ++i) {
            (bool done, bytes memory reason) = address(this).delegatecall(calls[i]);
            if (!done) LowLevelCall.bubbleRevert(reason);
        }
    }

    /// @notice Gives up every checkpoint above the proven tip, if the first of them was not proven in time, or anybody may propose.
    function prune() external unlessPaused {
        if (!_pruneIfDue()) revert NothingToPrune();
    }

    /// @notice Proves an epoch, from its first checkpoint to `last`, which need not be its last one. May be given for
    /// checkpoints that are proven already: each prover's longest proof of an epoch is recorded.
    /// @param first The first checkpoint of its epoch.
    /// @param last A checkpoint of that epoch.
    /// @param prover Whom the proofs name as their prover.
    /// @param proofs One epoch proof for each type, in the order of the rules that the checkpoints were proposed under.
    function submitEpochProof(uint64 first, uint64 last, address prover, Proof[] calldata proofs)
        external
        unlessPaused
    {
        (uint64 provenTip, uint64 pendingTip) = tips();
        if (first == 0 || last < first || last > pendingTip) revert UnknownCheckpoints(first, last, pendingTip);
        if (first > provenTip + 1) revert UnprovenBefore(provenTip + 1, first);
        uint64 epoch = epochOf(_checkpoints[first].slot);
        // The genesis is no part of an epoch's work, although it is in slot 0.
        if (first != 1 && epochOf(_checkpoints[first - 1].slot) == epoch) revert NotAnEpochStart(first);
        uint64 lastEpoch = epochOf(_checkpoints[last].slot);
        if (lastEpoch != epoch) revert NotOneEpoch(epoch, lastEpoch);
        _requireOpen(epoch);
        uint64[4] storage lasts = _longest[epoch / 4][prover];
        uint64 longest = lasts[epoch % 4];
        if (last <= longest) revert AlreadySubmitted(epoch, prover, longest);

        _verifyAll(first, last, proofs, true, prover);

        lasts[epoch % 4] = last;
        if (last > provenTip) _tips.proven = last;
        emit EpochProofVerified(epoch, prover, first, last);
    }

    /// @notice Proves the checkpoints after the proven tip, one by one, with the range proofs of each.
    /// @param first The checkpoint after the proven tip.
    /// @param prover Whom the proofs name as their prover.
    /// @param batches For each checkpoint from `first` on, one range proof for each type, in the order of its rules.
    function verifyBatches(uint64 first, address prover, BatchProof[] calldata batches) external unlessPaused {
        (uint64 provenTip, uint64 pendingTip) = tips();
        if (first != provenTip + 1) revert NotNextBatch(provenTip + 1, first);
        if (batches.length == 0) revert NoBatches();
        if (batches.length > pendingTip - provenTip) {
            revert UnknownCheckpoints(first, uint64(provenTip + batches.length), pendingTip);
        }
        // The deadline of the first is the earliest.
        _requireOpen(epochOf(_checkpoints[first].slot));

        for (uint256 i; i < batches.length; ++i) {
            uint64 number = first + uint64(i);
            _verifyAll(number, number, batches[i].proofs, false, prover);
        }

        uint64 last = first + uint64(batches.length) - 1;
        _tips.proven = last;
        emit BatchesVerified(prover, first, last);
    }

    // ---------------------------------------------------------------- what anybody reads

    /// @notice Tells this contract from others with other rules.
    function version() external pure returns (uint64) {
        return 2;
    }

    /// @notice The last checkpoint of an epoch that a prover has proven it up to; 0 if it has proven nothing of it.
    function longestProof(uint64 epoch, address prover) external view returns (uint64 last) {
        return _longest[epoch / 4][prover][epoch % 4];
    }

    // ---------------------------------------------------------------- what they share

    function _requireMayPropose(address proposer) private view {
        if (msg.sender == proposer) return;
        uint256 from = openFrom();
        if (block.timestamp < from) revert WrongProposer(proposer, msg.sender, from);
    }

    /// @dev Reverts unless the blocks follow on a checkpoint, by number, by hash and by time.
    function _requireFollows(Proposal calldata proposal, Checkpoint memory last) private view {
        if (proposal.firstBlock != last.lastBlock + 1) {
            revert NotNextBlock(last.lastBlock + 1, proposal.firstBlock);
        }
        if (proposal.lastBlock < proposal.firstBlock) {
            revert EmptyCheckpoint(proposal.firstBlock, proposal.lastBlock);
        }
        if (proposal.parentHash != last.lastHash) revert ParentMismatch(last.lastHash, proposal.parentHash);
        uint64 time = proposal.lastTimestamp;
        if (time <= last.lastTimestamp) revert TimestampNotAfter(last.lastTimestamp, time);
        if (time > block.timestamp) revert TimestampAhead(block.timestamp, time);
        if (uint256(time) + MAX_LAG < block.timestamp) {
            revert TimestampStalled(block.timestamp - MAX_LAG, time);
        }
    }

    /// @dev Gives up everything unproven, if the first unproven checkpoint has passed its deadline. After a silence everything
    /// unproven is a stranger's, and in nobody's way: one that cannot be proven would hold up the others else, time after time.
    function _pruneIfDue() private returns (bool) {
        (uint64 provenTip, uint64 pendingTip) = tips();
        if (provenTip == pendingTip) return false;
        bool inTime = block.timestamp < deadline(epochOf(_checkpoints[provenTip + 1].slot));
        if (inTime && block.timestamp < openFrom()) return false;
        _tips.pending = provenTip;
        emit CheckpointsPruned(provenTip + 1, pendingTip);
        return true;
    }

    function _requireOpen(uint64 epoch) private view {
        uint256 closes = deadline(epoch);
        if (block.timestamp >= closes) revert WindowClosed(closes, block.timestamp);
    }

    /// @dev Reverts unless there is a valid proof of each type that the blocks of checkpoints `first` to `last` lead from
    /// the checkpoint before them to `last`, over the ends of those between. All of them have the same rules.
    function _verifyAll(uint64 first, uint64 last, Proof[] calldata proofs, bool aggregated, address prover)
        private
        view
    {
        Rules memory under = _rulesAt(_checkpoints[last].rules);
        uint256 count = under.proofTypes.length;
        if (proofs.length != count) revert WrongProofCount(count, proofs.length);
        End memory from = _end(first - 1, first == 1 ? bytes32(0) : _checkpoints[first - 2].commitment);
        End memory to = _end(last, first == last ? from.commitment : _checkpoints[last - 1].commitment);
        Claim memory claim =
            Claim({from: from, to: to, aggregated: aggregated, prover: prover, configHash: under.configHash});
        for (uint256 i; i < count; ++i) {
            _verify(claim, under.proofTypes[i], proofs[i]);
        }
    }

    function _end(uint64 number, bytes32 before) private view returns (End memory) {
        Checkpoint storage at = _checkpoints[number];
        return End({
            number: number,
            lastBlock: at.lastBlock,
            lastTimestamp: at.lastTimestamp,
            commitment: at.commitment,
            before: before
        });
    }

    function _verify(Claim memory claim, ProofType memory proofType, Proof calldata proof) private view {
        uint256 length = (claim.aggregated ? AGGREGATION_WORDS : RANGE_WORDS) * 32;
        if (proof.publicValues.length != length) {
            revert WrongPublicValuesLength(proofType.name, length, proof.publicValues.length);
        }
        bytes32 field = firstDifference(_statement(claim, proofType.rangeKey, proof.publicValues), proof.publicValues);
        if (field != 0) revert StatementMismatch(proofType.name, claim.to.number, field);
        bytes32 key = claim.aggregated ? proofType.aggregationKey : proofType.rangeKey;
        try proofType.verifier.verifyProof(key, proof.publicValues, proof.proof) {}
        catch (bytes memory reason) {
            revert ProofRejected(proofType.name, claim.to.number, reason);
        }
    }

    /// @dev What a proof must say that says `said`.
    function _statement(Claim memory claim, bytes32 rangeKey, bytes calldata said)
        private
        view
        returns (AggregationPublicValues memory)
    {
        (bytes32 parentHash, bytes32 preStateRoot) = _hashes(claim.from, said, PARENT_WORD);
        (bytes32 lastHash, bytes32 postStateRoot) = _hashes(claim.to, said, LAST_WORD);
        return AggregationPublicValues({
            chainId: CHAIN_ID,
            configHash: claim.configHash,
            rollup: address(this),
            prover: claim.prover,
            firstBlock: claim.from.lastBlock + 1,
            lastBlock: claim.to.lastBlock,
            parentHash: parentHash,
            lastHash: lastHash,
            preStateRoot: preStateRoot,
            postStateRoot: postStateRoot,
            lastTimestamp: claim.to.lastTimestamp,
            rangeKey: rangeKey,
            fromCommitment: claim.from.commitment,
            toCommitment: claim.to.commitment
        });
    }

    /// @dev Hash and state root of a checkpoint's last block. A proof says them in the words `word` and `word + 2`: where the
    /// checkpoint's commitment is to those, they are the stored ones, which need not be read then.
    function _hashes(End memory end, bytes calldata said, uint256 word)
        private
        view
        returns (bytes32 lastHash, bytes32 stateRoot)
    {
        lastHash = bytes32(said[word * 32:]);
        stateRoot = bytes32(said[(word + 2) * 32:]);
        if (commitTo(end.before, end.lastBlock, lastHash, stateRoot, end.lastTimestamp) != end.commitment) {
            Checkpoint storage stored = _checkpoints[end.number];
            (lastHash, stateRoot) = (stored.lastHash, stored.stateRoot);
        }
    }
}
