//! The gas of blocks, where ranges are cut by it.

use super::Works;
use crate::rules::BlockGas;
use futures::{StreamExt, TryStreamExt, stream};
use proofmill_primitives::BlockRange;
use std::{
    collections::BTreeMap,
    sync::{MutexGuard, PoisonError},
};

/// So many blocks are read at each look at the most: what is left comes with the next.
const AT_MOST: usize = 8_192;
/// So many are asked for at the same time.
const AT_ONCE: usize = 16;

impl Works {
    /// The gas of the first of these blocks, as far as it is known by now; each is read once.
    pub(in crate::shell) async fn gas(&self, blocks: BlockRange) -> Result<BlockGas, String> {
        let missing: Vec<u64> = {
            let known = self.known_gas();
            let all = blocks.first()..=blocks.last();
            all.filter(|number| !known.contains_key(number)).take(AT_MOST).collect()
        };
        let l2 = &self.l2;
        let read = |number| async move {
            let fill = l2.fill(number).await.map_err(|error| error.to_string())?;
            let fill = fill.ok_or_else(|| format!("L2 does not have its block {number} any more"))?;
            Ok::<_, String>((number, fill.gas_used()))
        };
        let read: Vec<(u64, u64)> =
            stream::iter(missing).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut known = self.known_gas();
        known.extend(read);
        let used = (blocks.first()..=blocks.last()).map_while(|number| known.get(&number).copied()).collect();
        Ok(BlockGas { first: blocks.first(), used })
    }

    /// Blocks before this one are not asked for again.
    pub(in crate::shell) fn forget_gas(&self, before: u64) {
        let mut known = self.known_gas();
        let kept = known.split_off(&before);
        *known = kept;
    }

    fn known_gas(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.gas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
