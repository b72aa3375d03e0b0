//! Ports of this machine for servers that are started, and started again, by number.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    net::TcpListener,
    ops::Range,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    sync::{Mutex, PoisonError},
};

/// Below those that the system gives to whoever asks for any port, and to whoever connects.
const PORTS: Range<u16> = 20_000..32_000;

/// What says that ports are this process's. The system forgets it when the process ends, however it does.
static OURS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 that nobody listens on. No other caller of this function is given it as long as this process lives, so that a
/// server can be started there later, be ended, and be started again.
///
/// # Errors
/// All ports are taken, or the system gives no sockets.
pub fn free_port() -> io::Result<u16> {
    // Processes that look at the same time look in different places.
    let begin = PORTS.start + (RandomState::new().build_hasher().finish() % PORTS.len() as u64) as u16;
    for port in (begin..PORTS.end).chain(PORTS.start..begin) {
        let name = SocketAddr::from_abstract_name(format!("proofmill-port-{port}"))?;
        match UnixListener::bind_addr(&name) {
            Ok(ours) if TcpListener::bind(("127.0.0.1", port)).is_ok() => {
                OURS.lock().unwrap_or_else(PoisonError::into_inner).push(ours);
                return Ok(port);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "all ports for tests are taken"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, thread};

    /// A port that is only looked for is the next caller's as well, until its server listens there.
    #[test]
    fn no_port_is_given_out_twice() {
        let ask = || (0..50).map(|_| free_port().unwrap()).collect::<Vec<_>>();
        let given: Vec<u16> = thread::scope(|scope| {
            let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
        });
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len(), "{given:?}");
    }

    #[test]
    fn a_port_stays_with_its_process_also_while_nobody_listens_there() {
        let port = free_port().unwrap();
        for _ in 0..2 {
            drop(TcpListener::bind(("127.0.0.1", port)).unwrap());
            let name = SocketAddr::from_abstract_name(format!("proofmill-port-{port}")).unwrap();
            assert_eq!(UnixListener::bind_addr(&name).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}
