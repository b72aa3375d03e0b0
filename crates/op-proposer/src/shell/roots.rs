//! Output roots that L2's node told, and why it did not tell one.

use alloy_primitives::B256;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a node told. Where its answer for the anchor is another than L1's, nothing that it told before counts.
#[derive(Debug, Default)]
pub(super) struct Roots(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Those of blocks that L2 has finalized.
    roots: BTreeMap<u64, B256>,
    /// Why one was not told at this look.
    silent: Option<String>,
    /// The same of the look before.
    said: Option<String>,
}

impl Roots {
    pub(super) fn get(&self, block: u64) -> Option<B256> {
        self.known().roots.get(&block).copied()
    }

    /// It is asked once.
    pub(super) fn keep(&self, block: u64, root: B256) {
        self.known().roots.insert(block, root);
    }

    /// All of them are asked for again.
    pub(super) fn forget(&self) {
        self.known().roots.clear();
    }

    /// One was not told.
    pub(super) fn silent(&self, cause: String) {
        self.known().silent.get_or_insert(cause);
    }

    /// A look begins.
    pub(super) fn begin(&self) {
        self.known().silent = None;
    }

    /// It ended. Why an output was not told is said where it is another cause than before.
    pub(super) fn end(&self) -> Option<String> {
        let mut known = self.known();
        let silent = known.silent.take();
        match &silent {
            _ if silent == known.said => {}
            Some(cause) => tracing::warn!(cause, "L2 does not tell an output"),
            None => tracing::info!("L2 tells its outputs again"),
        }
        known.said.clone_from(&silent);
        silent
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_and_what_was_not_ends_with_the_node() {
        let (roots, root) = (Roots::default(), B256::repeat_byte(1));
        roots.begin();
        roots.keep(7, root);
        assert_eq!((roots.get(7), roots.get(8), roots.end()), (Some(root), None, None));
        roots.begin();
        roots.silent("away".to_owned());
        roots.silent("away, too".to_owned());
        roots.forget();
        assert_eq!((roots.get(7), roots.end()), (None, Some("away".to_owned())));
        roots.begin();
        assert_eq!(roots.end(), None);
    }
}
