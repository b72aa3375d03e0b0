//! A session on a server: this binary is copied there by ssh, runs it there, and the results come back.

use super::{live::Live, source::Revision};
use crate::{cli, keys};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_bench::remote::{in_login_shell, in_shell, quoted, trouble};
use proofmill_ledger::DataDir;
use proofmill_loadgen::AccountKeys;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command as AsyncCommand},
};
use tokio_util::sync::CancellationToken;

/// The folder of all sessions, under the home of the user on the server.
const ROOT: &str = "proofmill-bench";
/// How long a session that was told to end may take.
const GOODBYE: Duration = Duration::from_secs(90);
/// The file with the keys of the accounts that send, among what is copied.
const ACCOUNTS: &str = "account-keys";
/// ssh's own exit status where it does not come through.
const NOT_THROUGH: i32 = 255;

/// A server that is reached by ssh.
struct Server<'a> {
    name: &'a str,
    config: Option<&'a Path>,
}

/// The folders of a session on a server.
struct Folders {
    /// Of all sessions.
    root: String,
    /// What is copied there.
    brought: String,
    /// The data folder of all sessions.
    data: String,
    /// Logs and report.
    results: String,
}

impl Folders {
    fn of(home: &str, name: &str) -> Self {
        let root = format!("{home}/{ROOT}");
        let data = format!("{root}/data");
        Self {
            brought: format!("{root}/brought/{name}"),
            results: format!("{data}/bench/{name}"),
            data,
            root,
        }
    }
}

/// What is known of a server.
struct Known {
    home: String,
    has_anvil: bool,
}

/// Runs a session on a server.
pub(super) async fn run(
    global: &cli::Global,
    run: &cli::Run,
    name: &str,
    stop: &CancellationToken,
) -> Result<()> {
    if name.starts_with('-') {
        bail!("`{name}` is no name of a server: it would be taken as an option of ssh");
    }
    DataDir::mark(&global.data_dir)?;
    let results = global.data_dir.join("bench").join(run.name());
    if results.join("report.json").exists() {
        bail!("{} has a report already: choose another --name", results.display());
    }
    run.account_keys.as_deref().map(AccountKeys::from_file).transpose()?;
    let revision = run.git_ref.as_ref().map(|named| Revision::find(&run.repository, named)).transpose()?;
    let mut live = Live::new();
    let server = Server { name, config: run.ssh_config.as_deref() };
    live.line(&format!("looking at {name}"));
    let known = tokio::select! {
        known = server.look() => known?,
        // A profile may wait for somebody.
        () = stop.cancelled() => bail!("stopped before the session began"),
    };
    let there = Folders::of(&known.home, run.name());
    live.line(&format!("copying to {name}:{}", there.brought));
    // What is copied halfway is removed, too.
    let outcome = tokio::select! {
        outcome = server.measure(global, run, &known, &there, revision.as_ref(), &mut live) => outcome,
        () = stop.cancelled() => Err(eyre!("stopped before the session began")),
    };
    let outcome = match outcome {
        // One that may still run is not cleaned up behind its back.
        Ok(session) => finish(session, name, stop, &live).await?,
        Err(error) => Err(error),
    };
    // What could not be fetched is not removed.
    if server.fetch(&there.results, &results).await? {
        live.line(&format!("logs and report are in {}", results.display()));
    }
    let cleaned = server.clean_up(&there).await;
    if cleaned.is_ok() {
        let kept = if run.keep_l1 { ", but what keeps L1" } else { "" };
        live.line(&format!("nothing of the session is left on {name}{kept}"));
    }
    live.end();
    outcome.and(cleaned)
}

