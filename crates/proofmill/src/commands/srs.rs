//! `proofmill srs`: the setups that SNARKs rest on.

use crate::{cli, progress};
use eyre::{Result, bail};
use proofmill_srs::{Setup, Srs, SrsError, import};
use proofmill_worker::memory;
use std::path::Path;

pub(crate) async fn run(global: &cli::Global, args: cli::Srs) -> Result<()> {
    let folder = global.snark_folder();
    match args.command {
        cli::SrsCommand::Import(args) => {
            if Srs::degree_of(&args.file).is_ok() {
                bail!(
                    "{} is a setup that Proofmill keeps already: copy it into {}, under the name that it has there (`proofmill srs check` \
                     says whether it is whole)",
                    args.file.display(),
                    folder.display()
                );
            }
            // What can be refused is refused before minutes of work. Of a smaller degree than the file's even reading takes them.
            let degree = args.degree.map_or_else(|| import::degree(&args.file), Ok)?;
            Srs::check_room(&folder, Setup::Ceremony, degree)?;
            check_memory(degree, memory::available())?;
            let file = args.file.clone();
            let srs = progress::long("reading the setup", move || import::read(&file, args.degree)).await??;
            srs.check_place(&folder)?;
            let (srs, setup) = checked(srs).await?;
            let path = progress::long("writing the setup", move || srs.write(&folder)).await??;
            println!("{}", told(setup));
            println!("kept in {}", path.display());
        }
        cli::SrsCommand::Check(args) => {
            check_memory(degree_of_any(&args.file)?, memory::available())?;
            let srs = progress::long("reading the setup", move || any(&args.file)).await??;
            let (srs, setup) = checked(srs).await?;
            println!("degree {}: {}", srs.k, told(setup));
        }
        cli::SrsCommand::Dev(args) => {
            let k = args.degree;
            println!("{}", told(Setup::Development));
            check_memory(k, memory::available())?;
            let again = |error: &SrsError| eprintln!("{error}. It is made again now");
            match Srs::check_there(&folder, Setup::Development, k) {
                Ok(()) => {
                    let there = folder.clone();
                    let read = move || Srs::read(&there, Setup::Development, k);
                    match progress::long("reading the setup that is there", read).await? {
                        Ok(_) => {
                            let there = Srs::path(&folder, Setup::Development, k);
                            println!("there already: {}", there.display());
                            return Ok(());
                        }
                        Err(error) => again(&error),
                    }
                }
                Err(SrsError::Missing { .. }) => {}
                // It would not be replaced, which is not said after a minute of work.
                Err(
                    error
                    @ (SrsError::OtherSetup { .. } | SrsError::OtherDegree { .. } | SrsError::Io { .. }),
                ) => return Err(error.into()),
                Err(error) => again(&error),
            }
            Srs::check_room(&folder, Setup::Development, k)?;
            let make = move || Srs::develop(k).write(&folder);
            println!("kept in {}", progress::long("making the setup", make).await??.display());
        }
    }
    Ok(())
}

/// A file of Proofmill, or of others.
fn any(path: &Path) -> Result<Srs, SrsError> {
    match Srs::read_file(path) {
        Err(SrsError::NotASetup { .. }) => import::read(path, None),
        read => read,
    }
}

/// The degree of such a file.
fn degree_of_any(path: &Path) -> Result<u32, SrsError> {
    match Srs::degree_of(path) {
        Err(SrsError::NotASetup { .. }) => import::degree(path),
        degree => degree,
    }
}

/// Refuses a degree that takes more memory than there is, in bytes; 0 where nobody knows.
fn check_memory(degree: u32, available: u64) -> Result<()> {
    let needed = Srs::memory(degree);
    if available != 0 && needed > available {
        bail!(
            "a setup of degree {degree} takes {} GB of memory, and this machine has {}: name a smaller degree with --degree where it is to be \
             imported or made, or take a larger machine",
            needed.div_ceil(1 << 30),
            available >> 30
        );
    }
    Ok(())
}

async fn checked(srs: Srs) -> Result<(Srs, Setup)> {
    let checked =
        progress::long("checking every point", move || srs.check().map(|setup| (srs, setup))).await?;
    Ok(checked?)
}

fn told(setup: Setup) -> &'static str {
    match setup {
        Setup::Ceremony => {
            "the perpetual powers of tau, whole: nobody knows the secret while one contributor was honest"
        }
        Setup::Development => {
            "the setup for development. INSECURE: its secret is public, and no contract but one on chain 31337 takes its SNARKs"
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_setup_that_does_not_fit_the_memory_is_refused_before_it_is_read() {
        for (degree, gb) in [(23, 4), (26, 16), (28, 64), (28, 0)] {
            check_memory(degree, gb << 30).unwrap();
        }
        for (degree, gb) in [(23, 1), (26, 15), (28, 24)] {
            let refused = check_memory(degree, gb << 30).unwrap_err().to_string();
            assert!(refused.contains(&format!("has {gb}:")) && refused.contains("--degree"), "{refused}");
        }
    }
}
