//! Who may be connected to a service, and for how long without saying anything. Each connection is an open file and memory: without a
//! bound, peers that are many, hang or mean no good leave none for the ledger and for those that work. No peer takes them all, and no
//! network of peers.

use rustix::process::{Resource, getrlimit};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::Sleep,
};
use tonic::transport::{
    Server,
    server::{Connected, TcpConnectInfo},
};

/// The most connections to a service, where the process may open files enough: three quarters of them are for these.
const MOST: usize = 32_768;
const SHARE: (u64, u64) = (3, 4);
/// A peer, and a network of peers, may have fewer than so many times the connections that are left: three quarters of all where a peer is
/// alone, as behind a proxy, seven eighths where a network is, as a fleet in one place, and less where others have theirs. However many
/// take all that they can, some are left for one that has none.
const PEER: Group = Group { v4: 32, v6: 64, of_left: 3 };
const NETWORK: Group = Group { v4: 24, v6: 48, of_left: 7 };
/// How long a peer may take for its first bytes.
const OPENING: Duration = Duration::from_secs(10);
/// With so many bytes an HTTP/2 connection begins; from then on the server asks whether its peer is still there.
const PREFACE: usize = 24;
/// The most connections to pages of metrics and health, an eighth of the files at most, and how long each may last: a page takes
/// milliseconds. An eighth is left for the ledger, and for what this process asks of others.
const PAGES: usize = 256;
const PAGES_SHARE: (u64, u64) = (1, 8);
const PAGES_LAST: Duration = Duration::from_secs(300);
/// The most calls under way on one connection. A prover node watches each of its proofs by one.
const CALLS: u32 = 4096;
/// The pause after a connection could not be accepted for want of files or memory.
const REST: Duration = Duration::from_secs(1);
/// How often it is said that connections are refused.
const AGAIN: Duration = Duration::from_secs(10);

/// A gRPC server for [`Connections`]: who does not answer its pings is gone, and what one connection may ask at the same time is bounded.
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(CALLS)
}

/// The connections to a service. Those beyond the most that there may be are closed at once, which their peers see as a service that
/// is away; so is one on which nothing is said at first.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    places: Arc<Places>,
    /// For how long a peer is waited for until it has said so much.
    waits: (Duration, usize),
    rest: Option<Pin<Box<Sleep>>>,
    /// How many were refused since that was said, and when that was.
    refused: u64,
    said: Option<Instant>,
}

impl From<TcpListener> for Connections {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, most_of(SHARE, MOST), (OPENING, PREFACE))
    }
}

/// So many connections, or that share of the files that this process may open, where it is less.
fn most_of(share: (u64, u64), most: usize) -> usize {
    share_of(getrlimit(Resource::Nofile).current, share, most)
}

/// Without a limit there is nothing to share.
fn share_of(files: Option<u64>, (part, of): (u64, u64), most: usize) -> usize {
    let share = files.and_then(|files| usize::try_from(files / of * part).ok());
    share.unwrap_or(most).clamp(1, most)
}

impl Connections {
    /// Those to pages that are read quickly: few, and none lasts long, however much is said.
    pub fn to_pages(listener: TcpListener) -> Self {
        Self::new(listener, most_of(PAGES_SHARE, PAGES), (PAGES_LAST, usize::MAX))
    }

    fn new(listener: TcpListener, most: usize, waits: (Duration, usize)) -> Self {
        let places = Arc::new(Places { most, taken: Mutex::default() });
        Self { listener, places, waits, rest: None, refused: 0, said: None }
    }

    /// The next connection.
    pub async fn accept(&mut self) -> Connection {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Connection> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(cx));
                self.rest = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((socket, address)) => match Place::take(&self.places, address.ip()) {
                    Some(place) => return Poll::Ready(Connection::new(socket, place, self.waits)),
                    None => self.refuse(address.ip()),
                },
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted: it is tried again each second");
                    self.rest = Some(Box::pin(tokio::time::sleep(REST)));
                }
            }
        }
    }

    fn refuse(&mut self, peer: IpAddr) {
        self.refused += 1;
        if self.said.is_none_or(|said| said.elapsed() >= AGAIN) {
            let (most, refused) = (self.places.most, self.refused);
            tracing::warn!(
                most,
                refused,
                %peer,
                "connections are refused: as many are open as may be, of all peers or of the one that came last and its network, which \
                 depends on how many files this process may open (`ulimit -n`)"
            );
            (self.refused, self.said) = (0, Some(Instant::now()));
        }
    }
}

/// How many connections there are.
#[derive(Debug)]
struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of each peer that has any, and of each network.
    by_group: HashMap<Name, usize>,
}

/// Those whose addresses begin with the same bits: so many of IPv4, so many of IPv6.
struct Group {
    v4: u32,
    v6: u32,
    of_left: usize,
}

