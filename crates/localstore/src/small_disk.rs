//! A file system without space: a test that runs once more inside a mount namespace of its own, on a small tmpfs.

use proofmill_skipped::skipped;
use std::{env, io, path::PathBuf, process::Command};

const FOLDER: &str = "PROOFMILL_TEST_SMALL_DISK";

/// The small file system, for a test that was started by [`on_small_disk`]; none for any other.
pub fn small_disk() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs a test of this binary, one that is ignored otherwise, on a file system of so many MB. What it printed; none, with a message,
/// where this user may not mount one.
///
/// # Errors
/// The test failed.
pub fn on_small_disk(test: &str, megabytes: u32) -> io::Result<Option<String>> {
    let folder = tempfile::tempdir()?;
    let mount = format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" || exit 77; exec \"$@\"");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
        .arg(folder.path())
        .arg(env::current_exe()?)
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            skipped(format!("cannot run unshare ({error})"));
            return Ok(None);
        }
    };
    let [said, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if !said.contains("running ") {
        skipped(format!("cannot mount a tmpfs here: {}", errors.trim()));
        return Ok(None);
    }
    if !output.status.success() {
        return Err(io::Error::other(format!("{said}{errors}")));
    }
    Ok(Some(said))
}
