//! `proofmill srs`: the setups that SNARKs rest on.

use crate::{cli, progress};
use eyre::Result;
use proofmill_srs::{Setup, Srs, import};

pub(crate) async fn run(global: &cli::Global, args: cli::Srs) -> Result<()> {
    let folder = global.snark_folder();
    match args.command {
        cli::SrsCommand::Import(args) => {
            // What can be refused is refused before minutes of work. Of a smaller degree than the file's even reading takes them.
            if let Some(degree) = args.degree {
                Srs::check_room(&folder, Setup::Ceremony, degree)?;
            }
            let file = args.file.clone();
            let srs = progress::long("reading the setup", move || import::read(&file, args.degree)).await??;
            srs.check_place(&folder)?;
            let (srs, setup) = checked(srs).await?;
            let path = progress::long("writing the setup", move || srs.write(&folder)).await??;
            println!("{}", told(setup));
            println!("kept in {}", path.display());
        }
        cli::SrsCommand::Check(args) => {
            let srs = progress::long("reading the setup", move || any(&args.file)).await??;
            let (srs, setup) = checked(srs).await?;
            println!("degree {}: {}", srs.k, told(setup));
        }
        cli::SrsCommand::Dev(args) => {
            let k = args.degree;
            println!("{}", told(Setup::Development));
            if Srs::check_there(&folder, Setup::Development, k).is_ok() {
                let there = folder.clone();
                let read = move || Srs::read(&there, Setup::Development, k);
                if progress::long("reading the setup that is there", read).await?.is_ok() {
                    println!("there already: {}", Srs::path(&folder, Setup::Development, k).display());
                    return Ok(());
                }
            }
            Srs::check_room(&folder, Setup::Development, k)?;
            let make = move || Srs::develop(k).write(&folder);
            println!("kept in {}", progress::long("making the setup", make).await??.display());
        }
    }
    Ok(())
}

/// A file of Proofmill, or of others.
fn any(path: &std::path::Path) -> Result<Srs, proofmill_srs::SrsError> {
    match Srs::read_file(path) {
        Err(proofmill_srs::SrsError::NotASetup { .. }) => import::read(path, None),
        read => read,
    }
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
