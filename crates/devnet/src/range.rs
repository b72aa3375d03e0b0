//! Which blocks the next checkpoint has.

use proofmill_chain::{BlockAt, BlockHead, ChainError, L2};
use proofmill_primitives::BlockRange;
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// How many L1 blocks a proposal may take until it lands: a checkpoint must not become too old meanwhile.
const LANDS_WITHIN: u32 = 2;

/// Of which time the last block of a checkpoint may be, in Unix seconds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
}

/// What came of looking for blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// These, and the last of them.
    Blocks(BlockRange, BlockHead),
    /// L2 has made none.
    Nothing,
    /// The L2 node has not this one.
    Behind(u64),
    /// The first of them is ahead of L1's time.
    Ahead(BlockHead),
    /// The last of them is too old.
    Stalled(BlockHead),
}

impl Times {
    /// As the contract takes them from a proposal that is sent now.
    pub(crate) fn new(l1_time: u64, max_lag: u64, l1_block_time: Duration) -> Self {
        let until_landed = (l1_block_time * LANDS_WITHIN).as_secs().min(max_lag / 2);
        Self { oldest: l1_time.saturating_add(until_landed).saturating_sub(max_lag), newest: l1_time }
    }
}

/// The blocks of the next checkpoint: those of one that was given up and began with the same block, else all there are. The
/// last one is not ahead of L1's time, and where it would be too old there are more.
pub(crate) async fn choose(
    l2: &L2,
    first: u64,
    head: BlockHead,
    max_blocks: NonZeroU64,
    given_up: &BTreeMap<u64, u64>,
    times: Times,
) -> Result<Choice, ChainError> {
    if head.number < first {
        return Ok(Choice::Nothing);
    }
    let newest = if head.timestamp <= times.newest {
        head
    } else {
        let Some(ahead) = first_after(l2, first, head, times.newest).await? else {
            return Ok(Choice::Behind(head.number));
        };
        if ahead.number == first {
            return Ok(Choice::Ahead(ahead));
        }
        match at(l2, ahead.number - 1, head).await? {
            Some(block) => block,
            None => return Ok(Choice::Behind(ahead.number - 1)),
        }
    };
    let last = wanted(first, newest.number, max_blocks, given_up);
    let Some(mut end) = at(l2, last, newest).await? else { return Ok(Choice::Behind(last)) };
    if end.timestamp < times.oldest {
        if newest.timestamp < times.oldest {
            return Ok(Choice::Stalled(newest));
        }
        let Some(young) = first_after(l2, end.number, newest, times.oldest - 1).await? else {
            return Ok(Choice::Behind(newest.number));
        };
        let last = extended(young.number, newest.number, given_up);
        match at(l2, last, newest).await? {
            Some(block) => end = block,
            None => return Ok(Choice::Behind(last)),
        }
    }
    Ok(BlockRange::new(first, end.number).map_or(Choice::Nothing, |blocks| Choice::Blocks(blocks, end)))
}

/// The last block of a range that begins with `first`.
fn wanted(first: u64, newest: u64, max_blocks: NonZeroU64, given_up: &BTreeMap<u64, u64>) -> u64 {
    let most = newest.min(first.saturating_add(max_blocks.get() - 1));
    given_up.get(&first).copied().filter(|last| *last <= newest).unwrap_or(most)
}

/// The last block of a range that must reach `at_least`: the end of one that was given up, so that those behind it keep their
/// beginnings.
fn extended(at_least: u64, newest: u64, given_up: &BTreeMap<u64, u64>) -> u64 {
    given_up
        .values()
        .copied()
        .find(|last| *last >= at_least)
        .filter(|last| *last <= newest)
        .unwrap_or(at_least)
}

/// The first block from `first` on that is of a later time, which `last` is; none if the node has not all of them.
async fn first_after(
    l2: &L2,
    first: u64,
    last: BlockHead,
    time: u64,
) -> Result<Option<BlockHead>, ChainError> {
    let (mut low, mut high) = (first, last);
    while low < high.number {
        let middle = low + (high.number - low) / 2;
        match l2.block(BlockAt::Number(middle)).await? {
            Some(block) if block.timestamp > time => high = block,
            Some(_) => low = middle + 1,
            None => return Ok(None),
        }
    }
    Ok(Some(high))
}

