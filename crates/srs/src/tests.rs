#![allow(clippy::unwrap_used, reason = "tests")]

use crate::{Setup, Srs, SrsError, develop, import};
use halo2curves_axiom::{
    CurveAffine,
    bn256::{Fr, G1, G1Affine, G2Affine},
    ff::Field,
    group::{Curve, prime::PrimeCurveAffine},
    serde::SerdeObject,
};
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Secrets of two contributions to a ceremony that there are in these tests alone.
const CONTRIBUTIONS: [u64; 2] = [7, 1_000_003];

/// Their `τ·G₂`.
pub(crate) fn ceremonies() -> [G2Affine; 2] {
    CONTRIBUTIONS.map(|secret| develop::second_point(Fr::from(secret)))
}

fn ceremony(contribution: usize, k: u32) -> Srs {
    Srs::of_secret(k, Fr::from(CONTRIBUTIONS[contribution]))
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prepared-5.ptau")
}

/// The string of a smaller degree of the same secret.
fn shrink(mut srs: Srs, k: u32) -> Srs {
    srs.g.truncate(1 << k);
    Srs::of_powers(k, srs.g, srs.g2, srs.s_g2)
}

fn cause(srs: &Srs) -> String {
    srs.check().unwrap_err().to_string()
}

#[test]
fn every_small_degree_holds_together() {
    for k in 1..=9 {
        let srs = Srs::develop(k);
        assert_eq!(srs.check().unwrap(), Setup::Development, "{k}");
        assert_eq!(srs.g.len(), 1 << k);
    }
}

#[test]
fn a_smaller_degree_is_the_same_string() {
    for k in 1..6 {
        assert_eq!(shrink(Srs::develop(6), k), Srs::develop(k));
    }
}

#[test]
fn every_point_counts() {
    let srs = Srs::develop(4);
    let other = (G1::from(srs.g[3]) + G1::from(srs.g[5])).to_affine();
    for index in 0..16 {
        let mut wrong = srs.clone();
        wrong.g[index] = other;
        assert!(wrong.check().is_err(), "{index}");
        let mut wrong = srs.clone();
        wrong.g_lagrange[index] = other;
        assert!(cause(&wrong).contains("Lagrange"), "{index}");
        let mut zero = srs.clone();
        zero.g[index] = G1Affine::identity();
        assert!(matches!(zero.check(), Err(SrsError::BadPoint { part: "powers", .. })));
    }
    let mut swapped = srs.clone();
    swapped.g.swap(4, 5);
    assert!(cause(&swapped).contains("powers of one secret"));
    let mut swapped = srs.clone();
    swapped.g_lagrange.swap(4, 5);
    assert!(cause(&swapped).contains("Lagrange"));
    let mut off = srs.clone();
    off.g_lagrange[7].y += halo2curves_axiom::bn256::Fq::ONE;
    assert!(matches!(off.check(), Err(SrsError::BadPoint { index: 7, .. })));
    let mut short = srs.clone();
    short.g.pop();
    assert!(short.check().is_err());
    let mut second = srs;
    second.s_g2 = (second.s_g2 * Fr::from(2)).to_affine();
    assert!(cause(&second).contains("powers of one secret"));
}

#[test]
fn a_point_of_the_curve_outside_of_the_group_is_refused() {
    let mut srs = Srs::develop(2);
    let b = G2Affine::b();
    let mut x = srs.s_g2.x;
    // Of the second curve's points, one in 2^254 is in the group.
    srs.s_g2 = loop {
        x += halo2curves_axiom::bn256::Fq2::ONE;
        if let Some(y) = Option::from((x.square() * x + b).sqrt()) {
            break G2Affine { x, y };
        }
    };
    assert!(bool::from(srs.s_g2.is_on_curve()));
    assert!(matches!(srs.check(), Err(SrsError::BadPoint { part: "second group", index: 1 })));
}

