//! When epochs expire.

use super::L1Time;
use proofmill_primitives::{Epoch, SlotClock};

/// The last epoch whose proof submission window has closed at a time of L1; nothing while the first one's is open.
pub(crate) fn expired_through(clock: &SlotClock, now: L1Time) -> Option<Epoch> {
    let current = clock.epoch_of(clock.slot_at(now.0));
    // An epoch's window closes when its last window epoch has ended.
    let ended = current.0.checked_sub(1)?;
    ended.checked_sub(clock.window_epochs.get()).map(Epoch)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU64;

    proptest! {
        #[test]
        fn it_agrees_with_the_deadline(
            genesis in 0_u64..100, slot in 1_u64..20, epoch in 1_u64..6, window in 1_u64..5, now in 0_u64..5_000,
        ) {
            let some = |number| NonZeroU64::new(number).unwrap();
            let clock = SlotClock {
                genesis, slot_seconds: some(slot), epoch_slots: some(epoch), window_epochs: some(window),
            };
            let expired = (0..).map(Epoch).take_while(|epoch| clock.deadline(*epoch) <= now).last();
            prop_assert_eq!(expired_through(&clock, L1Time(now)), expired);
        }
    }
}
