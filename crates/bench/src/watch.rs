//! How far a session is, and what keeps it from going on.

use crate::{
    log::{Log, Trouble},
    page::Batches,
};
use std::{collections::BTreeSet, time::Duration};

/// After so long without a batch it is said why there may be none, and again each time so long after.
const NOTHING: Duration = Duration::from_secs(60);

/// A page of metrics that cannot be read for so long is said to be gone.
const GONE: Duration = Duration::from_secs(10);

/// What is known of a session at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Since the provers were started.
    pub elapsed: Duration,
    /// What the provers and the coordinator have logged.
    pub log: &'a Log,
    /// What the metrics have told of batches so far.
    pub batches: &'a Batches,
    /// For how long the metrics cannot be read.
    pub without_metrics: Duration,
}

/// Watches over a session.
#[derive(Debug)]
pub struct Watch {
    wanted: usize,
    said: BTreeSet<Trouble>,
    next_nothing: Duration,
    untimed: bool,
    /// Whether it was said that the metrics are gone.
    gone: bool,
    /// How many batches were proven, and when that was new.
    last: (usize, Duration),
}

impl Watch {
    /// Until so many batches are proven.
    pub const fn new(wanted: usize) -> Self {
        Self {
            wanted,
            said: BTreeSet::new(),
            next_nothing: NOTHING,
            untimed: false,
            gone: false,
            last: (0, Duration::ZERO),
        }
    }

    /// Whether so many batches are proven and their times known.
    pub fn is_done(&self, log: &Log) -> bool {
        timed(log).intersection(&log.verified).count() >= self.wanted
    }

    /// Whether there are as many batches as are to be proven.
    pub fn has_work(&self, batches: &Batches) -> bool {
        batches.len() >= self.wanted
    }

    /// What is new and somebody should know: each thing once, or as long as it goes on.
    pub fn news(&mut self, seen: &Seen<'_>) -> Vec<String> {
        let mut news = Vec::new();
        for trouble in seen.log.troubles.keys() {
            if self.said.insert(*trouble) {
                news.push(trouble.words().to_owned());
            }
        }
        let is_gone = seen.without_metrics >= GONE;
        if is_gone && !self.gone {
            news.push(
                "the metrics cannot be read: what they do not tell of a batch is `-` in the report; see whether their process is up"
                    .to_owned(),
            );
        }
        self.gone = is_gone;
        let (proven, timed) = (&seen.log.verified, timed(seen.log));
        if proven.len() != self.last.0 {
            self.last = (proven.len(), seen.elapsed);
        }
        if proven.len() > timed.len() + 1 && !std::mem::replace(&mut self.untimed, true) {
            news.push(
                "batches are proven, and no line of the provers' logs says how long it took (proving_time_ms): they were started \
                 without --timed, or their --log-filter hides it"
                    .to_owned(),
            );
        }
        if proven.is_empty() && seen.elapsed >= self.next_nothing {
            self.next_nothing = seen.elapsed + NOTHING;
            let cause = match seen.batches.len() {
                0 => "no batch has been committed on L1: see the logs of the load and of L2",
                _ => "the provers are still at the first one, or fail: see their logs",
            };
            news.push(format!("no batch is proven after {} s: {cause}", seen.elapsed.as_secs()));
        }
        news
    }

    /// One line: how far it is, and how long it may take.
    pub fn line(&self, seen: &Seen<'_>) -> String {
        let proven = seen.log.verified.len();
        let left = match self.left(seen.elapsed) {
            Some(left) => format!("about {} to go", clock(left)),
            None => "no batch proven yet".to_owned(),
        };
        let committed = seen.batches.len();
        format!(
            "{proven} of {} batches proven, {committed} committed, {}, {left}",
            self.wanted,
            clock(seen.elapsed)
        )
    }

    /// As long as the batches took that are proven, on average, for each that is missing.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let (proven, at) = self.last;
        let each = at.checked_div(u32::try_from(proven).ok()?)?;
        let missing = u32::try_from(self.wanted.saturating_sub(proven)).unwrap_or(u32::MAX);
        Some(each.saturating_mul(missing).saturating_sub(elapsed.saturating_sub(at)))
    }
}

fn timed(log: &Log) -> BTreeSet<u64> {
    log.timings.iter().map(|timing| timing.batch).collect()
}

