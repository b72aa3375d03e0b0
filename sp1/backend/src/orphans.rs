//! What executions leave whose process was killed. SP1's executor does not notice: it runs on, or waits for ever for somebody who reads its
//! trace, and its program's memory (up to 4 GB, in `/dev/shm`) stays taken. Whoever runs a program next removes that.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How the file of SP1's executor begins.
const EXECUTOR: &str = "sp1-native-runner-bin-";
/// Where it shares memory with the process that started it, and how the names begin: memory and trace, and the trace's semaphores.
const SHARED: &str = "/dev/shm";
const NAMES: [&str; 2] = ["sp1_", "sem.sp1_"];
/// An execution has its files open before they are so old. Later they are removed where nobody has: a name that is gone does no harm to
/// those who have, and who are not seen from here, such as other containers.
const OPENED_WITHIN: Duration = Duration::from_secs(600);
/// Not more often than that.
const EVERY: Duration = Duration::from_secs(60);

/// Stops executors that nobody reads from, and removes what nobody has open.
pub(crate) fn stop() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_some_and(|last| last.elapsed() < EVERY) {
        return;
    }
    *last = Some(Instant::now());
    let open = stop_in(Path::new("/proc"));
    remove(Path::new(SHARED), &open, OPENED_WITHIN);
}

/// Stops executors; the names that all others have open.
fn stop_in(proc: &Path) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for process in fs::read_dir(proc).into_iter().flatten().flatten() {
        let folder = process.path();
        // Of other users, or ended meanwhile.
        let Ok(maps) = fs::read_to_string(folder.join("maps")) else { continue };
        let names = names(&maps);
        if names.is_empty() {
            continue;
        }
        let number = process.file_name().to_str().and_then(|name| name.parse().ok());
        let orphan = number.and_then(Pid::from_raw).filter(|_| is_orphan(proc, &folder, &names));
        match orphan {
            Some(pid) if kill_process(pid, Signal::KILL).is_ok() => {
                tracing::warn!(
                    pid = %pid.as_raw_nonzero(),
                    "stopped an execution that was left by a process that was killed"
                );
                for name in &names {
                    // Whoever ended meanwhile has removed its own.
                    let _ = fs::remove_file(Path::new(SHARED).join(name));
                }
            }
            _ => open.extend(names),
        }
    }
    open
}

/// The names of shared memory in what a process has open.
fn names(maps: &str) -> BTreeSet<String> {
    let files = maps.lines().filter_map(|line| line.split_once(SHARED)?.1.strip_prefix('/'));
    let names = files.map(|file| file.strip_suffix(" (deleted)").unwrap_or(file));
    names.filter(|name| is_of_sp1(name)).map(str::to_owned).collect()
}

fn is_of_sp1(name: &str) -> bool {
    NAMES.iter().any(|begin| name.starts_with(begin))
}

/// Whether it is an executor, and the process above it has none of its memory open: whoever started it has, for as long as it lives.
fn is_orphan(proc: &Path, folder: &Path, names: &BTreeSet<String>) -> bool {
    let program = fs::read_link(folder.join("exe")).ok();
    let program = program.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    if program.is_none_or(|name| !name.starts_with(EXECUTOR)) {
        return false;
    }
    let Some(parent) = fs::read_to_string(folder.join("stat")).ok().as_deref().and_then(parent) else {
        return false;
    };
    match fs::read_to_string(proc.join(parent.to_string()).join("maps")) {
        Ok(maps) => self::names(&maps).is_disjoint(names),
        // The system's first process, which another user runs, starts no executors.
        Err(error) => parent == 1 && error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// The number of the process above one, in what the system says of it. The program's name before it may be anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Removes files of SP1's that nobody has open, and that are older than `age`.
fn remove(folder: &Path, open: &BTreeSet<String>, age: Duration) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = file.file_name();
        let is_left = name.to_str().is_some_and(|name| is_of_sp1(name) && !open.contains(name));
        let changed = file.metadata().and_then(|metadata| metadata.modified());
        let is_old = changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|since| since > age));
        if is_left && is_old {
            // Another user's are not ours to remove.
            match fs::remove_file(file.path()) {
                Ok(()) => {
                    tracing::warn!(path = %file.path().display(), "removed memory of an execution that is over");
                }
                Err(error) => {
                    tracing::debug!(path = %file.path().display(), %error, "memory of an execution stays");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_system_says_of_a_process_is_read() {
        let maps = "7f00-7f10 rw-s 00000000 00:1a 77    /dev/shm/sp1_Ab-_9w==_m\n\
            7f10-7f20 rw-s 00000000 00:1a 78    /dev/shm/sp1_Ab-_9w==_t (deleted)\n\
            7f20-7f30 rw-s 00000000 00:1a 79    /dev/shm/sem.sp1_Ab-_9w==_t_filled\n\
            7f30-7f40 rw-s 00000000 00:1a 80    /dev/shm/PostgreSQL.4032107308\n\
            7f40-7f50 r-xp 00000000 00:1a 81    /usr/lib/sp1_no\n\
            7f50-7f60 rw-p 00000000 00:00 0\n";
        let expected = ["sem.sp1_Ab-_9w==_t_filled", "sp1_Ab-_9w==_m", "sp1_Ab-_9w==_t"];
        assert_eq!(names(maps).into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(parent("4711 (sp1 ) (x) S 17 4711 4711 0 -1"), Some(17));
        assert_eq!(parent("4711"), None);
    }

    #[test]
    fn memory_that_nobody_has_open_is_removed_once_it_is_old() {
        let folder = std::env::temp_dir().join(format!("proofmill-sp1-orphans-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["sp1_open_m", "sp1_left_m", "sem.sp1_left_t_empty", "others"] {
            fs::write(folder.join(name), b"memory").unwrap();
        }
        let left = || {
            let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
            files.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>()
        };
        let open = BTreeSet::from(["sp1_open_m".to_owned()]);
        remove(&folder, &open, OPENED_WITHIN);
        assert_eq!(left().len(), 4, "somebody may be about to open it");
        let old = std::time::SystemTime::now() - 2 * OPENED_WITHIN;
        for name in left() {
            fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(old).unwrap();
        }
        remove(&folder, &open, OPENED_WITHIN);
        assert_eq!(left(), BTreeSet::from(["others", "sp1_open_m"].map(str::to_owned)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
