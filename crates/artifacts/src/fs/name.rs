//! Where a blob lies. Ids come from clients, so nothing of them reaches the file system unescaped.

use crate::{ArtifactError, ArtifactKind, MAX_ID_LENGTH};
use proofmill_primitives::ArtifactId;
use std::path::{Path, PathBuf};

/// The longest escaped id that becomes a file's name as it is; file systems allow 255 bytes.
const MAX_NAME: usize = 200;

/// The file of a blob. Two ids never share one: a name is the escaped id, or, where that is too long, `%hash-` and the
/// hash of the id, which no escaped id begins with, because `%` is always followed by digits there.
pub(super) fn path(root: &Path, id: &ArtifactId, kind: ArtifactKind) -> Result<PathBuf, ArtifactError> {
    let id = id.as_str();
    if id.is_empty() || id.len() > MAX_ID_LENGTH {
        return Err(ArtifactError::BadId { length: id.len(), max: MAX_ID_LENGTH });
    }
    let hash = blake3::hash(id.as_bytes()).to_hex();
    let escaped = escape(id);
    let name = if escaped.len() <= MAX_NAME { escaped } else { format!("%hash-{hash}") };
    Ok(root.join(kind.name()).join(&hash[..2]).join(name))
}

/// Everything but ASCII letters, digits, `-`, `_` and `.` becomes `%` and two hexadecimal digits; so does a leading `.`,
/// because `.` and `..` are folders.
fn escape(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (position, byte) in id.bytes().enumerate() {
        match byte {
            b'.' if position == 0 => name.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    fn name_of(id: &str) -> Result<PathBuf, ArtifactError> {
        path(Path::new("/store"), &id.into(), ArtifactKind::Proof)
    }

    fn is_inside(path: &Path) -> bool {
        let parts: Vec<_> = path.components().collect();
        let plain = parts.iter().skip(1).all(|part| matches!(part, Component::Normal(_)));
        plain
            && parts.len() == 5
            && path.starts_with("/store/proof")
            && path.file_name().unwrap().len() <= 255
    }

    #[test]
    fn hostile_ids_stay_inside() {
        for id in [
            "..",
            ".",
            "../../etc/passwd",
            "/etc/passwd",
            "a/../../b",
            "a\0b",
            "tmp",
            "%2E",
            "\\",
            "C:\\x",
            "\n",
        ] {
            assert!(is_inside(&name_of(id).unwrap()), "{id:?}");
        }
        assert!(is_inside(&name_of(&"/".repeat(MAX_ID_LENGTH)).unwrap()));
        assert!(matches!(name_of(""), Err(ArtifactError::BadId { length: 0, .. })));
        assert!(matches!(name_of(&"x".repeat(1025)), Err(ArtifactError::BadId { length: 1025, max: 1024 })));
    }

    proptest! {
        #[test]
        fn any_id_stays_inside(id in any::<String>().prop_filter("length", |id| !id.is_empty() && id.len() <= 1024)) {
            prop_assert!(is_inside(&name_of(&id).unwrap()));
        }

        #[test]
        fn ids_do_not_collide(a in "[a%./2E\u{e9}-]{1,6}", b in "[a%./2E\u{e9}-]{1,6}") {
            prop_assert_eq!(name_of(&a).unwrap() == name_of(&b).unwrap(), a == b);
        }
    }
}
