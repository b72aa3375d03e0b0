//! Logs that grow.

use proofmill_bench::log::Log;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

/// Files that processes write to, read line by line as they grow.
#[derive(Debug, Default)]
pub(super) struct Followed {
    files: Vec<Growing>,
    /// What was read in all of them.
    pub(super) log: Log,
}

#[derive(Debug)]
struct Growing {
    path: PathBuf,
    read: u64,
    /// The beginning of a line that is not all there.
    rest: Vec<u8>,
}

impl Followed {
    /// One more. It need not be there yet.
    pub(super) fn add(&mut self, path: PathBuf) {
        if !self.files.iter().any(|file| file.path == path) {
            self.files.push(Growing { path, read: 0, rest: Vec::new() });
        }
    }

    /// Reads what is new.
    pub(super) fn look(&mut self) {
        for file in &mut self.files {
            // What cannot be read now is read the next time.
            let Ok(new) = file.new_bytes() else { continue };
            file.rest.extend_from_slice(&new);
            let whole = file.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let lines: Vec<u8> = file.rest.drain(..whole).collect();
            for line in String::from_utf8_lossy(&lines).lines() {
                self.log.take(line);
            }
        }
    }
}

impl Growing {
    fn new_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        self.read += file.read_to_end(&mut bytes)? as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_counts_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prover.log");
        let mut followed = Followed::default();
        followed.add(path.clone());
        followed.look();
        let mut file = File::create(&path).unwrap();
        for (piece, times) in
            [("batch=1 proving_ti", 0), ("me_ms=4\nbatch=2 ", 1), ("proving_time_ms=5\n", 2), ("", 2)]
        {
            file.write_all(piece.as_bytes()).unwrap();
            followed.look();
            assert_eq!(followed.log.timings.len(), times, "{piece}");
        }
    }
}
