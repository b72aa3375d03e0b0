//! A report, written.

use eyre::{Result, WrapErr};
use proofmill_bench::Report;
use proofmill_client::files;
use std::{
    fs,
    io::{Write, stdout},
    path::Path,
};

/// Writes a report for people, machines and eyes into a folder, and shows it.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
    let markdown = report.markdown();
    for (name, bytes) in [
        ("report.md", markdown.clone().into_bytes()),
        ("report.json", serde_json::to_vec_pretty(report)?),
        ("report.svg", report.plot().into_bytes()),
    ] {
        files::save(&folder.join(name), &bytes)?;
    }
    // Nobody need read it.
    let place = folder.display();
    drop(writeln!(stdout(), "{markdown}\nwritten: report.md, report.json and report.svg in {place}"));
    Ok(())
}
