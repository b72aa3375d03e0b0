//! A revision of the repository: copied out of git, and built.

use super::session::Session;
use crate::dev::{Orphan, Role};
use eyre::{Result, WrapErr, bail};
use proofmill_primitives::ProverType;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const BUILD: &str = "build";

/// A commit.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    repository: PathBuf,
    pub(super) commit: String,
    /// As it was named, and which commit that is.
    pub(super) name: String,
}

impl Revision {
    /// The commit that is meant.
    pub(super) fn find(repository: &Path, named: &str) -> Result<Self> {
        let output = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{named}^{{commit}}")])
            .stdin(Stdio::null())
            .output()
            .wrap_err("cannot run git, which finds the revision: install it, or leave --git-ref out")?;
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || commit.is_empty() {
            let (said, folder) = (String::from_utf8_lossy(&output.stderr), repository.display());
            bail!(
                "there is no revision `{named}` in {folder} (--repository): name a branch, a tag or a commit that `git -C {folder} \
                 rev-parse` knows{}",
                said.lines().next().map(|line| format!("; git says: {line}")).unwrap_or_default()
            );
        }
        let name = format!("{named} ({})", commit.get(..12).unwrap_or(&commit));
        Ok(Self { repository: repository.to_owned(), commit, name })
    }

    /// Writes its files as a tar archive.
    pub(super) fn archive(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.repository).args(["archive", "--format=tar", &self.commit]);
        command.stdin(Stdio::null());
        command
    }

    /// Copies its files into a folder.
    fn copy_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
        let mut git = self.archive().stdout(Stdio::piped()).spawn().wrap_err("cannot run git")?;
        let mut tar = Command::new("tar");
        tar.arg("-x").arg("-C").arg(folder);
        if let Some(stdout) = git.stdout.take() {
            tar.stdin(stdout);
        }
        let unpacked = tar.status().wrap_err("cannot run tar")?;
        if !git.wait()?.success() || !unpacked.success() {
            bail!("the files of {} could not be copied to {}", self.name, folder.display());
        }
        Ok(())
    }
}

impl Session<'_> {
    /// Builds the revision, and has it play all parts.
    pub(super) async fn build(&mut self) -> Result<()> {
        let source = match (&self.run.git_ref, &self.run.source) {
            (Some(named), _) => {
                let revision = Revision::find(&self.run.repository, named)?;
                let folder = self.work().join("source");
                revision.copy_to(&folder)?;
                self.revision = revision.name;
                folder
            }
            (None, Some(folder)) => {
                self.revision = self.run.revision.clone().unwrap_or_default();
                fs::canonicalize(folder).wrap_err_with(|| format!("cannot find {}", folder.display()))?
            }
            (None, None) => return Ok(()),
        };
        // Kept: what revisions have in common is built once.
        let target = self.root.join("target");
        let (package, binary, features) = match self.prover {
            ProverType::Sp1 => ("sp1", "proofmill-sp1", None),
            ProverType::OpenVm => ("", "proofmill", Some("openvm")),
            ProverType::Exec => ("", "proofmill", None),
        };
        // In its folder: its own toolchain and settings of cargo are there.
        let mut words = vec![
            format!("--chdir={}", source.join(package).display()),
            "cargo".into(),
            "build".into(),
            "--release".into(),
        ];
        words.extend(["--package".into(), binary.into()]);
        words.extend(features.map(|features| format!("--features={features}")));
        let environment = vec![("CARGO_TARGET_DIR", target.display().to_string())];
        let role = Role { name: BUILD.to_owned(), binary: Some("env".into()), words, environment };
        self.processes.start(&self.launcher.of_others(), &role, Orphan::Ends)?;
        while !self.processes.has_ended(BUILD)? {
            self.live.progress(format!(
                "building {}: see {}",
                self.revision,
                self.launcher.log(BUILD).display()
            ));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let built = target.join("release").join(binary);
        if !built.is_file() {
            bail!("{} was built, and there is no {}", self.revision, built.display());
        }
        self.binary = Some(built);
        Ok(())
    }
}
