//! Processes that an earlier session may have left, told from others that have their number by now.

use serde::{Deserialize, Serialize};

/// What tells a process from every other one that this machine has had: its number is given out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it was started, in the kernel's clock ticks since the machine was.
    pub started: u64,
    /// Which start of the machine: `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
}

/// A process that a session started, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it does.
    pub name: String,
    /// Which one it is.
    pub id: ProcessId,
}

/// What became of a process that was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// It has ended.
    Ended,
    /// It has ended, and its number is another process's: that one is left alone.
    Replaced,
}

impl ProcessId {
    /// What became of it. `seen` is what has its number now.
    pub fn fate(&self, seen: Option<&Self>) -> Fate {
        match seen {
            None => Fate::Ended,
            Some(seen) if seen == self => Fate::Runs,
            Some(_) => Fate::Replaced,
        }
    }

    /// The process of a line of `/proc/PID/stat`; none where it has ended and only waits for its parent to notice.
    pub fn of(stat: &str, boot: &str) -> Option<Self> {
        let pid = stat.split_whitespace().next()?.parse().ok()?;
        // The name is in parentheses, and may have some itself. Fields are counted from 1, the state is the third.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let is_over = matches!(fields.next()?, "Z" | "X");
        let started = fields.nth(18)?.parse().ok()?;
        (!is_over).then(|| Self { pid, started, boot: boot.trim().to_owned() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stat(pid: u32, name: &str, state: char, started: u64) -> String {
        format!("{pid} ({name}) {state} 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {started} 9 10")
    }

    #[test]
    fn a_number_that_was_given_out_again_is_another_process() {
        let ours = ProcessId::of(&stat(7, "prover", 'S', 500), "a\n").unwrap();
        let later = ProcessId::of(&stat(7, "sshd", 'S', 501), "a").unwrap();
        let rebooted = ProcessId::of(&stat(7, "prover", 'S', 500), "b").unwrap();
        assert_eq!(ours.fate(Some(&ours.clone())), Fate::Runs);
        assert_eq!(ours.fate(Some(&later)), Fate::Replaced);
        assert_eq!(ours.fate(Some(&rebooted)), Fate::Replaced);
        assert_eq!(ours.fate(None), Fate::Ended);
    }

    #[test]
    fn what_only_waits_for_its_parent_has_ended() {
        assert_eq!(ProcessId::of(&stat(7, "prover", 'Z', 500), "a"), None);
    }

    #[test]
    fn this_process_is_found() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert_eq!(ProcessId::of(&stat, "a").unwrap().pid, std::process::id());
    }

    proptest! {
        #[test]
        fn whatever_its_name(name in "\\PC{0,15}", started: u64) {
            let id = ProcessId::of(&stat(7, &name, 'R', started), "a").unwrap();
            prop_assert_eq!((id.pid, id.started), (7, started));
        }

        #[test]
        fn no_line_panics(line in "\\PC*") {
            drop(ProcessId::of(&line, "a"));
        }
    }
}
