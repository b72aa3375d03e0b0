//! Opens the ledger that the settings name.

use crate::cli;
use eyre::{Result, WrapErr, bail};
use proofmill_ledger::Ledger;
use std::{env, fs, path::Path};

/// Holds the database's URL, where no file is named. A URL has a password, and flags are seen by every user of the machine.
const DATABASE: &str = "PROOFMILL_DATABASE";

/// A schema of a Postgres database where one is named, and else the SQLite file.
pub(crate) async fn open(args: &cli::Database, schema: &str, file: &Path) -> Result<Ledger> {
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
    let ledger = Ledger::open_postgres(&url, args.database_schema.as_deref().unwrap_or(schema)).await?;
    tracing::info!(%ledger, "the ledger is in Postgres");
    Ok(ledger)
}

fn url(args: &cli::Database) -> Result<Option<String>> {
    let url = match &args.database_file {
        Some(file) => Some(fs::read_to_string(file).wrap_err_with(|| {
            format!("cannot read the file with the database's URL, {} (--database-file)", file.display())
        })?),
        None => env::var(DATABASE).ok(),
    };
    Ok(url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()))
}

/// The schema of a rollup, by the name of its folder.
pub(crate) fn schema(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("rollup_{}", name.to_lowercase().replace(|char: char| !char.is_ascii_alphanumeric(), "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    #[test]
    fn a_rollup_has_a_schema_that_fits() {
        let folder = crate::node::folder(Path::new("data"), 11_155_111, Address::repeat_byte(0xab));
        let schema = schema(&folder);
        assert_eq!(schema, format!("rollup_11155111_0x{}", "ab".repeat(20)));
        assert!(schema.len() <= 63);
    }
}
