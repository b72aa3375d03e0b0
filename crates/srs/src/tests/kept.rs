//! Files of Proofmill's own.

use super::{ceremonies, ceremony};
use crate::{Setup, Srs, SrsError, import, whole};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{fs, io, path::Path, thread, time::Duration};
use tempfile::TempDir;

#[test]
fn a_string_of_the_ceremony_is_imported_and_kept_as_what_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("kzg_bn254_4.srs");
    let mut bytes = Vec::new();
    ceremony(0, 4).write_raw(&mut bytes).unwrap();
    fs::write(&file, bytes).unwrap();
    for k in [4, 3] {
        let srs = import::read(&file, Some(k)).unwrap();
        assert_eq!(srs.check().unwrap(), Setup::Ceremony);
        assert_eq!(srs.check_place(folder.path()).unwrap(), Setup::Ceremony);
        let path = srs.write(folder.path()).unwrap();
        assert_eq!(path.file_name().unwrap().to_str(), Some(format!("ceremony-{k}.srs").as_str()));
        assert_eq!(Srs::read(folder.path(), Setup::Ceremony, k).unwrap(), srs);
        assert_eq!(Srs::read_file(&path).unwrap(), srs);
        assert_eq!(Srs::check_whole(folder.path(), Setup::Ceremony, k).unwrap(), ceremonies()[0]);
        // Again, the same.
        srs.write(folder.path()).unwrap();
    }
    Srs::check_all_there(folder.path(), Setup::Ceremony, &[3, 4]).unwrap();
    // By its name it is that for development.
    let path = Srs::path(folder.path(), Setup::Ceremony, 4);
    fs::rename(path, Srs::path(folder.path(), Setup::Development, 4)).unwrap();
    let error = Srs::read(folder.path(), Setup::Development, 4).unwrap_err();
    assert!(matches!(error, SrsError::OtherSetup { found: Setup::Ceremony, .. }), "{error}");
}

#[test]
fn a_setup_for_development_is_not_the_ceremonys_whatever_its_file_says() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(Srs::develop(3).write(folder.path()).unwrap()).unwrap();
    let content = [&b"\x7fPMSRSC1"[..], &bytes[8..bytes.len() - 32]].concat();
    let forged = [&content[..], blake3::hash(&content).as_bytes()].concat();
    fs::write(Srs::path(folder.path(), Setup::Ceremony, 3), forged).unwrap();
    let read = Srs::read(folder.path(), Setup::Ceremony, 3).map(drop);
    for found in [read, Srs::check_whole(folder.path(), Setup::Ceremony, 3).map(drop)] {
        let error = found.unwrap_err();
        assert!(matches!(error, SrsError::OtherSetup { found: Setup::Development, .. }), "{error}");
    }
}

#[test]
fn two_contributions_to_the_ceremony_are_not_taken_for_one() {
    let folder = TempDir::new().unwrap();
    let both = || Srs::check_all_there(folder.path(), Setup::Ceremony, &[3, 4]);
    ceremony(0, 3).write(folder.path()).unwrap();
    assert!(matches!(both(), Err(SrsError::Missing { degree: 4, .. })));
    let path = ceremony(1, 4).write(folder.path()).unwrap();
    let error = both().unwrap_err();
    assert!(matches!(error, SrsError::TwoSecrets { .. }), "{error}");
    assert!(error.to_string().contains("ceremony-3.srs") && error.to_string().contains("ceremony-4.srs"));
    // What is there is not replaced by another's, also where it is not whole.
    let refused = || ceremony(0, 4).write(folder.path()).unwrap_err();
    assert!(matches!(refused(), SrsError::OtherThere { .. }), "{}", refused());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(refused().to_string().contains("--snark-dir"), "{}", refused());
    // It is repaired by the same. One that is of no secret that is known is none.
    ceremony(1, 4).write(folder.path()).unwrap();
    let last = bytes.len() - 33;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    ceremony(0, 4).write(folder.path()).unwrap();
    both().unwrap();
    // What cannot be read is not said to be damaged.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(), SrsError::Io { .. }), "{}", refused());
}

