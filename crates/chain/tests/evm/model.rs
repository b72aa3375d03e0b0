//! What the contract is to do, in other words: counted by the second, without packing, and with lists instead of searches.

use crate::machine::{Rollup, proof_type};
use alloy_primitives::{Address, B256, keccak256};
use proofmill_program::{AggregationPublicValues, Boundary, RangePublicValues};
use std::collections::BTreeMap;

pub(crate) const START: u64 = 1_000_000;
pub(crate) const CHAIN: u64 = 901;
pub(crate) const SLOT: u64 = 10;
pub(crate) const SLOTS: u64 = 3;
pub(crate) const WINDOW: u64 = 1;
pub(crate) const EPOCH: u64 = SLOT * SLOTS;
pub(crate) const MAX_LAG: u64 = 100;
pub(crate) const SILENCE: u64 = 150;
pub(crate) const DELAY: u64 = EPOCH * (WINDOW + 1);
pub(crate) const MAX_PAUSE: u64 = DELAY;

pub(crate) const OWNER: Address = Address::repeat_byte(0xa1);
pub(crate) const GUARDIAN: Address = Address::repeat_byte(0xa2);
pub(crate) const PROPOSERS: [Address; 2] = [Address::repeat_byte(0xa3), Address::repeat_byte(0xa4)];
pub(crate) const STRANGER: Address = Address::repeat_byte(0xa5);
pub(crate) const NOBODY: Address = Address::ZERO;

/// Rules, as far as they differ: the number tells their keys and chain specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) number: u8,
    pub(crate) proposer: Address,
    /// How many types must prove.
    pub(crate) types: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) slot: u64,
    pub(crate) rules: usize,
    pub(crate) end: Boundary,
    pub(crate) commitment: B256,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) proven: usize,
    pub(crate) longest: BTreeMap<(u64, Address), usize>,
    pub(crate) rules: Vec<Rules>,
    /// What is scheduled, from which checkpoint on, and when it was.
    pub(crate) scheduled: Option<(Rules, u64, u64)>,
    /// When the proposer proposed last.
    pub(crate) quiet_since: u64,
    pub(crate) owner: Address,
    pub(crate) next_owner: Address,
    pub(crate) guardian: Address,
    /// From when until when.
    pub(crate) pauses: Vec<(u64, u64)>,
}

impl Rules {
    pub(crate) fn key(&self, at: usize, aggregated: bool) -> B256 {
        keccak256([self.number, at as u8, u8::from(aggregated)])
    }

    pub(crate) fn config_hash(&self) -> B256 {
        keccak256([self.number])
    }

    pub(crate) fn to_abi(&self) -> Rollup::Rules {
        let types = ["sp1", "openvm"].into_iter().take(self.types).enumerate();
        Rollup::Rules {
            configHash: self.config_hash(),
            proposer: self.proposer,
            proofTypes: types
                .map(|(at, name)| proof_type(name, self.key(at, false), self.key(at, true)))
                .collect(),
        }
    }
}

/// Why the contract should refuse, by the name of its error.
pub(crate) type Refused = &'static str;

fn demand(holds: bool, refused: Refused) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(refused) }
}

impl Model {
    pub(crate) fn new() -> Self {
        let end = Boundary {
            last_block: 10,
            last_hash: B256::repeat_byte(0x10),
            state_root: B256::repeat_byte(0x11),
            last_timestamp: START - 5,
        };
        Self {
            now: START,
            checkpoints: vec![Checkpoint { slot: 0, rules: 0, end, commitment: end.commit(B256::ZERO) }],
            proven: 0,
            longest: BTreeMap::new(),
            rules: vec![Rules { number: 0, proposer: PROPOSERS[0], types: 1 }],
            scheduled: None,
            quiet_since: START,
            owner: OWNER,
            next_owner: NOBODY,
            guardian: GUARDIAN,
            pauses: Vec::new(),
        }
    }

    pub(crate) fn creation(&self) -> Rollup::constructorCall {
        let end = self.checkpoints[0].end;
        Rollup::constructorCall {
            constants_: Rollup::Constants {
                chainId: CHAIN,
                genesisTime: START,
                slotSeconds: SLOT,
                epochSlots: SLOTS,
                windowEpochs: WINDOW,
                maxLag: MAX_LAG,
                silence: SILENCE,
                changeDelay: DELAY,
                maxPause: MAX_PAUSE,
                genesisBlock: end.last_block,
                genesisHash: end.last_hash,
                genesisStateRoot: end.state_root,
                genesisTimestamp: end.last_timestamp,
            },
            first: self.rules[0].to_abi(),
            roles: Rollup::Roles { owner: OWNER, guardian: GUARDIAN },
        }
    }

    // ---------------------------------------------------------------- time

    /// Seconds of pauses between two times.
    fn paused(&self, from: u64, to: u64) -> u64 {
        let overlap = |(start, end): &(u64, u64)| (*end).min(to).saturating_sub((*start).max(from));
        self.pauses.iter().map(overlap).sum()
    }

