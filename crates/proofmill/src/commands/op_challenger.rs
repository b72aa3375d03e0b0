//! `proofmill op-challenger`.

use super::op_proposer::{games_problems, paying};
use crate::{
    cli,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::Result;
use proofmill_chain::Games;
use proofmill_op_proposer::{Challenger, ChallengerOptions};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(args: cli::OpChallenger) -> Result<()> {
    let stop = stop::on_signal()?;
    let observed = Observed::new("op-challenger");
    observe::serve(&args.observing(), observed.clone(), stop.clone()).await?;
    let challenger = tokio::select! {
        started = start(&args, &observed, &stop) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let status = challenger.status();
    observed.started(move || {
        let status = status.borrow();
        games_problems(status.blind.as_ref(), &status.problems)
    });
    challenger.run(stop).await;
    tracing::info!("the challenger stopped; all that matters is on L1");
    Ok(())
}

async fn start(
    args: &cli::OpChallenger,
    observed: &Observed,
    stop: &CancellationToken,
) -> Result<Challenger> {
    let l1 = wiring::l1_of_role(&args.l1, observed).await?;
    let l2 = wiring::l2_of_role(&args.l2, None, observed).await?;
    let sender = paying(&l1, &args.paying, observed, stop).await?;
    let connect = || Games::connect(l1.clone(), args.factory, args.registry, args.game_type);
    let games = wiring::patiently("the factory of dispute games on L1", connect).await?;
    let (factory, account, chain_id) = (args.factory, sender.account(), l2.chain_id());
    let options = ChallengerOptions {
        look_every: Duration::from_secs(args.fetch_interval),
        confirmations: args.sync_l1_confirmations,
        l2_tag: args.l2_block_tag,
    };
    let registry = games.registry();
    let challenger = Challenger::start(options, games, sender, l2).await?;
    tracing::info!(chain_id, %factory, %registry, %account, "the challenger is ready");
    Ok(challenger)
}