/// Hours only where there are some.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{log, page::Batch};

    fn logged(proven: u64, timed: u64) -> Log {
        let verified = (1..=proven).map(|batch| {
            format!("INFO a batch is proven batch={batch} prover=exec proves_nothing=true bytes=9\n")
        });
        let times = (1..=timed).map(|batch| format!("INFO proved a batch batch={batch} proving_time_ms=9\n"));
        log::read(&verified.chain(times).collect::<String>())
    }

    fn committed(count: u64) -> Batches {
        (1..=count).map(|batch| (batch, Batch::default())).collect()
    }

    fn seen<'a>(seconds: u64, log: &'a Log, batches: &'a Batches) -> Seen<'a> {
        Seen { elapsed: Duration::from_secs(seconds), log, batches, without_metrics: Duration::ZERO }
    }

    #[test]
    fn it_is_done_when_the_times_are_there_too() {
        let watch = Watch::new(3);
        assert!(!watch.is_done(&logged(3, 2)) && !watch.is_done(&logged(2, 3)));
        assert!(watch.is_done(&logged(3, 3)));
        assert!(!watch.has_work(&committed(2)) && watch.has_work(&committed(3)));
    }

    #[test]
    fn the_line_says_how_far_it_is_and_how_long_it_may_take() {
        let mut watch = Watch::new(5);
        let mut line = |seconds, proven| {
            let (log, batches) = (logged(proven, proven), committed(4));
            watch.news(&seen(seconds, &log, &batches));
            watch.line(&seen(seconds, &log, &batches))
        };
        assert_eq!(line(9, 0), "0 of 5 batches proven, 4 committed, 0:09, no batch proven yet");
        assert_eq!(line(70, 2), "2 of 5 batches proven, 4 committed, 1:10, about 1:45 to go");
        // While the next one is proven, its time passes.
        assert_eq!(line(85, 2), "2 of 5 batches proven, 4 committed, 1:25, about 1:30 to go");
        assert_eq!(line(900, 2), "2 of 5 batches proven, 4 committed, 15:00, about 0:00 to go");
        assert_eq!(line(3_661, 5), "5 of 5 batches proven, 4 committed, 1:01:01, about 0:00 to go");
        assert!(line(3_662, 9).ends_with("about 0:00 to go"));
    }

    #[test]
    fn each_trouble_is_said_once() {
        let (mut watch, none) = (Watch::new(2), committed(2));
        let log = log::read("ERROR CUDA out of memory\nWARN txpool is full\nWARN txpool is full\n");
        let news = watch.news(&seen(1, &log, &none));
        assert!(
            news.len() == 2 && news[0].contains("GPU out of memory") && news[1].contains("mempool full"),
            "{news:?}"
        );
        assert_eq!(watch.news(&seen(2, &log, &none)), Vec::<String>::new());
    }

    #[test]
    fn metrics_that_are_gone_are_said_once_each_time() {
        let (mut watch, log, batches) = (Watch::new(2), Log::default(), committed(1));
        let mut said = |seconds| {
            let without_metrics = Duration::from_secs(seconds);
            watch.news(&Seen { without_metrics, ..seen(1, &log, &batches) })
        };
        // One answer that does not come is no news.
        assert_eq!([0, 1, 9].map(&mut said), [Vec::<String>::new(), vec![], vec![]]);
        let news = said(10);
        assert!(news.len() == 1 && news[0].contains("the metrics cannot be read"), "{news:?}");
        assert!(said(11).is_empty() && said(0).is_empty());
        assert_eq!(said(10), news);
    }

    #[test]
    fn without_a_batch_it_says_why_again_and_again() {
        let (mut watch, log) = (Watch::new(2), Log::default());
        assert!(watch.news(&seen(59, &log, &committed(0))).is_empty());
        let news = watch.news(&seen(60, &log, &committed(0)));
        assert!(news[0].contains("no batch has been committed on L1"), "{news:?}");
        assert!(watch.news(&seen(119, &log, &committed(1))).is_empty());
        let news = watch.news(&seen(120, &log, &committed(1)));
        assert!(news[0].contains("still at the first one"), "{news:?}");
    }

    #[test]
    fn provers_that_do_not_say_their_times_are_noticed() {
        let (mut watch, batches) = (Watch::new(9), committed(9));
        // The prover logs its time before the coordinator has the proof; one of many provers may have been too early.
        assert!(watch.news(&seen(1, &logged(1, 0), &batches)).is_empty());
        let news = watch.news(&seen(2, &logged(2, 0), &batches));
        assert!(news[0].contains("--timed"), "{news:?}");
        assert!(watch.news(&seen(3, &logged(3, 0), &batches)).is_empty());
    }
}
