//! The Ethereum Foundation's blockchain tests.
//!
//! For each test the witness is made from its pre-state, the input goes through its binary form, and every valid block
//! must execute to its header while every block that is marked as wrong must be refused for what is wrong with it: an
//! error about the witness counts as a failure.
//!
//! `EF_TESTS_DIR` names the folder with `blockchain-tests.tar.xz` (default `../shared/ef-tests`, from the repository's
//! root). Without it the tests are skipped with a message.

mod case;
mod files;

use case::{Case, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Creation on an address that has storage, but neither code nor nonce, must fail (EIP-7610); revm does not look at the
/// storage. No such account can come into being since EIP-161, and to create on one of the few that mainnet has from
/// before takes a collision of 160-bit hashes.
const EIP_7610: &str = "revm does not refuse creation on an account that has nothing but storage (EIP-7610)";

/// Tests that do not pass, by the file they are in, and why.
const KNOWN_FAILURES: &[(&str, &str)] = &[
    ("InitCollisionParis", EIP_7610),
    ("RevertInCreateInInitCreate2Paris", EIP_7610),
    ("RevertInCreateInInit_Paris", EIP_7610),
    ("create2collisionStorageParis", EIP_7610),
    ("dynamicAccountOverwriteEmpty_Paris", EIP_7610),
];

#[derive(Default)]
struct Tally {
    tests: usize,
    valid_blocks: usize,
    refused_blocks: usize,
    failures: BTreeMap<String, String>,
}

fn run_files(files: &[PathBuf]) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            // Deep recursion of the EVM in unoptimised builds.
            let worker = std::thread::Builder::new().stack_size(256 << 20);
            let work = || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run_file(file, &tally);
                }
            };
            worker.spawn_scoped(scope, work).unwrap();
        }
    });
    tally.into_inner().unwrap()
}

fn run_file(file: &Path, tally: &Mutex<Tally>) {
    let json = std::fs::read(file).unwrap();
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&json).unwrap();
    for (name, case) in cases {
        let name = format!("{}::{name}", file.file_stem().unwrap_or_default().to_string_lossy());
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

fn report(what: &str, files: &[PathBuf]) {
    let began = Instant::now();
    let tally = run_files(files);
    println!(
        "{what}: {} of {} pass ({} files, {} valid blocks executed, {} wrong blocks refused, {:.0} s)",
        tally.tests - tally.failures.len(),
        tally.tests,
        files.len(),
        tally.valid_blocks,
        tally.refused_blocks,
        began.elapsed().as_secs_f64(),
    );
    let mut unexpected = Vec::new();
    for (name, reason) in &tally.failures {
        match KNOWN_FAILURES.iter().find(|(known, _)| name.starts_with(known)) {
            Some((_, why)) => println!("  does not pass: {name}: {why}"),
            None => unexpected.push(format!("{name}: {reason}")),
        }
    }
    assert!(unexpected.is_empty(), "{} tests fail:\n{}", unexpected.len(), unexpected.join("\n"));
    assert!(tally.tests > 0, "no test was found");
}

#[test]
fn ef_tests_subset() {
    let Some(folder) = files::unpack() else { return };
    report("subset", &files::subset(&files::all(&folder)));
}

#[test]
#[ignore = "takes minutes; `make test-long` runs it"]
fn ef_tests_all() {
    let Some(folder) = files::unpack() else { return };
    report("all", &files::all(&folder));
}
