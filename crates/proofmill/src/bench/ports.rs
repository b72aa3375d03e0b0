//! Ports of this machine: whether one is free, and who has it otherwise.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

/// Nobody listens on it.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// One that nobody listens on now.
pub(super) fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Who listens on a port, as far as this user may see.
pub(super) fn listener(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|file| {
            fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| Some(format!("socket:[{}]", inode(&line, port)?)))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok()).find_map(
        |process| {
            let open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let mut links = open.filter_map(|file| fs::read_link(file.path()).ok());
            let is_it = links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()));
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            is_it.then(|| format!("process {} ({})", process.file_name().to_string_lossy(), name.trim()))
        },
    )
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

    #[test]
    fn who_listens_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!is_free(port));
        let said = listener(port).unwrap();
        assert!(said.contains(&format!("process {} ", std::process::id())), "{said}");
        drop(taken);
        assert_eq!((is_free(port), listener(port)), (true, None));
    }
}
