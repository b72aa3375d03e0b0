//! `proofmill proposer`.

use crate::{
    cli, keys,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, bail};
use proofmill_chain::BlockAt;
use proofmill_devnet::Proposer;
use std::time::Duration;

pub(crate) async fn run(args: cli::Proposer) -> Result<()> {
    let stop = stop::on_signal()?;
    let payer = keys::payer(&args.paying).await?;
    let observed = Observed::new("proposer");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let rollup = tokio::select! {
        rollup = wiring::rollup_of_role(&args.chains, &observed) => rollup?,
        () = stop.cancelled() => return Ok(()),
    };
    let current = wiring::patiently("the rules in force", || rollup.current_rules()).await?;
    let (account, expected) = (payer.address(), current.rules.proposer);
    let next = wiring::scheduled(&rollup).await?.map(|scheduled| scheduled.rules.proposer);
    if account != expected && next != Some(account) && !args.after_silence {
        bail!(
            "the rollup takes checkpoints from {expected}, and this is the key of {account}: with --after-silence it proposes \
             when {expected} was silent for as long as the contract says"
        );
    }
    let l2 = tokio::select! {
        l2 = wiring::l2_of_role(&args.l2, Some(rollup.config().chain_id), &observed) => l2?,
        () = stop.cancelled() => return Ok(()),
    };
    let sender = wiring::sender(rollup.l1(), payer, &args.sending, Some(&observed)).await?;
    observed.account(observe::watch_account(sender.clone(), stop.clone()));
    observed.started(Vec::new);
    tracing::info!(rollup = %rollup.address(), %account, "the proposer is ready");
    let up_to = if args.latest { BlockAt::Latest } else { BlockAt::Finalized };
    Proposer::new(rollup, l2, sender)
        .up_to(up_to)
        .l1_block_time(Duration::from_secs(args.l1_block_time))
        .max_blocks(args.max_blocks)
        .run(stop)
        .await;
    Ok(())
}
