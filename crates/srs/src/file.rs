//! The files that strings are kept in: a magic that says which setup it is, Halo2's raw form, and BLAKE3 of both ([`whole`]).
//!
//! Halo2's raw form (`ParamsKZG` with `SerdeFormat::RawBytes` of `halo2-axiom`): the degree in 4 bytes, the powers, the Lagrange points,
//! `G₂`, `τ·G₂`. A coordinate is 32 bytes, the least first, in Montgomery's form with radix 2^256.

use crate::{LARGEST_DEGREE, LEAST_DEGREE, Setup, Srs, SrsError, whole};
use halo2curves_axiom::{
    bn256::{G1Affine, G2Affine},
    serde::SerdeObject,
};
use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

const MAGIC: usize = 8;
const G1: usize = 64;
const G2: usize = 128;
/// Points that are read at once.
const CHUNK: usize = 1 << 14;

/// Halo2's readers would take the first four bytes for a degree that no machine has room for.
const fn magic(setup: Setup) -> &'static [u8; MAGIC] {
    match setup {
        Setup::Development => b"\x7fPMSRSD1",
        Setup::Ceremony => b"\x7fPMSRSC1",
    }
}

/// Bytes of Halo2's raw form of a degree.
pub(crate) const fn raw_bytes(k: u32) -> u64 {
    4 + (1 << k) * 2 * G1 as u64 + 2 * G2 as u64
}

const fn file_bytes(k: u32) -> u64 {
    MAGIC as u64 + raw_bytes(k) + whole::CHECKSUM
}

/// Reads so many points. They are not looked at: see [`Srs::check`].
pub(crate) fn read_points(reader: &mut impl Read, count: usize) -> io::Result<Vec<G1Affine>> {
    let mut points = Vec::with_capacity(count);
    let mut bytes = vec![0; G1 * CHUNK];
    while points.len() < count {
        let bytes = &mut bytes[..G1 * CHUNK.min(count - points.len())];
        reader.read_exact(bytes)?;
        points.extend(bytes.chunks_exact(G1).map(G1Affine::from_raw_bytes_unchecked));
    }
    Ok(points)
}

pub(crate) fn read_second(reader: &mut impl Read) -> io::Result<G2Affine> {
    let mut bytes = [0; G2];
    reader.read_exact(&mut bytes)?;
    Ok(G2Affine::from_raw_bytes_unchecked(&bytes))
}

/// Reads Halo2's raw form of a degree. Nothing else of it is checked. Whoever calls knows that there are as many bytes.
pub(crate) fn read_raw(reader: &mut impl Read, k: u32) -> io::Result<Srs> {
    let mut found = [0; 4];
    reader.read_exact(&mut found)?;
    let found = u32::from_le_bytes(found);
    if found != k {
        let cause = format!("its degree is {found}, not {k}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
    }
    let g = read_points(reader, 1 << k)?;
    let g_lagrange = read_points(reader, 1 << k)?;
    Ok(Srs { k, g, g_lagrange, g2: read_second(reader)?, s_g2: read_second(reader)? })
}

/// Reads of Halo2's raw form of degree `k` what makes a string of a smaller one, and nothing else: the rest may be gigabytes.
pub(crate) fn read_raw_part(reader: &mut (impl Read + Seek), k: u32, wanted: u32) -> io::Result<Srs> {
    reader.seek(SeekFrom::Start(4))?;
    let g = read_points(reader, 1 << wanted)?;
    reader.seek(SeekFrom::Start(raw_bytes(k) - 2 * G2 as u64))?;
    Ok(Srs::of_powers(wanted, g, read_second(reader)?, read_second(reader)?))
}

/// The setup and the degree that a file says it has. It is as long as it must be.
fn head(path: &Path) -> Result<(Setup, u32), SrsError> {
    let io = |source| SrsError::Io { path: path.to_owned(), source };
    let mut file = whole::open(path).map_err(io)?;
    let mut begins = [0; MAGIC + 4];
    match file.read_exact(&mut begins) {
        // Whatever it begins with, it is too short.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        read => read.map_err(io)?,
    }
    let [found @ .., a, b, c, d] = begins;
    let setup = [Setup::Development, Setup::Ceremony].into_iter().find(|setup| *magic(*setup) == found);
    let (Some(setup), degree @ LEAST_DEGREE..=LARGEST_DEGREE) = (setup, u32::from_le_bytes([a, b, c, d]))
    else {
        let cause =
            "it does not begin as Proofmill's files of setups do. Import or make one with `proofmill srs`"
                .to_owned();
        return Err(SrsError::NotASetup { path: path.to_owned(), cause });
    };
    let (expected, given) = (file_bytes(degree), file.metadata().map_err(io)?.len());
    if given != expected {
        return Err(SrsError::WrongLength { path: path.to_owned(), expected, given });
    }
    Ok((setup, degree))
}

/// What `take` reads of a whole file, behind its magic.
fn read_content<T>(
    path: &Path,
    take: impl FnOnce(&mut whole::Reader) -> io::Result<T>,
) -> Result<T, SrsError> {
    let read = whole::read(path, |reader| {
        reader.read_exact(&mut [0; MAGIC])?;
        take(reader)
    });
    let path = || path.to_owned();
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => SrsError::Damaged { path: path(), cause: error.to_string() },
        _ => SrsError::Io { path: path(), source: error },
    })
}