#[test]
fn a_coordinate_in_another_form_is_refused() {
    let (folder, k) = (TempDir::new().unwrap(), 3);
    let path = folder.path().join("kzg_bn254_3.srs");
    let mut bytes = Vec::new();
    Srs::develop(k).write_raw(&mut bytes).unwrap();
    let second = bytes.len() - 256;
    let places = [
        (4 + 3 * 64, "powers", 3),
        (4 + 5 * 64 + 32, "powers", 5),
        (4 + (8 + 6) * 64, "Lagrange points", 6),
        (second + 96, "second group", 0),
        (second + 128, "second group", 1),
    ];
    for (at, part, index) in places {
        // The order more is the same number, and still below 2^256.
        let mut changed = bytes.clone();
        let mut carry = 0;
        for (byte, more) in changed[at..at + 32].iter_mut().zip(import::PRIME) {
            carry += u16::from(*byte) + u16::from(more);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        fs::write(&path, &changed).unwrap();
        match import::read(&path, None).unwrap().check() {
            Err(SrsError::BadPoint { part: found, index: which }) => {
                assert_eq!((found, which), (part, index));
            }
            other => panic!("{part} {index}: {other:?}"),
        }
    }
}

#[test]
fn a_string_whose_secret_anybody_may_know_is_not_taken() {
    // That of the fixture: made for it, by nobody in particular.
    let srs = import::read(&fixture(), None).unwrap();
    assert!(matches!(srs.check(), Err(SrsError::UnknownSetup)), "{:?}", srs.check());
    let folder = TempDir::new().unwrap();
    assert!(matches!(srs.write(folder.path()), Err(SrsError::UnknownSetup)));
    // The ceremony's are known by their last point, which is one of the group.
    for s_g2 in crate::ceremonies() {
        let ceremony = Srs { s_g2, ..srs.clone() };
        assert_eq!(Setup::of(&s_g2), Some(Setup::Ceremony));
        assert!(cause(&ceremony).contains("powers of one secret"));
    }
}

#[test]
fn snarkjs_files_are_read_in_every_degree() {
    for k in 1..=5 {
        let srs = import::read(&fixture(), Some(k)).unwrap();
        assert!(matches!(srs.check(), Err(SrsError::UnknownSetup)), "{k}: {:?}", srs.check());
        assert_eq!(srs, shrink(import::read(&fixture(), None).unwrap(), k), "{k}");
    }
    let error = import::read(&fixture(), Some(6)).unwrap_err();
    assert!(matches!(error, SrsError::TooSmall { has: 5, needed: 6 }), "{error}");
    assert!(matches!(import::read(&fixture(), Some(0)), Err(SrsError::NoSuchDegree { .. })));
}

#[test]
fn a_snarkjs_file_that_is_changed_or_cut_off_is_refused() {
    let (folder, bytes) = (TempDir::new().unwrap(), fs::read(fixture()).unwrap());
    let path = folder.path().join("changed.ptau");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        import::read(&path, None)
    };
    let good = read(&bytes).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        // Its history of contributions, and the powers that are not needed, may be anything.
        if let Ok(srs) = read(&bytes[..at]) {
            assert_eq!(srs, good, "cut at {at}");
        }
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        match read(&changed) {
            Ok(srs) if srs == good => {}
            Ok(srs) => {
                assert!(!matches!(srs.check(), Ok(_) | Err(SrsError::UnknownSetup)), "changed at {at}")
            }
            Err(_) => {}
        }
    }
    let unprepared = read(&without_section(&bytes, 12)).unwrap_err().to_string();
    assert!(unprepared.contains("prepare phase2"), "{unprepared}");
    assert!(read(b"ptau").is_err());
    assert!(read(b"pt").is_err());
    assert!(read(b"").is_err());
}

