//! The data directory.

use proofmill_ledger::{DataDir, DataDirError};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Barrier,
    thread,
};

const FOLDER: &str = "PROOFMILL_TEST_DATA_DIR";

/// Not a test of its own: the process that holds the directory in [`one_process_owns_it`].
#[test]
#[ignore = "started by another test"]
fn holder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let _dir = DataDir::open(folder.as_ref()).unwrap();
    println!("\nheld");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn one_process_owns_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/data");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["data_dir::holder", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let error = DataDir::open(&path).unwrap_err();
    assert!(
        matches!(&error, DataDirError::InUse { holder, .. } if *holder == format!("pid {}", child.id())),
        "{error}"
    );
    // Killed, it lets go.
    child.kill().unwrap();
    child.wait().unwrap();
    let dir = DataDir::open(&path).unwrap();
    let error = DataDir::open(&path).unwrap_err();
    assert!(matches!(&error, DataDirError::InUse { .. }), "{error}");
    drop(dir);
    DataDir::open(&path).unwrap();
}

/// Many come at once: some keep something in it, others would own it. The owner fills it at once.
#[test]
fn many_may_come_first() {
    const COME: usize = 16;
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let start = Barrier::new(COME);
        thread::scope(|scope| {
            for number in 0..COME {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    if number % 2 == 0 {
                        DataDir::mark(path).unwrap();
                        fs::write(path.join(format!("worker-{number}")), "").unwrap();
                        return;
                    }
                    match DataDir::open(path) {
                        Ok(dir) => fs::write(dir.ledger(), "").unwrap(),
                        Err(error) => assert!(matches!(&error, DataDirError::InUse { .. }), "{error}"),
                    }
                });
            }
        });
        DataDir::open(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join("VERSION")).unwrap(), "1\n");
        let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        let drafts = names.filter(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(drafts.count(), 0, "a draft was left");
    }
}

/// Containers that share a directory all have the same process id.
#[test]
fn a_draft_of_another_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let draft = folder.path().join(format!(".VERSION-{}", std::process::id()));
    fs::write(&draft, "not all of it").unwrap();
    DataDir::mark(folder.path()).unwrap();
    assert_eq!(fs::read_to_string(draft).unwrap(), "not all of it");
    assert_eq!(fs::read_to_string(folder.path().join("VERSION")).unwrap(), "1\n");
}

#[test]
fn it_names_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    let root = folder.path().canonicalize().unwrap();
    assert_eq!(dir.path(), root);
    assert_eq!(dir.ledger(), root.join("ledger.sqlite"));
    assert_eq!(dir.artifacts(), root.join("artifacts"));
    assert_eq!(fs::read_to_string(root.join("VERSION")).unwrap(), "1\n");
}

#[test]
fn another_version_is_refused() {
    for content in ["2\n", "", "1.0", "banana", "\u{1b}[31m\0"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("VERSION"), content).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err();
        assert!(matches!(&error, DataDirError::OtherVersion { known: 1, .. }), "{content:?}: {error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        assert_eq!(fs::read_to_string(folder.path().join("VERSION")).unwrap(), content);
    }
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "").unwrap();
    let error = DataDir::open(folder.path()).unwrap_err();
    assert!(matches!(&error, DataDirError::Foreign { found, .. } if found == "letter.txt"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was added");
    let error = DataDir::open(&folder.path().join("letter.txt")).unwrap_err();
    assert!(matches!(&error, DataDirError::Io { .. }), "{error}");
}

#[test]
fn a_mounted_or_half_made_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::write(folder.path().join(".gitkeep"), "").unwrap();
    fs::write(folder.path().join("LOCK"), "4294967295\n").unwrap();
    DataDir::open(folder.path()).unwrap();
}

#[test]
fn free_space_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    let space = dir.free_space().unwrap();
    assert!(space.available > 0 && space.available <= space.total, "{space:?}");
    dir.require_free(1).unwrap();
    let error = dir.require_free(u64::MAX).unwrap_err();
    assert!(matches!(&error, DataDirError::NoSpace { needed: u64::MAX, .. }), "{error}");
}
