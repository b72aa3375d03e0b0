//! Where a value stands that cannot be. clap speaks of flags alone, and nobody looks there for what the environment or the file says.

use clap::{
    Arg, Command,
    builder::StyledStr,
    error::{ContextKind, ContextValue},
};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// Adds to an error where its value stands, unless that is among the words.
pub(super) fn told(
    mut error: clap::Error,
    command: &Command,
    words: &[OsString],
    file: Option<&Path>,
) -> clap::Error {
    if let Some(place) = place(&error, command, words, file) {
        let tip = StyledStr::from(format!("the value stands in {place}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

fn place(error: &clap::Error, command: &Command, words: &[OsString], file: Option<&Path>) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (shown, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    // One that is missing is an empty one to clap.
    if value.is_empty() || words.iter().any(|word| has(word, value)) {
        return None;
    }
    let flag = shown.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let arg = argument(command, words, flag)?;
    let in_environment = |variable: &&OsStr| std::env::var_os(variable).is_some_and(|said| has(&said, value));
    if let Some(variable) = arg.get_env().filter(in_environment) {
        return Some(format!("the environment variable {}", variable.to_string_lossy()));
    }
    let in_file = arg.get_default_values().iter().any(|said| has(said.as_os_str(), value));
    file.filter(|_| in_file).map(|file| format!("the settings file {}", file.display()))
}

/// Whether a text is this value, ends with it as `--flag=value` does, or has it in a list with commas.
fn has(text: &OsStr, value: &str) -> bool {
    let text = text.to_string_lossy();
    let of_flag = text.split_once('=').map(|(_, of_flag)| of_flag);
    [Some(&*text), of_flag]
        .into_iter()
        .flatten()
        .any(|text| text == value || text.split(',').any(|one| one == value))
}

/// The argument with this flag, of the command that the words name or of one above it.
fn argument<'a>(command: &'a Command, words: &[OsString], flag: &str) -> Option<&'a Arg> {
    let mut commands = vec![command];
    let mut at = command;
    for word in words.iter().skip(1) {
        if let Some(sub) = at.find_subcommand(word) {
            commands.push(sub);
            at = sub;
        }
    }
    let mut of_it = commands.iter().rev().flat_map(|command| command.get_arguments());
    of_it.find(|arg| arg.get_long() == Some(flag))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settings::{SettingsError, parse_from};

    fn said(file: &str, words: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, file).unwrap();
        let mut args: Vec<OsString> = vec!["proofmill".into(), "--settings".into(), path.into()];
        args.extend(words.iter().map(OsString::from));
        match parse_from(args) {
            Err(SettingsError::Clap(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_of_the_file_is_said_to_stand_there() {
        for (file, words) in [
            ("[worker]\nmax-weight = \"much\"\n", &["worker"][..]),
            ("log-format = \"xml\"\n", &["status"]),
            ("[prove]\nprover = \"exce\"\n", &["prove"]),
            ("[worker]\nprover = [\"exec\", \"exce\"]\n", &["worker"]),
            ("[contracts.deploy]\nwindow-epochs = 0\n", &["contracts", "deploy"]),
        ] {
            let said = said(file, words);
            assert!(said.contains("invalid value") && said.contains("stands in the settings file"), "{said}");
            assert!(said.contains("settings.toml"), "{said}");
        }
        // Nor is an access key shown that stands there.
        let said = said("[prove]\nl2-rpc = \"l2.example/secret\"\n", &["prove"]);
        assert!(said.contains("stands in the settings file") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn a_value_among_the_words_is_not_looked_for_elsewhere() {
        for words in [
            &["worker", "--max-weight", "much"][..],
            &["worker", "--max-weight=much"],
            &["load", "--test-type", "much"],
            &["worker", "--prover", "exec,much"],
        ] {
            let said = said("[worker]\nmax-weight = 3\n", words);
            assert!(said.contains("much") && !said.contains("stands in"), "{said}");
        }
    }
}
