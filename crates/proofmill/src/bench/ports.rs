//! Ports of this machine: whether one is free, and who has it otherwise.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The variable that names the session's folder to all that a session starts, and to whatever those start.
pub(super) const SESSION: &str = "PROOFMILL_BENCH_SESSION";

/// Nobody listens on it.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Who listens on a port, as far as this user may see.
pub(super) fn listener(port: u16) -> Option<String> {
    listeners(port).first().map(|process| words(process))
}

/// Who listens on a port of all that a session has started. A port that has become free may be a stranger's at once.
pub(super) fn listener_of(session: &Path, port: u16) -> Option<String> {
    let is_of_it = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mark = [SESSION.as_bytes(), b"=", session.as_os_str().as_bytes()].concat();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark)
    };
    listeners(port).iter().find(|process| is_of_it(process)).map(|process| words(process))
}

/// The folders in `/proc` of the processes that listen on a port.
fn listeners(port: u16) -> Vec<PathBuf> {
    let lines = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let inodes = lines.iter().flat_map(|text| text.lines()).filter_map(|line| inode(line, port));
    let sockets: Vec<String> = inodes.map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let has_one = |process: &PathBuf| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut links = open.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    processes.map(|entry| entry.path()).filter(has_one).collect()
}

fn words(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let pid = process.file_name().unwrap_or_default().to_string_lossy();
    format!("process {pid} ({})", name.trim())
}

/// The inode of a line of `/proc/net/tcp`, if it is of a socket that listens on this port.
fn inode(line: &str, port: u16) -> Option<&str> {
    const LISTENS: &str = "0A";
    let mut words = line.split_whitespace();
    let local = words.nth(1)?.rsplit_once(':')?.1;
    (u16::from_str_radix(local, 16) == Ok(port) && words.nth(1)? == LISTENS).then(|| words.nth(5)).flatten()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{
        os::fd::OwnedFd,
        process::{Command, Stdio},
    };

    #[test]
    fn what_a_session_left_is_told_from_a_stranger_on_its_port() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let (ours, other) = (Path::new("/data/bench/ours"), Path::new("/data/bench/our"));
        assert_eq!(listener_of(ours, port), None);

        // A group of its own does not hide it.
        let mut escaped = Command::new("setsid")
            .args(["sleep", "60"])
            .env(SESSION, ours)
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .spawn()
            .unwrap();
        let said = listener_of(ours, port);
        let stranger = listener_of(other, port);
        escaped.kill().unwrap();
        escaped.wait().unwrap();
        assert!(said.unwrap().starts_with("process "));
        assert_eq!(stranger, None);
    }

    #[test]
    fn who_listens_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!is_free(port));
        let said = listener(port).unwrap();
        assert!(said.contains(&format!("process {} ", std::process::id())), "{said}");
        drop(taken);
        assert_ne!(listener(port), Some(said));
    }
}
