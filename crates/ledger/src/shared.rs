//! File systems on which a ledger is not safe.

use std::{io, path::Path};

/// Numbers of file systems by `statfs(2)` that other machines share, and on which SQLite's write-ahead log is not supported.
const SHARED: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// The network file system that a folder is on, if it is on one: SQLite loses data there, and each commit waits for the network.
///
/// # Errors
/// The folder cannot be looked at.
pub fn network_file_system(folder: &Path) -> io::Result<Option<&'static str>> {
    Ok(named(rustix::fs::statfs(folder)?.f_type.cast_unsigned()))
}

/// Only the lower 32 bits count: some systems extend the sign.
fn named(number: u64) -> Option<&'static str> {
    SHARED.into_iter().find(|(of, _)| *of == number & 0xffff_ffff).map(|(_, name)| name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_disks() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(0xffff_ffff_ff53_4d42), Some("CIFS"));
        // ext4, tmpfs, and what rootless containers have.
        for local in [0xef53, 0x0102_1994, 0x6573_5546] {
            assert_eq!(named(local), None);
        }
        assert_eq!(network_file_system(Path::new("/proc")).unwrap(), None);
        assert!(network_file_system(Path::new("/no/such/folder")).is_err());
    }
}
