//! Ports of this machine for servers that are other processes, and are started again by number.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::TcpSocket;

/// A port of 127.0.0.1 on which another process is to listen. As long as this lives the system gives it to nobody who asks for any port, or
/// connects from one; whoever names it may listen there. Nobody listens here: a socket that is bound and does not listen keeps out no other
/// that may share its address, as those of servers may (`SO_REUSEADDR`).
#[derive(Debug)]
pub(crate) struct HeldPort {
    number: u16,
    _socket: TcpSocket,
}

impl HeldPort {
    /// One that nobody has now.
    pub(crate) fn any() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self { number: socket.local_addr()?.port(), _socket: socket })
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// Where its server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::net::{TcpListener as StdListener, TcpStream};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_server_listens_on_a_held_port_again_and_again_and_it_is_given_to_nobody_else() {
        let held = HeldPort::any().unwrap();
        assert_eq!(held.address().port(), held.number());
        for _ in 0..2 {
            assert!(TcpStream::connect(held.address()).is_err(), "nobody listens");
            let server = TcpListener::bind(held.address()).await.unwrap();
            TcpStream::connect(held.address()).unwrap();
            // A second server is refused as ever.
            assert!(TcpListener::bind(held.address()).await.is_err());
            drop(server);
        }
        let others: Vec<_> = (0..50).map(|_| StdListener::bind("127.0.0.1:0").unwrap()).collect();
        assert!(others.iter().all(|other| other.local_addr().unwrap().port() != held.number()));
        assert_ne!(HeldPort::any().unwrap().number(), held.number());
    }
}
