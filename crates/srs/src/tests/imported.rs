//! Files of others.

use super::{fixture, shrink};
use crate::{Srs, SrsError, import};
use halo2curves_axiom::serde::SerdeObject;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
};
use tempfile::TempDir;

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
fn a_degree_is_looked_at_before_there_is_room_for_its_points() {
    let mut bytes = Vec::new();
    Srs::develop(3).write_raw(&mut bytes).unwrap();
    assert_eq!(crate::file::read_raw(&mut bytes.as_slice(), 3).unwrap(), Srs::develop(3));
    // 2^40 points are more than any machine has room for.
    bytes[0] = 40;
    let error = crate::file::read_raw(&mut bytes.as_slice(), 3).unwrap_err().to_string();
    assert!(error.contains("its degree is 40, not 3"), "{error}");
}
