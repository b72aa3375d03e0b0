//! `proofmill proposer`.

use crate::{cli, keys, stop, wiring};
use eyre::{Result, bail};
use proofmill_chain::{BlockAt, L2, Sender};
use proofmill_devnet::Proposer;
use std::time::Duration;

pub(crate) async fn run(args: cli::Proposer) -> Result<()> {
    let stop = stop::on_signal()?;
    let key = keys::key(args.key_file.as_deref(), keys::L1_KEY)?;
    let rollup = wiring::rollup(&args.chains).await?;
    let (account, expected) = (key.address(), rollup.config().proposer);
    if account != expected {
        bail!("the rollup takes checkpoints from {expected} alone, and this is the key of {account}");
    }
    let l2 = L2::connect(wiring::endpoints(&args.l2.l2_rpc)?, Some(rollup.config().chain_id)).await?;
    let sender = Sender::new(rollup.l1().clone(), key);
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