    pub(crate) fn paused_until(&self) -> Option<u64> {
        self.pauses.last().map(|(_, end)| *end).filter(|end| self.now < *end)
    }

    pub(crate) const fn epoch_of(slot: u64) -> u64 {
        slot / SLOTS
    }

    /// The window closes later by each pause that began before it closed.
    pub(crate) fn deadline(&self, epoch: u64) -> u64 {
        let begins = START + epoch * EPOCH;
        self.pauses.iter().fold(begins + (1 + WINDOW) * EPOCH, |closes, (start, end)| {
            if *start < closes { closes + end.saturating_sub((*start).max(begins)) } else { closes }
        })
    }

    /// When the silence is over, if the proposer stays silent.
    pub(crate) fn open_from(&self) -> u64 {
        self.quiet_since + SILENCE + self.paused(self.quiet_since, u64::MAX)
    }

    /// Whether anybody may propose. What is unproven then is a stranger's, and makes way.
    pub(crate) fn is_open(&self) -> bool {
        self.now - self.quiet_since - self.paused(self.quiet_since, self.now) >= SILENCE
    }

    // ---------------------------------------------------------------- calls

    pub(crate) fn pending(&self) -> usize {
        self.checkpoints.len() - 1
    }

    pub(crate) fn last(&self) -> &Checkpoint {
        &self.checkpoints[self.pending()]
    }

    fn unless_paused(&self) -> Result<(), Refused> {
        demand(self.paused_until().is_none(), "ContractPaused")
    }

    fn by_owner(&self, from: Address) -> Result<(), Refused> {
        demand(from == self.owner && self.owner != NOBODY, "OwnableUnauthorizedAccount")
    }

    fn prune_if_due(&mut self) -> bool {
        let due = self.checkpoints.get(self.proven + 1).is_some_and(|unproven| {
            self.is_open() || self.now >= self.deadline(Self::epoch_of(unproven.slot))
        });
        if due {
            self.checkpoints.truncate(self.proven + 1);
        }
        due
    }

    pub(crate) fn prune(&mut self) -> Result<(), Refused> {
        self.unless_paused()?;
        demand(self.prune_if_due(), "NothingToPrune")
    }

    pub(crate) fn propose(&mut self, from: Address, proposal: &Rollup::Proposal) -> Result<(), Refused> {
        self.unless_paused()?;
        self.prune_if_due();
        let last = self.last().clone();
        let slot = (self.now - START) / SLOT;
        demand(slot > last.slot, "SlotTaken")?;
        let number = self.checkpoints.len() as u64;
        let begins = number == 1 || Self::epoch_of(slot) != Self::epoch_of(last.slot);
        if let Some((rules, at_least, since)) = self.scheduled.clone()
            && begins
            && number >= at_least
            && self.now - since - self.paused(since, self.now) >= DELAY
        {
            self.rules.push(rules);
            self.scheduled = None;
        }
        let index = self.rules.len() - 1;
        let proposer = self.rules[index].proposer;
        demand(from == proposer || self.is_open(), "WrongProposer")?;
        demand(proposal.firstBlock == last.end.last_block + 1, "NotNextBlock")?;
        demand(proposal.lastBlock >= proposal.firstBlock, "EmptyCheckpoint")?;
        demand(proposal.parentHash == last.end.last_hash, "ParentMismatch")?;
        demand(proposal.lastTimestamp > last.end.last_timestamp, "TimestampNotAfter")?;
        demand(proposal.lastTimestamp <= self.now, "TimestampAhead")?;
        demand(proposal.lastTimestamp + MAX_LAG >= self.now, "TimestampStalled")?;
        let end = Boundary {
            last_block: proposal.lastBlock,
            last_hash: proposal.lastHash,
            state_root: proposal.stateRoot,
            last_timestamp: proposal.lastTimestamp,
        };
        let commitment = end.commit(last.commitment);
        self.checkpoints.push(Checkpoint { slot, rules: index, end, commitment });
        if from == proposer {
            self.quiet_since = self.now;
        }
        Ok(())
    }

    /// `honest`: whether the proofs are valid, one of each type, and say what they should.
    pub(crate) fn submit(
        &mut self,
        first: u64,
        last: u64,
        prover: Address,
        honest: bool,
    ) -> Result<(), Refused> {
        self.unless_paused()?;
        let there = 1 <= first && first <= last && last <= self.pending() as u64;
        demand(there, "UnknownCheckpoints")?;
        let (first, last) = (first as usize, last as usize);
        demand(first <= self.proven + 1, "UnprovenBefore")?;
        let epoch_of = |number: usize| Self::epoch_of(self.checkpoints[number].slot);
        let epoch = epoch_of(first);
        demand(first == 1 || epoch_of(first - 1) != epoch, "NotAnEpochStart")?;
        demand(epoch_of(last) == epoch, "NotOneEpoch")?;
        demand(self.now < self.deadline(epoch), "WindowClosed")?;
        let longest = self.longest.get(&(epoch, prover)).copied().unwrap_or(0);
        demand(last > longest, "AlreadySubmitted")?;
        demand(honest, "a bad proof")?;
        self.longest.insert((epoch, prover), last);
        self.proven = self.proven.max(last);
        Ok(())
    }

