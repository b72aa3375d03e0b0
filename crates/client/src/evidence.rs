//! Bad proofs, kept for whoever looks into why they were made.

use crate::files;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The most files that are kept: whoever makes bad proofs must not fill the disk with them.
const MOST: usize = 200;

/// So much of an id is in a file's name.
const LONGEST: usize = 100;

/// Keeps the bytes of a proof, and beside them what refused it; the file with the bytes.
pub(crate) fn keep(folder: &Path, id: &str, bytes: &[u8], cause: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let hash = blake3::hash(bytes).to_hex();
    let file = folder.join(format!("{}-{}.proof", named(id), &hash[..12]));
    if file.exists() {
        return Ok(file);
    }
    if fs::read_dir(folder)?.count() >= MOST {
        let cause = format!("{} has {MOST} files: look into them, and remove them", folder.display());
        return Err(io::Error::other(cause));
    }
    // Before the bytes: a process that ends between the two leaves none that nobody knows the cause of.
    files::save(&file.with_extension("cause"), cause.as_bytes())?;
    files::save(&file, bytes)?;
    Ok(file)
}

/// An id in a file's name, whatever the cluster calls the proof: it leads to no other folder, and the hash tells two of them apart.
fn named(id: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    id.chars().take(LONGEST).map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_and_the_cause_are_kept_once_and_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join("bad");
        let file = keep(&bad, "p-1", b"bytes", "it does not hold").unwrap();
        assert_eq!(keep(&bad, "p-1", b"bytes", "another cause").unwrap(), file);
        assert_eq!(fs::read(&file).unwrap(), b"bytes");
        assert_eq!(fs::read(file.with_extension("cause")).unwrap(), b"it does not hold");
        for id in ["../../outside", "/etc/passwd", "a\0b", &"é".repeat(1 << 20)] {
            let file = keep(&bad, id, id.as_bytes(), "why").unwrap();
            assert_eq!(file.parent(), Some(&*bad), "{}", file.display());
            assert_eq!(fs::read(&file).unwrap(), id.as_bytes());
        }
        // As where a process was killed before the bytes were there.
        fs::remove_file(&file).unwrap();
        assert_eq!(keep(&bad, "p-1", b"bytes", "it does not hold").unwrap(), file);
        assert_eq!(fs::read(&file).unwrap(), b"bytes");
        for number in 0..MOST {
            drop(keep(&bad, &format!("p-{number}"), &number.to_le_bytes(), "why"));
        }
        assert!(keep(&bad, "p", b"one too many", "why").unwrap_err().to_string().contains("remove them"));
        assert!(fs::read_dir(&bad).unwrap().count() <= MOST + 1);
    }
}