#[test]
fn a_file_of_another_that_has_its_name_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let refused = |srs: &Srs| {
        let error = srs.check_place(folder.path()).unwrap_err().to_string();
        assert_eq!(srs.write(folder.path()).unwrap_err().to_string(), error);
        assert!(error.contains("give it back its name"), "{error}");
        error
    };
    // That of the ceremony may be the only one, and was fetched for hours.
    let precious = ceremony(0, 3);
    let own = precious.write(folder.path()).unwrap();
    let of_development = Srs::path(folder.path(), Setup::Development, 3);
    fs::rename(&own, &of_development).unwrap();
    assert!(refused(&Srs::develop(3)).contains("is of the ceremony setup"));
    assert_eq!(Srs::read_file(&of_development).unwrap(), precious);
    let of_degree = Srs::path(folder.path(), Setup::Ceremony, 4);
    fs::rename(&of_development, &of_degree).unwrap();
    for contribution in [0, 1] {
        assert!(refused(&ceremony(contribution, 4)).contains("of degree 3, not 4"));
    }
    assert_eq!(Srs::read_file(&of_degree).unwrap(), precious);
    // What is cut off is none any more.
    let bytes = fs::read(&of_degree).unwrap();
    fs::write(&of_degree, &bytes[..bytes.len() - 1]).unwrap();
    ceremony(0, 4).write(folder.path()).unwrap();
}

#[test]
fn of_two_that_write_at_once_the_second_does_not_replace_the_first() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (ceremony(0, 3), ceremony(1, 3));
    let place = Srs::path(folder.path(), Setup::Ceremony, 3);
    let elsewhere = TempDir::new().unwrap();
    let written = first.write(elsewhere.path()).unwrap();
    // The first one is being written.
    let draft = fs::File::create(place.with_extension("srs.new")).unwrap();
    draft.lock().unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| second.write(folder.path()));
        // It has found its place empty by now, and waits for the draft.
        thread::sleep(Duration::from_millis(300));
        fs::copy(&written, &place).unwrap();
        drop(draft);
        let error = second.join().unwrap().unwrap_err();
        assert!(matches!(error, SrsError::OtherThere { .. }), "{error}");
    });
    assert_eq!(Srs::read(folder.path(), Setup::Ceremony, 3).unwrap(), first);
    assert!(!place.with_extension("srs.new").exists(), "nothing is left of it");
}

#[test]
fn a_file_is_hashed_without_being_in_memory() {
    let folder = TempDir::new().unwrap();
    let srs = Srs::develop(5);
    let path = srs.write(folder.path()).unwrap();
    let whole = || Srs::check_whole(folder.path(), Setup::Development, 5);
    assert_eq!(whole().unwrap(), srs.s_g2);
    let bytes = fs::read(&path).unwrap();
    for at in (12..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        assert!(matches!(whole(), Err(SrsError::Damaged { .. })), "changed at {at}");
    }
}

#[test]
fn room_is_looked_for_before_minutes_of_work() {
    let folder = TempDir::new().unwrap();
    let absent = folder.path().join("absent");
    Srs::check_room(&absent, Setup::Development, 3).unwrap();
    assert!(!absent.exists(), "it is looked at, not made");
    for degree in [0, 29, 64, u32::MAX] {
        let error = Srs::check_room(&absent, Setup::Development, degree).unwrap_err();
        assert!(matches!(error, SrsError::NoSuchDegree { .. }), "{degree}: {error}");
    }
    // Nor is there any below a file.
    let file = folder.path().join("file");
    fs::write(&file, b"no folder").unwrap();
    for place in [file.clone(), file.join("inside")] {
        let error = Srs::check_room(&place, Setup::Development, 3).unwrap_err().to_string();
        assert!(error.contains("no folder") && error.contains("--snark-dir"), "{error}");
    }
    // 34 GB. What a killed process left of them is taken back; a hole takes nothing of the disk.
    let path = Srs::path(folder.path(), Setup::Development, 28);
    let draft = fs::File::create(path.with_extension("srs.new")).unwrap();
    draft.set_len(1 << 40).unwrap();
    Srs::check_room(folder.path(), Setup::Development, 28).unwrap();
}

