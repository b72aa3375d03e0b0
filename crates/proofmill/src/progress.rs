//! What a person sees while a proof is made: on a terminal a bar, elsewhere a line at every change.

use crate::printed::harmless;
use indicatif::{ProgressBar, ProgressStyle};
use proofmill_wire::operator::ProofProgress;
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Where nothing is drawn, a line is printed at most so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how a proof comes along.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    last_line: Option<Instant>,
    last_done: u32,
    diagnosis: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} [{elapsed_precise}] {bar:30} {pos}/{len} {msg}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, start: Instant::now(), last_line: None, last_done: 0, diagnosis: String::new() }
    }

    pub(crate) fn show(&mut self, progress: &ProofProgress) {
        if progress.diagnosis != self.diagnosis {
            self.diagnosis.clone_from(&progress.diagnosis);
            if !self.diagnosis.is_empty() {
                self.line(&format!("waiting: {}", self.diagnosis));
            }
        }
        // The controller ends with the proof and says nothing about how far it is.
        let kinds = || progress.kinds.iter().filter(|kind| kind.kind != "Controller");
        let (done, known) = progress.tasks();
        let mut parts: Vec<String> = kinds()
            .map(|kind| {
                let running =
                    if kind.running > 0 { format!(" ({} running)", kind.running) } else { String::new() };
                format!("{} {}/{}{running}", kind.kind, kind.succeeded, kind.known())
            })
            .collect();
        if known == 0 {
            parts.push("running the program to plan its proof".into());
        } else if let Some(left) = self.left(done, known) {
            parts.push(format!("about {} left", duration(left)));
        }
        let message = parts.join(", ");
        match &self.bar {
            Some(bar) => {
                bar.set_length(known.into());
                bar.set_position(done.into());
                bar.set_message(harmless(&message).into_owned());
            }
            None => {
                let due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
                if due || done != self.last_done {
                    self.last_line = Some(Instant::now());
                    self.line(&format!(
                        "[{}] {done}/{known} tasks: {message}",
                        duration(self.start.elapsed())
                    ));
                }
            }
        }
        self.last_done = done;
    }

    /// From the tasks done so far; tasks differ, so it is rough until several are done.
    fn left(&self, done: u32, known: u32) -> Option<Duration> {
        (done > 0 && known > done)
            .then(|| self.start.elapsed().mul_f64(f64::from(known - done) / f64::from(done)))
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(harmless(text)),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Minutes and seconds, or tenths of seconds where it is short.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Does long work beside, and says every ten seconds that it goes on.
pub(crate) async fn long<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let start = Instant::now();
    let mut work = tokio::task::spawn_blocking(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(LINE_EVERY) => eprintln!("{what}: {} s so far", start.elapsed().as_secs()),
        }
    }
}
