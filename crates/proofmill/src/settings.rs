//! Settings: one TOML file, below the environment, below the flags. All three are read through the one definition in
//! [`crate::cli`]: a value from the file becomes the default of its flag, so that clap checks it, `--help` shows it, and
//! the environment and the flag go before it.
//!
//! Keys at the top of the file are those of every command (`data-dir`); a table holds those of one command
//! (`[worker]`, `[contracts.deploy]`). A key that means nothing is an error.

mod idle;
mod once;
#[cfg(test)]
mod tests;
mod whence;

use crate::cli::Cli;
use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue},
};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// The file that is read where none is named, if it is there.
const DEFAULT_FILE: &str = "proofmill.toml";

/// Why the settings are not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// What clap has to say: an error, or help that was asked for.
    #[error(transparent)]
    Clap(clap::Error),
    /// The file cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file is not TOML.
    #[error("the settings file {} is not valid TOML: line {line}: {cause}", path.display())]
    NotToml { path: PathBuf, line: usize, cause: String },
    /// A key that means nothing.
    #[error("the settings file {} sets `{key}`, which is no setting{place}; see `proofmill {command}--help`", path.display())]
    UnknownKey { path: PathBuf, key: String, place: String, command: String },
    /// A value of a shape that no setting has.
    #[error("the settings file {} gives `{key}` a value that is neither text, number, truth value nor list of those", path.display())]
    BadValue { path: PathBuf, key: String },
    /// Several values where one counts.
    #[error("the settings file {} gives `{key}` a list, and it takes one value", path.display())]
    List { path: PathBuf, key: String },
    /// A setting that was given and is of no use.
    #[error("{flag} means nothing here: {why}")]
    Idle { flag: String, why: &'static str },
    /// A list that names one thing twice.
    #[error("{flag} names {what} twice: name each once")]
    Twice { flag: String, what: String },
}

/// Reads flags, environment and file.
pub(crate) fn parse() -> Result<Cli, SettingsError> {
    parse_from(std::env::args_os().collect())
}

fn parse_from(mut args: Vec<OsString>) -> Result<Cli, SettingsError> {
    if let Some(place) = bench_alone(&args) {
        args.insert(place, "run".into());
    }
    let command = without_empty_variables(Cli::command());
    let file = settings_file(&args);
    let mut command = match &file {
        Some(path) => with_file(command, path)?,
        None => command,
    };
    let matches = command.try_get_matches_from_mut(&args);
    let matches = matches.map_err(|error| refused(whence::told(error, &command, &args, file.as_deref())))?;
    check(&matches)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(refused)?;
    cli.global.changed = changed(&matches);
    Ok(cli)
}

/// Refuses what clap takes: a setting that means nothing beside others, and a list that names one thing twice.
fn check(matches: &ArgMatches) -> Result<(), SettingsError> {
    idle::check(matches).map_err(|(flag, why)| SettingsError::Idle { flag, why })?;
    once::check(matches).map_err(|(flag, what)| SettingsError::Twice { flag, what })
}

/// Whether a process takes the words that it is started with, without the program's name, or why not.
#[cfg(test)]
pub(crate) fn takes<W: AsRef<str>>(words: &[W]) -> Result<(), String> {
    let words = std::iter::once("proofmill").chain(words.iter().map(AsRef::as_ref));
    let matches = Cli::command().try_get_matches_from(words).map_err(|error| error.to_string())?;
    check(&matches).map_err(|error| error.to_string())
}

/// A variable of the environment that is set to nothing counts as not set: compose files and charts leave one out that way.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| is_blank(&value));
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

fn is_blank(value: &OsStr) -> bool {
    value.to_string_lossy().trim().is_empty()
}

/// What is set to something else than its default, wherever that was said.
fn changed(matches: &ArgMatches) -> Vec<String> {
    let mut defaults = Cli::command();
    defaults.build();
    let mut changed = changed_of(&defaults, matches, |_| true);
    let mut place = (&defaults, matches);
    while let Some((name, matches)) = place.1.subcommand()
        && let Some(command) = place.0.find_subcommand(name)
    {
        changed.extend(changed_of(command, matches, |arg| !arg.is_global_set()));
        place = (command, matches);
    }
    changed
}

/// The same, of one command and those of its settings that are wanted.
fn changed_of(
    command: &clap::Command,
    matches: &ArgMatches,
    wanted: impl Fn(&clap::Arg) -> bool,
) -> Vec<String> {
    let of_arg = |arg: &clap::Arg| {
        let name = arg.get_long()?;
        let given = matches.try_get_raw(arg.get_id().as_str()).ok()?.map(in_one).unwrap_or_default();
        if given == in_one(arg.get_default_values().iter().map(AsRef::as_ref)) {
            return None;
        }
        let shown = if arg.is_hide_env_values_set() { "(not shown)" } else { given.as_str() };
        Some(format!("{name}={shown}"))
    };
    command.get_arguments().filter(|arg| wanted(arg)).filter_map(of_arg).collect()
}

fn in_one<'a>(values: impl Iterator<Item = &'a OsStr>) -> String {
    values.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(",")
}