#[test]
fn a_kept_file_is_whole_or_refused() {
    let folder = TempDir::new().unwrap();
    let srs = Srs::develop(3);
    let path = srs.write(folder.path()).unwrap();
    assert_eq!(path.file_name().unwrap(), "insecure-development-3.srs");
    assert_eq!(Srs::degree_of(&path).unwrap(), 3);
    let read = || Srs::read(folder.path(), Setup::Development, 3);
    assert_eq!(read().unwrap(), srs);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, &changed).unwrap();
        assert!(read().is_err(), "changed at {at}");
        assert!(Srs::read_file(&path).is_err(), "changed at {at}");
    }
    let mut changed = bytes.clone();
    changed[500] ^= 1;
    fs::write(&path, &changed).unwrap();
    let error = read().unwrap_err();
    assert!(matches!(error, SrsError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("checksum does not match"), "{error}");
    for length in [0, 7, 8, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(Srs::check_there(folder.path(), Setup::Development, 3).is_err(), "{length}");
        let error = Srs::read_file(&path).unwrap_err();
        assert!(
            matches!(error, SrsError::NotASetup { .. } | SrsError::WrongLength { .. }),
            "{length}: {error}"
        );
    }
    // A file under the name of another degree.
    fs::write(&path, &bytes).unwrap();
    fs::copy(&path, Srs::path(folder.path(), Setup::Development, 4)).unwrap();
    let error = Srs::check_there(folder.path(), Setup::Development, 4).unwrap_err();
    assert!(matches!(error, SrsError::OtherDegree { expected: 4, found: 3, .. }), "{error}");
    assert!(Srs::read(folder.path(), Setup::Development, 4).is_err());
    // Halo2's readers do not take it for theirs, nor is it taken for the ceremony's, whatever it is called.
    assert!(import::read(&path, None).is_err());
    assert_eq!(Srs::read_file(&path).unwrap(), srs);
    fs::rename(&path, Srs::path(folder.path(), Setup::Ceremony, 3)).unwrap();
    let error = Srs::read(folder.path(), Setup::Ceremony, 3).unwrap_err();
    assert!(matches!(error, SrsError::OtherSetup { found: Setup::Development, .. }), "{error}");
    let error = read().unwrap_err().to_string();
    assert!(error.contains("proofmill srs dev --degree 3"), "{error}");
}

/// Whoever opened it would wait for its other end.
#[test]
fn a_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let make = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let path = Srs::path(folder.path(), Setup::Development, 3);
    make(&path);
    let linked = folder.path().join("linked");
    std::os::unix::fs::symlink(&path, &linked).unwrap();
    for file in [&path, &linked] {
        for error in [
            Srs::degree_of(file).map(drop),
            Srs::read_file(file).map(drop),
            import::degree(file).map(drop),
            import::read(file, Some(3)).map(drop),
        ] {
            let error = error.unwrap_err();
            assert!(matches!(error, SrsError::Io { .. }), "{error}");
            assert!(error.to_string().contains("a pipe") && error.to_string().contains("name a file"));
        }
    }
    let srs = Srs::develop(3);
    for error in [
        Srs::check_there(folder.path(), Setup::Development, 3),
        Srs::check_whole(folder.path(), Setup::Development, 3).map(drop),
        whole::check(&path).map_err(|source| SrsError::Io { path: path.clone(), source }),
        // Nobody knows what it is for: it stays.
        srs.write(folder.path()).map(drop),
    ] {
        assert!(error.unwrap_err().to_string().contains("a pipe"));
    }
    fs::remove_file(&path).unwrap();
    // Nor is one taken for a draft.
    make(&path.with_extension("srs.new"));
    assert!(whole::remove_drafts(folder.path(), &["srs"]).is_empty());
    assert!(srs.write(folder.path()).unwrap_err().to_string().contains("a pipe"));
    assert_eq!(whole::only_file(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    whole::only_file(&folder.path().join("absent")).unwrap();
}