/// Whether a file is of the setup that its head says, by its last point.
fn check_setup(path: &Path, setup: Setup, s_g2: &G2Affine) -> Result<(), SrsError> {
    match Setup::of(s_g2) {
        Some(found) if found == setup => Ok(()),
        Some(found) => Err(SrsError::OtherSetup { path: path.to_owned(), expected: setup, found }),
        None => Err(SrsError::UnknownSetup),
    }
}

/// Reads a file whose head says that it is of this setup and degree.
fn read_whole(path: &Path, setup: Setup, degree: u32) -> Result<Srs, SrsError> {
    let srs = read_content(path, |reader| read_raw(reader, degree))?;
    check_setup(path, setup, &srs.s_g2)?;
    Ok(srs)
}

/// Bytes of Halo2's raw form before `τ·G₂`, which is its last point.
const fn before_last(degree: u32) -> u64 {
    raw_bytes(degree) - G2 as u64
}

/// `τ·G₂` of a file that is as long as one of this degree must be. Nothing else of it is looked at.
fn read_last(path: &Path, degree: u32) -> Result<G2Affine, SrsError> {
    let read = || {
        let mut file = whole::open(path)?;
        file.seek(SeekFrom::Start(MAGIC as u64 + before_last(degree)))?;
        read_second(&mut file)
    };
    read().map_err(|source| SrsError::Io { path: path.to_owned(), source })
}

impl Srs {
    /// The most memory that a string of a degree takes while it is made, read or checked, in bytes.
    pub const fn memory(degree: u32) -> u64 {
        // Both lists of points; and another one of points on their way, or scalars for each.
        (4 * G1 as u64) << degree
    }

    /// The file of a string in a folder.
    pub fn path(folder: &Path, setup: Setup, degree: u32) -> PathBuf {
        folder.join(format!("{setup}-{degree}.srs"))
    }

    /// Checks that the file is there, says that it is what its name says, and is as long as it must be.
    ///
    /// # Errors
    /// It is not.
    pub fn check_there(folder: &Path, setup: Setup, degree: u32) -> Result<(), SrsError> {
        let path = Self::path(folder, setup, degree);
        match head(&path) {
            Ok((found, _)) if found != setup => Err(SrsError::OtherSetup { path, expected: setup, found }),
            Ok((_, found)) if found != degree => Err(SrsError::OtherDegree { path, expected: degree, found }),
            Ok(_) => Ok(()),
            Err(SrsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(SrsError::Missing { setup, degree, path })
            }
            Err(error) => Err(error),
        }
    }

    /// Checks of the files of several degrees that they are [there](Self::check_there), and rest on the same secret.
    ///
    /// # Errors
    /// They are not, or do not.
    pub fn check_all_there(folder: &Path, setup: Setup, degrees: &[u32]) -> Result<(), SrsError> {
        let mut first: Option<(PathBuf, G2Affine)> = None;
        for degree in degrees {
            Self::check_there(folder, setup, *degree)?;
            let path = Self::path(folder, setup, *degree);
            let s_g2 = read_last(&path, *degree)?;
            let (other, theirs) = first.get_or_insert_with(|| (path.clone(), s_g2));
            if *theirs != s_g2 {
                return Err(SrsError::TwoSecrets { path, other: other.clone() });
            }
        }
        Ok(())
    }

    /// Checks that a file is whole, without having it in memory. Gives its `τ·G₂`.
    ///
    /// # Errors
    /// The file is missing, damaged, or of another setup or degree.
    pub fn check_whole(folder: &Path, setup: Setup, degree: u32) -> Result<G2Affine, SrsError> {
        Self::check_there(folder, setup, degree)?;
        let path = Self::path(folder, setup, degree);
        let s_g2 = read_content(&path, |reader| {
            io::copy(&mut reader.by_ref().take(before_last(degree)), &mut io::sink())?;
            read_second(reader)
        })?;
        check_setup(&path, setup, &s_g2)?;
        Ok(s_g2)
    }

    /// Reads a string that [`write`](Self::write) has written. Its checksum is checked, the points are not: that was done before
    /// it was written.
    ///
    /// # Errors
    /// The file is missing, damaged, or of another setup or degree.
    pub fn read(folder: &Path, setup: Setup, degree: u32) -> Result<Self, SrsError> {
        Self::check_there(folder, setup, degree)?;
        read_whole(&Self::path(folder, setup, degree), setup, degree)
    }

