//! `proofmill bench run --server`: over a real ssh to this machine, by a throw-away sshd with keys of its own.

use crate::{
    process::{Running, free_port, proofmill, wait},
    sessions::{folder, processes, session},
};
use proofmill_localstore::skipped;
use std::{
    fs,
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// An sshd that lets one key in, to a home of its own.
struct Sshd {
    home: PathBuf,
    config: PathBuf,
    _running: Running,
}

fn run(program: &str, words: &[&str]) {
    let status =
        Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} {words:?}");
}

fn keygen(file: &Path) {
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()]);
}

impl Sshd {
    fn start(data: &Path) -> Option<Self> {
        let sshd =
            ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            skipped("sshd is not on this machine (Debian's package `openssh-server`)");
            return None;
        };
        // Where it runs as root it insists on this folder, which the system makes for its service.
        drop(fs::create_dir_all("/run/sshd"));
        let (home, at) = (data.join("home"), |name: &str| data.join(name).display().to_string());
        fs::create_dir(&home).unwrap();
        // As profiles do: it says something, and sets the path.
        fs::write(home.join(".profile"), "echo welcome\nexport PATH=\"$PATH:/from/profile\"\n").unwrap();
        for key in ["host", "known", "unknown"] {
            keygen(&data.join(key));
        }
        let port = free_port();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv HOME={} SHELL=/bin/sh\n",
            at("host"),
            at("known.pub"),
            home.display()
        );
        fs::write(data.join("sshd_config"), settings).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f", &at("sshd_config")]);
        let running = Running::start(&mut command, &data.join("sshd.log"));
        wait("sshd", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let host_key = fs::read_to_string(data.join("host.pub")).unwrap();
        fs::write(data.join("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let host = |name: &str, port: u16, key: &str, hosts: &str| {
            format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
                at(key),
                at(hosts)
            )
        };
        let hosts = [
            host("there", port, "known", "known_hosts"),
            host("locked", port, "unknown", "known_hosts"),
            host("stranger", port, "known", "no_hosts"),
            host("closed", free_port(), "known", "known_hosts"),
            "Host *\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n  GlobalKnownHostsFile /dev/null\n"
                .to_owned(),
        ];
        let config = data.join("ssh_config");
        fs::write(&config, hosts.concat()).unwrap();
        Some(Self { home, config, _running: running })
    }

    fn session(&self, data: &Path, name: &str, server: &str, words: &[&str]) -> Command {
        let mut command = session(data, name, words);
        // The server has no anvil: it is copied, too.
        command.args(["--server", server, "--ssh-config", self.config.to_str().unwrap()]);
        command
    }

    /// Only what was in the home before.
    #[track_caller]
    fn nothing_is_left(&self) {
        let names: Vec<_> =
            fs::read_dir(&self.home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [".profile"]);
        let left = processes(&self.home);
        assert!(left.is_empty(), "{left:?}");
    }
}

fn ended(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_session_on_a_server_brings_its_report_home() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let Some(sshd) = Sshd::start(data) else { return };
    let keys = ["11", "22", "33"].map(|byte| byte.repeat(32) + "\n").concat();
    fs::write(data.join("keys.txt"), &keys).unwrap();
    let words = ["--batches", "2", "--account-keys", "keys.txt"];
    let run = ended(&mut sshd.session(data, "far", "there", &words));
    let (said, shown) = (String::from_utf8_lossy(&run.stderr), String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{said}");
    assert!(shown.contains("# Proving times: far") && shown.contains("| provers | 1 × exec"), "{shown}");
    assert!(said.contains("nothing of the session is left on there"), "{said}");
    assert!(shown.contains("by each of 3 accounts"), "{shown}");
    for file in ["report.json", "report.md", "report.svg", "logs/prover-1.log", "logs/coordinator.log"] {
        assert!(folder(data, "far").join(file).exists(), "{file}");
    }
    assert!(!folder(data, "far").join("bin").exists() && !folder(data, "far").join("environment").exists());
    sshd.nothing_is_left();
    let compared =
        proofmill(data).args(["bench", "compare", "data/bench/far", "data/bench/far"]).output().unwrap();
    assert!(String::from_utf8_lossy(&compared.stdout).contains("exec: "), "{compared:?}");
}

#[test]
fn a_session_on_a_server_ends_with_who_asked_for_it() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let Some(sshd) = Sshd::start(data) else { return };
    let log = data.join("far.log");
    let start = |name: &str| {
        let file = fs::File::create(&log).unwrap();
        let mut command = sshd.session(data, name, "there", &["--batches", "500"]);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let running = command.spawn().unwrap();
        wait("provers", || fs::read_to_string(&log).unwrap().contains("starting the provers"));
        // There may be keys in it.
        assert!(!sshd.home.join("proofmill-bench/brought").join(name).join("environment").exists());
        running
    };
    let mut stopped = start("stopped");
    run("kill", &["-INT", &stopped.id().to_string()]);
    assert!(!stopped.wait().unwrap().success());
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("telling the session on there to end"), "{said}");
    assert!(
        said.contains("nothing is left: no process")
            && said.contains("nothing of the session is left on there"),
        "{said}"
    );
    assert!(folder(data, "stopped").join("logs/l2.log").exists());
    sshd.nothing_is_left();

    // Who is killed cannot tell it: the session notices, and ends what it started. Its logs stay there.
    let mut killed = start("killed");
    killed.kill().unwrap();
    killed.wait().unwrap();
    wait("the session there to end", || processes(&sshd.home).is_empty());
    assert!(!sshd.home.join("proofmill-bench/data/bench/killed/work").exists());
    assert!(sshd.home.join("proofmill-bench/data/bench/killed/logs").exists());
    assert!(!sshd.home.join("proofmill-bench/brought/killed").exists(), "what was copied there");
}

#[test]
fn a_server_that_does_not_let_in_says_what_to_do() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let Some(sshd) = Sshd::start(data) else { return };
    for (server, remedy) in [
        ("closed", "nothing listens there for ssh"),
        ("locked", "ssh-copy-id"),
        ("stranger", "connect once by hand and check it"),
        ("no-such-host.invalid", "the name is not known"),
        ("-oProxyCommand=true", "no name of a server"),
    ] {
        let mut command = proofmill(data);
        command.args(["bench", "run", "--prover", "exec", "--ssh-config", sshd.config.to_str().unwrap()]);
        let run = ended(command.arg(format!("--server={server}")));
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains(remedy), "{server}: {said}");
    }
    sshd.nothing_is_left();
}
