//! Processes that are started again when they end.

use super::{
    Show,
    child::{Child, Launcher, Orphan, Role},
};
use eyre::{Result, bail};
use std::time::{Duration, Instant};

/// A process that lived so long before it ended is started again at once.
const STEADY: Duration = Duration::from_secs(30);
/// The longest pause before one that ends soon again and again is started once more.
const LONGEST: Duration = Duration::from_secs(30);
/// One that never ran for long and ended so often is not started any more.
const HOPELESS: u32 = 8;

/// A process of the tree that ends with it, and is started again if it ends before.
pub(crate) struct Kept {
    role: Role,
    state: State,
    /// How often in a row it ended soon, or did not start.
    failures: u32,
    was_steady: bool,
}

enum State {
    Runs { child: Child, since: Instant },
    Waits { until: Instant },
}

impl Kept {
    pub(crate) fn start(launcher: &Launcher, role: Role) -> Result<Self> {
        let child = launcher.start(&role, Orphan::Ends)?;
        Ok(Self { role, state: State::Runs { child, since: Instant::now() }, failures: 0, was_steady: false })
    }

    /// Its id, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.state {
            State::Runs { child, .. } => Some(child.pid()),
            State::Waits { .. } => None,
        }
    }

    /// Starts it again if it ended, with the same words and environment.
    ///
    /// # Errors
    /// It never ran for long: something is wrong that does not pass.
    pub(crate) fn look_after(&mut self, launcher: &Launcher, show: &Show) -> Result<()> {
        if let State::Runs { child, since } = &mut self.state
            && let Some(status) = child.ended()
        {
            if since.elapsed() >= STEADY {
                (self.failures, self.was_steady) = (0, true);
            }
            let why = child.last_words();
            self.put_off(&format!("ended ({status})"), &why, show)?;
        }
        if let State::Waits { until } = self.state
            && Instant::now() >= until
        {
            match launcher.start(&self.role, Orphan::Ends) {
                Ok(child) => self.state = State::Runs { child, since: Instant::now() },
                Err(error) => self.put_off("does not start", &format!("{error:#}"), show)?,
            }
        }
        Ok(())
    }

    fn put_off(&mut self, what: &str, why: &str, show: &Show) -> Result<()> {
        if self.failures >= HOPELESS && !self.was_steady {
            bail!("{} {what} again and again: {why}", self.role.name);
        }
        let pause = pause(self.failures);
        self.failures += 1;
        let when = if pause.is_zero() { String::new() } else { format!(" in {} s", pause.as_secs()) };
        show.line(&format!("{} {what}, starting it again{when}: {why}", self.role.name));
        self.state = State::Waits { until: Instant::now() + pause };
        Ok(())
    }

    /// Asks it to end, and ends it if it does not.
    pub(crate) async fn stop(self) {
        if let State::Runs { child, .. } = self.state {
            child.stop().await;
        }
    }
}

/// None the first time, then twice as long each time.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1_u64 << doublings.min(5)).min(LONGEST),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cli::{Global, LogFormat};
    use std::collections::BTreeSet;

    #[test]
    fn the_pauses_grow_to_half_a_minute() {
        let pauses: Vec<u64> = (0..9).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
    }

    /// The program is that of these tests, which does not know the words and ends at once.
    #[test]
    fn what_ends_at_once_is_started_again_and_then_after_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let global = Global {
            settings: None,
            data_dir: folder.path().to_owned(),
            binary: Vec::new(),
            snark: None,
            snark_dir: None,
            log_filter: "info".to_owned(),
            log_format: LogFormat::Text,
            changed: Vec::new(),
        };
        let (launcher, show) = (Launcher::new(&global), Show::new(LogFormat::Text));
        let role =
            Role { name: "role".into(), binary: None, words: vec!["role".into()], environment: Vec::new() };
        let mut kept = Kept::start(&launcher, role).unwrap();
        let (mut pids, end) = (BTreeSet::new(), Instant::now() + Duration::from_secs(300));
        while let Some(pid) = kept.pid() {
            assert!(Instant::now() < end, "it does not end");
            pids.insert(pid);
            kept.look_after(&launcher, &show).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!((pids.len(), kept.failures), (2, 2));
        let (mut hopeless, mut tries) = (kept, None);
        while let Ok(()) = hopeless.put_off("ends", "why", &show) {
            tries = Some(hopeless.failures);
        }
        assert_eq!(tries, Some(HOPELESS));
        hopeless.was_steady = true;
        hopeless.put_off("ends", "why", &show).unwrap();
        assert!(std::fs::read_to_string(launcher.log("role")).unwrap().contains("settings"));
    }
}
