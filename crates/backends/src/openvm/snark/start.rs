//! What a worker that makes SNARKs looks for at its start, and says: later it would be said after hours.

use super::{
    keys::{Circuits, KeyFile, prefixes},
    known, setup,
};
use crate::{
    BackendError, Node, SnarkConfig,
    openvm::{memory, not_set_up, provers::Provers},
};
use proofmill_primitives::Weight;
use proofmill_srs::whole;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// Files that are written in the folder, by their extensions.
pub(super) const WRITTEN: [&str; 5] = ["key", "protocol", "sol", "srs", "verifier"];
const GB: u64 = 1 << 30;

pub(super) fn check(provers: &Provers, config: &SnarkConfig, room: Weight) -> Result<(), BackendError> {
    let begun = Instant::now();
    let s_g2 = setup::check(config)?;
    let (folder, seconds) = (config.folder.display(), begun.elapsed().as_secs());
    tracing::info!(snark = %config.variant, %folder, seconds, "the setups of the SNARK are whole");
    for (file, bytes) in whole::remove_drafts(&config.folder, &WRITTEN) {
        tracing::info!(file = %file.display(), mb = bytes >> 20, "removed what a process left that was killed");
    }
    let circuits = Circuits::new(provers, config, &s_g2)?;
    let keys = circuits.key_files();
    for (file, bytes) in of_others(config, &keys) {
        tracing::warn!(
            file = %file.display(),
            gb = bytes.div_ceil(GB),
            "this release does not use this key of the SNARK: remove it, if no other one does"
        );
    }
    let (mine, too_heavy): (Vec<&KeyFile>, Vec<&KeyFile>) = keys.iter().partition(|key| weight(key) <= room);
    if let Some(needed) = too_heavy.iter().map(|key| weight(key)).max() {
        tracing::warn!(
            snark = %config.variant,
            %needed,
            %room,
            "this worker has not the memory for every step of the SNARK: another one must, or name a smaller SNARK with --snark"
        );
    }
    check_disk(&config.folder, &mine)?;
    // Beside the keys of circuits that this build does not know, their description is written.
    if mine.is_empty() || known::is_known(&circuits.id(), Some(&config.folder)) {
        return Ok(());
    }
    check_writable(&config.folder).map_err(not_set_up)
}

/// The memory of the step that needs a key.
fn weight(key: &KeyFile) -> Weight {
    memory::node_weight(&Node { layer: key.step.into(), children: Vec::new() })
}

/// Keys of this variant that are none of these: of other circuits, another setup, another release. With their bytes.
fn of_others(config: &SnarkConfig, keys: &[KeyFile]) -> Vec<(PathBuf, u64)> {
    let files = fs::read_dir(&config.folder).into_iter().flatten().flatten();
    let is_key = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let begins = prefixes(config.variant).iter().any(|prefix| name.starts_with(prefix.as_str()));
        begins && name.ends_with(".key") && keys.iter().all(|key| key.path != path)
    };
    let mut others: Vec<(PathBuf, u64)> = files
        .filter(|file| is_key(&file.path()))
        .map(|file| (file.path(), file.metadata().map_or(0, |metadata| metadata.len())))
        .collect();
    others.sort_unstable();
    others
}

/// Checks that the disk has room for all of these keys that are still to be made, and takes them. One that is there is read where there
/// is no room to make it again: it may be damaged, or another's.
fn check_disk(folder: &Path, keys: &[&KeyFile]) -> Result<(), BackendError> {
    let (there, mut to_make): (Vec<&KeyFile>, Vec<&KeyFile>) =
        keys.iter().copied().partition(|key| key.path.exists());
    check_room(folder, &to_make).map_err(not_set_up)?;
    if check_room(folder, keys).is_ok() {
        return Ok(());
    }
    tracing::info!(folder = %folder.display(), "the keys of the SNARK could not be made again here: they are read now");
    let mut unusable = String::new();
    for key in there {
        if let Some(cause) = key.unusable() {
            unusable += &format!("{} cannot be used ({cause}): remove it. ", key.path.display());
            to_make.push(key);
        }
    }
    check_room(folder, &to_make).map_err(|cause| not_set_up(unusable + &cause))
}

/// Checks that these keys can be made in a folder; why not.
fn check_room(folder: &Path, keys: &[&KeyFile]) -> Result<(), String> {
    if keys.is_empty() {
        return Ok(());
    }
    check_writable(folder)?;
    let needed: u64 = keys.iter().map(|key| key.bytes.saturating_sub(whole::left_over(&key.path))).sum();
    let free = whole::free(folder)
        .map_err(|error| format!("the disk of {} cannot be looked at: {error}", folder.display()))?;
    if free < needed {
        return Err(format!(
            "the keys of the SNARK that are still to be made take {} GB, and the disk of {} has {} GB left: free some, or name \
             another folder with --snark-dir",
            needed.div_ceil(GB),
            folder.display(),
            free / GB
        ));
    }
    Ok(())
}

