//! Several processes in one folder, and some that are killed there.

use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    mem,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime},
};

const FOLDER: &str = "PROOFMILL_TEST_ARTIFACTS";
const SEED: &str = "PROOFMILL_TEST_SEED";
const KIND: ArtifactKind = ArtifactKind::Proof;

/// A content that says what it should be: length and bytes follow from the first number.
fn content(number: u64) -> Bytes {
    let length = 100 + (number.wrapping_mul(2_654_435_761) % 200_000) as usize;
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

fn is_content(bytes: &[u8]) -> bool {
    bytes.first_chunk::<8>().is_some_and(|first| content(u64::from_le_bytes(*first)) == bytes)
}

/// Not a test of its own: a process that stores under the same few names as the others, without end.
#[tokio::test]
#[ignore = "started by another test"]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let store = FsArtifacts::open(&PathBuf::from(folder)).unwrap();
    for number in 0u64.. {
        let shared = format!("shared-{}", number % 3);
        store.put(&shared.as_str().into(), KIND, content(seed * 1_000_000 + number)).await.unwrap();
        let own = format!("own-{seed}-{number}");
        store.put(&own.as_str().into(), KIND, content(number)).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {own}").unwrap();
        out.flush().unwrap();
    }
}

fn start(folder: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["processes::writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn writers_in_several_processes_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut children: Vec<_> = (0..4).map(|seed| start(folder.path(), seed)).collect();
    let acknowledged = Arc::<Mutex<Vec<String>>>::default();
    let listening: Vec<_> = children
        .iter_mut()
        .map(|child| {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let acknowledged = Arc::clone(&acknowledged);
            thread::spawn(move || {
                for line in lines {
                    let own = line.split_once("durable ").map(|(_, id)| id.to_owned());
                    acknowledged.lock().unwrap().extend(own);
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut reads = 0;
    let mut seen = [false; 3];
    let has_shown_much = |reads: u32| reads > 20 && acknowledged.lock().unwrap().len() > 20;
    while begun.elapsed() < Duration::from_millis(1500) || !has_shown_much(reads) {
        assert!(begun.elapsed() < Duration::from_secs(300), "{reads} reads: this shows little");
        // Opening sweeps: what the others are writing must stay.
        let store = FsArtifacts::open(folder.path()).unwrap();
        for (number, seen) in seen.iter_mut().enumerate() {
            match store.get(&format!("shared-{number}").as_str().into(), KIND).await {
                Ok(bytes) => {
                    assert!(is_content(&bytes), "{} bytes that nobody stored", bytes.len());
                    reads += 1;
                    *seen = true;
                }
                Err(ArtifactError::Missing { .. }) => assert!(!*seen, "it was there before"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    for child in &mut children {
        assert!(child.try_wait().unwrap().is_none(), "a writer gave up: {:?}", child.stderr);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    listening.into_iter().for_each(|listens| listens.join().unwrap());
    let acknowledged = mem::take(&mut *acknowledged.lock().unwrap());

    let store = FsArtifacts::open(folder.path()).unwrap();
    assert_eq!(
        fs::read_dir(folder.path().join("tmp")).unwrap().count(),
        0,
        "the killed writers' files are swept"
    );
    for own in &acknowledged {
        let number = own.rsplit('-').next().unwrap().parse().unwrap();
        assert_eq!(store.get(&own.as_str().into(), KIND).await.unwrap(), content(number), "{own}");
    }
    println!("{} acknowledged writes by 4 killed processes, {reads} reads between them", acknowledged.len());
}

#[test]
fn what_nobody_writes_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    FsArtifacts::open(folder.path()).unwrap();
    let orphan = folder.path().join("tmp/12345-1");
    fs::write(&orphan, "half of").unwrap();
    let held = folder.path().join("tmp/12345-2");
    let file = fs::File::create(&held).unwrap();
    file.lock().unwrap();
    // The lock of another machine cannot be seen everywhere: only age tells.
    let (elsewhere, old) =
        (folder.path().join("tmp/helsewhere-1-a-1"), folder.path().join("tmp/helsewhere-1-a-2"));
    fs::write(&elsewhere, "on its way").unwrap();
    let day_before_yesterday = SystemTime::now() - Duration::from_secs(48 * 3600);
    fs::File::create(&old).unwrap().set_modified(day_before_yesterday).unwrap();
    FsArtifacts::open(folder.path()).unwrap();
    assert!(!orphan.exists() && held.exists() && elsewhere.exists() && !old.exists());
}
