//! Where what must be durable is kept.

use clap::Args;
use std::path::PathBuf;

/// A Postgres database, instead of SQLite in the data directory.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Database {
    /// File with the URL of a Postgres database, postgres://user:password@host:port/database; without one, the environment
    /// variable PROOFMILL_DATABASE may hold it [default: SQLite in the data directory]
    #[arg(long, env = "PROOFMILL_DATABASE_FILE", value_name = "FILE")]
    pub(crate) database_file: Option<PathBuf>,
    /// The schema of that database, which is made where it is missing [default: proofmill_cluster; of a proof coordinator, a
    /// name made of its rollup's]
    #[arg(long, env = "PROOFMILL_DATABASE_SCHEMA", value_name = "NAME")]
    pub(crate) database_schema: Option<String>,
}
