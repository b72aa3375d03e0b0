#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::cli::Command;
use proofmill_primitives::Weight;

fn parse_with(file: &str, words: &[&str]) -> Result<Cli, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, file).unwrap();
    let mut args: Vec<OsString> = vec!["proofmill".into(), "--settings".into(), path.into()];
    args.extend(words.iter().map(OsString::from));
    parse_from(args)
}

#[test]
fn help_has_what_is_a_commands_own_first() {
    let help = parse_with("", &["dev", "--help"]).unwrap_err().to_string();
    let (own, global) = help.split_once("Settings of every command:").unwrap();
    for flag in ["--prover", "--report", "--help"] {
        assert!(own.contains(flag) && !global.contains(flag), "{flag}: {help}");
    }
    assert!(global.contains("--data-dir <DIR>") && !own.contains("--data-dir"), "{help}");
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_flag_goes_before_the_file() {
    let file = "data-dir = \"/from/file\"\n[worker]\nmax-weight = 3\nprover = [\"exec\"]\n";
    let cli = parse_with(file, &["worker", "--data-dir", "/from/flag"]).unwrap();
    assert_eq!(cli.global.data_dir, Path::new("/from/flag"));
    let Command::Worker(worker) = cli.command else { panic!("not a worker") };
    assert_eq!(worker.max_weight, Some(Weight::gb(3)));
    let cli = parse_with(file, &["worker", "--max-weight", "7"]).unwrap();
    assert_eq!(cli.global.data_dir, Path::new("/from/file"));
    let Command::Worker(worker) = cli.command else { panic!("not a worker") };
    assert_eq!(worker.max_weight, Some(Weight::gb(7)));
}

#[test]
fn what_must_be_set_may_stand_in_the_file() {
    let rollup = "0x00000000000000000000000000000000000000aa";
    let chains = format!("l1-rpc = [\"http://l1/access\", \"http://other\"]\nrollup = \"{rollup}\"\n");
    let file = format!(
        "[prover-node]\n{chains}l2-rpc = \"http://l2\"\n[attestor]\n{chains}[prove]\nl2-rpc = \"http://l2\"\n\
         [contracts.deploy]\nl1-rpc = \"http://l1\"\nl2-rpc = \"http://l2\"\nproposer = \"{rollup}\"\n\
         attestor = [\"{rollup}\"]\nthreshold = 1\n"
    );
    let Command::ProverNode(node) = parse_with(&file, &["prover-node"]).unwrap().command else { panic!() };
    assert_eq!(node.chains.l1.l1_rpc.len(), 2);
    assert_eq!(node.chains.rollup.to_string(), "0x00000000000000000000000000000000000000AA");
    let Command::Attestor(_) = parse_with(&file, &["attestor"]).unwrap().command else { panic!() };
    let Command::Prove(prove) = parse_with(&file, &["prove"]).unwrap().command else { panic!() };
    assert_eq!(prove.l2_rpc[0].as_str(), "http://l2/");
    // What a program needs no chain for is not refused because a chain is set.
    parse_with(&file, &["prove", "--elf", "a", "--stdin", "b"]).unwrap();
    let Command::Contracts(crate::cli::Contracts::Deploy(deploy)) =
        parse_with(&file, &["contracts", "deploy"]).unwrap().command
    else {
        panic!()
    };
    assert_eq!(deploy.threshold, Some(1));
    let help = parse_with(&file, &["prover-node", "--help"]).unwrap_err().to_string();
    assert!(help.contains("--l1-rpc") && !help.contains("http://l1/access"), "{help}");
}

#[test]
fn what_is_not_as_by_default_is_told_without_its_keys() {
    let rollup = "0x00000000000000000000000000000000000000aa";
    let file = format!(
        "[prover-node]\nl1-rpc = [\"http://l1/secret\"]\nl2-rpc = \"http://l2/secret\"\nrollup = \"{rollup}\"\n\
         proving-delay = 7\ndisable-publish = true\n"
    );
    let words = ["prover-node", "--max-fee", "20", "--max-range-jobs", "16", "--data-dir", "x"];
    let changed = parse_with(&file, &words).unwrap().global.changed;
    let rollup = format!("rollup={rollup}");
    for there in [
        "proving-delay=7",
        "disable-publish=true",
        "max-fee=20",
        "data-dir=x",
        "l1-rpc=(not shown)",
        "l2-rpc=(not shown)",
        &rollup,
    ] {
        assert_eq!(changed.iter().filter(|one| *one == there).count(), 1, "{there}: {changed:?}");
    }
    for absent in ["secret", "max-range-jobs", "gather-timeout", "help", "version", "max-tip"] {
        assert!(!changed.join(" ").contains(absent), "{absent}: {changed:?}");
    }
}

#[test]
fn what_goes_together_may_be_said_in_two_places() {
    let account = "0x00000000000000000000000000000000000000bb";
    let file = format!(
        "[prover-node]\nl1-rpc = \"http://l1\"\nl2-rpc = \"http://l2\"\nrollup = \"{account}\"\n\
         web3signer = \"http://signer\"\n"
    );
    let words = ["prover-node", "--web3signer-account", account];
    let Command::ProverNode(node) = parse_with(&file, &words).unwrap().command else { panic!() };
    assert_eq!(node.paying.web3signer_account.len(), 1);
    node.paying.check().unwrap();
    let Command::ProverNode(node) = parse_with(&file, &["prover-node"]).unwrap().command else { panic!() };
    let said = node.paying.check().unwrap_err().to_string();
    assert!(said.contains("--web3signer-account"), "{said}");
}

#[test]
fn a_beacon_node_and_its_l1_may_be_said_in_two_places() {
    let words = ["range", "--l2-rpc", "http://l2", "--l1-beacon-rpc", "http://beacon"];
    let file = "[range]\nl1-rpc = \"http://l1\"\n";
    let Command::Range(range) = parse_with(file, &words).unwrap().command else { panic!() };
    assert_eq!((range.of.l1_rpc.len(), range.of.l1_beacon_rpc.is_some()), (1, true));
    let said = parse_with("", &words).unwrap_err().to_string();
    assert!(said.contains("--l1-beacon-rpc") && said.contains("--l1-rpc (L1_RPC)"), "{said}");
}

#[test]
fn two_contracts_of_outputs_are_refused_wherever_they_are_named() {
    let contract = "0x00000000000000000000000000000000000000aa";
    let file = format!(
        "[op-proposer]\nl1-rpc = \"http://l1\"\nl2-rpc = \"http://l2\"\nl2-node-rpc = \"http://node\"\noracle = \"{contract}\"\n"
    );
    parse_with(&file, &["op-proposer"]).unwrap();
    let said = parse_with(&file, &["op-proposer", "--factory", contract]).unwrap_err().to_string();
    assert!(said.contains("--factory") && said.contains("--oracle"), "{said}");
    let said = parse_with(&format!("{file}factory = \"{contract}\"\n"), &["op-proposer"]).unwrap_err();
    assert!(said.to_string().contains("--factory"), "{said}");
}

#[test]
fn what_must_be_set_and_is_not_is_named() {
    let error = parse_with("", &["prover-node"]).unwrap_err().to_string();
    assert!(error.contains("--l1-rpc") && error.contains("--rollup"), "{error}");
}

#[test]
fn bench_alone_runs_a_session() {
    let place = |words: &[&str]| {
        let args: Vec<OsString> = ["proofmill"].iter().chain(words).map(OsString::from).collect();
        bench_alone(&args)
    };
    assert_eq!(place(&["bench"]), Some(2));
    assert_eq!(place(&["--data-dir", "bench", "bench", "--batches", "3"]), Some(4));
    assert_eq!(place(&["--data-dir=x", "bench"]), Some(3));
    for words in [
        &["bench", "run"][..],
        &["bench", "--data-dir", "x", "collect"],
        &["bench", "--help"],
        &["bench", "nonsense"],
        &["status", "--cluster", "bench"],
        &["--data-dir", "bench"],
        &[],
    ] {
        assert_eq!(place(words), None, "{words:?}");
    }
}

#[test]
fn a_key_that_means_nothing_is_an_error() {
    for file in [
        "nonsense = 1",
        "[worker]\nnonsense = 1",
        "[nonsense]\na = 1",
        "[contracts]\nproposer = 1",
        "[contracts.deploy]\nnonsense = 1",
    ] {
        assert!(matches!(parse_with(file, &["status"]), Err(SettingsError::UnknownKey { .. })), "{file}");
    }
    assert!(matches!(parse_with("a = ", &["status"]), Err(SettingsError::NotToml { .. })));
    assert!(matches!(parse_with("data-dir = {a = 1}", &["status"]), Err(SettingsError::UnknownKey { .. })));
}

#[test]
fn a_list_is_refused_where_one_value_counts() {
    for file in [
        "[prove]\ncluster = [\"http://a\", \"http://b\"]",
        "[worker]\ncoordinator = [\"http://a\"]",
        "data-dir = [\"a\", \"b\"]",
    ] {
        assert!(matches!(parse_with(file, &["status"]), Err(SettingsError::List { .. })), "{file}");
    }
}

#[test]
fn access_keys_in_values_that_cannot_be_are_not_shown() {
    let l1 = "[contracts.deploy]\nl1-rpc = \"l1.example/secret\"\n";
    let proposer = "0x00000000000000000000000000000000000000aa";
    for (file, words) in [
        ("", &["prove", "--l2-rpc", "l2.example/secret"][..]),
        ("", &["load", "--rpc-url=l2.example/secret"]),
        ("[prove]\nl2-rpc = \"l2.example/secret\"\n", &["prove"]),
        ("data-dir = \"x\"\n[prove]\nl2-rpc = https://l2.example/secret\n", &["prove"]),
        (l1, &["contracts", "deploy", "--l2-rpc", "http://l2", "--proposer", proposer]),
    ] {
        let error = parse_with(file, words).err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("-rpc") || error.contains("line 3"), "{error}");
    }
    let two = ["prover-node", "--l1-rpc", "http://a/secret", "http://b/secret"];
    let error = parse_with("", &two).err().unwrap().to_string();
    assert!(!error.contains("secret") && error.contains("address"), "{error}");
    // What is not there, and what is no secret, is said as it is.
    let error = parse_with("", &["prove", "--l2-rpc"]).err().unwrap().to_string();
    assert!(error.contains("a value is required"), "{error}");
    let error = parse_with("", &["worker", "--max-weight", "much"]).err().unwrap().to_string();
    assert!(error.contains("much"), "{error}");
}

