//! How a test says that it does nothing on this machine, for want of data, of a server or of a right.
//!
//! A test runner keeps to itself what tests print that pass. So the line goes into a file too, where [`FILE`] names one:
//! `scripts/test.sh` shows what is in it at its end.

use std::{
    env, fmt,
    fs::File,
    io::{self, Write},
    path::Path,
    thread,
};

/// The variable that names the file.
pub const FILE: &str = "PROOFMILL_TEST_SKIPPED";

/// Says that a test does nothing here, and why.
pub fn skipped(why: impl fmt::Display) {
    let test = thread::current();
    let line = format!("skipped: {}: {why}\n", test.name().unwrap_or("a test"));
    // There may be the name of the test on the line. And not by `eprintln`, which the test runner takes.
    let _ = io::stderr().write_all(format!("\n{line}").as_bytes());
    if let Some(path) = env::var_os(FILE)
        && let Err(error) = append(path.as_ref(), &line)
    {
        panic!("{FILE} names {}, which cannot be written: {error}", path.display());
    }
}

/// One write, since other tests append to the same file.
fn append(path: &Path, line: &str) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}