/// What their addresses begin with, and how many bits that is.
type Name = (IpAddr, u32);

impl Group {
    /// The one that an address is in. Where IPv6 carries IPv4, it is that of the latter.
    fn of(&self, address: IpAddr) -> Name {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let rest = 32 - self.v4;
                (Ipv4Addr::from_bits(address.to_bits() >> rest << rest).into(), self.v4)
            }
            IpAddr::V6(address) => {
                let rest = 128 - self.v6;
                (Ipv6Addr::from_bits(address.to_bits() >> rest << rest).into(), self.v6)
            }
        }
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them.
#[derive(Debug)]
struct Place {
    of: Arc<Places>,
    groups: [Name; 2],
}

impl Place {
    /// One for whoever has this address, unless it or its network has its share.
    fn take(places: &Arc<Places>, address: IpAddr) -> Option<Self> {
        let groups = [PEER, NETWORK].map(|group| (group.of(address), group.of_left));
        let mut taken = places.lock();
        let left = places.most.saturating_sub(taken.all);
        let has = |name: &Name| taken.by_group.get(name).copied().unwrap_or_default();
        if groups.iter().any(|(name, of_left)| has(name) >= left.saturating_mul(*of_left)) {
            return None;
        }
        taken.all += 1;
        let groups = groups.map(|(name, _)| name);
        for name in groups {
            *taken.by_group.entry(name).or_default() += 1;
        }
        Some(Self { of: Arc::clone(places), groups })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        taken.all -= 1;
        for name in &self.groups {
            let has = taken.by_group.remove(name).unwrap_or_default();
            if has > 1 {
                taken.by_group.insert(*name, has - 1);
            }
        }
    }
}

/// Its peer went before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl futures::Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_accept(cx).map(|connection| Some(Ok(connection)))
    }
}

/// A connection to a service.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    waiting: Option<Waiting>,
    _place: Place,
}