fn check_writable(folder: &Path) -> Result<(), String> {
    whole::check_writable(folder).map_err(|error| {
        format!(
            "the keys of the SNARK are still to be made, or what verifiers are to know of them is to be written, and {} cannot be \
             written ({error}): name another folder with --snark-dir",
            folder.display()
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        SnarkVariant,
        openvm::{snark::kept::Kept, tree::Layer},
    };
    use std::io::Write;
    use tempfile::TempDir;

    fn key(folder: &Path, name: &str, bytes: u64) -> KeyFile {
        let step = Layer::Wrapper(SnarkVariant::ALL[1]);
        KeyFile { path: folder.join(name), bytes, step, made_of: None }
    }

    #[test]
    fn keys_that_are_missing_must_fit_the_disk_together() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path();
        let free = whole::free(folder).unwrap();
        let (one, other) = (key(folder, "one.key", free / 4), key(folder, "other.key", free / 8 * 7));
        check_disk(folder, &[&one]).unwrap();
        check_disk(folder, &[&other]).unwrap();
        let error = check_disk(folder, &[&one, &other]).unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
        assert!(error.to_string().contains("--snark-dir"), "{error}");
        // One that is there takes no more.
        whole::write(&other.path, |writer| writer.write_all(b"there")).unwrap();
        check_disk(folder, &[&one, &other]).unwrap();
    }

    #[test]
    fn a_key_that_cannot_be_used_is_no_key_that_is_there() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path();
        // No disk has the room to make it again.
        let of = |made_of| KeyFile { made_of, ..key(folder, "one.key", u64::MAX) };
        let (path, made_of) = (of(None).path, [7; 32]);
        Kept::new(path.clone(), &made_of).write(|writer| writer.write_all(b"the key")).unwrap();
        for known in [None, Some(made_of)] {
            check_disk(folder, &[&of(known)]).unwrap();
        }
        let refused = |made_of, cause: &str| {
            let error = check_disk(folder, &[&of(made_of)]).unwrap_err();
            assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
            for word in ["one.key", cause, "remove it", "--snark-dir"] {
                assert!(error.to_string().contains(word), "{word}: {error}");
            }
        };
        refused(Some([8; 32]), "another's");
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[45] ^= 1;
        for damaged in [changed.as_slice(), &bytes[..bytes.len() - 1], &bytes[..20]] {
            fs::write(&path, damaged).unwrap();
            refused(None, "checksum");
            refused(Some(made_of), "checksum");
        }
        // Where there is room, it is made again when it is needed.
        check_disk(folder, &[&KeyFile { bytes: 1, ..of(Some(made_of)) }]).unwrap();
    }

    #[test]
    fn keys_that_are_missing_need_a_folder_that_can_be_written() {
        let temporary = TempDir::new().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, b"no folder").unwrap();
        let error = check_disk(&file, &[&key(&file, "one.key", 1)]).unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
        assert!(
            error.to_string().contains("cannot be written") && error.to_string().contains("--snark-dir"),
            "{error}"
        );
        // Where nothing is missing, a folder that is only read is enough.
        let there = key(temporary.path(), "there.key", 1);
        whole::write(&there.path, |writer| writer.write_all(b"there")).unwrap();
        check_disk(&file, &[&there]).unwrap();
        check_disk(&file, &[]).unwrap();
    }

    #[test]
    fn keys_of_other_circuits_are_named_and_nothing_else() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path();
        let ours = [key(folder, "small-verifier-01.key", 0), key(folder, "small-wrapper-02.key", 0)];
        let names = [
            "small-verifier-01.key",
            "small-verifier-01.protocol",
            "small-verifier-01.lock",
            "small-wrapper-02.key",
            "small-wrapper-ff.key",
            "insecure-development-small-verifier-03.key",
            "published-wrapper-04.key",
            "ceremony-22.srs",
        ];
        for name in names {
            fs::write(folder.join(name), name).unwrap();
        }
        let config = SnarkConfig { variant: SnarkVariant::ALL[1], folder: folder.to_owned() };
        assert_eq!(of_others(&config, &ours), [(folder.join("small-wrapper-ff.key"), 20)]);
    }

    #[test]
    fn a_setup_that_is_missing_is_said_before_anything_else() {
        let folder = std::env::temp_dir().join("proofmill-start-absent");
        let config = SnarkConfig { variant: SnarkVariant::ALL[0], folder };
        let error = check(&Provers::default(), &config, Weight::gb(64)).unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
        assert!(error.to_string().contains("proofmill srs dev --degree 22"), "{error}");
    }
}
