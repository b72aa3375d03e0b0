//! `proofmill bench`.

use crate::{
    bench::{self, fetch, write},
    cli::{self, Bench},
};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_bench::{
    Report, Server, Session, compare,
    log::{Log, Writer},
    page,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub(crate) async fn run(global: &cli::Global, command: Bench, registry: Registry) -> Result<()> {
    match command {
        Bench::Run(args) => bench::run(global, *args, registry).await,
        Bench::Collect(args) => collect(args).await,
        Bench::Compare(args) => show_difference(&args),
    }
}

async fn collect(args: cli::Collect) -> Result<()> {
    let mut log = Log::default();
    for cli::NamedLog { prover, path } in &args.log {
        let bytes = fs::read(path).wrap_err_with(|| format!("cannot read the log {}", path.display()))?;
        let tells = prover.is_none() && args.log.len() > 1;
        let by = Writer { prover: prover.clone(), log: tells.then(|| path.display().to_string()) };
        // Other programs may have written to it too.
        log.read(&String::from_utf8_lossy(&bytes), &by);
    }
    let (metrics, gone) = match &args.metrics {
        Some(url) => match fetch(url).await {
            Ok(metrics) => (metrics, None),
            // The times are there: the rest goes on.
            Err(error) => (page::Batches::new(), Some(format!("{error:#}"))),
        },
        None => (page::Batches::new(), None),
    };
    let mut sources: Vec<String> = args.log.iter().map(|log| log.path.display().to_string()).collect();
    sources.extend(args.metrics.iter().map(|url| url.host_str().unwrap_or_default().to_owned() + url.path()));
    let session = Session {
        label: args.label,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        sources,
        server: (!args.elsewhere).then(Server::this),
        setup: None,
    };
    let mut report = Report::new(session, log, &metrics);
    let nothing = report.batches.is_empty().then(|| report.observations.first().cloned().unwrap_or_default());
    if let Some(cause) = gone {
        report.without_metrics(&cause);
    }
    write(&report, &args.out)?;
    if let Some(cause) = nothing {
        bail!("there is nothing to report: {cause}");
    }
    Ok(())
}

fn show_difference(args: &cli::Compare) -> Result<()> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    println!(
        "first:  {} ({} batches)\nsecond: {} ({} batches)",
        a.session.label,
        a.batches.len(),
        b.session.label,
        b.batches.len()
    );
    if a.session.server != b.session.server {
        println!("note: the runs were on different machines, or it is not known on which");
    }
    let compared = compare(&a, &b);
    if compared.is_empty() {
        bail!("the runs have no prover type in common: {:?} and {:?}", types(&a), types(&b));
    }
    for comparison in compared {
        println!("{comparison}");
    }
    Ok(())
}

fn types(report: &Report) -> Vec<&str> {
    report.summaries.keys().map(String::as_str).collect()
}

fn read(path: &Path) -> Result<Report> {
    let file: PathBuf = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    let bytes = fs::read(&file).wrap_err_with(|| format!("cannot read the report {}", file.display()))?;
    serde_json::from_slice(&bytes)
        .wrap_err_with(|| format!("{} is no report of `proofmill bench collect`", file.display()))
}
