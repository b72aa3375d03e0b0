//! A `redis-server`.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to answer for the first time, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(300);

/// A `redis-server` on a free port of this machine. Every write is in a file before it is answered for a second, so that it is
/// there again after a restart. Ends with this value.
#[derive(Debug)]
pub struct LocalRedis {
    folder: TempDir,
    port: u16,
    password: String,
    options: Vec<String>,
    child: Option<Child>,
}

impl LocalRedis {
    /// Whether this machine has a `redis-server`.
    pub fn is_there() -> bool {
        let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    }

    /// Starts one with options of its command line (`--maxmemory`, `100mb`).
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let mut server = Self {
            folder: tempfile::tempdir()?,
            port: super::free_port()?,
            password: "of-this-test".to_owned(),
            options: options.iter().map(ToString::to_string).collect(),
            child: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// `redis://:password@127.0.0.1:port/0`.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// Where it listens on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, without giving it time for anything. Whoever is connected notices.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port, with what it had.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.stop();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--requirepass", &self.password])
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        let until = Instant::now() + PATIENCE;
        while !self.answers() {
            if Instant::now() > until {
                return Err(io::Error::other(format!("redis-server does not answer within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(format!("AUTH {}\r\nPING\r\n", self.password).as_bytes())?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(&answer == b"+OK\r\n+PONG\r\n")
        };
        ask().unwrap_or(false)
    }
}

impl Drop for LocalRedis {
    fn drop(&mut self) {
        self.stop();
    }
}
