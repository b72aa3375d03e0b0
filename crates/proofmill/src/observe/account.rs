//! The accounts that pay on L1: how long their money lasts.

use super::Observed;
use alloy_primitives::{Address, U256};
use proofmill_chain::{Publishers, Sender};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// The gas of a submission, roughly: `submitEpochProof` by attestors takes 126,000, `propose` 147,000 (`contracts/gas.snap`).
const SUBMISSION_GAS: u64 = 150_000;
/// Below so many submissions the operator is told.
const FEW: u64 = 10;
/// How often the balance is read.
const EVERY: Duration = Duration::from_secs(60);
/// Where it could not be read.
const SOON: Duration = Duration::from_secs(5);

/// An account and its balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) address: Address,
    /// In wei.
    pub(crate) balance: U256,
    /// How many submissions that pays for, at the fees of now.
    pub(crate) transactions: u64,
}

impl Account {
    /// Whether the operator should send more.
    pub(crate) const fn is_low(&self) -> bool {
        self.transactions < FEW
    }
}

/// Looks after all accounts of a role until told to stop.
pub(crate) fn watch_all(publishers: &Publishers, observed: &Observed, stop: &CancellationToken) {
    for sender in publishers.all() {
        observed.account(watch(sender.clone(), stop.clone()));
    }
}

/// Looks after the sender's account until told to stop. Says in the log when it runs low.
pub(crate) fn watch(sender: Sender, stop: CancellationToken) -> watch::Receiver<Option<Account>> {
    let (seen, watched) = watch::channel(None);
    tokio::spawn(async move {
        let mut said = None;
        let mut beat = time::interval(EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            let Ok(runway) = sender.runway(SUBMISSION_GAS).await else {
                // The endpoints' own troubles are told elsewhere.
                beat.reset_after(SOON);
                continue;
            };
            let account = Account {
                address: sender.account(),
                balance: runway.balance,
                transactions: runway.transactions,
            };
            tell(&account, &mut said);
            if seen.send(Some(account)).is_err() {
                return;
            }
        }
    });
    watched
}

/// Says that an account is low: once, and again when it gets worse.
fn tell(account: &Account, said: &mut Option<u64>) {
    if !account.is_low() {
        if said.take().is_some() {
            tracing::info!(account = %account.address, submissions = account.transactions, "the account that pays on L1 has enough again");
        }
    } else if said.is_none_or(|said| account.transactions < said) {
        *said = Some(account.transactions);
        tracing::warn!(
            account = %account.address,
            balance_wei = %account.balance,
            submissions = account.transactions,
            "the account that pays on L1 runs low: send it more"
        );
    }
}
