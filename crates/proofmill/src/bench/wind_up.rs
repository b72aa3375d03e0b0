//! The end of a session: everything is ended, and it is seen that nothing is left.

use super::{
    ports,
    prepare::{kept_l1_file, remove},
    processes,
    roles::L1,
    session::Session,
};
use eyre::{Result, bail};
use proofmill_bench::{leftover::Fate, steps};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long a port may take to be free after its process has ended.
const PATIENCE: Duration = Duration::from_secs(5);

impl Session<'_> {
    pub(super) async fn tear_down(&mut self) -> Result<()> {
        self.live.line(steps::Step::TearDown.words());
        let stays = self.shape.l1 == steps::L1::Stays && kept_l1_file(&self.root).exists();
        if stays {
            self.processes.let_go(L1);
        }
        let mut left = self.processes.end().await;
        if let Some(found) = self.found_l1.take().filter(|_| !stays) {
            match processes::end(&found).await {
                Ok(Fate::Runs | Fate::Ended | Fate::Replaced) => remove(&kept_l1_file(&self.root))?,
                Err(error) => left.push(format!("L1 ({error:#})")),
            }
        }
        let l1 = if stays { steps::L1::Stays } else { steps::L1::Ends };
        for port in self.ports.to_be_free(steps::Shape { l1, ..self.shape }) {
            if let Some(by) = becomes_free(&self.folder, port).await {
                left.push(format!("port {port}, in use by {by}"));
            }
        }
        for path in [self.work(), self.folder.join("processes")] {
            if let Err(error) = remove(&path) {
                left.push(format!("{error:#}"));
            }
        }
        if !left.is_empty() {
            bail!("the session left something: {}", left.join("; "));
        }
        let l1 = match (stays, &self.l1_rpc) {
            (true, Some(rpc)) => format!("; L1 is kept at {rpc}, and a session without --keep-l1 ends it"),
            _ => String::new(),
        };
        self.live.line(&format!(
            "nothing is left: no process, no port, no working folder; logs and report are in {}{l1}",
            self.folder.display()
        ));
        Ok(())
    }
}

/// Who of the session still listens on a port after a while.
async fn becomes_free(session: &Path, port: u16) -> Option<String> {
    let start = Instant::now();
    loop {
        let by = ports::listener_of(session, port);
        if by.is_none() || start.elapsed() > PATIENCE {
            return by;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
