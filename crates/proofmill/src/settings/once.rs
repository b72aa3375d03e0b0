//! Lists that name one thing twice. Whoever writes one meant another thing, and would have less than they count on: one endpoint instead
//! of two, two attestors instead of three.

use crate::cli::Cli;
use alloy_primitives::Address;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory};
use proofmill_primitives::ProverType;
use std::path::PathBuf;
use url::Url;

/// Lists in which the same may stand again, by the names of their fields: workers of one size, keys with one password, and nodes among
/// which artifacts are spread by their number.
const MAY_REPEAT: &[&str] = &["workers", "keystore_password_file", "redis_nodes", "node_redis_nodes"];

/// Finds a list of the command that names one thing twice.
///
/// # Errors
/// Its flag, and what it names twice.
pub(super) fn check(matches: &ArgMatches) -> Result<(), (String, String)> {
    let root = Cli::command();
    let (mut command, mut at) = (&root, matches);
    loop {
        for arg in command.get_arguments() {
            if let Some(twice) = twice(arg, at) {
                return Err(twice);
            }
        }
        let Some((word, inner)) = at.subcommand() else { return Ok(()) };
        let Some(sub) = command.find_subcommand(word) else { return Ok(()) };
        (command, at) = (sub, inner);
    }
}

fn twice(arg: &Arg, at: &ArgMatches) -> Option<(String, String)> {
    let (flag, id) = (arg.get_long()?, arg.get_id().as_str());
    if !matches!(arg.get_action(), ArgAction::Append) || MAY_REPEAT.contains(&id) {
        return None;
    }
    let named = named(at, id);
    let again = named.iter().enumerate().find(|(index, one)| named.iter().take(*index).any(|it| it == *one));
    // It may hold an access key.
    let what = match arg.is_hide_env_values_set() {
        true => again.map(|_| "an address".to_owned())?,
        false => again?.1.clone(),
    };
    let variable = arg.get_env().map(|variable| format!(" ({})", variable.to_string_lossy()));
    Some((format!("--{flag}{}", variable.unwrap_or_default()), what))
}

/// What the values of a list stand for, however each is written.
fn named(at: &ArgMatches, id: &str) -> Vec<String> {
    fn all<T: Clone + Send + Sync + 'static>(
        at: &ArgMatches,
        id: &str,
        name: impl Fn(&T) -> String,
    ) -> Option<Vec<String>> {
        Some(at.try_get_many::<T>(id).ok()??.map(name).collect())
    }
    all(at, id, ProverType::to_string)
        .or_else(|| all(at, id, Url::to_string))
        .or_else(|| all(at, id, Address::to_string))
        .or_else(|| all(at, id, |(of, _): &(ProverType, Address)| of.to_string()))
        .or_else(|| all(at, id, |(of, _): &(ProverType, PathBuf)| of.to_string()))
        .or_else(|| {
            let written = at.try_get_raw(id).ok()??;
            Some(written.map(|one| one.to_string_lossy().into_owned()).collect())
        })
        .unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settings::takes as checked;

    #[test]
    fn what_may_stand_again_is_a_list() {
        fn lists(command: &clap::Command, found: &mut Vec<String>) {
            let is_list = |arg: &&Arg| matches!(arg.get_action(), ArgAction::Append);
            found.extend(command.get_arguments().filter(is_list).map(|arg| arg.get_id().to_string()));
            command.get_subcommands().for_each(|sub| lists(sub, found));
        }
        let mut found = Vec::new();
        lists(&Cli::command(), &mut found);
        for name in MAY_REPEAT {
            assert!(found.iter().any(|known| known == name), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_list_that_names_one_thing_twice_is_refused() {
        let (account, again) =
            ("0x00000000000000000000000000000000000000aa", "0x00000000000000000000000000000000000000AA");
        let accounts = format!("{account},{again}");
        let verifiers = format!("openvm={account},openvm=0x00000000000000000000000000000000000000bb");
        let deploy =
            ["contracts", "deploy", "--l1-rpc=http://l1", "--l2-rpc=http://l2", "--proposer", account];
        let submit = ["submit", "--l1-rpc=http://l1", "--rollup", account];
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&["dev"], &["--prover", "exec,exec"], "--prover (PROOFMILL_PROVER) names exec twice"),
            (&["localnet"], &["--prover=exec", "--prover=exec"], "names exec twice"),
            (&["worker"], &["--prover", "openvm,exec,openvm"], "names openvm twice"),
            (&["prove"], &["--l2-rpc", "http://a/key,http://b,http://a/key"], "--l2-rpc (L2_RPC)"),
            (&["prove"], &["--l2-rpc", "http://a,http://a/"], "--l2-rpc (L2_RPC)"),
            (&["prover", "--prover-type=exec"], &["--coordinator", "http://a,http://a"], "http://a twice"),
            (&["status"], &["--binary", "sp1=/a,sp1=/b"], "names sp1 twice"),
            (&deploy, &["--attestor", &accounts], "--attestor (PROOFMILL_ATTESTOR_ADDRESSES)"),
            (&deploy, &["--verifier", &verifiers], "names openvm twice"),
            (&submit, &["--proof", "a.bin,a.bin"], "names a.bin twice"),
            (&submit, &["--proof", "a.bin", "--attestor", "http://a,http://a"], "--attestor"),
        ];
        for (command, list, hint) in cases {
            let said = checked(&[*command, *list].concat()).unwrap_err();
            assert!(said.contains(hint) && !said.contains("key"), "{said}");
        }
        for words in [
            &["dev", "--prover", "exec,openvm", "--workers", "4,4"][..],
            &["prove", "--l2-rpc", "http://a/1,http://a/2"],
            &["worker", "--redis-nodes", "redis://a,redis://a"],
            &["status"],
        ] {
            checked(words).unwrap();
        }
    }
}
