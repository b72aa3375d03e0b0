// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";

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

/// @notice What an owner can change, for checkpoints to come.
struct Rules {
    /// keccak256 of the encoded chain specification.
    bytes32 configHash;
    /// Who may propose checkpoints.
    address proposer;
    /// What must prove every checkpoint.
    ProofType[] proofTypes;
}

/// @notice Rules that are to be in force later.
struct Schedule {
    /// The number that they will have; 0 if none are scheduled.
    uint64 index;
    /// From which checkpoint on, at the beginning of an epoch.
    uint64 fromCheckpoint;
    /// Not before this time, in Unix seconds. A pause moves it.
    uint256 notBefore;
    /// What they say.
    Rules rules;
}

/// @notice What never changes. Lengths of time are in seconds.
struct Constants {
    /// EIP-155 chain id of the rollup.
    uint64 chainId;
    /// When slot 0 begins, in Unix seconds.
    uint64 genesisTime;
    /// Length of a slot.
    uint64 slotSeconds;
    /// Length of an epoch in slots.
    uint64 epochSlots;
    /// The proof submission window: for how many epochs after its end an epoch may be proven.
    uint64 windowEpochs;
    /// How far the last block of a checkpoint may be behind L1's time when it is proposed.
    uint64 maxLag;
    /// After so long without a checkpoint of the proposer's anybody may propose: at least the window and an epoch. 0: the
    /// proposer alone, for ever.
    uint64 silence;
    /// How long new rules are visible before they are in force: at least the window and an epoch.
    uint64 changeDelay;
    /// How long a pause lasts, if the owner does not end it; 0: there are no pauses. With a guardian and no owner `changeDelay`
    /// at the most.
    uint64 maxPause;
    /// Number of the block that the first checkpoint follows on.
    uint64 genesisBlock;
    /// Hash of that block.
    bytes32 genesisHash;
    /// State root after that block.
    bytes32 genesisStateRoot;
    /// Time of that block, in Unix seconds.
    uint64 genesisTimestamp;
}

/// @notice Who may do more than anybody.
struct Roles {
    /// May schedule and cancel rules, name the guardian, and end a pause. Zero: nobody, and everything is final.
    address owner;
    /// May pause. Zero: nobody.
    address guardian;
}

/// @notice A range of blocks, as its proposer commits to it.
struct Proposal {
    uint64 firstBlock;
    uint64 lastBlock;
    bytes32 parentHash;
    bytes32 lastHash;
    bytes32 stateRoot;
    uint64 lastTimestamp;
}

/// @notice What is kept of a checkpoint: the rest follows from the one before it.
struct Checkpoint {
    /// The slot that it landed in.
    uint64 slot;
    /// Number of its last block.
    uint64 lastBlock;
    /// Time of that block, in Unix seconds.
    uint64 lastTimestamp;
    /// The number of the rules that it was proposed under, and is proven under.
    uint64 rules;
    /// Hash of its last block.
    bytes32 lastHash;
    /// State root after its last block.
    bytes32 stateRoot;
    /// Commitment to all checkpoints up to it.
    bytes32 commitment;
}

/// @notice A proof of one type.
struct Proof {
    /// What the program made public.
    bytes publicValues;
    /// The proof, in the encoding of its verifier.
    bytes proof;
}

/// @notice The range proofs of one checkpoint: one for each type, in the order of its rules.
struct BatchProof {
    Proof[] proofs;
}

/// @notice A constant or a rule makes no sense. `field` is its name.
error InvalidConfig(bytes32 field);
