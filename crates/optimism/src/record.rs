//! Which accounts, slots, codes and block hashes a block touches: what a witness builder has to fetch.

use crate::{block::execute_transactions, body, error::OpError};
use op_alloy_consensus::L2_TO_L1_MESSAGE_PASSER_ADDRESS;
use proofmill_stateless::{
    Block, ChainSpec, OpFork, RecordError, Recorded, Rules, StateDatabase, parts::recorded,
};

/// Executes a block on a database that shows the state after its parent, and tells what it read.
///
/// Checks nothing but what execution itself does: [`execute`](crate::execute) does that once the witness is there.
pub fn record<DB>(
    chain: &ChainSpec,
    block: &Block,
    db: DB,
) -> Result<Recorded, RecordError<DB::Error, OpError>>
where
    DB: StateDatabase,
    DB::Error: Send + Sync + 'static,
{
    let Rules::Optimism(rules) = &chain.rules else {
        return Err(RecordError::Execution(OpError::RulesOfEthereum { chain_id: chain.chain_id }));
    };
    let header = &block.header;
    let (number, timestamp) = (header.number, header.timestamp);
    let before_canyon = || RecordError::Execution(OpError::BeforeCanyon { block: number, timestamp });
    let fork = rules.fork_at(timestamp).ok_or_else(before_canyon)?;
    let transactions =
        body::recover(rules, fork, number, &block.transactions).map_err(RecordError::Execution)?;
    let mut recorded =
        recorded(db, |state| Ok(execute_transactions(rules, fork, header, &transactions, state)?.gas_used))?;
    if fork >= OpFork::Isthmus {
        // Its storage root is in the header, whether or not a message is sent.
        recorded.touched.accounts.entry(L2_TO_L1_MESSAGE_PASSER_ADDRESS).or_default();
    }
    Ok(recorded)
}
