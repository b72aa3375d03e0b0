//! A Postgres server.

use proofmill_skipped::skipped;
use std::{
    env, fs, io,
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to answer for the first time, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(300);
/// Whom a server runs as where we are root, which it refuses to be: `nobody`, who owns nothing else.
const NOBODY: u32 = 65_534;

const USER: &str = "proofmill";
const PASSWORD: &str = "of-this-test";

/// A Postgres server on a free port of this machine, with a database of its own. Ends with this value.
#[derive(Debug)]
pub struct LocalPostgres {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl LocalPostgres {
    /// Whether this machine has Postgres.
    pub fn is_there() -> bool {
        binaries().is_some()
    }

    /// A server for a test; none, with a message, where this machine has no Postgres.
    ///
    /// # Errors
    /// It cannot be started, or it does not answer.
    pub fn start_or_skip() -> io::Result<Option<Self>> {
        if Self::is_there() {
            return Self::start().map(Some);
        }
        skipped("this machine has no Postgres (scripts/setup.sh installs it)");
        Ok(None)
    }

    /// Makes a database and starts its server.
    ///
    /// # Errors
    /// There is no Postgres on this machine, it cannot be started, or it does not answer.
    pub fn start() -> io::Result<Self> {
        let missing = || io::Error::other("this machine has no Postgres: install the package `postgresql`");
        let binaries = binaries().ok_or_else(missing)?;
        let folder = tempfile::tempdir()?;
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD)?;
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
            chown(&password, Some(NOBODY), Some(NOBODY))?;
        }
        let mut server = Self { folder, binaries, port: super::free_port()?, child: None };
        let made = server
            .command("initdb")
            .args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"])
            .arg("--pwfile")
            .arg(password)
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))));
        }
        server.start_again()?;
        Ok(server)
    }

    /// `postgres://user:password@127.0.0.1:port/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it listens on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash does: connections are cut, and what was committed is there again after a start.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT; SIGKILL would leave its processes behind.
            let told = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            if !told.is_ok_and(|status| status.success()) {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port, with what it had.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.stop();
        let log = fs::File::create(self.folder.path().join("log"))?;
        let child = self
            .command("postgres")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", "", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        let until = Instant::now() + PATIENCE;
        while !self.answers() {
            if Instant::now() > until {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("postgres does not answer within {PATIENCE:?}: {log}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// One of its programs, on its data, and as somebody that it takes.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// It writes its state into this file when it takes connections.
    fn answers(&self) -> bool {
        let file = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        file.contains("ready") && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder with the server's programs: one of `PATH`, or the newest of Debian's.
fn binaries() -> Option<PathBuf> {
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = env::split_paths(&path).find(|folder| has(folder)) {
        return Some(folder);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |entry: &fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
    let newest = versions.flatten().filter(|entry| has(&entry.path().join("bin"))).max_by_key(number)?;
    Some(newest.path().join("bin"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
