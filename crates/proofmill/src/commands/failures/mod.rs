//! `proofmill failures`: records of what a prover node could not prove.

mod rerun;

use crate::{cli, report::thousands, wiring};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_client::files;
use proofmill_prover_node::{
    parts::{FailureId, FailureRecord, FailureStore, Subject},
    rules::{Failed, Failure, Time},
};
use std::{path::PathBuf, time::SystemTime};

pub(crate) async fn run(global: &cli::Global, args: cli::Failures, registry: Registry) -> Result<()> {
    match args {
        cli::Failures::List(place) => list(&open(global, &place)?).await,
        cli::Failures::Show(asked) => {
            let (_, id, record) = find(global, &asked).await?;
            println!("{}", show(&id, &record));
            Ok(())
        }
        cli::Failures::Download(args) => {
            let (store, id, record) = find(global, &args.record).await?;
            let folder = args.to.unwrap_or_else(|| PathBuf::from(id.as_str()));
            download(&store, &id, &record, &folder).await
        }
        cli::Failures::Rerun(args) => {
            let (store, id, record) = find(global, &args.record).await?;
            rerun::run(global, *args, rerun::Kept { store, id, record }, registry).await
        }
    }
}

fn open(global: &cli::Global, place: &cli::FailurePlace) -> Result<FailureStore> {
    wiring::failures(place.failures.as_deref(), &global.data_dir)
}

async fn list(store: &FailureStore) -> Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["record", "ago", "files", "cause"]);
    let ids = store.list().await?;
    if ids.is_empty() {
        println!("no failures in {store}");
        return Ok(());
    }
    for id in ids {
        match store.record(&id).await {
            Ok(record) => table.add_row([
                id.to_string(),
                ago(record.subject.at()),
                record.files.len().to_string(),
                record.subject.cause().to_owned(),
            ]),
            Err(error) => table.add_row([id.to_string(), String::new(), String::new(), error.to_string()]),
        };
    }
    println!("{table}");
    Ok(())
}

/// The one record that is meant.
async fn find(
    global: &cli::Global,
    asked: &cli::FailureRecord,
) -> Result<(FailureStore, FailureId, FailureRecord)> {
    let store = open(global, &asked.place)?;
    let ids = store.list().await?;
    let mut meant: Vec<_> = ids.iter().filter(|id| id.as_str() == asked.record).collect();
    if meant.is_empty() {
        meant.extend(ids.iter().filter(|id| id.as_str().contains(&asked.record)));
    }
    let id = match meant.as_slice() {
        [id] => FailureId::clone(id),
        [] => bail!(
            "no record in {store} is called {:?}: `proofmill failures list` shows what there is",
            asked.record
        ),
        several => {
            let names: Vec<_> = several.iter().map(ToString::to_string).collect();
            bail!("{:?} may be any of {}: give more of the name", asked.record, names.join(", "))
        }
    };
    let record = store.record(&id).await?;
    Ok((store, id, record))
}

fn show(id: &FailureId, record: &FailureRecord) -> String {
    let mut out = format!("record      {id}\n");
    match &record.subject {
        Subject::Failure(failure) => out += &of_failure(failure),
        Subject::BadProof(bad) => {
            out += &format!(
                "what        the {} proof of blocks {} by {}\n",
                bad.level.name(),
                bad.range.blocks,
                bad.prover
            );
        }
    }
    out += &format!("cause       {}\n", record.subject.cause());
    out += &format!("when        {} ago\n", ago(record.subject.at()));
    out += &format!("rollup      {} of chain {}\n", record.statement.rollup, record.statement.chain_id);
    out += &format!("prover      {}\n", record.statement.prover);
    for (prover, programs) in &record.programs {
        out += &format!(
            "{:<11} range {}, aggregation {}\n",
            prover.name(),
            programs.range,
            programs.aggregation
        );
    }
    out += &format!("release     {}\n", record.release);
    for file in &record.files {
        out += &format!("file        {} ({} bytes)\n", file.name, thousands(file.bytes));
    }
    for missing in &record.missing {
        out += &format!("missing     the input of blocks {}: {}\n", missing.range.blocks, missing.cause);
    }
    if let Subject::Failure(failure) = &record.subject {
        out += "before      (oldest first)\n";
        for entry in failure.journal.iter().rev().take(SHOWN).rev() {
            let change = serde_json::to_string(&entry.change).unwrap_or_default();
            out += &format!("  {:>8} {change}\n", ago(entry.at));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// How many entries of the journal are shown; `record.json` has all.
const SHOWN: usize = 20;

fn of_failure(failure: &Failure) -> String {
    let what = match &failure.what {
        Failed::Checkpoint { prover, range } => {
            format!("epoch {}: the {prover} proof of blocks {}", failure.epoch, range.blocks)
        }
        Failed::Session { spec } => format!("epoch {}: its {} session", failure.epoch, spec.kind),
    };
    let mut out = format!("what        {what}\n");
    for checkpoint in &failure.checkpoints {
        out += &format!(
            "checkpoint  {}: slot {}, blocks {}, ends in {} with state root {}\n",
            checkpoint.number,
            checkpoint.slot,
            checkpoint.blocks,
            checkpoint.last_hash,
            checkpoint.state_root
        );
    }
    out
}

async fn download(
    store: &FailureStore,
    id: &FailureId,
    record: &FailureRecord,
    folder: &std::path::Path,
) -> Result<()> {
    let save = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        files::save(&path, content).wrap_err_with(|| format!("cannot write {}", path.display()))?;
        println!("{} ({} bytes)", path.display(), thousands(content.len() as u64));
        Ok::<_, eyre::Report>(())
    };
    save("record.json", &store.record_file(id).await?)?;
    // One that is damaged keeps nobody from the others.
    let mut lacking = Vec::new();
    for file in &record.files {
        match store.file(id, file).await {
            Ok(content) => save(&file.name, &content)?,
            Err(error) => lacking.push(error.to_string()),
        }
    }
    match lacking.as_slice() {
        [] => Ok(()),
        _ => {
            bail!("{} files of {} were not copied: {}", lacking.len(), record.files.len(), lacking.join("; "))
        }
    }
}

fn ago(at: Time) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs().saturating_sub(at.as_millis() / 1_000);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