/// Waits for the session, and gives how it ended. One that is to stop sees that its input ends.
///
/// # Errors
/// It is not known whether it has ended.
async fn finish(mut session: Child, name: &str, stop: &CancellationToken, live: &Live) -> Result<Result<()>> {
    // Waiting would close it, which tells the session to end.
    let held = session.stdin.take();
    let status = tokio::select! {
        status = session.wait() => status,
        () = stop.cancelled() => {
            live.line(&format!("telling the session on {name} to end"));
            drop(held);
            match tokio::time::timeout(GOODBYE, session.wait()).await {
                Ok(status) => status,
                Err(_) => bail!("the session on {name} does not end within {} s: look after it there", GOODBYE.as_secs()),
            }
        }
    };
    match status?.code() {
        Some(0) => Ok(Ok(())),
        Some(NOT_THROUGH) => bail!(
            "the connection to {name} broke: the session there notices, and ends everything; run it again, or look after it there"
        ),
        _ => Ok(Err(eyre!("the session on {name} failed: see above, and its logs"))),
    }
}

impl Server<'_> {
    /// ssh, which never asks anybody anything, and notices a connection that is dead.
    fn ssh(&self, command: &str) -> AsyncCommand {
        let mut ssh = AsyncCommand::new("ssh");
        for option in ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3"]
        {
            ssh.arg("-o").arg(option);
        }
        if let Some(config) = self.config {
            ssh.arg("-F").arg(config);
        }
        ssh.arg("-T").arg("--").arg(self.name).arg(command).kill_on_drop(true);
        // Ctrl-C is this process's to deal with.
        ssh.process_group(0);
        ssh
    }

    /// Runs a script there to its end.
    async fn ask(&self, command: &str) -> Result<Output> {
        let output =
            self.ssh(command).stdin(Stdio::null()).output().await.wrap_err("cannot run ssh: install it")?;
        if output.status.code() == Some(NOT_THROUGH) {
            bail!(trouble(self.name, &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(output)
    }

    /// Where the home is, and whether this binary can run there.
    async fn look(&self) -> Result<Known> {
        // After a word of its own: a profile may print something, too.
        let script = "printf '\\nproofmill-bench %s %s %s\\n' \"$(uname -sm | tr ' ' -)\" \
                      \"$(command -v anvil >/dev/null && echo yes || echo no)\" \"$HOME\"";
        let output = self.ask(&in_login_shell(script)).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut words = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("proofmill-bench "))
            .ok_or_else(|| {
                let error = String::from_utf8_lossy(&output.stderr);
                eyre!("no command runs in the login shell of {}: {}", self.name, error.trim())
            })?
            .splitn(3, ' ');
        let (machine, anvil, home) = (words.next(), words.next(), words.next());
        let here = format!("{}-{}", capital(env::consts::OS), env::consts::ARCH);
        if machine != Some(&here) {
            bail!(
                "{} is {}, and this binary is for {here}: build Proofmill there, and run `proofmill bench run` on it",
                self.name,
                machine.unwrap_or("unknown")
            );
        }
        Ok(Known { home: home.unwrap_or_default().to_owned(), has_anvil: anvil == Some("yes") })
    }

    /// Copies what is needed, and starts the session.
    async fn measure(
        &self,
        global: &cli::Global,
        run: &cli::Run,
        known: &Known,
        there: &Folders,
        revision: Option<&Revision>,
        live: &mut Live,
    ) -> Result<Child> {
        let (folder, bin) = (&there.brought, format!("{}/bin", there.brought));
        let own = env::current_exe().wrap_err("cannot find this program's own file")?;
        let mut files = vec![own.clone()];
        // The other binaries, where this one finds them: their prover types are there, too.
        let beside = ["proofmill", "proofmill-sp1"].map(|other| own.with_file_name(other));
        files.extend(beside.into_iter().filter(|file| file.is_file() && *file != own));
        if !known.has_anvil && run.l2_rpc.is_none() {
            files.push(proofmill_localnet::locate_anvil()?);
        }
        for file in &files {
            self.send(&pack(file)?, &bin).await?;
        }
        let mut words = words(run, global);
        if let Some(revision) = revision {
            live.line(&format!("copying {}", revision.name));
            let source = format!("{folder}/source");
            self.send_from(revision.archive(), &source).await?;
            words.push(format!("--source={source}"));
            words.push(format!("--revision={}", revision.name));
        }
        words.extend(run.account_keys.as_ref().map(|_| format!("--account-keys={folder}/{ACCOUNTS}")));
        self.keep_secrets(run, folder).await?;
        let own_name = own.file_name().unwrap_or_default().to_string_lossy();
        let mut line = format!("cd {} && . ./environment && rm environment && ", quoted(folder));
        if !known.has_anvil {
            let anvil = files.last().and_then(|file| file.file_name()).unwrap_or_default().to_string_lossy();
            line += &format!("export PROOFMILL_ANVIL={} && ", quoted(&format!("{bin}/{anvil}")));
        }
        line +=
            &format!("{} --data-dir={} bench run", quoted(&format!("{bin}/{own_name}")), quoted(&there.data));
        for word in &words {
            line.push(' ');
            line += &quoted(word);
        }
        // Also where nobody here is left to say so.
        line += &format!("; ended=$?; cd / && rm -rf {}; exit $ended", quoted(folder));
        self.ssh(&in_login_shell(&line)).stdin(Stdio::piped()).spawn().wrap_err("cannot run ssh")
    }

    /// What may be a key comes neither into a command line, which every user of the server sees, nor into the results.
    async fn keep_secrets(&self, run: &cli::Run, folder: &str) -> Result<()> {
        let secrets = [
            ("PROOFMILL_BENCH_L1_RPC", run.l1_rpc.as_ref().map(ToString::to_string)),
            ("PROOFMILL_BENCH_L2_RPC", run.l2_rpc.as_ref().map(ToString::to_string)),
            ("PROOFMILL_BENCH_L2_METRICS", run.l2_metrics.as_ref().map(ToString::to_string)),
            (keys::LOAD_KEY, env::var(keys::LOAD_KEY).ok()),
        ];
        let lines = secrets
            .into_iter()
            .filter_map(|(name, value)| Some(format!("export {name}={}\n", quoted(&value?))));
        self.write(folder, "environment", lines.collect::<String>().as_bytes()).await?;
        if let Some(file) = &run.account_keys {
            let keys = fs::read(file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
            self.write(folder, ACCOUNTS, &keys).await?;
        }
        Ok(())
    }

    /// A file that nobody else reads there.
    async fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let write = format!("mkdir -p {0} && umask 077 && cat > {0}/{name}", quoted(folder));
        let mut ssh = self.ssh(&in_shell(&write)).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = ssh.stdin.take() {
            // Where it has ended, it says why.
            drop(input.write_all(bytes).await);
        }
        let output = ssh.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => Ok(()),
            Some(NOT_THROUGH) => bail!(trouble(self.name, &said)),
            _ => bail!("{folder}/{name} on {} cannot be written: {}", self.name, said.trim()),
        }
    }

    async fn send(&self, file: &Packed, folder: &str) -> Result<()> {
        let mut tar = Command::new("tar");
        tar.arg("-c").arg("-h").arg("-C").arg(&file.folder).arg("--").arg(&file.name).stdin(Stdio::null());
        self.send_from(tar, folder).await
    }

    /// Has the server unpack an archive that a command here writes.
    async fn send_from(&self, archive: Command, folder: &str) -> Result<()> {
        let mut writer = AsyncCommand::from(archive).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let archive: Stdio = writer.stdout.take().ok_or_else(|| eyre!("it has no output"))?.try_into()?;
        let unpack = format!("mkdir -p {0} && tar -x -C {0}", quoted(folder));
        let output = self.ssh(&in_shell(&unpack)).stdin(archive).output().await.wrap_err("cannot run ssh")?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) if writer.wait().await?.success() => Ok(()),
            Some(NOT_THROUGH) => bail!(trouble(self.name, &said)),
            _ => bail!("{} did not take what was copied to {folder}: {}", self.name, said.trim()),
        }
    }

    /// Copies logs and report here; whether there are any.
    async fn fetch(&self, folder: &str, results: &Path) -> Result<bool> {
        let pack = format!("test -d {0}/logs && tar -c -C {0} --exclude=./work .", quoted(folder));
        let mut ssh = self
            .ssh(&in_shell(&pack))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let archive: Stdio = ssh.stdout.take().ok_or_else(|| eyre!("ssh has no output"))?.try_into()?;
        fs::create_dir_all(results)
            .wrap_err_with(|| format!("cannot make the folder {}", results.display()))?;
        let mut unpack = AsyncCommand::new("tar");
        // What has come so far is no report: Ctrl-C is this process's to deal with.
        unpack.process_group(0);
        unpack.arg("-x").arg("-C").arg(results).stdin(archive).stderr(Stdio::null());
        let unpacked = unpack.status().await.wrap_err("cannot run tar")?;
        match ssh.wait().await?.code() {
            // 1: a file changed meanwhile.
            Some(0 | 1) if unpacked.success() => Ok(true),
            // It did not come so far that there are logs.
            Some(1) => {
                drop(fs::remove_dir(results));
                Ok(false)
            }
            _ => bail!("the results could not be copied from {}:{folder}: they are still there", self.name),
        }
    }

    /// Removes what the session left there, and the folder of all sessions where nothing else is in it.
    async fn clean_up(&self, there: &Folders) -> Result<()> {
        let [root, brought, data, results] =
            [&there.root, &there.brought, &there.data, &there.results].map(|folder| quoted(folder));
        // Other sessions' results and a kept L1 stay. Build results stay with a kept L1.
        let script = format!(
            "rm -rf {brought} {results} && if [ ! -e {data}/bench/l1.json ] && \
             [ -z \"$(find {root}/brought {data}/bench -mindepth 1 -maxdepth 1 -type d ! -name target 2>/dev/null)\" ]; \
             then rm -rf {root}; fi"
        );
        let output = self.ask(&in_shell(&script)).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}:{brought} could not be removed: {}", self.name, said.trim());
        }
        Ok(())
    }
}

