//! Proving a failure again without any node: what a record has, and what follows from it.

use crate::{
    parts::{BadProof, FailureRecord, Holds, RangeRequest, RecordFile, Subject},
    rules::{EpochSpec, Failed, Failure, RangeSpec},
};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProofMode, ProverType};
use proofmill_program::{Aggregation, AggregationPublicValues, RangePublicValues, aggregation};

/// How much of a failure is proven again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What failed: the range of a checkpoint, or the epoch.
    Failed,
    /// One checkpoint.
    Checkpoint(CheckpointNumber),
    /// All checkpoints of the record, and their aggregation.
    Epoch,
}

/// Where a range proof comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is a file of the record.
    Proof(RecordFile),
    /// The program's input is a file of the record.
    Input(RecordFile),
    /// The record has neither.
    Missing(String),
}

/// A range to be proven again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRange {
    /// What was asked for then.
    pub request: RangeRequest,
    /// What there is of it.
    pub source: Source,
}

/// What is done again for one prover type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The prover type.
    pub prover: ProverType,
    /// The ranges, in order.
    pub ranges: Vec<PlannedRange>,
    /// The epoch proof over them, where it is wanted.
    pub epoch: Option<PlannedEpoch>,
}

/// An epoch proof to be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEpoch {
    /// What it is about.
    pub span: EpochSpec,
    /// The range program's key, and how many ranges each checkpoint has.
    pub by: Aggregation,
    /// How far L1 wanted it to be carried, where the record tells.
    pub mode: Option<ProofMode>,
}

/// Why a failure cannot be proven again from its record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RerunError {
    /// It is the evidence of a bad proof of something else than a checkpoint.
    #[error(
        "it is the evidence of a proof that did not hold, and not of a whole checkpoint: nothing can be proven again from it; \
         `proofmill verify` looks at the proof"
    )]
    BadProof,
    /// Not of this record.
    #[error("the record has no checkpoint {0}")]
    NoCheckpoint(CheckpointNumber),
    /// The record is of other prover types.
    #[error("the record is of no {0} proofs")]
    NoProver(ProverType),
    /// The record names no such range of this prover type: it was cut otherwise, or the record is damaged.
    #[error(
        "the record names no range of {0} proofs that failed: rerun another prover type, one checkpoint (--checkpoint), or the epoch (--epoch)"
    )]
    NoRange(ProverType),
    /// The checkpoints of the record are not all of an epoch's.
    #[error("the record is of checkpoint {0} alone: an epoch cannot be aggregated from it")]
    NotAnEpoch(CheckpointNumber),
    /// The ranges do not give what L1 has.
    #[error("{0}")]
    Unfit(String),
}

/// The prover types that a rerun of this scope is for: that which failed, or all.
///
/// # Errors
///
/// [`RerunError::BadProof`].
pub fn provers(record: &FailureRecord, scope: Scope) -> Result<Vec<ProverType>, RerunError> {
    if let Subject::BadProof(BadProof { prover, checkpoint: Some(_), .. }) = &record.subject {
        return Ok(vec![*prover]);
    }
    match (&failure(record)?.what, scope) {
        (Failed::Checkpoint { prover, .. }, Scope::Failed | Scope::Checkpoint(_)) => Ok(vec![*prover]),
        _ => Ok(record.programs.keys().copied().collect()),
    }
}

/// What is to be done for a prover type.
///
/// # Errors
///
/// [`RerunError`] where the record is of something else.
pub fn plan(record: &FailureRecord, scope: Scope, prover: ProverType) -> Result<Plan, RerunError> {
    if let Subject::BadProof(BadProof { range, checkpoint: Some(checkpoint), .. }) = &record.subject {
        return refused(record, scope, prover, *range, *checkpoint);
    }
    let failure = failure(record)?;
    let programs = record.programs.get(&prover).ok_or(RerunError::NoProver(prover))?;
    let (wanted, whole): (Box<dyn Fn(CheckpointNumber, RangeSpec) -> bool>, bool) =
        match (scope, &failure.what) {
            (Scope::Failed, Failed::Checkpoint { range, .. }) => (Box::new(|_, of| of == *range), false),
            (Scope::Checkpoint(number), _) => (Box::new(move |of, _| of == number), false),
            (Scope::Failed, Failed::Session { .. }) | (Scope::Epoch, _) => (Box::new(|_, _| true), true),
        };
    let mut ranges = Vec::new();
    for piece in failure.pieces.iter().filter(|piece| piece.prover == prover) {
        if wanted(piece.checkpoint, piece.range) {
            let checkpoint = checkpoint(failure, piece.checkpoint)?;
            let statement = record.statement;
            let request = RangeRequest { checkpoint, range: piece.range, statement, cycle_limit: None };
            ranges.push(PlannedRange { request, source: source(record, prover, piece.range) });
        }
    }
    if ranges.is_empty() {
        return Err(match scope {
            Scope::Checkpoint(number) => RerunError::NoCheckpoint(number),
            Scope::Failed | Scope::Epoch => RerunError::NoRange(prover),
        });
    }
    let mode = record.epoch_modes.get(&prover).copied();
    let epoch = if whole { Some(epoch(failure, programs.range.0, &ranges, mode)?) } else { None };
    Ok(Plan { prover, ranges, epoch })
}