    pub(crate) fn verify_batches(&mut self, first: u64, count: u64, honest: bool) -> Result<(), Refused> {
        self.unless_paused()?;
        demand(first == self.proven as u64 + 1, "NotNextBatch")?;
        demand(count > 0, "NoBatches")?;
        demand(count <= (self.pending() - self.proven) as u64, "UnknownCheckpoints")?;
        let epoch = Self::epoch_of(self.checkpoints[self.proven + 1].slot);
        demand(self.now < self.deadline(epoch), "WindowClosed")?;
        demand(honest, "a bad proof")?;
        self.proven += count as usize;
        Ok(())
    }

    pub(crate) fn schedule(&mut self, from: Address, rules: Rules, at_least: u64) -> Result<(), Refused> {
        self.by_owner(from)?;
        demand(self.scheduled.is_none(), "AlreadyScheduled")?;
        let next = self.checkpoints.len() as u64;
        demand(at_least == 0 || at_least >= next, "WouldOrphanCheckpoints")?;
        demand(rules.proposer != NOBODY && rules.types > 0, "InvalidConfig")?;
        self.scheduled = Some((rules, if at_least == 0 { next } else { at_least }, self.now));
        Ok(())
    }

    pub(crate) fn cancel(&mut self, from: Address) -> Result<(), Refused> {
        self.by_owner(from)?;
        demand(self.scheduled.take().is_some(), "NothingScheduled")
    }

    pub(crate) fn pause(&mut self, from: Address) -> Result<(), Refused> {
        demand(from == self.guardian && from != NOBODY, "NotTheGuardian")?;
        self.unless_paused()?;
        let rested = self.pauses.last().is_none_or(|(start, end)| self.now >= end + (end - start));
        demand(rested, "PausedTooRecently")?;
        self.pauses.push((self.now, self.now + MAX_PAUSE));
        Ok(())
    }

    pub(crate) fn resume(&mut self, from: Address) -> Result<(), Refused> {
        self.by_owner(from)?;
        demand(self.paused_until().is_some(), "NotPaused")?;
        if let Some(last) = self.pauses.last_mut() {
            last.1 = self.now;
        }
        Ok(())
    }

    pub(crate) fn set_guardian(&mut self, from: Address, guardian: Address) -> Result<(), Refused> {
        self.by_owner(from)?;
        self.guardian = guardian;
        Ok(())
    }

    pub(crate) fn transfer(&mut self, from: Address, to: Address) -> Result<(), Refused> {
        self.by_owner(from)?;
        self.next_owner = to;
        Ok(())
    }

    pub(crate) fn accept(&mut self, from: Address) -> Result<(), Refused> {
        demand(from == self.next_owner && from != NOBODY, "OwnableUnauthorizedAccount")?;
        (self.owner, self.next_owner) = (from, NOBODY);
        Ok(())
    }

    pub(crate) fn renounce(&mut self, from: Address) -> Result<(), Refused> {
        self.by_owner(from)?;
        // A guardian may stay: `MAX_PAUSE` is short enough.
        (self.owner, self.next_owner) = (NOBODY, NOBODY);
        Ok(())
    }

    // ---------------------------------------------------------------- what honest proofs say

    /// What an honest range proof of a checkpoint says.
    pub(crate) fn range(&self, rollup: Address, number: usize, prover: Address) -> RangePublicValues {
        let (from, to) = (&self.checkpoints[number - 1].end, &self.checkpoints[number]);
        RangePublicValues {
            chainId: CHAIN,
            configHash: self.rules[to.rules].config_hash(),
            rollup,
            prover,
            firstBlock: from.last_block + 1,
            lastBlock: to.end.last_block,
            parentHash: from.last_hash,
            lastHash: to.end.last_hash,
            preStateRoot: from.state_root,
            postStateRoot: to.end.state_root,
            lastTimestamp: to.end.last_timestamp,
        }
    }

    /// What the aggregation program makes of honest range proofs of checkpoints, for the type at a position.
    pub(crate) fn epoch(
        &self,
        rollup: Address,
        (first, last): (usize, usize),
        prover: Address,
        at: usize,
    ) -> AggregationPublicValues {
        let ranges: Vec<_> = (first..=last).map(|number| self.range(rollup, number, prover)).collect();
        let by = proofmill_program::Aggregation {
            range_key: self.rules[self.checkpoints[last].rules].key(at, false),
            from_commitment: self.checkpoints[first - 1].commitment,
            checkpoints: vec![1; ranges.len()],
        };
        proofmill_program::aggregation::fold(&by, &ranges).unwrap()
    }
}
