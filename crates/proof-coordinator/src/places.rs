//! Places for batches that are being proven: so many at a time, and the lowest number is next, whenever it comes.

use proofmill_primitives::CheckpointNumber;
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The places. A clone has the same.
#[derive(Clone)]
pub(crate) struct Places(Arc<Mutex<State>>);

struct State {
    free: usize,
    calls: u64,
    waiting: BTreeMap<(CheckpointNumber, u64), oneshot::Sender<Place>>,
}

/// One of them, until it is dropped.
pub(crate) struct Place(Places);

impl Places {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        let state = State { free: count.get(), calls: 0, waiting: BTreeMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A place for a batch: as soon as one is free, and no batch with a lower number waits.
    pub(crate) async fn take(&self, number: CheckpointNumber) -> Place {
        loop {
            let given = {
                let mut state = self.lock();
                if state.free > 0 {
                    state.free -= 1;
                    return Place(self.clone());
                }
                let (gives, given) = oneshot::channel();
                state.calls += 1;
                let key = (number, state.calls);
                state.waiting.insert(key, gives);
                given
            };
            if let Ok(place) = given.await {
                return place;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who is next of those that wait; where nobody does, a place is free.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some((_, gives)) = self.waiting.pop_first() {
            if !gives.is_closed() {
                return Some(gives);
            }
        }
        self.free += 1;
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = self.0.lock().next();
        if let Some(gives) = next {
            // To whoever has gone in this moment: then it comes back, and is dropped in turn.
            drop(gives.send(Self(self.0.clone())));
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn number(number: u64) -> CheckpointNumber {
        CheckpointNumber(number)
    }

    #[tokio::test]
    async fn a_batch_that_is_made_anew_goes_before_those_after_it() {
        let places = Places::new(NonZeroUsize::new(1).unwrap());
        let first = places.take(number(1)).await;
        let had = Mutex::new(Vec::new());
        let wait = async |of: u64| {
            let _place = places.take(number(of)).await;
            had.lock().unwrap().push(of);
        };
        // Batch 1 is refused, and comes again when others wait already.
        let again = async {
            drop(first);
            wait(1).await;
        };
        tokio::join!(wait(4), wait(3), wait(2), again);
        let had = had.into_inner().unwrap();
        // The place was free for whoever waited longest already; then the order is theirs.
        assert_eq!(had, [2, 1, 3, 4]);
    }

    #[tokio::test]
    async fn who_has_gone_keeps_no_place() {
        let places = Places::new(NonZeroUsize::new(2).unwrap());
        let both = [places.take(number(1)).await, places.take(number(2)).await];
        for gone in 3..100 {
            let waits = tokio::time::timeout(Duration::ZERO, places.take(number(gone))).await;
            assert!(waits.is_err(), "there are more places than there should be");
        }
        drop(both);
        // One that is given a place and never comes to know it.
        let [first, second] = [places.take(number(1)).await, places.take(number(2)).await];
        {
            let waits = places.take(number(3));
            tokio::pin!(waits);
            assert!(tokio::time::timeout(Duration::ZERO, &mut waits).await.is_err());
            drop(first);
        }
        drop(second);
        assert_eq!(places.lock().free, 2);
    }
}
