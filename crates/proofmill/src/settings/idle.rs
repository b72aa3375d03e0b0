//! Settings that mean nothing beside others. Whoever gives one relies on it, and is told.
//!
//! The environment and the file may hold the settings of several roles: what stands there and is of no use to this one is passed over.
//! Not so for what is deployed, which stays as it is, and for what has no other use.
//!
//! That one setting needs another is said here, too: clap's own `requires` does not see what the file says.

use crate::cli::{Cli, PruneAfter, Service};
use clap::{ArgMatches, CommandFactory, parser::ValueSource};
use proofmill_devnet::L1Verifier;
use proofmill_loadgen::LoadKind;

/// Settings of commands that mean nothing in a case.
struct Idle {
    /// The words of the commands.
    commands: &'static [&'static [&'static str]],
    /// The settings, by the names of their fields.
    settings: &'static [&'static str],
    /// Which of them count as given.
    given: Given,
    /// Whether this is the case.
    when: fn(&ArgMatches) -> bool,
    /// Why they mean nothing, and the remedy.
    why: &'static str,
}

/// Where a setting must stand to be relied on.
#[derive(Clone, Copy)]
enum Given {
    /// Among the words of the command.
    InWords,
    /// Wherever it stands.
    Anywhere,
}

/// What makes its proofs in its own process unless a cluster is named.
const SITES: &[&[&str]] =
    &[&["prove"], &["range"], &["aggregate"], &["op-proposer"], &["prover"], &["failures", "rerun"]];

/// What pays on L1.
const PAYS: &[&[&str]] = &[
    &["contracts", "deploy"],
    &["contracts", "deploy-verifier"],
    &["contracts", "schedule"],
    &["contracts", "cancel"],
    &["contracts", "transfer-ownership"],
    &["contracts", "accept-ownership"],
    &["contracts", "set-guardian"],
    &["contracts", "pause"],
    &["contracts", "resume"],
    &["op-proposer"],
    &["op-challenger"],
    &["proof-coordinator"],
    &["proposer"],
    &["prover-node"],
    &["submit"],
];

