//! The Ethereum Foundation's blockchain tests, and the Execution Spec Tests.
//!
//! For each test the witness is made from its pre-state, the input goes through its binary form, and every valid block
//! must execute to its header while every block that is marked as wrong must be refused for what the test names
//! (`causes`): a block that is refused for one of the results in its header before has its header put right, so that the
//! rule itself is met. An error about the witness, or about another block, counts as a failure.
//!
//! `EF_TESTS_DIR` names the folder with the archives (default `../shared/ef-tests`, from the repository's root). Without
//! one of them its tests are skipped with a message.

mod case;
mod causes;
mod files;
mod network;

use case::{Case, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The most gas that a test of a subset uses.
const SUBSET_GAS: u64 = 30_000_000;
/// How many of the slowest files are named.
const SLOWEST: usize = 3;

#[derive(Default)]
struct Tally {
    tests: usize,
    valid_blocks: usize,
    refused_blocks: usize,
    left_out: usize,
    failures: BTreeMap<String, String>,
    /// How long each file took.
    times: Vec<(Duration, PathBuf)>,
}

fn run_files(files: &[PathBuf], most_gas: u64) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            // Deep recursion of the EVM in unoptimised builds.
            let worker = std::thread::Builder::new().stack_size(256 << 20);
            let work = || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    run_file(file, most_gas, &tally);
                    tally.lock().unwrap().times.push((began.elapsed(), file.clone()));
                }
            };
            worker.spawn_scoped(scope, work).unwrap();
        }
    });
    tally.into_inner().unwrap()
}

fn run_file(file: &Path, most_gas: u64, tally: &Mutex<Tally>) {
    let json = std::fs::read(file).unwrap();
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&json).unwrap();
    for (name, case) in cases {
        let name = format!("{}::{name}", file.file_stem().unwrap_or_default().to_string_lossy());
        if case.gas() > most_gas {
            tally.lock().unwrap().left_out += 1;
            continue;
        }
        let verdict = case.run();
        let mut tally = tally.lock().unwrap();
        tally.tests += 1;
        match verdict {
            Ok(Verdict { valid, refused }) => {
                tally.valid_blocks += valid;
                tally.refused_blocks += refused;
            }
            Err(reason) => {
                tally.failures.insert(name, reason);
            }
        }
    }
}

/// Runs the tests of these files, and returns how many there are that use no more than `most_gas`. All must pass.
fn report(what: &str, files: &[PathBuf], most_gas: u64) -> usize {
    let began = Instant::now();
    let mut tally = run_files(files, most_gas);
    println!(
        "{what}: {} of {} pass ({} files, {} valid blocks executed, {} wrong blocks refused, {:.0} s)",
        tally.tests - tally.failures.len(),
        tally.tests,
        files.len(),
        tally.valid_blocks,
        tally.refused_blocks,
        began.elapsed().as_secs_f64(),
    );
    if tally.left_out > 0 {
        println!("  left out: {} that use more than {most_gas} gas", tally.left_out);
    }
    tally.times.sort_unstable();
    for (time, file) in tally.times.iter().rev().take(SLOWEST) {
        println!(
            "  {:.1} s for {}",
            time.as_secs_f64(),
            file.file_name().unwrap_or_default().to_string_lossy()
        );
    }
    let failures: Vec<String> =
        tally.failures.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    assert!(failures.is_empty(), "{} tests fail:\n{}", failures.len(), failures.join("\n"));
    assert!(tally.tests > 0, "no test was found");
    tally.tests
}

fn subset(archive: &str, every: usize) {
    let Some(folder) = files::unpack(archive) else { return };
    report(&format!("subset of {archive}"), &files::subset(&files::all(&folder), every), SUBSET_GAS);
}

/// Every test of an archive, which has so many (docs/rules.md): none is left out.
fn all(archive: &str, files: usize, tests: usize) {
    let Some(folder) = files::unpack(archive) else { return };
    let found = files::all(&folder);
    assert_eq!(found.len(), files, "files of {archive}");
    assert_eq!(report(archive, &found, u64::MAX), tests, "tests of {archive}");
}

#[test]
fn ef_tests_subset() {
    subset("blockchain-tests", 16);
}

#[test]
fn eest_tests_subset() {
    subset("eest-tests", 16);
}

#[test]
#[ignore = "takes minutes; `make test-long` runs it"]
fn ef_tests_all() {
    all("blockchain-tests", 1_496, 7_466);
}

#[test]
#[ignore = "takes minutes; `make test-long` runs it"]
fn eest_tests_all() {
    all("eest-tests", 2_759, 11_461);
}

#[test]
#[ignore = "blocks of 8 MiB; `make test-long` runs it"]
fn eip7934_tests_all() {
    all("eip7934-tests", 18, 18);
}