#[test]
fn each_wrong_field_of_a_snarkjs_file_is_named() {
    let (folder, bytes) = (TempDir::new().unwrap(), fs::read(fixture()).unwrap());
    let path = folder.path().join("wrong.ptau");
    // The file's head; number and length of its first section; that one's field and degree.
    for (at, field, cause) in [
        (0, 0, "begins neither"),
        (4, 2, "version 2"),
        (8, 1_000, "1000 sections"),
        (8, 12, "it is cut off"),
        (8, 1, "prepare phase2"),
        (12, 99, "section 1 is missing"),
        (16, u32::MAX, "section 1 is cut off"),
        (20, u32::MAX, "section 1 is cut off"),
        (24, 31, "another curve"),
        (56, 0, "another curve"),
        (60, 0, "not 0"),
        (60, 6, "4096 are needed"),
        (60, 29, "not 29"),
        (60, u32::MAX, "not 4294967295"),
    ] {
        let mut wrong = bytes.clone();
        wrong[at..at + 4].copy_from_slice(&field.to_le_bytes());
        fs::write(&path, &wrong).unwrap();
        let error = import::read(&path, None).unwrap_err().to_string();
        assert!(error.contains(cause), "{at}: {error}");
    }
    fs::write(&path, b"").unwrap();
    assert!(import::read(&path, None).unwrap_err().to_string().contains("it is cut off. Fetch it again"));
    assert_eq!(import::degree(&fixture()).unwrap(), 5);
}

/// The file without a section.
fn without_section(bytes: &[u8], section: u32) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut out, mut at, count) = (bytes[..8].to_vec(), 12, u32_at(8));
    out.extend((count - 1).to_le_bytes());
    for _ in 0..count {
        let ends = at + 12 + u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        if u32_at(at) != section {
            out.extend(&bytes[at..ends]);
        }
        at = ends;
    }
    out
}

#[test]
fn halo2s_files_are_read_and_any_change_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kzg_bn254_3.srs");
    let srs = Srs::develop(3);
    let mut bytes = Vec::new();
    srs.write_raw(&mut bytes).unwrap();
    // The published files have 2^k·128 + 260 bytes.
    assert_eq!(bytes.len(), 8 * 128 + 260);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(import::read(&path, None).unwrap(), srs);
    assert_eq!(import::read(&path, Some(2)).unwrap(), Srs::develop(2));
    assert_eq!(import::degree(&path).unwrap(), 3);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, &changed).unwrap();
        let checked = import::read(&path, None).map(|srs| srs.check());
        assert!(!matches!(checked, Ok(Ok(_))), "changed at {at}");
        fs::write(&path, &bytes[..at]).unwrap();
        assert!(import::read(&path, None).is_err(), "cut at {at}");
    }
}

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
fn of_a_larger_file_only_what_is_kept_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kzg_bn254_28.srs");
    let mut srs = Srs::develop(3);
    // 34 GB, of which almost all is a hole: nobody has the memory to read them.
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&28_u32.to_le_bytes()).unwrap();
    srs.g.iter().for_each(|point| file.write_all(&point.to_raw_bytes()).unwrap());
    file.set_len(crate::file::raw_bytes(28)).unwrap();
    file.seek(SeekFrom::End(-256)).unwrap();
    [srs.g2, srs.s_g2].iter().for_each(|point| file.write_all(&point.to_raw_bytes()).unwrap());
    drop(file);
    assert_eq!(import::read(&path, Some(3)).unwrap(), srs);
    srs = shrink(srs, 2);
    assert_eq!(import::read(&path, Some(2)).unwrap(), srs);
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
fn a_file_of_many_tiny_sections_is_refused_at_once() {
    let (folder, mut bytes) = (TempDir::new().unwrap(), b"ptau".to_vec());
    let path = folder.path().join("many.ptau");
    bytes.extend([1_u32, 100_000].map(u32::to_le_bytes).concat());
    for number in 0..100_000_u32 {
        bytes.extend(number.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let error = import::read(&path, None).unwrap_err().to_string();
    assert!(error.contains("100000 sections"), "{error}");
    // As many as may be are read, empty as they are.
    bytes[8..12].copy_from_slice(&64_u32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = import::read(&path, None).unwrap_err().to_string();
    assert!(!error.contains("sections, and"), "{error}");
}

#[test]
fn a_degree_is_looked_at_before_there_is_room_for_its_points() {
    let mut bytes = Vec::new();
    Srs::develop(3).write_raw(&mut bytes).unwrap();
    assert_eq!(crate::file::read_raw(&mut bytes.as_slice(), 3).unwrap(), Srs::develop(3));
    // 2^40 points are more than any machine has room for.
    bytes[0] = 40;
    let error = crate::file::read_raw(&mut bytes.as_slice(), 3).unwrap_err().to_string();
    assert!(error.contains("its degree is 40, not 3"), "{error}");
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