/// A file to be copied.
struct Packed {
    folder: PathBuf,
    name: std::ffi::OsString,
}

fn pack(file: &Path) -> Result<Packed> {
    match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => Ok(Packed { folder: folder.to_owned(), name: name.to_owned() }),
        _ => bail!("{} is no file", file.display()),
    }
}

/// As `uname` writes it.
fn capital(os: &str) -> String {
    let mut letters = os.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What the session there is told: what was given here, and that it ends when nobody here holds its input open.
fn words(run: &cli::Run, global: &cli::Global) -> Vec<String> {
    let mut words = vec![
        "--settings=/dev/null".to_owned(),
        format!("--log-filter={}", global.log_filter),
        "--ends-with-input".to_owned(),
        format!("--name={}", run.name()),
        format!(
            "--gpu={}",
            match run.gpu() {
                proofmill_bench::steps::Gpu::IfThere => "auto",
                proofmill_bench::steps::Gpu::Needed => "yes",
                proofmill_bench::steps::Gpu::Hidden => "no",
            }
        ),
        format!("--provers={}", run.provers),
        format!("--batches={}", run.batches()),
        format!("--timeout={}", run.timeout),
        format!("--slot-seconds={}", run.slot_seconds),
        format!("--kind={}", run.kind()),
        format!("--transactions={}", run.transactions()),
        format!("--endless={}", run.is_endless()),
        format!("--l2-port={}", run.l2_port),
        format!("--metrics-port={}", run.metrics_port),
        format!("--l2-mempool-limit={}", run.l2_mempool_limit),
    ];
    let optional = [
        ("--prover", run.prover.map(|prover| prover.to_string())),
        ("--rollup", run.rollup.map(|rollup| rollup.to_string())),
    ];
    words.extend(optional.into_iter().filter_map(|(flag, value)| Some(format!("{flag}={}", value?))));
    // Those of a file are copied.
    words.extend(run.account_keys.is_none().then(|| format!("--accounts={}", run.accounts)));
    words.extend(run.keep_l1.then(|| "--keep-l1".to_owned()));
    words
}