const IDLE: &[Idle] = &[
    Idle {
        commands: &[&["contracts", "deploy"]],
        settings: &["threshold", "trust_attestors"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "attestor") && !is_there(at, "verifier"),
        why: "no attestors are named: name them with --attestor, or the contract that counts them with --verifier; or leave it out",
    },
    Idle {
        commands: &[&["contracts", "deploy"]],
        settings: &["max_pause"],
        given: Given::InWords,
        when: |at| !is_there(at, "guardian") && !is_there(at, "owner"),
        why: "nobody can ever pause: name who may with --guardian, or with --owner who names somebody later; or leave it out",
    },
    Idle {
        commands: &[&["contracts", "deploy-verifier"]],
        settings: &["threshold", "trust_attestors"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "attestor"),
        why: "no attestors are named: name them with --attestor, or leave it out",
    },
    Idle {
        commands: &[&["contracts", "schedule"]],
        settings: &["threshold", "trust_attestors"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "verifier"),
        why: "the verifiers stay as they are: name the contract that counts attestors with --verifier, or leave it out",
    },
    Idle {
        commands: &[&["contracts", "schedule"]],
        settings: &["l2_rpc"],
        given: Given::InWords,
        when: |at| !is_there(at, "config_hash") && !is_there(at, "genesis"),
        why: "the rules of L2 stay as they are: name new ones with --config-hash or --genesis, or leave it out",
    },
    Idle {
        commands: &[&["contracts", "schedule"]],
        settings: &["config_hash", "genesis"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "l2_rpc"),
        why: "no node says whether L2 follows these rules: name it with --l2-rpc, or leave it out",
    },
    Idle {
        commands: PAYS,
        settings: &["keystore_password_file"],
        given: Given::InWords,
        when: |at| !is_there(at, "keystore"),
        why: "no encrypted key is named: name it with --keystore, or leave the password out",
    },
    Idle {
        commands: &[&["prove"], &["range"]],
        settings: &["l1_beacon_rpc", "l1_genesis"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "l1_rpc"),
        why: "nothing is derived from L1: name its node with --l1-rpc (L1_RPC), or leave it out",
    },
    Idle {
        commands: &[&["op-proposer"]],
        settings: &["factory"],
        given: Given::Anywhere,
        when: |at| is_there(at, "oracle"),
        why: "outputs go to the contract of --oracle (L2OO_ADDRESS): name one of the two, and look into the settings file, too",
    },
    Idle {
        commands: &[&["proof-coordinator"]],
        settings: &["prove_only"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "prover_id"),
        why: "proofs name who is paid for them, and no account is read: name it with --prover-id, or leave it out",
    },
    Idle {
        commands: &[&["proof-coordinator"]],
        settings: &[
            "attestor",
            "settle_gas",
            "settle_bytes",
            "failures",
            "key_file",
            "keystore",
            "web3signer",
            "web3signer_account",
            "l1_send_rpc",
            "max_fee",
            "max_tip",
        ],
        given: Given::InWords,
        when: |at| is_set(at, "prove_only"),
        why: "nothing is settled with --prove-only: leave one of the two out",
    },
    Idle {
        commands: &[&["prover-node"]],
        settings: &[
            "pull_listen",
            "prover_timeout",
            "ethrex_prover_timeout",
            "database_file",
            "database_schema",
        ],
        given: Given::InWords,
        when: |at| at.get_one::<Service>("service") != Some(&Service::Pull),
        why: "it is for provers that pull, who are not served: say --service pull, or leave it out",
    },
    Idle {
        commands: &[&["prover-node"]],
        settings: &["max_weight", "segment_memory"],
        given: Given::InWords,
        when: |at| at.get_one::<Service>("service") != Some(&Service::Local),
        why: "this process makes no proofs: say --service local, or leave it out",
    },
    Idle {
        commands: &[&["prover-node"]],
        settings: &["cluster"],
        given: Given::InWords,
        when: |at| at.get_one::<Service>("service") != Some(&Service::Cluster),
        why: "no cluster makes the proofs: say --service cluster, or leave it out",
    },
    Idle {
        commands: &[&["prover-node"]],
        settings: &["prune_after"],
        given: Given::InWords,
        when: |at| {
            is_set(at, "disable_publish")
                && at.get_one::<PruneAfter>("prune_after") != Some(&PruneAfter::Never)
        },
        why: "nothing is sent to L1 with --disable-publish: leave one of the two out",
    },
    Idle {
        commands: SITES,
        settings: &["max_weight", "segment_memory"],
        given: Given::InWords,
        when: |at| is_there(at, "cluster"),
        why: "a cluster makes the proofs (--cluster, or CLI_CLUSTER_RPC), and its workers have settings of their own: leave one of the two \
              out",
    },
    Idle {
        commands: &[&["prover"]],
        settings: &["turns"],
        given: Given::InWords,
        when: |at| is_there(at, "max_weight") || is_there(at, "cluster"),
        why: "a prover that has its share of the machine (--max-weight), or asks a cluster (--cluster), takes no turns: leave it out",
    },
    Idle {
        commands: &[&["prove"], &["failures", "rerun"]],
        settings: &["output"],
        given: Given::InWords,
        when: |at| is_set(at, "execute_only"),
        why: "no proof is made with --execute-only: leave one of the two out",
    },
    Idle {
        commands: &[&["prove"]],
        settings: &["report"],
        given: Given::InWords,
        when: |at| is_set(at, "execute_only"),
        why: "no proof is made with --execute-only, and the figures are those of one: leave one of the two out",
    },
    Idle {
        commands: &[&["prove"], &["range"]],
        settings: &["output", "report"],
        given: Given::InWords,
        when: |at| is_there(at, "export"),
        why: "--export has the program and its input written, and no proof is made: leave one of the two out",
    },
    Idle {
        commands: &[&["range"]],
        settings: &["output", "report"],
        given: Given::InWords,
        when: |at| !is_set(at, "prove") || is_set(at, "execute_only"),
        why: "the range is validated, and no proof of it is made: say --prove, or leave it out",
    },
    Idle {
        commands: &[&["prove"], &["range"]],
        settings: &["default_range"],
        given: Given::InWords,
        when: |at| is_there(at, "start") && is_there(at, "end"),
        why: "--start and --end say which blocks: leave it out, or one of those",
    },
    Idle {
        commands: &[&["status"]],
        settings: &["cluster", "node", "page"],
        given: Given::InWords,
        when: |at| is_there(at, "role"),
        why: "only a role is asked (--role, or PROOFMILL_ROLE): leave one of the two out",
    },
    Idle {
        commands: &[&["load"], &["bench", "run"]],
        settings: &["accounts"],
        given: Given::InWords,
        when: |at| is_there(at, "account_keys"),
        why: "the accounts are those of --account-keys (LOAD_TEST_ACCOUNT_KEYS): leave one of the two out",
    },
    Idle {
        commands: &[&["load"]],
        settings: &["seed"],
        given: Given::InWords,
        when: |at| is_there(at, "account_keys") && at.get_one::<LoadKind>("kind") != Some(&LoadKind::Mixed),
        why: "the accounts are those of --account-keys (LOAD_TEST_ACCOUNT_KEYS), and nothing else is drawn: leave one of the two out",
    },
    Idle {
        commands: &[&["localnet"], &["dev"]],
        settings: &["attestors", "threshold"],
        given: Given::InWords,
        when: |at| at.get_one::<L1Verifier>("l1_verifier") == Some(&L1Verifier::Snark),
        why: "L1 verifies SNARKs and counts no attestors: say --l1-verifier both, or leave it out",
    },
    Idle {
        commands: &[&["bench", "run"]],
        settings: &["keep_l1"],
        given: Given::InWords,
        when: |at| is_there(at, "l2_rpc"),
        why: "the chains run already (--l2-rpc), and none is started: leave one of the two out",
    },
    Idle {
        commands: &[&["bench", "run"]],
        settings: &["l1_rpc", "rollup", "l2_metrics"],
        given: Given::Anywhere,
        when: |at| !is_there(at, "l2_rpc"),
        why: "chains are started: name the node of an L2 that runs already with --l2-rpc, or leave it out",
    },
];

