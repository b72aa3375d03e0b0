//! `proofmill epoch`.

use crate::{
    cli,
    commands::node_status::{connect, refused},
};
use eyre::Result;
use proofmill_wire::node::EpochRequest;

pub(crate) async fn run(args: cli::Epoch) -> Result<()> {
    match args {
        cli::Epoch::Prove(cli::AskedEpoch { epoch, node }) => {
            let answer = connect(&node).await?.start_proof(EpochRequest { epoch }).await;
            let answer = answer.map_err(|status| refused(&node, &status))?.into_inner();
            let done =
                if answer.joined { "is being proven already, in" } else { "is being proven so far, in" };
            println!("epoch {epoch} {done} session {}: `proofmill status --node {node}`", answer.session);
        }
        cli::Epoch::Retry(cli::AskedEpoch { epoch, node }) => {
            let answer = connect(&node).await?.retry(EpochRequest { epoch }).await;
            answer.map_err(|status| refused(&node, &status))?;
            println!(
                "what stopped or failed of epoch {epoch} is tried again: `proofmill status --node {node}`"
            );
        }
    }
    Ok(())
}
