//! Executing blocks by the rules of their chain: Ethereum's, or the OP Stack's.

use proofmill_optimism::{OpError, OutputRoots};
use proofmill_stateless::{
    Block, ChainSpec, RangeOutcome, RecordError, Recorded, Rules, StateDatabase, StatelessError,
    StatelessInput, StatelessInputRef, WitnessError,
};

/// Why blocks do not execute as their headers say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// By Ethereum's rules.
    #[error(transparent)]
    Ethereum(#[from] StatelessError),
    /// By those of the OP Stack.
    #[error(transparent)]
    Optimism(#[from] OpError),
}

impl ExecutionError {
    /// What the witness lacks, or has too much of, and the block where that showed.
    pub(crate) fn of_witness(&self) -> Option<(u64, &WitnessError)> {
        match self {
            Self::Ethereum(StatelessError::Witness { block, error }) => Some((*block, error)),
            Self::Optimism(OpError::Witness { block, error }) => Some((*block, error)),
            _ => None,
        }
    }
}

/// What executing a range gave.
pub(crate) struct Ran {
    pub(crate) outcome: RangeOutcome,
    pub(crate) output_roots: Option<OutputRoots>,
}

/// Reduces an input to what its blocks need, and executes the result, as the range program will: from bytes and with nothing
/// to spare.
pub(crate) fn reduce(mut input: StatelessInput) -> Result<(Ran, StatelessInput), ExecutionError> {
    let of_optimism = matches!(input.chain.rules, Rules::Optimism(_));
    if of_optimism {
        let bytes = input.encode();
        let decoded = StatelessInputRef::decode(&bytes).map_err(StatelessError::from)?;
        input.witness = proofmill_optimism::minimise(&decoded)?.1;
    } else {
        input = proofmill_stateless::minimise(&input)?.1;
    }
    let bytes = input.encode();
    let decoded = StatelessInputRef::decode(&bytes).map_err(StatelessError::from)?;
    let ran = if of_optimism {
        let ran = proofmill_optimism::execute(&decoded)?;
        Ran { outcome: ran.range, output_roots: ran.output_roots }
    } else {
        Ran { outcome: proofmill_stateless::execute(&decoded)?, output_roots: None }
    };
    Ok((ran, input))
}

/// Executes a block on a database, and tells what it read.
pub(crate) fn record<DB>(
    chain: &ChainSpec,
    block: &Block,
    db: DB,
) -> Result<Recorded, RecordError<DB::Error, ExecutionError>>
where
    DB: StateDatabase,
    DB::Error: Send + Sync + 'static,
{
    fn by<E: std::error::Error, X: Into<ExecutionError> + std::error::Error>(
        error: RecordError<E, X>,
    ) -> RecordError<E, ExecutionError> {
        match error {
            RecordError::Database(error) => RecordError::Database(error),
            RecordError::Execution(error) => RecordError::Execution(error.into()),
        }
    }
    match chain.rules {
        Rules::Ethereum => proofmill_stateless::record(chain, block, db).map_err(by),
        Rules::Optimism(_) => proofmill_optimism::record(chain, block, db).map_err(by),
    }
}
