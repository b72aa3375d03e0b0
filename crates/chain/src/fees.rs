//! What a transaction offers, and what it may offer at the most.

use crate::{ChainError, L1};
use alloy_primitives::{U64, U256};
use serde::Deserialize;

const GWEI: u128 = 1_000_000_000;
/// What includers are offered on top of the base fee where the node has no opinion, in wei.
const DEFAULT_TIP: u128 = GWEI;
/// A suggestion above this is compared with what was paid lately, in wei.
const REMARKABLE_TIP: u128 = 3 * GWEI;
/// The settings with the limits.
const MAX_FEE: &str = "--max-fee";
const MAX_TIP: &str = "--max-tip";
/// The blocks whose tips are looked at.
const LATELY: u64 = 10;

/// The most that is offered for a unit of gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// Base fee and tip together.
    pub max_fee: u128,
    /// The tip.
    pub max_tip: u128,
}

impl Default for FeeLimits {
    /// 500 gwei, of which 50 for the tip.
    fn default() -> Self {
        Self { max_fee: 500 * GWEI, max_tip: 50 * GWEI }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max: u128,
    pub(crate) tip: u128,
}

impl FeeLimits {
    /// What to offer at this base fee, where a node suggests this tip: the base fee may double until the transaction is
    /// included. None where the limit does not even pay for the base fee.
    fn offer(&self, base: u64, tip: u128) -> Option<Fees> {
        let base = u128::from(base);
        let tip = tip.min(self.max_tip);
        let max = base.saturating_mul(2).saturating_add(tip).min(self.max_fee);
        (max > base || max >= base.saturating_add(tip)).then_some(Fees { max, tip: tip.min(max) })
    }

    /// A higher offer than this one: a quarter more, as far as the limits go. Nodes want 10 % more at least, of both.
    ///
    /// # Errors
    /// The limits do not allow it.
    pub(crate) fn outbid(&self, fees: Fees) -> Result<Fees, ChainError> {
        let more = |fee: u128, limit: u128, setting: &'static str| {
            let least = fee.saturating_add(fee / 10).saturating_add(1);
            if least > limit {
                return Err(ChainError::FeeAboveLimit { wanted: least, limit, setting });
            }
            Ok(fee.saturating_add(fee / 4).saturating_add(1).min(limit))
        };
        Ok(Fees { max: more(fees.max, self.max_fee, MAX_FEE)?, tip: more(fees.tip, self.max_tip, MAX_TIP)? })
    }
}

/// What a transaction should offer now.
pub(crate) async fn fees(l1: &L1, limits: &FeeLimits) -> Result<Fees, ChainError> {
    let base = l1.rpc.head().await?.base_fee_per_gas.ok_or(ChainError::NoBaseFee)?;
    let suggested = match l1.rpc.ask::<U256>("eth_maxPriorityFeePerGas", [(); 0]).await {
        Ok(tip) => tip.saturating_to::<u128>(),
        Err(ChainError::Refused { .. } | ChainError::Malformed { .. }) => DEFAULT_TIP,
        Err(error) => return Err(error),
    };
    let mut tip = suggested;
    if suggested > REMARKABLE_TIP
        && let Some(paid) = tip_paid_lately(l1).await
    {
        tip = tip.min(paid.saturating_mul(2).max(REMARKABLE_TIP));
    }
    tip = tip.min(limits.max_tip);
    if tip < suggested {
        tracing::warn!(
            suggested_gwei = gwei(suggested),
            offered_gwei = gwei(tip),
            "the node of L1 suggests a tip far above what is paid, or above the limit: less is offered"
        );
    }
    let above = ChainError::FeeAboveLimit { wanted: base.into(), limit: limits.max_fee, setting: MAX_FEE };
    limits.offer(base, tip).ok_or(above)
}

#[derive(Deserialize)]
struct FeeHistory {
    #[serde(default)]
    reward: Option<Vec<Vec<U256>>>,
}

/// The median of what the middle transaction of each of the last blocks paid, in wei. None where the node does not tell.
async fn tip_paid_lately(l1: &L1) -> Option<u128> {
    let asked = (U64::from(LATELY), "latest", [50]);
    let history: FeeHistory = l1.rpc.ask("eth_feeHistory", asked).await.ok()?;
    let mut paid: Vec<u128> =
        history.reward?.iter().filter_map(|tips| Some(tips.first()?.saturating_to())).collect();
    paid.sort_unstable();
    paid.get(paid.len() / 2).copied()
}

/// Wei as gwei, for people.
pub(crate) fn gwei(wei: u128) -> String {
    let (whole, rest) = (wei / GWEI, wei % GWEI);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_offer_stays_within_its_limits_whatever_is_suggested() {
        let limits = FeeLimits { max_fee: 100 * GWEI, max_tip: 10 * GWEI };
        assert_eq!(limits.offer(7, 5), Some(Fees { max: 19, tip: 5 }));
        assert_eq!(limits.offer(7, u128::MAX), Some(Fees { max: 14 + 10 * GWEI, tip: 10 * GWEI }));
        let high = limits.offer(60_000_000_000, GWEI).unwrap();
        assert_eq!(high, Fees { max: 100 * GWEI, tip: GWEI });
        assert_eq!(limits.offer(100_000_000_000, GWEI), None);
        assert_eq!(limits.offer(u64::MAX, GWEI), None);
        assert_eq!(limits.offer(0, 0), Some(Fees { max: 0, tip: 0 }));
    }

    #[test]
    fn outbidding_ends_at_the_limits() {
        let limits = FeeLimits { max_fee: 100, max_tip: 40 };
        let mut fees = Fees { max: 50, tip: 10 };
        let mut bids = 0;
        while let Ok(higher) = limits.outbid(fees) {
            assert!(higher.max * 10 >= fees.max * 11 && higher.tip * 10 >= fees.tip * 11);
            fees = higher;
            bids += 1;
        }
        assert!(bids > 1 && fees.max > 90 && fees.max <= 100 && fees.tip <= 40, "{fees:?}");
        assert!(limits.outbid(Fees { max: u128::MAX, tip: u128::MAX }).is_err());
        let tip = limits.outbid(Fees { max: 10, tip: 40 }).unwrap_err();
        assert!(tip.to_string().contains("--max-tip"), "{tip}");
    }

    #[test]
    fn gwei_are_written_for_people() {
        for (wei, text) in [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (20 * GWEI, "20")] {
            assert_eq!(gwei(wei), text);
        }
    }
}