/// A proof of a whole checkpoint was refused: it is made again from its input.
fn refused(
    record: &FailureRecord,
    scope: Scope,
    prover: ProverType,
    range: RangeSpec,
    checkpoint: Checkpoint,
) -> Result<Plan, RerunError> {
    if !record.programs.contains_key(&prover) {
        return Err(RerunError::NoProver(prover));
    }
    match scope {
        Scope::Checkpoint(number) if number != checkpoint.number => Err(RerunError::NoCheckpoint(number)),
        Scope::Epoch => Err(RerunError::NotAnEpoch(checkpoint.number)),
        Scope::Failed | Scope::Checkpoint(_) => {
            let request = RangeRequest { checkpoint, range, statement: record.statement, cycle_limit: None };
            let source = source(record, prover, range);
            Ok(Plan { prover, ranges: vec![PlannedRange { request, source }], epoch: None })
        }
    }
}

fn failure(record: &FailureRecord) -> Result<&Failure, RerunError> {
    match &record.subject {
        Subject::Failure(failure) => Ok(failure),
        Subject::BadProof(_) => Err(RerunError::BadProof),
    }
}

fn checkpoint(failure: &Failure, number: CheckpointNumber) -> Result<Checkpoint, RerunError> {
    let found = failure.checkpoints.iter().find(|checkpoint| checkpoint.number == number);
    found.copied().ok_or(RerunError::NoCheckpoint(number))
}

fn source(record: &FailureRecord, prover: ProverType, range: RangeSpec) -> Source {
    let file = |holds: Holds| record.files.iter().find(|file| file.holds == holds).cloned();
    if let Some(proof) = file(Holds::RangeProof { prover, range }) {
        return Source::Proof(proof);
    }
    if let Some(input) = file(Holds::Input { range }) {
        return Source::Input(input);
    }
    let missing = record.missing.iter().find(|missing| missing.range == range);
    Source::Missing(missing.map_or_else(|| "it was not recorded".to_owned(), |missing| missing.cause.clone()))
}

fn epoch(
    failure: &Failure,
    range_key: alloy_primitives::B256,
    ranges: &[PlannedRange],
    mode: Option<ProofMode>,
) -> Result<PlannedEpoch, RerunError> {
    let (Some(first), Some(last)) = (failure.checkpoints.first(), failure.checkpoints.last()) else {
        return Err(RerunError::Unfit("the record names no checkpoints".to_owned()));
    };
    // A refuted checkpoint is recorded alone.
    if let (Failed::Checkpoint { .. }, false, [only]) =
        (&failure.what, failure.missed, failure.checkpoints.as_slice())
    {
        return Err(RerunError::NotAnEpoch(only.number));
    }
    let span = EpochSpec::spanning(first, last)
        .ok_or_else(|| RerunError::Unfit("its checkpoints do not follow on each other".to_owned()))?;
    let of = |number| ranges.iter().filter(move |range| range.request.checkpoint.number == number).count();
    let checkpoints = failure.checkpoints.iter().map(|checkpoint| of(checkpoint.number) as u32).collect();
    Ok(PlannedEpoch {
        span,
        by: Aggregation { range_key, from_commitment: span.from_commitment, checkpoints },
        mode,
    })
}

/// What the epoch proof will say, or why L1 would not take it.
pub(crate) fn expected(
    by: &Aggregation,
    values: &[RangePublicValues],
    span: &EpochSpec,
) -> Result<AggregationPublicValues, String> {
    let expected =
        aggregation::fold(by, values).map_err(|error| format!("the ranges do not fit together: {error}"))?;
    // Every checkpoint was compared with its range proofs: only another rule of commitment can come to this.
    if expected.toCommitment != span.to_commitment {
        return Err(format!(
            "L1 commits to these checkpoints by {}, their range proofs give {}",
            span.to_commitment, expected.toCommitment
        ));
    }
    Ok(expected)
}

impl PlannedEpoch {
    /// What the epoch proof must say, given what the range proofs say.
    ///
    /// # Errors
    ///
    /// [`RerunError::Unfit`] where L1 would not take it.
    pub fn expected(&self, values: &[RangePublicValues]) -> Result<AggregationPublicValues, RerunError> {
        expected(&self.by, values, &self.span).map_err(RerunError::Unfit)
    }
}
