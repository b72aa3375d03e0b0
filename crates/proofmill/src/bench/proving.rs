//! While it is proven, and what came of it.

use super::{fetch, roles::LOAD, session::Session, unix_seconds, write};
use eyre::{Result, bail};
use proofmill_bench::{
    Report, Server, Session as Made, Setup,
    steps::{Chains, Load},
    watch::Seen,
};
use std::time::{Duration, Instant};

/// How often everything is looked at.
const BEAT: Duration = Duration::from_millis(500);
/// How long the metrics of the last batches are waited for.
const LAST: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// Until so many batches are proven.
    pub(super) async fn prove(&mut self) -> Result<()> {
        let needed = self.needed();
        while !self.watch.is_done(&self.followed.log) {
            self.look(&needed).await?;
            let line = self.watch.line(&self.seen());
            self.live.progress(line);
        }
        self.proved_for = self.waiting_since.elapsed();
        self.read_last_metrics().await;
        Ok(())
    }

    /// How full the last ones are. Their page tells of a batch up to a second after it is on L1: a quick prover is ahead of it.
    async fn read_last_metrics(&mut self) {
        let start = Instant::now();
        loop {
            self.followed.look();
            self.read_metrics().await;
            let are_told = {
                let is_told =
                    |number: &u64| self.batches.get(number).is_some_and(|batch| batch.gas.is_some());
                let mut timings = self.followed.log.timings.iter().filter(|timing| !timing.of_epoch);
                timings.all(|timing| is_told(&timing.batch))
            };
            let cannot_be = self.metrics.is_none() || self.metrics_lost.is_some();
            if are_told || cannot_be || start.elapsed() > LAST {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            elapsed: self.waiting_since.elapsed(),
            log: &self.followed.log,
            batches: &self.batches,
            without_metrics: self.metrics_lost.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }

    /// A beat: what the processes have said since the last one, whether they run, and what is to be said of it.
    pub(super) async fn look(&mut self, needed: &[String]) -> Result<()> {
        tokio::time::sleep(BEAT).await;
        self.processes.must_run(needed)?;
        self.go_on_sending()?;
        self.read_metrics().await;
        self.followed.look();
        let seen = Seen {
            elapsed: self.waiting_since.elapsed(),
            log: &self.followed.log,
            batches: &self.batches,
            without_metrics: self.metrics_lost.map_or(Duration::ZERO, |since| since.elapsed()),
        };
        for news in self.watch.news(&seen) {
            self.live.line(&format!("trouble: {news}"));
        }
        if seen.elapsed > Duration::from_secs(self.run.timeout) {
            bail!(
                "not done within {} s (--timeout): {}; the logs are in {}",
                self.run.timeout,
                self.watch.line(&seen),
                self.folder.join("logs").display()
            );
        }
        Ok(())
    }

    /// Another round, where one has ended and there are batches missing.
    fn go_on_sending(&mut self) -> Result<()> {
        if self.shape.load != Load::Sent || self.rounds == 0 {
            return Ok(());
        }
        // Of chains that run already, the metrics tell of batches before this session, too.
        let is_enough = self.shape.chains == Chains::Own && self.watch.has_work(&self.batches);
        match self.processes.has_ended(LOAD) {
            Ok(true) if !is_enough => self.send(),
            Ok(_) => Ok(()),
            // What there is can be proven.
            Err(error) if is_enough => {
                self.live.line(&format!("trouble: {error:#}"));
                self.processes.let_go(LOAD);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What is gone from the page was read before.
    async fn read_metrics(&mut self) {
        let Some(url) = self.metrics.clone() else { return };
        match fetch(&url).await {
            Ok(page) => {
                self.batches.extend(page);
                self.metrics_lost = None;
            }
            // An L2 of this session that is away has ended, which is said by itself; one that is another's may go.
            Err(error) => {
                tracing::debug!(%error, "the metrics cannot be read now");
                self.metrics_lost.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Writes the report, if anything was proven; with what kept the session from its end.
    pub(super) fn report(&mut self, outcome: &Result<()>) -> Result<()> {
        self.followed.look();
        if self.followed.log.timings.is_empty() {
            return Ok(());
        }
        if self.proved_for.is_zero() {
            self.proved_for = self.waiting_since.elapsed();
        }
        let run = self.run;
        let (accounts, each) = (self.accounts, run.transactions());
        let load = match self.shape.load {
            Load::Others => "by others".to_owned(),
            Load::Sent => {
                let endless = if run.is_endless() { ", until the end" } else { "" };
                format!(
                    "{}: {each} by each of {accounts} accounts, {} round(s){endless}",
                    run.kind(),
                    self.rounds
                )
            }
        };
        let there = self.there()?;
        let chains = match self.shape.chains {
            Chains::Own => format!(
                "started here, one batch in {} s at most; contract {}",
                run.slot_seconds, there.rollup
            ),
            Chains::There => format!("ran already; contract {}", there.rollup),
        };
        let nothing = if self.prover.proves() { "" } else { " (proves nothing)" };
        let setup = Setup {
            provers: format!("{} × {}{nothing}", run.provers, self.prover),
            load,
            revision: self.revision.clone(),
            chains,
            seconds: self.proved_for.as_secs(),
        };
        let made = Made {
            label: run.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: unix_seconds(),
            sources: vec!["the logs of this session".to_owned()],
            server: Some(Server::this()),
            setup: Some(setup),
        };
        let mut report = Report::new(made, self.followed.log.clone(), &self.batches);
        if let Err(error) = outcome {
            report.cut_short(&format!("{error:#}"));
        }
        self.live.end();
        write(&report, &self.folder)
    }
}
