//! Running the binary.

use proofmill_devnet::{Description, DevKeys};
use proofmill_localnet::{ANVIL_ENV, locate_anvil};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use url::Url;

/// Names another binary than the one that cargo builds for the tests, which proves with `exec` alone.
const BINARY_ENV: &str = "PROOFMILL_TEST_BINARY";

/// For how long something is waited for that must come: long enough where the machine does much else, or its disk stands still for a
/// minute. Only a test that fails takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// The binary with a data folder, and without whatever settings the environment holds.
pub(crate) fn proofmill(data: &Path) -> Command {
    let built = env!("CARGO_BIN_EXE_proofmill");
    let mut command = Command::new(std::env::var_os(BINARY_ENV).unwrap_or_else(|| built.into()));
    command.current_dir(data).env("PROOFMILL_DATA_DIR", data.join("data")).env("PROOFMILL_LOG", "info");
    // The tests run elsewhere than in the checkout, where npm installed it.
    command.env(ANVIL_ENV, locate_anvil().unwrap());
    for name in ["WORKER_MAX_WEIGHT_OVERRIDE", "CLI_CLUSTER_RPC", "L2_RPC", "PROOFMILL_SETTINGS"] {
        command.env_remove(name);
    }
    command
}

/// The binary with a second prover type and an `exec` that can be held, which is built beside this one for tests.
pub(crate) fn stand_in() -> PathBuf {
    let ours = Path::new(env!("CARGO_BIN_EXE_proofmill"));
    let there = ours.parent().unwrap().join("examples/stand_in");
    assert!(there.is_file(), "{}: build it with `cargo build -p proofmill --examples`", there.display());
    there
}

/// Another binary in the folder and the environment of a command, whose words are not taken.
pub(crate) fn like(command: &Command, binary: &Path) -> Command {
    let mut other = Command::new(binary);
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => other.env(variable, value),
            None => other.env_remove(variable),
        };
    }
    other
}

/// Runs to the end and gives what it said.
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Runs to the end, which must be a success, and gives its standard output.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = output(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs again until it is a success, and gives its standard output: who asks a role for its status waits ten seconds for it, and the
/// machine may stand still for longer.
#[track_caller]
pub(crate) fn told(command: &mut Command) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let output = output(command);
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap();
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(Instant::now() < end, "{command:?} failed:\n{stderr}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs to the end, which must be a failure that is neither a panic nor a signal, and gives what it said.
#[track_caller]
pub(crate) fn fail(command: &mut Command) -> String {
    let output = output(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 2)), "{command:?} ended with {code:?}:\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// A process that is ended with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        Self(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits until it ends by itself; gives its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait("it to end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// As `kill` does; gives whether it then ended, and well.
    pub(crate) fn terminate(&mut self) -> bool {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Local chains, by `localnet` with the flags of this command, once they are there.
pub(crate) fn chains(localnet: &mut Command, log: &Path) -> (Running, Description) {
    let running = Running::start(localnet, log);
    let file = localnet.get_current_dir().unwrap().join("data/localnet.json");
    wait("the chains", || matches!(Description::read(&file), Ok(Some(_))));
    (running, Description::read(&file).unwrap().unwrap())
}

/// A port that nobody listens on, and that no other test is given.
pub(crate) fn free_port() -> u16 {
    proofmill_localstore::free_port().unwrap()
}

/// Sends a few transactions to L2. Loads with different seeds do not get in each other's way.
pub(crate) fn load(command: &mut Command, l2: &Url, seed: u64) -> Output {
    command.args(["load", "--rpc-url", l2.as_str(), "--accounts", "2", "--transactions", "2"]);
    command.args(["--seed", &seed.to_string()]);
    command.env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
    output(command)
}

/// How many epochs a prover node has settled, by its log.
pub(crate) fn settled(log: &str) -> usize {
    log.lines().filter(|line| line.contains(" session ") && line.contains("completed")).count()
}

/// Waits until `done`, or fails with what was waited for.
#[track_caller]
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A cluster on a free port.
pub(crate) fn cluster(data: &Path, port: u16) -> (Running, String) {
    let listen = format!("127.0.0.1:{port}");
    let running =
        Running::start(proofmill(data).args(["cluster", "--listen", &listen]), &data.join("cluster.log"));
    let address = format!("http://{listen}");
    let status = || output(proofmill(data).args(["status", "--cluster", &address])).status.success();
    wait("the cluster to answer", status);
    (running, address)
}

/// A worker of a cluster.
pub(crate) fn worker(data: &Path, address: &str, id: &str) -> Running {
    let args = ["worker", "--coordinator", address, "--prover", "exec", "--id", id, "--max-weight", "6"];
    Running::start(proofmill(data).args(args), &data.join(format!("{id}.log")))
}
