//! Opens the ledger that the settings name.

use crate::{cli, wiring};
use eyre::{Result, WrapErr, bail};
use proofmill_chain::Wait;
use proofmill_ledger::{DatabaseFault, Ledger, LedgerError};
use std::{env, fs, path::Path};
use tokio_util::sync::CancellationToken;

/// Holds the database's URL, where no file is named. A URL has a password, and flags are seen by every user of the machine.
pub(crate) const DATABASE: &str = "PROOFMILL_DATABASE";

/// A schema of a Postgres database where one is named, and else the SQLite file. A database that is away is waited for, as one that
/// goes away later is.
pub(crate) async fn open(
    args: &cli::Database,
    schema: &str,
    file: &Path,
    stop: &CancellationToken,
) -> Result<Ledger> {
    let Some(url) = url(args)? else {
        if let Some(schema) = &args.database_schema {
            bail!(
                "--database-schema {schema} names a schema of no database: name the file with the URL with --database-file, or set \
                 {DATABASE}"
            );
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        if let Some(shared) = proofmill_ledger::network_file_system(folder)? {
            bail!(
                "the ledger would be in {}, which is on {shared}: SQLite can lose it there. Give --data-dir a folder on a disk of \
                 this machine, and name the shared one with --artifacts; or keep the ledger in Postgres (--database-file)",
                folder.display()
            );
        }
        return Ok(Ledger::open(file).await?);
    };
    let schema = args.database_schema.as_deref().unwrap_or(schema);
    let ledger = tokio::select! {
        opened = open_patiently(&url, schema) => opened?,
        () = stop.cancelled() => bail!("stopped before the ledger's database answered"),
    };
    tracing::info!(%ledger, "the ledger is in Postgres");
    Ok(ledger)
}

async fn open_patiently(url: &str, schema: &str) -> Result<Ledger, LedgerError> {
    let wait = |error: &LedgerError| match error {
        LedgerError::Database { fault: DatabaseFault::Away { .. }, .. } => Some(Wait::UntilThere),
        _ => None,
    };
    let say = |error: &LedgerError| tracing::warn!(%error, "waiting for the ledger's database");
    wiring::until_there(wait, say, || Ledger::open_postgres(url, schema)).await
}

fn url(args: &cli::Database) -> Result<Option<String>> {
    let said = |url: String| Some(url.trim().to_owned()).filter(|url| !url.is_empty());
    let Some(file) = &args.database_file else { return Ok(env::var(DATABASE).ok().and_then(said)) };
    let url = fs::read_to_string(file).wrap_err_with(|| {
        format!("cannot read the file with the database's URL, {} (--database-file)", file.display())
    })?;
    // A secret that was not filled in must not become a ledger on this machine's disk.
    match said(url) {
        Some(url) => Ok(Some(url)),
        None => bail!(
            "the file with the database's URL, {} (--database-file), is empty: write the URL into it, or leave it out for a ledger in the \
             data folder",
            file.display()
        ),
    }
}

/// The schema of a rollup, by the name of its folder.
pub(crate) fn schema(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("rollup_{}", name.to_lowercase().replace(|char: char| !char.is_ascii_alphanumeric(), "_"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::Address;
    use proofmill_localstore::LocalPostgres;
    use std::time::Duration;

    #[tokio::test]
    async fn a_database_that_comes_later_is_waited_for() {
        let Some(mut server) = LocalPostgres::start_or_skip().unwrap() else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        fs::write(&file, server.url()).unwrap();
        let args = cli::Database { database_file: Some(file), database_schema: None };
        let (stop, unused) = (CancellationToken::new(), folder.path().join("unused"));
        server.stop();
        let opening = open(&args, "later", &unused, &stop);
        tokio::pin!(opening);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut opening).await;
        assert!(early.is_err(), "{:?}", early.map(|opened| opened.map_err(|error| error.to_string())));
        server.start_again().unwrap();
        assert!(opening.await.unwrap().to_string().contains("schema later"));
        // Who stops it does not wait for it.
        server.stop();
        stop.cancel();
        assert!(open(&args, "later", &unused, &stop).await.is_err());
    }

    #[test]
    fn a_file_without_a_url_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        for (text, named) in [("", None), (" \n", None), ("postgres://there\n", Some("postgres://there"))] {
            fs::write(&file, text).unwrap();
            let args = cli::Database { database_file: Some(file.clone()), database_schema: None };
            match named {
                Some(named) => assert_eq!(url(&args).unwrap().as_deref(), Some(named)),
                None => assert!(url(&args).unwrap_err().to_string().contains("is empty")),
            }
        }
    }

    #[test]
    fn a_rollup_has_a_schema_that_fits() {
        let folder = crate::node::folder(Path::new("data"), 11_155_111, Address::repeat_byte(0xab));
        let schema = schema(&folder);
        assert_eq!(schema, format!("rollup_11155111_0x{}", "ab".repeat(20)));
        assert!(schema.len() <= 63);
    }
}
