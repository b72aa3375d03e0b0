//! `proofmill bench`.

use crate::cli::{self, Bench};
use eyre::{Result, WrapErr, bail};
use proofmill_bench::{Report, Server, Session, compare, log, page};
use proofmill_client::files;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use url::Url;

/// How long the metrics are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that a page of metrics has, in bytes.
const LONGEST: usize = 64 << 20;

pub(crate) async fn run(command: Bench) -> Result<()> {
    match command {
        Bench::Collect(args) => collect(args).await,
        Bench::Compare(args) => show_difference(&args),
    }
}

async fn collect(args: cli::Collect) -> Result<()> {
    let mut text = String::new();
    for path in &args.log {
        let bytes = fs::read(path).wrap_err_with(|| format!("cannot read the log {}", path.display()))?;
        // Other programs may have written to it too.
        text += &String::from_utf8_lossy(&bytes);
        text.push('\n');
    }
    let metrics = match &args.metrics {
        Some(url) => fetch(url).await?,
        None => page::Batches::new(),
    };
    let mut sources: Vec<String> = args.log.iter().map(|path| path.display().to_string()).collect();
    sources.extend(args.metrics.iter().map(|url| url.host_str().unwrap_or_default().to_owned() + url.path()));
    let session = Session {
        label: args.label,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        sources,
        server: (!args.elsewhere).then(Server::this),
    };
    let report = Report::new(session, log::read(&text), &metrics);
    fs::create_dir_all(&args.out)
        .wrap_err_with(|| format!("cannot make the folder {}", args.out.display()))?;
    let markdown = report.markdown();
    for (name, bytes) in [
        ("report.md", markdown.clone().into_bytes()),
        ("report.json", serde_json::to_vec_pretty(&report)?),
        ("report.svg", report.plot().into_bytes()),
    ] {
        files::save(&args.out.join(name), &bytes)?;
    }
    println!("{markdown}");
    println!("written: report.md, report.json and report.svg in {}", args.out.display());
    if report.batches.is_empty() {
        bail!("there is nothing to report: {}", report.observations.first().map_or("", String::as_str));
    }
    Ok(())
}

async fn fetch(url: &Url) -> Result<page::Batches> {
    let place = format!(
        "{}:{}{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or(0),
        url.path()
    );
    let ask = async {
        let mut answer = proofmill_http::client().get(url.clone()).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while bytes.len() <= LONGEST
            && let Some(chunk) = answer.chunk().await?
        {
            bytes.extend_from_slice(&chunk);
        }
        Ok::<_, reqwest::Error>(bytes)
    };
    let bytes = tokio::time::timeout(PATIENCE, ask)
        .await
        .wrap_err_with(|| format!("{place} did not send its metrics within {} s", PATIENCE.as_secs()))?
        .map_err(reqwest::Error::without_url)
        .wrap_err_with(|| {
            format!("no metrics from {place}: is L2 still up? Leave --metrics out for a report without them")
        })?;
    if bytes.len() > LONGEST {
        bail!("{place} sends more than {} MB: that is no page of metrics", LONGEST >> 20);
    }
    page::parse(&String::from_utf8_lossy(&bytes))
        .wrap_err_with(|| format!("what {place} sent cannot be used"))
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