/// `bench` alone is `bench run`: the place of the word that is left out.
fn bench_alone(args: &[OsString]) -> Option<usize> {
    let command = Cli::command();
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
    let is_command = |word: &str, of: &clap::Command| of.find_subcommand(word).is_some();
    // The first word that is a command and no flag's value.
    let at = (1..words.len()).find(|at| {
        is_command(&words[*at], &command)
            && (*at == 1 || !words[at - 1].starts_with("--") || words[at - 1].contains('='))
    })?;
    let after = &words[at + 1..];
    let bench = command.find_subcommand("bench").filter(|_| words[at] == "bench")?;
    let names_one = after.iter().any(|word| is_command(word, bench) || word == "help");
    let wants_help = after.iter().any(|word| matches!(&**word, "-h" | "--help" | "-V" | "--version"));
    let is_flag = after.first().is_none_or(|word| word.starts_with('-'));
    (is_flag && !names_one && !wants_help).then_some(at + 1)
}

/// What clap says of a value that cannot be one quotes it; not where it may hold an access key.
fn refused(mut error: clap::Error) -> SettingsError {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.split_whitespace().next().map(str::to_owned),
        _ => None,
    };
    let is_secret = flag.is_some_and(|flag| is_secret(&Cli::command(), flag.trim_start_matches('-')));
    // One that is missing is an empty one to clap.
    let is_there = |value: &ContextValue| !matches!(value, ContextValue::String(value) if value.is_empty());
    if is_secret && error.get(ContextKind::InvalidValue).is_some_and(is_there) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".to_owned()));
    }
    // A second address after a flag that takes them with commas between them.
    if matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(word)) if word.contains("://"))
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String("(an address, not shown)".to_owned()));
    }
    SettingsError::Clap(error)
}

/// Whether a flag of this name, of any command, may hold an access key.
fn is_secret(command: &clap::Command, flag: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(flag) && arg.is_hide_env_values_set())
        || command.get_subcommands().any(|sub| is_secret(sub, flag))
}

/// The file must be known before the flags are read, since it gives their defaults.
fn settings_file(args: &[OsString]) -> Option<PathBuf> {
    let mut words = args.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--settings" {
            return words.next().map(|path| PathBuf::from(&*path));
        }
        if let Some(path) = word.strip_prefix("--settings=") {
            return Some(path.into());
        }
    }
    if let Some(path) = std::env::var_os("PROOFMILL_SETTINGS").filter(|path| !is_blank(path)) {
        return Some(path.into());
    }
    Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into())
}

fn with_file(mut command: clap::Command, path: &Path) -> Result<clap::Command, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // What it displays quotes the line, which may hold an access key.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        SettingsError::NotToml { path: path.to_owned(), line, cause: error.message().to_owned() }
    })?;
    apply(&mut command, table, path, "")?;
    Ok(command)
}

/// Lays a table under the command whose words are `place`, and the tables in it under its subcommands.
fn apply(
    command: &mut clap::Command,
    table: toml::Table,
    path: &Path,
    place: &str,
) -> Result<(), SettingsError> {
    for (key, value) in table {
        if let toml::Value::Table(inner) = value {
            let sub = command.find_subcommand_mut(&key).ok_or_else(|| unknown(path, &key, place))?;
            let place = if place.is_empty() { key } else { format!("{place} {key}") };
            apply(sub, inner, path, &place)?;
            continue;
        }
        let is_list = value.is_array();
        let texts = texts(path, &key, value)?;
        let (id, takes_many) = argument(command, &key).ok_or_else(|| unknown(path, &key, place))?;
        if is_list && !takes_many {
            return Err(SettingsError::List { path: path.to_owned(), key });
        }
        let set = |arg: clap::Arg| {
            // What is too secret for `--help` when it is in the environment is so in the file.
            let secret = arg.is_hide_env_values_set();
            arg.default_values(texts).required(false).hide_default_value(secret)
        };
        *command = std::mem::take(command).mut_arg(id, set);
    }
    Ok(())
}

/// The argument whose flag has this name, and whether it takes several values.
fn argument(command: &clap::Command, name: &str) -> Option<(String, bool)> {
    let named =
        |arg: &&clap::Arg| arg.get_long() == Some(name) && !matches!(name, "help" | "version" | "settings");
    let found = command.get_arguments().find(named)?;
    Some((found.get_id().to_string(), matches!(found.get_action(), ArgAction::Append)))
}

fn texts(path: &Path, key: &str, value: toml::Value) -> Result<Vec<String>, SettingsError> {
    let one = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        _ => Err(SettingsError::BadValue { path: path.to_owned(), key: key.to_owned() }),
    };
    match value {
        toml::Value::Array(values) => values.into_iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn unknown(path: &Path, key: &str, command: &str) -> SettingsError {
    SettingsError::UnknownKey {
        path: path.to_owned(),
        key: key.to_owned(),
        place: if command.is_empty() { String::new() } else { format!(" of `{command}`") },
        command: if command.is_empty() { String::new() } else { format!("{command} ") },
    }
}
