//! Finding, unpacking and choosing test files.

// By its path: the guests are made of this crate's manifest, and a dependency for tests would make them out of date.
#[allow(unreachable_pub, reason = "elsewhere it is a crate")]
#[path = "../../../../skipped/src/lib.rs"]
mod skipped;

use self::skipped::skipped;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks an archive once, below the target folder; `None`, with a message, where there is no archive.
pub(crate) fn unpack(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder =
        std::env::var_os("EF_TESTS_DIR").map_or_else(|| root.join("../shared/ef-tests"), PathBuf::from);
    let archive = folder.join(format!("{name}.tar.xz"));
    if !archive.is_file() {
        skipped(format!("{} is not there; set EF_TESTS_DIR to the folder that holds it", archive.display()));
        return None;
    }
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ef-tests").join(name);
    if !unpacked.is_dir() {
        // Under a name of its own first: another process may be unpacking too, and a half-unpacked folder must not count.
        let partial = unpacked.with_extension(std::process::id().to_string());
        std::fs::create_dir_all(&partial).unwrap();
        let done = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&partial).status().unwrap();
        assert!(done.success(), "tar could not unpack {}", archive.display());
        if std::fs::rename(&partial, &unpacked).is_err() {
            std::fs::remove_dir_all(&partial).unwrap();
        }
    }
    Some(unpacked)
}

/// All test files, sorted.
pub(crate) fn all(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The first of each folder's files and every so many after it, leaving out large ones that take long: the same choice
/// each time, from every folder.
pub(crate) fn subset(files: &[PathBuf], every: usize) -> Vec<PathBuf> {
    const LARGE: u64 = 400_000;
    let mut by_folder: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
    for file in files {
        by_folder.entry(file.parent().unwrap()).or_default().push(file);
    }
    let mut chosen = Vec::new();
    for files in by_folder.values_mut() {
        files.sort_by_key(|file| {
            let large = std::fs::metadata(file).unwrap().len() > LARGE;
            (large, file.file_name().map(ToOwned::to_owned))
        });
        let small =
            files.iter().filter(|file| std::fs::metadata(file).unwrap().len() <= LARGE).count().max(1);
        chosen.extend(files[..small].iter().step_by(every).map(|file| (*file).clone()));
    }
    chosen
}
