//! How many requests an endpoint is sent at once: fewer after it has said that they are too many, more again while it is
//! content (additive increase, multiplicative decrease, as TCP does).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many answers in a row make room for one request more.
const CONTENT: usize = 32;

#[derive(Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    widest: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    width: usize,
    /// Permits that are to vanish when they come back.
    owed: usize,
    content: usize,
}

/// The right to one request.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    gate: &'a Gate,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new(widest: usize) -> Self {
        let widest = widest.max(1);
        let state = Mutex::new(State { width: widest, owed: 0, content: 0 });
        Self { permits: Arc::new(Semaphore::new(widest)), widest, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many may be under way at once.
    pub(crate) fn width(&self) -> usize {
        self.state().width
    }

    /// Waits for room.
    pub(crate) async fn enter(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Turn { gate: self, permit }
    }

    /// The endpoint was asked too much.
    pub(crate) fn narrow(&self) {
        let mut state = self.state();
        let width = (state.width / 2).max(1);
        let excess = state.width - width;
        let gone = self.permits.forget_permits(excess);
        state.owed += excess - gone;
        (state.width, state.content) = (width, 0);
    }

    /// The endpoint answered.
    pub(crate) fn widen(&self) {
        let mut state = self.state();
        if state.width == self.widest {
            return;
        }
        state.content += 1;
        if state.content >= CONTENT {
            (state.width, state.content) = (state.width + 1, 0);
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.permits.add_permits(1);
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if let Some(permit) = self.permit.take()
            && state.owed > 0
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_narrows_with_requests_under_way_and_widens_to_where_it_was() {
        let gate = Gate::new(8);
        let turns = [gate.enter().await, gate.enter().await, gate.enter().await, gate.enter().await];
        for width in [4, 2, 1, 1] {
            gate.narrow();
            assert_eq!(gate.width(), width);
        }
        assert_eq!(gate.permits.available_permits(), 0);
        drop(turns);
        assert_eq!(gate.permits.available_permits(), 1);
        for _ in 0..7 * CONTENT {
            gate.widen();
        }
        assert_eq!((gate.width(), gate.permits.available_permits()), (8, 8));
        gate.widen();
        assert_eq!(gate.permits.available_permits(), 8);
    }
}
