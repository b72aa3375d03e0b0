//! Reading strings that others have made: Halo2's raw form, and `.ptau` files of snarkjs.
//!
//! A `.ptau` file has numbered sections (the format of `binfileutils`, which snarkjs uses): 1 is the header, 2 has
//! `τ^i·G₁`, 3 `τ^i·G₂`, and 12 the Lagrange points of every degree, one degree after the other. Points are as in Halo2's raw
//! form. The roots of unity are powers of another one: `ω_halo2 = ω_snarkjs^52831969` at order 2^28, so the Lagrange points
//! are the same in another order.

use crate::{LARGEST_DEGREE, LEAST_DEGREE, Srs, SrsError, file};
use halo2curves_axiom::bn256::G1Affine;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

const PTAU: &[u8; 4] = b"ptau";
const HEADER: u32 = 1;
const POWERS: u32 = 2;
const SECOND: u32 = 3;
const LAGRANGE: u32 = 12;
/// The most sections that are looked for: files of snarkjs have fewer than twenty.
const MOST_SECTIONS: u32 = 64;
/// The order of BN254's coordinates, the least byte first.
pub(crate) const PRIME: [u8; 32] = [
    0x47, 0xfd, 0x7c, 0xd8, 0x16, 0x8c, 0x20, 0x3c, 0x8d, 0xca, 0x71, 0x68, 0x91, 0x6a, 0x81, 0x97, 0x5d,
    0x58, 0x81, 0x81, 0xb6, 0x45, 0x50, 0xb8, 0x29, 0xa0, 0x31, 0xe1, 0x72, 0x4e, 0x64, 0x30,
];
/// The power of snarkjs' root of unity that Halo2's is.
const ROOT: u64 = 52_831_969;

/// Reads a file of either form, of its own degree or a smaller one. Nothing is checked but its shape: see [`Srs::check`].
///
/// # Errors
/// It is neither, is cut off, is too small, or was not prepared.
pub fn read(path: &Path, degree: Option<u32>) -> Result<Srs, SrsError> {
    if let Some(degree) = degree
        && !(LEAST_DEGREE..=LARGEST_DEGREE).contains(&degree)
    {
        return Err(SrsError::NoSuchDegree { degree });
    }
    let io = |source| SrsError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut begins = [0; 4];
    reader.read_exact(&mut begins).map_err(|error| not_a_setup(path, error))?;
    if &begins == PTAU {
        return Ptau { path, reader: &mut reader, length }.read(degree);
    }
    let k = u32::from_le_bytes(begins);
    if !(LEAST_DEGREE..=LARGEST_DEGREE).contains(&k) {
        return Err(not_a_setup(path, "it begins neither as Halo2's files do nor as those of snarkjs"));
    }
    let expected = file::raw_bytes(k);
    if length != expected {
        return Err(SrsError::WrongLength { path: path.to_owned(), expected, given: length });
    }
    let wanted = degree.unwrap_or(k);
    if wanted > k {
        return Err(SrsError::TooSmall { has: k, needed: wanted });
    }
    if wanted < k {
        return file::read_raw_part(&mut reader, k, wanted).map_err(io);
    }
    reader.rewind().map_err(io)?;
    file::read_raw(&mut reader, k).map_err(io)
}

fn not_a_setup(path: &Path, cause: impl ToString) -> SrsError {
    SrsError::NotASetup { path: path.to_owned(), cause: cause.to_string() }
}

struct Ptau<'a> {
    path: &'a Path,
    reader: &'a mut BufReader<File>,
    length: u64,
}

impl Ptau<'_> {
    fn read(mut self, degree: Option<u32>) -> Result<Srs, SrsError> {
        let path = self.path;
        let sections = self.sections().map_err(|error| not_a_setup(path, error))?;
        let section = |number| {
            sections
                .get(&number)
                .copied()
                .ok_or_else(|| not_a_setup(path, format!("section {number} is missing")))
        };
        let has = self.header(section(HEADER)?)?;
        let k = degree.unwrap_or(has);
        if k > has {
            return Err(SrsError::TooSmall { has, needed: k });
        }
        let n = 1_u64 << k;
        let g = self.points(section(POWERS)?, 0, n)?;
        let (g2, s_g2) = self.second(section(SECOND)?)?;
        let Some(lagrange) = sections.get(&LAGRANGE) else {
            return Err(SrsError::NotPrepared { path: path.to_owned(), degree: k });
        };
        // Behind those of all smaller degrees, which have 1, 2, 4… points.
        let theirs = self.points(*lagrange, n - 1, n)?;
        let g_lagrange = (0..n).map(|index| theirs[(index * ROOT % n) as usize]).collect();
        Ok(Srs { k, g, g_lagrange, g2, s_g2 })
    }

    /// Where each section begins, and how long it is.
    fn sections(&mut self) -> io::Result<BTreeMap<u32, (u64, u64)>> {
        let (_version, count) = (self.u32()?, self.u32()?);
        if count > MOST_SECTIONS {
            return Err(io::Error::other(format!(
                "it says that it has {count} sections, and a file of snarkjs has fewer than twenty"
            )));
        }
        let mut sections = BTreeMap::new();
        for _ in 0..count {
            let (number, size) = (self.u32()?, self.u64()?);
            let begins = self.reader.stream_position()?;
            let fits = begins.checked_add(size).is_some_and(|ends| ends <= self.length);
            let forward = i64::try_from(size).ok().filter(|_| fits);
            let forward = forward.ok_or_else(|| io::Error::other(format!("section {number} is cut off")))?;
            sections.insert(number, (begins, size));
            // What is in the buffer stays there: sections may be tiny.
            self.reader.seek_relative(forward)?;
        }
        Ok(sections)
    }

    /// The degree.
    fn header(&mut self, (begins, _): (u64, u64)) -> Result<u32, SrsError> {
        let path = self.path;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(begins))?;
            let size = self.u32()?;
            let mut prime = [0; 32];
            self.reader.read_exact(&mut prime)?;
            Ok((size, prime, self.u32()?))
        };
        let (size, prime, degree) = read().map_err(|error: io::Error| not_a_setup(path, error))?;
        if size != 32 || prime != PRIME {
            return Err(not_a_setup(path, "it is of another curve than BN254"));
        }
        if !(LEAST_DEGREE..=LARGEST_DEGREE).contains(&degree) {
            return Err(SrsError::NoSuchDegree { degree });
        }
        Ok(degree)
    }

    fn points(
        &mut self,
        (begins, size): (u64, u64),
        first: u64,
        count: u64,
    ) -> Result<Vec<G1Affine>, SrsError> {
        const POINT: u64 = 64;
        if (first + count) * POINT > size {
            let cause = format!("a section has {size} bytes, and {} are needed", (first + count) * POINT);
            return Err(not_a_setup(self.path, cause));
        }
        let path = self.path;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(begins + first * POINT))?;
            file::read_points(self.reader, count as usize)
        };
        read().map_err(|source| SrsError::Io { path: path.to_owned(), source })
    }

    fn second(
        &mut self,
        (begins, size): (u64, u64),
    ) -> Result<(halo2curves_axiom::bn256::G2Affine, halo2curves_axiom::bn256::G2Affine), SrsError> {
        if size < 256 {
            return Err(not_a_setup(self.path, "the section of the second group is cut off"));
        }
        let path = self.path;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(begins))?;
            Ok((file::read_second(self.reader)?, file::read_second(self.reader)?))
        };
        read().map_err(|source| SrsError::Io { path: path.to_owned(), source })
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.reader.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