/// Those that are, `--help` and errors do not show.
#[test]
fn every_address_of_a_node_may_hold_an_access_key() {
    fn shown(command: &clap::Command, found: &mut Vec<String>) {
        let address = std::any::TypeId::of::<url::Url>();
        let is_shown =
            |arg: &&clap::Arg| arg.get_value_parser().type_id() == address && !arg.is_hide_env_values_set();
        let name = |arg: &clap::Arg| format!("{} --{}", command.get_name(), arg.get_id());
        found.extend(command.get_arguments().filter(is_shown).map(name));
        command.get_subcommands().for_each(|sub| shown(sub, found));
    }
    let mut found = Vec::new();
    shown(&Cli::command(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_filter_of_the_log_that_is_none_is_refused_wherever_it_stands() {
    for filter in ["inof", "warn,proofmil", "proofmill=loud", "warn,proofmill=info,debgu", "[", "=info"] {
        let said = parse_with("", &["status", "--log-filter", filter]).unwrap_err().to_string();
        assert!(said.contains("--log-filter"), "{filter}: {said}");
        assert!(parse_with(&format!("log-filter = \"{filter}\"\n"), &["status"]).is_err(), "{filter}");
    }
    for (filter, read) in [
        ("info", "info"),
        (" warn, proofmill=debug ", "warn,proofmill=debug"),
        ("WARN,proofmill_worker=trace,", "WARN,proofmill_worker=trace"),
        ("[range{blocks}]=info", "[range{blocks}]=info"),
    ] {
        let cli = parse_with("", &["status", "--log-filter", filter]).unwrap();
        assert_eq!(cli.global.log_filter, read);
    }
}

#[test]
fn a_value_from_the_file_is_checked_like_a_flag() {
    let parsed = parse_with("[worker]\nmax-weight = \"much\"", &["worker"]);
    assert!(matches!(parsed, Err(SettingsError::Clap(_))));
}