/// A block that is `known`, or is read.
async fn at(l2: &L2, number: u64, known: BlockHead) -> Result<Option<BlockHead>, ChainError> {
    if number == known.number { Ok(Some(known)) } else { l2.block(BlockAt::Number(number)).await }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::PoolOptions;
    use proofmill_localnet::{Anvil, AnvilOptions};
    use serde_json::Value;

    #[test]
    fn what_was_given_up_is_proposed_in_the_same_ranges() {
        let max = NonZeroU64::new(100).unwrap();
        let given_up = BTreeMap::from([(11, 20), (21, 150), (151, 160)]);
        let last = |first, newest| wanted(first, newest, max, &given_up);
        assert_eq!(last(11, 500), 20);
        assert_eq!(last(21, 500), 150);
        // Not all of its blocks are there, or nothing began here.
        assert_eq!(last(151, 155), 155);
        assert_eq!(last(161, 500), 260);
        assert_eq!(last(161, 170), 170);
    }

    #[test]
    fn what_is_too_old_reaches_to_the_end_of_what_was_given_up() {
        let given_up = BTreeMap::from([(11, 20), (21, 150), (151, 160)]);
        assert_eq!(extended(12, 500, &given_up), 20);
        assert_eq!(extended(20, 500, &given_up), 20);
        assert_eq!(extended(21, 500, &given_up), 150);
        // Its end is too new, or there is none.
        assert_eq!(extended(21, 140, &given_up), 21);
        assert_eq!(extended(161, 500, &given_up), 161);
    }

    #[test]
    fn times_are_as_the_contract_takes_them_when_the_proposal_lands() {
        let times = |now, lag, l1| Times::new(now, lag, Duration::from_secs(l1));
        assert_eq!(times(1_000, 100, 12), Times { oldest: 924, newest: 1_000 });
        // A lag shorter than that leaves room all the same.
        assert_eq!(times(1_000, 10, 12), Times { oldest: 995, newest: 1_000 });
        assert_eq!(times(50, 100, 12), Times { oldest: 0, newest: 50 });
    }

    const HOUR: u64 = 3_600;
    /// Far enough in the future for the node's own clock to play no part.
    const EARLY: u64 = 4_000_000_000;

    /// A chain with blocks 1 to 20, one each hour.
    async fn chain() -> (Anvil, L2) {
        let anvil = AnvilOptions::new().genesis_timestamp(EARLY).spawn().await.unwrap();
        let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
        for block in 1..=20 {
            let _: Value = client.request("evm_mine", [EARLY + block * HOUR]).await.unwrap();
        }
        let l2 = L2::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
        (anvil, l2)
    }

    /// What is chosen from block 3 on, when the contract takes blocks of these hours; the last block's number.
    async fn chosen(l2: &L2, (oldest, newest): (u64, u64), max: u64, given_up: &[(u64, u64)]) -> Choice {
        let hour = |hour: u64| EARLY + hour * HOUR;
        let times = Times { oldest: hour(oldest), newest: hour(newest) };
        let given_up = given_up.iter().copied().collect();
        let head = l2.head().await.unwrap();
        choose(l2, 3, head, NonZeroU64::new(max).unwrap(), &given_up, times).await.unwrap()
    }

    fn last(choice: Choice) -> u64 {
        match choice {
            Choice::Blocks(blocks, end) => {
                assert_eq!((blocks.first(), blocks.last()), (3, end.number));
                assert_eq!(end.timestamp, EARLY + end.number * HOUR);
                end.number
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn blocks_ahead_of_l1_are_never_proposed() {
        let (_anvil, l2) = chain().await;
        assert_eq!(last(chosen(&l2, (0, 30), 100, &[]).await), 20);
        for newest in [3, 4, 11, 19, 20] {
            assert_eq!(last(chosen(&l2, (0, newest), 100, &[]).await), newest);
        }
        // Not even the first, also where it was given up before.
        for given_up in [&[][..], &[(3, 9)]] {
            let choice = chosen(&l2, (0, 2), 100, given_up).await;
            assert!(matches!(choice, Choice::Ahead(block) if block.number == 3), "{choice:?}");
        }
        // What was given up is cut where L1's time is.
        assert_eq!(last(chosen(&l2, (0, 7), 100, &[(3, 9)]).await), 7);
    }

    #[tokio::test]
    async fn what_is_too_old_reaches_to_a_newer_block() {
        let (_anvil, l2) = chain().await;
        let given_up = [(3, 5), (6, 9), (10, 14)];
        assert_eq!(last(chosen(&l2, (5, 30), 100, &given_up).await), 5, "just new enough");
        assert_eq!(last(chosen(&l2, (6, 30), 100, &given_up).await), 9, "the end of another range");
        assert_eq!(last(chosen(&l2, (9, 30), 100, &given_up).await), 9);
        assert_eq!(last(chosen(&l2, (10, 12), 100, &given_up).await), 10, "its end is ahead of L1");
        assert_eq!(last(chosen(&l2, (17, 30), 100, &given_up).await), 17, "behind all of them");
        assert_eq!(last(chosen(&l2, (8, 30), 2, &[]).await), 8, "more than a checkpoint should have");
        let choice = chosen(&l2, (21, 30), 100, &given_up).await;
        assert!(matches!(choice, Choice::Stalled(block) if block.number == 20), "{choice:?}");
    }
}