/// A setting that was given and means nothing, and why.
///
/// # Errors
/// There is one: its flag, and why.
pub(super) fn check(matches: &ArgMatches) -> Result<(), (String, &'static str)> {
    let (mut words, mut at) = (Vec::new(), matches);
    while let Some((word, inner)) = at.subcommand() {
        words.push(word);
        at = inner;
    }
    for idle in IDLE.iter().filter(|idle| idle.commands.contains(&&words[..])) {
        let given = idle.settings.iter().find(|setting| is_given(at, setting, idle.given));
        if let Some(setting) = given.filter(|_| (idle.when)(at)) {
            return Err((flag(&words, setting), idle.why));
        }
    }
    Ok(())
}

/// Whether a setting has a value, from wherever.
fn is_there(at: &ArgMatches, setting: &str) -> bool {
    at.contains_id(setting)
}

/// Whether something is switched on, from wherever.
fn is_set(at: &ArgMatches, setting: &str) -> bool {
    at.get_one::<bool>(setting) == Some(&true)
}

fn is_given(at: &ArgMatches, setting: &str, given: Given) -> bool {
    match (at.value_source(setting), given) {
        (Some(ValueSource::CommandLine), _) => true,
        // What the file says is a default. A switch that is off says nothing.
        (Some(_), Given::Anywhere) => {
            at.get_raw(setting).is_some_and(|mut values| values.any(|value| value != "false"))
        }
        _ => false,
    }
}

