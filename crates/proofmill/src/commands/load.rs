//! `proofmill load`.

use crate::{cli, keys, report::thousands, stop};
use eyre::{Result, bail};
use proofmill_loadgen::{AccountKeys, Funder, LoadKind, LoadPlan, Rounds};

pub(crate) async fn run(args: &cli::Load) -> Result<()> {
    let stop = stop::on_signal()?;
    let account_keys = args.account_keys.as_deref().map(AccountKeys::from_file).transpose()?;
    let funder = match (&args.key_file, &account_keys) {
        (None, Some(accounts)) if keys::set(keys::LOAD_KEY).is_none() => accounts.first(),
        (file, _) => keys::key::<Funder>(file.as_deref(), keys::LOAD_KEY)?,
    };
    let rounds = if args.endless { Rounds::Endless } else { Rounds::Once };
    let mut plan = LoadPlan::new(args.kind)
        .accounts(args.accounts)
        .transactions_per_account(args.transactions)
        .rounds(rounds)
        .seed(args.seed)
        .mempool_limit(args.mempool_limit);
    if let Some(keys) = account_keys {
        plan = plan.keys(keys);
    }
    if let Some(chain_id) = args.chain_id {
        plan = plan.chain_id(chain_id);
    }
    let mut last = None;
    let mut progress = |progress: proofmill_loadgen::Progress| {
        if last != Some(progress.phase) || progress.done == progress.total {
            eprintln!(
                "round {}: {:?} {} of {}",
                progress.round, progress.phase, progress.done, progress.total
            );
            last = Some(progress.phase);
        }
    };
    let sending = proofmill_loadgen::run(&args.rpc_url, &funder, &plan, &stop, &mut progress);
    let report = tokio::select! {
        report = sending => report?,
        // An endless load ends with its round, and says what it did.
        () = stop.cancelled(), if !args.endless => bail!("stopped; what was sent already may be included"),
    };
    let block = |block: Option<u64>| block.map_or_else(|| "-".into(), |block| block.to_string());
    println!(
        "{}: {} sent, {} included, {} reverted, blocks {} to {}, {} gas, {:.1} s",
        args.kind,
        report.sent,
        report.included,
        report.failed,
        block(report.first_block),
        block(report.last_block),
        thousands(report.gas),
        report.seconds
    );
    // Some of the mixed kind are meant to revert.
    if report.included < report.sent && args.kind != LoadKind::Mixed {
        bail!("{} of {} transactions did not succeed", report.sent - report.included, report.sent);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    /// Whoever knows ethrex's load test finds its flags, under their names there.
    #[test]
    fn flags_have_the_names_of_ethrexs_load_test_too() {
        let words = ["--node=http://n:1", "--pkeys=k", "--test-type=io-heavy", "--tx-amount=7", "--endless"];
        let cli = Cli::try_parse_from(["proofmill", "load"].iter().chain(&words)).unwrap();
        let Command::Load(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((args.rpc_url.as_str(), args.kind), ("http://n:1/", LoadKind::IoHeavy));
        assert_eq!(args.account_keys.as_deref(), Some(std::path::Path::new("k")));
        assert!(args.transactions == 7 && args.endless);
    }
}
