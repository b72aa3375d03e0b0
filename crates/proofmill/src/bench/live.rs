//! What a person sees of a session: a line for all that happens, and how far it is.

use crate::{printed::harmless, progress::duration};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// Where nothing is drawn, it is said so often how far it is.
const EVERY: Duration = Duration::from_secs(10);

/// Prints to standard error.
#[derive(Debug)]
pub(super) struct Live {
    start: Instant,
    bar: Option<ProgressBar>,
    said: Option<(Instant, String)>,
}

impl Live {
    pub(super) fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { start: Instant::now(), bar, said: None }
    }

    /// Something that happened.
    pub(super) fn line(&self, text: &str) {
        let line = format!("[{}] {}", duration(self.start.elapsed()), harmless(text));
        match &self.bar {
            Some(bar) => bar.println(line),
            // A session goes on to its end although nobody reads what it says any more.
            None => drop(writeln!(stderr(), "{line}")),
        }
    }

    /// How far it is.
    pub(super) fn progress(&mut self, text: String) {
        if let Some(bar) = &self.bar {
            return bar.set_message(harmless(&text).into_owned());
        }
        let is_due = self.said.as_ref().is_none_or(|(at, said)| at.elapsed() >= EVERY && *said != text);
        if is_due {
            self.line(&text);
            self.said = Some((Instant::now(), text));
        }
    }

    /// Nothing is drawn any more.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