    /// The degree of a file that [`write`](Self::write) has written, wherever it is. Nothing behind that is looked at.
    ///
    /// # Errors
    /// [`SrsError::NotASetup`] where it is another's; it is missing or damaged.
    pub fn degree_of(path: &Path) -> Result<u32, SrsError> {
        head(path).map(|(_, degree)| degree)
    }

    /// Reads a file that [`write`](Self::write) has written, wherever it is.
    ///
    /// # Errors
    /// [`SrsError::NotASetup`] where it is another's; it is missing or damaged.
    pub fn read_file(path: &Path) -> Result<Self, SrsError> {
        let (setup, degree) = head(path)?;
        read_whole(path, setup, degree)
    }

    /// Checks that a string's file can be written, and that the disk has room for it: for whoever is to make or to read it first, which
    /// takes minutes.
    ///
    /// # Errors
    /// It has not, the folder cannot be written, or there is no such degree.
    pub fn check_room(folder: &Path, setup: Setup, degree: u32) -> Result<(), SrsError> {
        if !(LEAST_DEGREE..=LARGEST_DEGREE).contains(&degree) {
            return Err(SrsError::NoSuchDegree { degree });
        }
        let path = Self::path(folder, setup, degree);
        match whole::check_writable(folder).and_then(|()| whole::room(&path)) {
            Err(source) => Err(SrsError::Unwritable { path, source }),
            Ok(room) => {
                let (needed, free) = (file_bytes(degree) >> 20, room >> 20);
                if free > needed { Ok(()) } else { Err(SrsError::DiskTooSmall { path, needed, free }) }
            }
        }
    }

    /// Checks that [`write`](Self::write) has a place: for whoever is to [check](Self::check) the string first, which takes
    /// minutes. Gives the setup that its `τ·G₂` is of.
    ///
    /// # Errors
    /// It is of neither, the file of another one is there, the folder cannot be written, or the disk is too small.
    pub fn check_place(&self, folder: &Path) -> Result<Setup, SrsError> {
        let setup = Setup::of(&self.s_g2).ok_or(SrsError::UnknownSetup)?;
        self.check_replaces(&Self::path(folder, setup, self.k), setup)?;
        Self::check_room(folder, setup, self.k)?;
        Ok(setup)
    }

    /// Errors where a file of another secret, setup or degree is there, or what is there cannot be read.
    fn check_replaces(&self, path: &Path, setup: Setup) -> Result<(), SrsError> {
        let degree = match head(path) {
            // Somebody gave it the name of this one. It may be the only one of its kind.
            Ok((found, _)) if found != setup => {
                return Err(SrsError::OtherSetup { path: path.to_owned(), expected: setup, found });
            }
            Ok((_, found)) if found != self.k => {
                return Err(SrsError::OtherDegree { path: path.to_owned(), expected: self.k, found });
            }
            Ok((_, degree)) => degree,
            Err(SrsError::Io { source, path }) if source.kind() != io::ErrorKind::NotFound => {
                return Err(SrsError::Io { path, source });
            }
            // What is no file of any setup is damaged, and is to be replaced.
            Err(_) => return Ok(()),
        };
        let theirs = read_last(path, degree)?;
        if theirs != self.s_g2 && Setup::of(&theirs) == Some(setup) {
            return Err(SrsError::OtherThere { path: path.to_owned() });
        }
        Ok(())
    }

    /// Writes a string into a folder, where it is whole or not at all. Gives the file. It is for whoever has [checked](Self::check)
    /// the string.
    ///
    /// # Errors
    /// It has no [place](Self::check_place), or the disk cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, SrsError> {
        let setup = self.check_place(folder)?;
        let path = Self::path(folder, setup, self.k);
        let unwritable = |source: io::Error| SrsError::Unwritable { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let mut refused = None;
        let written = whole::write(&path, |writer| {
            // Nobody else writes it from here on. Somebody may have, since its place was looked at.
            if let Err(error) = self.check_replaces(&path, setup) {
                refused = Some(error);
                return Err(io::Error::other("another file has taken its place"));
            }
            writer.write_all(magic(setup))?;
            self.write_raw(writer)
        });
        match refused {
            Some(error) => Err(error),
            None => written.map_err(unwritable).map(|()| path.clone()),
        }
    }

    /// Writes Halo2's raw form.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_raw(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(&self.k.to_le_bytes())?;
        for point in self.g.iter().chain(&self.g_lagrange) {
            writer.write_all(&point.to_raw_bytes())?;
        }
        writer.write_all(&self.g2.to_raw_bytes())?;
        writer.write_all(&self.s_g2.to_raw_bytes())
    }
}