/// A setting as it is written.
fn flag(words: &[&str], setting: &str) -> String {
    let mut command = &Cli::command();
    for word in words {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let arg = command.get_arguments().find(|arg| arg.get_id() == setting);
    format!("--{}", arg.and_then(clap::Arg::get_long).unwrap_or(setting))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settings::takes as checked;

    const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";

    /// A name that is misspelled here would be found out by nobody: clap panics over it where debug assertions are.
    #[test]
    fn every_command_and_setting_is_one() {
        for idle in IDLE {
            for words in idle.commands {
                let mut command = &Cli::command();
                for word in *words {
                    command = command.find_subcommand(word).unwrap_or_else(|| panic!("no command {words:?}"));
                }
                for setting in idle.settings {
                    let known = command.get_arguments().any(|arg| arg.get_id() == setting);
                    assert!(known, "{words:?} has no {setting}");
                }
            }
        }
    }

    /// A command, what means nothing beside it as its words stand, and a word that gives it a meaning.
    #[test]
    fn what_means_nothing_is_refused_and_what_means_something_is_not() {
        let l1 = ["--l1-rpc=http://l1"];
        let chains = ["--l1-rpc=http://l1", "--rollup=0x00000000000000000000000000000000000000aa"];
        let both = [&chains[..], &["--l2-rpc=http://l2"]].concat();
        let to_deploy = ["--l1-rpc=http://l1", "--l2-rpc=http://l2", "--proposer", ADDRESS];
        let elsewhere = ["--coordinator=http://c", "--prover-type=exec"];
        let prover_id = "--prover-id=0x00000000000000000000000000000000000000aa";
        let config_hash = format!("--config-hash=0x{}", "00".repeat(32));
        let table: &[(&[&str], &[&str], &str, &str)] = &[
            (
                &["contracts", "deploy-verifier", "--halo2-verifier=development"],
                &l1,
                "--threshold=2",
                "--attestor",
            ),
            (
                &["contracts", "deploy-verifier", "--halo2-verifier=development"],
                &l1,
                "--trust-attestors",
                "--attestor",
            ),
            (&["contracts", "deploy"], &to_deploy, "--threshold=2", "--attestor"),
            (&["contracts", "deploy"], &to_deploy, "--trust-attestors", "--attestor"),
            (
                &["contracts", "deploy"],
                &to_deploy,
                "--max-pause=9",
                "--owner=0x00000000000000000000000000000000000000aa",
            ),
            (&["contracts", "schedule"], &chains, "--threshold=2", "--verifier=sp1"),
            (&["contracts", "schedule"], &chains, "--trust-attestors", "--verifier=sp1"),
            (&["contracts", "schedule"], &chains, "--l2-rpc=http://l2", "--genesis=g"),
            (&["contracts", "schedule"], &chains, "--genesis=g", "--l2-rpc=http://l2"),
            (&["contracts", "schedule"], &chains, config_hash.as_str(), "--l2-rpc=http://l2"),
            (&["proof-coordinator"], &both, "--prove-only", prover_id),
            (&["bench", "run"], &[], "--l1-rpc=http://l1", "--l2-rpc=http://l2"),
            (&["bench", "run"], &[], "--l2-metrics=http://m", "--l2-rpc=http://l2"),
            (&["submit", "--proof=p"], &chains, "--keystore-password-file=p", "--keystore=k"),
            (&["range"], &["--l2-rpc=http://l2"], "--l1-beacon-rpc=http://b", "--l1-rpc=http://l1"),
            (&["range"], &["--l2-rpc=http://l2"], "--l1-genesis=g", "--l1-rpc=http://l1"),
            (&["prover-node"], &both, "--pull-listen=h:1", "--service=pull"),
            (&["prover-node"], &both, "--prover-timeout=9", "--service=pull"),
            (&["prover-node"], &both, "--proof-coordinator.prover-timeout=90000", "--service=pull"),
            (&["prover-node"], &both, "--max-weight=9", "--service=local"),
            (&["prover-node"], &both, "--segment-memory=9", "--service=local"),
            (&["range"], &["--l2-rpc=http://l2"], "--output=o", "--prove"),
            (&["range"], &["--l2-rpc=http://l2"], "--report=r", "--prove"),
        ];
        for (command, common, setting, meaning) in table {
            let words = [*command, *common, &[*setting][..]].concat();
            let said = checked(&words).unwrap_err();
            let flag = setting.split('=').next().unwrap();
            assert!(said.starts_with(&format!("{flag} means nothing here: ")), "{words:?}: {said}");
            let meaning = match *meaning {
                "--attestor" => format!("--attestor={ADDRESS}"),
                "--verifier=sp1" => format!("--verifier=sp1={ADDRESS}"),
                meaning => meaning.to_owned(),
            };
            let words = [&words[..], &[meaning.as_str()]].concat();
            assert_eq!(checked(&words), Ok(()), "{words:?}");
        }
        // A command, two settings of which one has no use for the other, and which that is.
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);
        let table: &[Row<'_>] = &[
            (&["proof-coordinator", prover_id], &both, &["--prove-only"], "--attestor=http://a"),
            (&["proof-coordinator", prover_id], &both, &["--prove-only"], "--settle-gas=900000"),
            (&["proof-coordinator", prover_id], &both, &["--prove-only"], "--key-file=k"),
            (&["proof-coordinator", prover_id], &both, &["--prove-only"], "--max-fee=9"),
            (&["prover-node"], &both, &["--service=local"], "--cluster=http://c"),
            (&["prover-node"], &both, &["--disable-publish"], "--prune-after=9"),
            (&["prove"], &[], &["--cluster=http://c"], "--max-weight=9"),
            (&["range"], &[], &["--cluster=http://c"], "--segment-memory=9"),
            (&["prover"], &elsewhere, &["--cluster=http://c"], "--max-weight=9"),
            (&["prover"], &elsewhere, &["--max-weight=9"], "--turns=t"),
            (&["prove"], &[], &["--start=1", "--end=2"], "--default-range=9"),
            (&["prove"], &[], &["--execute-only"], "--output=o"),
            (&["prove"], &[], &["--execute-only"], "--report=r"),
            (&["prove"], &[], &["--export=e"], "--output=o"),
            (&["range", "--prove"], &[], &["--execute-only"], "--report=r"),
            (&["failures", "rerun", "epoch-7"], &[], &["--execute-only"], "--output=o"),
            (&["status"], &[], &["--role=http://r"], "--page=2"),
            (&["status"], &[], &["--role=http://r"], "--node=http://n"),
            (&["status"], &[], &["--role=http://r"], "--cluster=http://c"),
            (&["load"], &[], &["--account-keys=k"], "--accounts=9"),
            (&["load"], &[], &["--account-keys=k"], "--seed=9"),
            (&["localnet"], &[], &["--l1-verifier=snark"], "--attestors=1"),
            (&["dev"], &[], &["--l1-verifier=snark"], "--threshold=1"),
            (&["bench", "run"], &[], &["--l2-rpc=http://l2"], "--keep-l1"),
            (&["bench", "run"], &[], &["--account-keys=k"], "--accounts=9"),
        ];
        for (command, common, case, setting) in table {
            let without = [*command, *common, &[*setting][..]].concat();
            assert_eq!(checked(&without), Ok(()), "{without:?}");
            let words = [&without[..], *case].concat();
            let said = checked(&words).unwrap_err();
            let flag = setting.split('=').next().unwrap();
            assert!(said.starts_with(&format!("{flag} means nothing here: ")), "{words:?}: {said}");
        }
        for fine in [
            &[
                "prover-node",
                "--service=pull",
                "--disable-publish",
                "--prune-after=never",
                both[0],
                both[1],
                both[2],
            ][..],
            &["load", "--account-keys=k", "--seed=9", "--kind=mixed"],
        ] {
            assert_eq!(checked(fine), Ok(()), "{fine:?}");
        }
    }
}
