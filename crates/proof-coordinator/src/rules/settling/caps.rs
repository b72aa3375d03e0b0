//! How many batches fit one call.

use proofmill_chain::{BATCH_BYTES, CALL_BYTES};

/// What a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCaps {
    /// Gas.
    pub gas: u64,
    /// Bytes of calldata.
    pub bytes: u64,
}

impl Default for CallCaps {
    /// L1 takes no transaction of more than 2^24 gas (EIP-7825), and a limit is a fifth above the estimate: 13.9 million. Nodes
    /// take none of more than 128 KiB: 120,000 bytes leave room for the envelope.
    fn default() -> Self {
        Self { gas: 13_900_000, bytes: 120_000 }
    }
}

/// Of a transaction by itself.
const BASE: u64 = 21_000;
/// What the contract itself takes for a batch: 27,000 in a call of sixteen (`contracts/gas.snap`).
const OWN: u64 = 60_000;
/// What a verifier takes for a proof, until that was measured: a pairing check on L1 takes 200,000 to 300,000.
const PROOF: u64 = 350_000;
/// The floor price of a byte of calldata that is not zero (EIP-7623). A transaction takes that much, or more.
const FLOOR: u64 = 40;

/// What batches take, as far as known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    /// Of the last call, for each batch.
    measured: Option<u64>,
}

/// A call that is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    gas: u64,
    bytes: u64,
}

impl Costs {
    /// A call of so many batches took so much gas.
    pub(super) fn measure(&mut self, gas_used: u64, batches: u64) {
        let each = gas_used.saturating_sub(BASE) / batches.max(1);
        // The next may take a little more.
        self.measured = Some(each.saturating_mul(5) / 4);
    }

    fn gas(&self, proofs: usize, bytes: u64) -> u64 {
        let guess = || PROOF.saturating_mul(proofs as u64).saturating_add(OWN);
        self.measured.unwrap_or_else(guess).max(bytes.saturating_mul(FLOOR))
    }
}

impl Load {
    pub(super) const fn empty() -> Self {
        Self { gas: BASE, bytes: CALL_BYTES }
    }

    /// With one more batch, whose proofs take so many bytes.
    pub(super) fn with(self, costs: &Costs, proofs: usize, bytes: u64) -> Self {
        let bytes = bytes.saturating_add(BATCH_BYTES);
        Self {
            gas: self.gas.saturating_add(costs.gas(proofs, bytes)),
            bytes: self.bytes.saturating_add(bytes),
        }
    }

    pub(super) const fn fits(&self, caps: &CallCaps) -> bool {
        self.gas <= caps.gas && self.bytes <= caps.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(costs: &Costs, caps: &CallCaps, proofs: usize, bytes: u64) -> u64 {
        let (mut load, mut count) = (Load::empty().with(costs, proofs, bytes), 0);
        while load.fits(caps) {
            (load, count) = (load.with(costs, proofs, bytes), count + 1);
        }
        count
    }

    #[test]
    fn gas_bytes_and_the_floor_price_each_bound_a_call() {
        let (caps, mut costs) = (CallCaps::default(), Costs::default());
        assert!(fitting(&costs, &caps, 1, 800) >= 16, "sixteen batches of one small proof go together");
        // Two pairings for each batch, by a guess.
        assert_eq!(fitting(&costs, &caps, 2, 1_600), (caps.gas - BASE) / (OWN + 2 * PROOF));
        costs.measure(21_000 + 16 * 40_000, 16);
        assert_eq!(fitting(&costs, &caps, 1, 800), (caps.bytes - CALL_BYTES) / (800 + BATCH_BYTES));
        // STARKs in calldata: by their bytes, and by what these cost.
        assert_eq!(fitting(&costs, &caps, 1, 50_000), 2);
        let wide = CallCaps { bytes: u64::MAX, ..caps };
        assert_eq!(fitting(&costs, &wide, 1, 50_000), caps.gas / (50_000 * FLOOR));
        assert_eq!(fitting(&costs, &CallCaps { gas: 0, bytes: 0 }, 1, 800), 0);
    }
}
