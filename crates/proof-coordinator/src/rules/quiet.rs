//! A bounded log of what goes wrong in provers' calls: what they hand in is refused, or a store is away that each of them asks for.
//!
//! The first line of a prover is written. What follows is counted, and said once a minute for each prover, and never more than once a
//! second in all: whoever sends garbage under ever new names fills no disk, and no thousand provers do that wait for a store.

use super::batch::ProverName;
use proofmill_ledger::Timestamp;
use std::collections::BTreeMap;

/// The time between two lines of one prover, in ms.
const EVERY: u64 = 60_000;
/// The time between any two lines, in ms.
const APART: u64 = 1_000;
/// Of how many provers it is known what was said.
const REMEMBERED: usize = 1_024;

/// What was said so far.
#[derive(Clone, Debug, Default)]
pub struct Quiet {
    said: BTreeMap<ProverName, Said>,
    last: Option<Timestamp>,
    unsaid: u64,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Timestamp,
    since: u64,
}

/// A line that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// How many times of this prover it stands for.
    pub times: u64,
    /// How many of provers whose line was left out.
    pub of_others: u64,
}

impl Quiet {
    /// Something of a prover's went wrong: the line to write, if one is due.
    pub fn line(&mut self, now: Timestamp, by: &ProverName) -> Option<Line> {
        // A clock that went back makes a line due.
        let due = |at: Timestamp, wait: u64| now < at || now.as_millis() - at.as_millis() >= wait;
        let known = self.said.get(by).copied();
        let apart = self.last.is_none_or(|last| due(last, APART));
        if apart && known.is_none_or(|said| due(said.at, EVERY)) {
            self.last = Some(now);
            self.remember(by, Said { at: now, since: 0 });
            let of_others = std::mem::take(&mut self.unsaid);
            return Some(Line { times: known.map_or(0, |said| said.since) + 1, of_others });
        }
        match self.said.get_mut(by) {
            Some(said) => said.since += 1,
            None => self.unsaid += 1,
        }
        None
    }

    fn remember(&mut self, by: &ProverName, said: Said) {
        if !self.said.contains_key(by) && self.said.len() >= REMEMBERED {
            let oldest = self.said.iter().min_by_key(|(_, said)| said.at).map(|(name, _)| name.clone());
            if let Some(said) = oldest.and_then(|name| self.said.remove(&name)) {
                self.unsaid += said.since;
            }
        }
        self.said.insert(by.clone(), said);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn hours_of_garbage_are_a_line_a_minute() {
        let (mut quiet, by) = (Quiet::default(), ProverName::new("liar").unwrap());
        let (mut lines, mut times) = (0, 0);
        // Ten a second, for two hours.
        for tenth in 0..72_000_u64 {
            if let Some(line) = quiet.line(Timestamp::from_millis(1_000_000 + tenth * 100), &by) {
                lines += 1;
                times += line.times;
            }
        }
        assert_eq!(lines, 120);
        assert_eq!(times, 72_000 - 599, "what came since the last line is not said yet");
    }

    #[test]
    fn garbage_under_ever_new_names_is_a_line_a_second() {
        let (mut quiet, mut lines, mut told) = (Quiet::default(), 0, 0);
        for number in 0..20_000_u64 {
            let by = ProverName::new(format!("p{number}")).unwrap();
            if let Some(line) = quiet.line(Timestamp::from_millis(number), &by) {
                lines += 1;
                told += line.times + line.of_others;
            }
        }
        assert_eq!((lines, told), (20, 19_001));
        assert!(quiet.said.len() <= REMEMBERED);
    }
}
