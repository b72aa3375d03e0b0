//! Inputs on their way to provers: in pieces, because a witness may be larger than a message.

use super::{coordinator::Inner, jobs::Key};
use crate::rules::ProverName;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use proofmill_wire::prover::InputPiece;
use tonic::Status;

/// The bytes of a piece.
const PIECE: usize = 1 << 20;

/// The input of a batch that the prover holds.
pub(super) fn read(
    inner: &Inner,
    by: &ProverName,
    key: Key,
) -> Result<BoxStream<'static, Result<InputPiece, Status>>, Status> {
    let input = {
        let state = inner.lock();
        let holds = state.desk.is_held_by(key.0, key.1, by);
        state.jobs.get(&key).filter(|_| holds).map(|job| job.input.clone())
    };
    let input = input.ok_or_else(|| Status::not_found("the batch is not this prover's; ask for another"))?;
    Ok(pieces(input).boxed())
}

fn pieces(bytes: Bytes) -> impl futures::Stream<Item = Result<InputPiece, Status>> + Send + 'static {
    futures::stream::unfold(bytes, async |mut rest| {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        Some((Ok(InputPiece { bytes: piece.to_vec() }), rest))
    })
}
