//! Reading strings that others have made: Halo2's raw form, and `.ptau` files of snarkjs.
//!
//! A `.ptau` file has numbered sections (the format of `binfileutils`, which snarkjs uses): 1 is the header, 2 has
//! `τ^i·G₁`, 3 `τ^i·G₂`, and 12 the Lagrange points of every degree, one degree after the other. Points are as in Halo2's raw
//! form. The roots of unity are powers of another one: `ω_halo2 = ω_snarkjs^52831969` at order 2^28, so the Lagrange points
//! are the same in another order.

use crate::{LARGEST_DEGREE, LEAST_DEGREE, Srs, SrsError, file, whole};
use halo2curves_axiom::bn256::G1Affine;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

const PTAU: &[u8; 4] = b"ptau";
/// The version of that format.
const VERSION: u32 = 1;
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

/// Where each section of a `.ptau` file begins, and how long it is.
type Sections = BTreeMap<u32, (u64, u64)>;

/// Reads a file of either form, of its own degree or a smaller one. Nothing is checked but its shape: see [`Srs::check`].
///
/// # Errors
/// It is neither, is cut off, is too small, or was not prepared.
pub fn read(path: &Path, degree: Option<u32>) -> Result<Srs, SrsError> {
    if let Some(degree) = degree {
        check_degree(degree)?;
    }
    let mut source = Source::open(path)?;
    let (has, sections) = source.head()?;
    let k = degree.unwrap_or(has);
    if k > has {
        return Err(SrsError::TooSmall { has, needed: k });
    }
    match sections {
        Some(sections) => source.read_ptau(&sections, k),
        None => source.read_raw(has, k).map_err(|source| SrsError::Io { path: path.to_owned(), source }),
    }
}

/// The degree that a file of either form says it has. Its points are not looked at.
///
/// # Errors
/// It is neither, or is cut off.
pub fn degree(path: &Path) -> Result<u32, SrsError> {
    Ok(Source::open(path)?.head()?.0)
}

fn check_degree(degree: u32) -> Result<(), SrsError> {
    match degree {
        LEAST_DEGREE..=LARGEST_DEGREE => Ok(()),
        _ => Err(SrsError::NoSuchDegree { degree }),
    }
}

fn not_a_setup(path: &Path, cause: impl ToString) -> SrsError {
    SrsError::NotASetup { path: path.to_owned(), cause: cause.to_string() }
}

/// The file ends too early, or cannot be read.
fn unread(path: &Path, error: io::Error) -> SrsError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => not_a_setup(path, "it is cut off. Fetch it again"),
        _ => not_a_setup(path, error),
    }
}

/// A file of either form.
struct Source<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    length: u64,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self, SrsError> {
        let io = |source| SrsError::Io { path: path.to_owned(), source };
        let file = whole::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        Ok(Self { path, reader: BufReader::with_capacity(1 << 20, file), length })
    }

    /// The degree, and the sections of a file of snarkjs.
    fn head(&mut self) -> Result<(u32, Option<Sections>), SrsError> {
        let path = self.path;
        let mut begins = [0; 4];
        self.reader.read_exact(&mut begins).map_err(|error| unread(path, error))?;
        if &begins == PTAU {
            let sections = self.sections().map_err(|error| unread(path, error))?;
            return Ok((self.header(section(path, &sections, HEADER)?)?, Some(sections)));
        }
        let k = u32::from_le_bytes(begins);
        if check_degree(k).is_err() {
            return Err(not_a_setup(
                path,
                "it begins neither as Halo2's files do nor as those of snarkjs. Take `kzg_bn254_*.srs` or a prepared `.ptau` of the perpetual \
                 powers of tau",
            ));
        }
        let expected = file::raw_bytes(k);
        if self.length != expected {
            return Err(SrsError::WrongLength { path: path.to_owned(), expected, given: self.length });
        }
        Ok((k, None))
    }

    /// Reads Halo2's raw form of degree `has`.
    fn read_raw(&mut self, has: u32, k: u32) -> io::Result<Srs> {
        if k < has {
            return file::read_raw_part(&mut self.reader, has, k);
        }
        self.reader.rewind()?;
        file::read_raw(&mut self.reader, k)
    }

    fn read_ptau(&mut self, sections: &Sections, k: u32) -> Result<Srs, SrsError> {
        let path = self.path;
        let Some(lagrange) = sections.get(&LAGRANGE) else {
            return Err(SrsError::NotPrepared { path: path.to_owned(), degree: k });
        };
        let n = 1_u64 << k;
        let g = self.points(section(path, sections, POWERS)?, 0, n)?;
        let (g2, s_g2) = self.second(section(path, sections, SECOND)?)?;
        // Behind those of all smaller degrees, which have 1, 2, 4… points.
        let theirs = self.points(*lagrange, n - 1, n)?;
        let g_lagrange = (0..n).map(|index| theirs[(index * ROOT % n) as usize]).collect();
        Ok(Srs { k, g, g_lagrange, g2, s_g2 })
    }

    /// Where each section begins, and how long it is.
    fn sections(&mut self) -> io::Result<Sections> {
        let (version, count) = (self.u32()?, self.u32()?);
        if version != VERSION {
            return Err(io::Error::other(format!(
                "it is of version {version} of the format, and {VERSION} is known. Take one that snarkjs has prepared"
            )));
        }
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
            let forward = forward
                .ok_or_else(|| io::Error::other(format!("section {number} is cut off. Fetch it again")))?;
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
        let (size, prime, degree) = read().map_err(|error: io::Error| unread(path, error))?;
        if size != 32 || prime != PRIME {
            return Err(not_a_setup(
                path,
                "it is of another curve than BN254. Take one of the perpetual powers of tau",
            ));
        }
        check_degree(degree)?;
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
            let needed = (first + count) * POINT;
            let cause = format!(
                "a section has {size} bytes, and {needed} are needed. Fetch it again, or take a larger one"
            );
            return Err(not_a_setup(self.path, cause));
        }
        let path = self.path;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(begins + first * POINT))?;
            file::read_points(&mut self.reader, count as usize)
        };
        read().map_err(|source| SrsError::Io { path: path.to_owned(), source })
    }

    fn second(
        &mut self,
        (begins, size): (u64, u64),
    ) -> Result<(halo2curves_axiom::bn256::G2Affine, halo2curves_axiom::bn256::G2Affine), SrsError> {
        if size < 256 {
            return Err(not_a_setup(self.path, "the section of the second group is cut off. Fetch it again"));
        }
        let path = self.path;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(begins))?;
            Ok((file::read_second(&mut self.reader)?, file::read_second(&mut self.reader)?))
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

/// Where a section is that every `.ptau` file has.
fn section(path: &Path, sections: &Sections, number: u32) -> Result<(u64, u64), SrsError> {
    let missing = || not_a_setup(path, format!("section {number} is missing. Fetch it again"));
    sections.get(&number).copied().ok_or_else(missing)
}