/// Until its peer has said enough.
#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl Connection {
    fn new(socket: TcpStream, place: Place, (time, left): (Duration, usize)) -> Self {
        // Messages are small: none waits for the next one to fill a packet. Without it, it is slower.
        drop(socket.set_nodelay(true));
        let waiting = Waiting { until: Box::pin(tokio::time::sleep(time)), left };
        Self { socket, waiting: Some(waiting), _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let Some(waiting) = &mut self.waiting else { return read };
        match read {
            Poll::Ready(Ok(())) => {
                waiting.left = waiting.left.saturating_sub(buffer.filled().len() - before);
                if waiting.left == 0 {
                    self.waiting = None;
                }
                read
            }
            Poll::Pending if waiting.until.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.socket.connect_info()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpSocket,
    };
    use tonic::service::Routes;

    const LONG: Duration = Duration::from_secs(60);
    /// More than lies between two steps of a test on a busy machine.
    const SHORT: Duration = Duration::from_secs(1);

    async fn listening(most: usize, waits: (Duration, usize)) -> (Connections, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Connections::new(listener, most, waits), address)
    }

    /// Until the other side has closed it, however.
    async fn closed(peer: &mut TcpStream) {
        let mut said = Vec::new();
        let _closed = tokio::time::timeout(LONG, peer.read_to_end(&mut said)).await.unwrap();
    }

    #[tokio::test]
    async fn connections_beyond_the_most_are_closed_and_one_that_ends_makes_room() {
        let (mut connections, address) = listening(2, (LONG, PREFACE)).await;
        let _first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        let (first, _kept) = (connections.accept().await, connections.accept().await);
        let serving = tokio::spawn(async move { connections.accept().await });
        closed(&mut third).await;
        drop(first);
        let fourth = TcpStream::connect(address).await.unwrap();
        let accepted = tokio::time::timeout(LONG, serving).await.unwrap().unwrap();
        assert_eq!(accepted.socket.peer_addr().unwrap(), fourth.local_addr().unwrap());
    }

    /// A service and its pages never take all files: the ledger needs some.
    #[test]
    fn connections_leave_files_for_what_else_is_open() {
        for files in [16, 256, 1_024, 4_096, 1 << 20] {
            let taken = share_of(Some(files), SHARE, MOST) + share_of(Some(files), PAGES_SHARE, PAGES);
            assert!(taken as u64 <= files / 8 * 7, "{taken} of {files}");
        }
        assert_eq!(share_of(Some(1 << 20), SHARE, MOST) + share_of(None, PAGES_SHARE, PAGES), MOST + PAGES);
    }

    /// From two addresses of this machine.
    #[tokio::test]
    async fn a_peer_that_takes_all_it_can_leaves_some_for_others() {
        let (mut connections, address) = listening(8, (LONG, PREFACE)).await;
        let connect = async |from: &str| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
            socket.connect(address).await.unwrap()
        };
        let mut greedy = Vec::new();
        for _ in 0..8 {
            greedy.push(connect("127.0.0.1").await);
        }
        let _other = connect("127.0.0.2").await;
        let mut accepted = Vec::new();
        for _ in 0..7 {
            accepted.push(tokio::time::timeout(LONG, connections.accept()).await.unwrap());
        }
        let of = |from: &str| {
            let peers = accepted.iter().map(|accepted| accepted.socket.peer_addr().unwrap().ip());
            peers.filter(|peer| peer.to_string() == from).count()
        };
        assert_eq!((of("127.0.0.1"), of("127.0.0.2")), (6, 1));
        for refused in &mut greedy[6..] {
            closed(refused).await;
        }
        // Nothing is kept of who is gone.
        accepted.clear();
        let taken = connections.places.lock();
        assert!(taken.all == 0 && taken.by_group.is_empty(), "{taken:?}");
    }

    #[test]
    fn a_peer_is_known_by_its_address_or_of_ipv6_by_its_network() {
        let same = |group: Group, one: &str, other: &str| {
            group.of(one.parse().unwrap()) == group.of(other.parse().unwrap())
        };
        assert!(same(PEER, "10.0.0.1", "::ffff:10.0.0.1") && !same(PEER, "10.0.0.1", "10.0.0.2"));
        assert!(same(PEER, "2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
        assert!(!same(PEER, "2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(same(NETWORK, "10.0.0.1", "::ffff:10.0.0.255") && !same(NETWORK, "10.0.0.1", "10.0.1.1"));
        assert!(same(NETWORK, "2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(!same(NETWORK, "2001:db8:0:1::1", "2001:db8:1:1::1"));
    }

    /// Each peer has a few connections, and they are many.
    #[test]
    fn a_network_whose_peers_take_all_they_can_leaves_some_for_others() {
        let places = |most: usize| Arc::new(Places { most, taken: Mutex::default() });
        let take = |places: &Arc<Places>, address: IpAddr| Place::take(places, address);
        let v4 = |network: u8, host: u8| IpAddr::from([10, 0, network, host]);
        let v6 = |site: u16, network: u16| IpAddr::from([0x2001, 0xdb8, site, network, 0, 0, 0, 1]);
        let networks: [fn(u8) -> IpAddr; 2] = [
            |number| IpAddr::from([10, 0, 0, number]),
            |number| IpAddr::from([0x2001, 0xdb8, 0, u16::from(number), 0, 0, 0, 1]),
        ];
        for of in networks {
            let places = places(800);
            let greedy: Vec<_> =
                (0..1_000_u32).filter_map(|number| take(&places, of(number as u8))).collect();
            assert_eq!(greedy.len(), 700);
            for other in [v4(1, 1), v6(1, 0)] {
                let others: Vec<_> = (0..50).map(|_| take(&places, other)).collect();
                assert!(others.iter().filter(|place| place.is_some()).count() >= 25, "{other}");
            }
        }
        // A peer that is alone has no less than before.
        let places = places(800);
        let alone: Vec<_> = (0..1_000).filter_map(|_| take(&places, v4(0, 1))).collect();
        assert_eq!(alone.len(), 600);
    }

    /// Who stops within the first bytes is let go; who has said them may be silent for as long as it likes.
    #[tokio::test]
    async fn who_says_nothing_at_first_is_not_waited_for() {
        let (connections, address) = listening(8, (SHORT, PREFACE)).await;
        tokio::spawn(server().add_routes(Routes::default()).serve_with_incoming(connections));
        let mut speaks = TcpStream::connect(address).await.unwrap();
        // The preface, and settings without any.
        speaks.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        for begins in ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(begins.as_bytes()).await.unwrap();
            closed(&mut silent).await;
        }
        // A ping with eight bytes, and the head of its answer.
        speaks.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
        let (answer, mut heard) = ([0_u8, 0, 8, 6, 1, 0, 0, 0, 0], Vec::new());
        while !heard.windows(answer.len()).any(|part| part == answer) {
            let read = tokio::time::timeout(LONG, speaks.read_buf(&mut heard)).await.unwrap().unwrap();
            assert_ne!(read, 0, "it was closed: {heard:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_to_a_page_ends_however_much_is_said() {
        let (mut connections, address) = listening(8, (SHORT, usize::MAX)).await;
        let mut peer = TcpStream::connect(address).await.unwrap();
        let mut connection = connections.accept().await;
        peer.write_all(&[b'a'; 1000]).await.unwrap();
        connection.read_exact(&mut [0; 1000]).await.unwrap();
        let ended = tokio::time::timeout(LONG, connection.read(&mut [0])).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
