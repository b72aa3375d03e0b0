//! Provers that pull, as processes: batches are given out, proven, handed in, taken back; coordinators are killed, of another
//! version, or not in need of the type. The prover type is `exec`, which proves nothing, and says so.

mod site;

use crate::{
    process::{self, Running, free_port, output, proofmill, succeed, wait},
    pullers::{ask, assign, client, of_another_release, runtime, submit, takes_no_proofs, unneeding},
};
use proofmill_ledger::ProcessLock;
use proofmill_wire::prover::{
    AssignRequest, assign_response, proof_refused, prover_type_not_needed, submit_response,
};
use site::{Role, Site, field};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

#[test]
fn epochs_settle_by_two_provers_that_pull_and_every_proof_is_timed() {
    let mut site = Site::new();
    let mut node = site.coordinator(Role::Node, 540);
    // One that stands alone sees that L1 has verified its batches, by whomever.
    let mut alone = site.role("alone");
    alone.args(["proof-coordinator", "--disable-publish"]);
    alone.args(["--prover-id", "0x00000000000000000000000000000000000000aa"]);
    alone.args(["--l1-rpc", site.chains.l1_rpc.as_str(), "--l2-rpc", site.chains.l2_rpc.as_str()]);
    alone.args(["--rollup", &site.chains.rollup.to_string()]);
    alone.args(["--pull-listen", &format!("127.0.0.1:{}", free_port())]);
    let mut alone = Running::start(&mut alone, &site.file("alone"));
    // Both of this machine take turns, in one data folder.
    let start = |timed: &str, log: &str| {
        let mut command = site.role("one");
        command.args(["prover", "--prover-type", "exec", "--coordinator", &site.address()]);
        Running::start(command.env("PROVER_CLIENT_TIMED", timed), &site.file(log))
    };
    let (mut one, mut two) = (start("1", "one"), start("false", "two"));
    // By both: there is not always work, and who asks first has it.
    site.load_until("three epochs to be settled", |site| {
        let had_turns =
            ["one", "two"].iter().all(|name| !site.lines(name, "a proof was handed in").is_empty());
        had_turns && process::settled(&site.said("coordinator")) >= 3
    });
    // Both of one moment: it goes on.
    let said = site.said("one");
    let of_one = |what: &str| said.lines().filter(|line| line.contains(what)).collect::<Vec<_>>();
    let (timed, handed_in) = (of_one("proving_time_ms"), of_one("a proof was handed in"));
    assert!(!timed.is_empty() && timed.len().abs_diff(handed_in.len()) <= 1, "{}", site.said("one"));
    for line in &timed {
        let (seconds, millis): (u64, u64) =
            (field(line, "proving_time_s").parse().unwrap(), field(line, "proving_time_ms").parse().unwrap());
        assert!(seconds == millis / 1_000 && field(line, "batch").parse::<u64>().unwrap() > 0, "{line}");
        // What proves nothing says so wherever it shows.
        assert_eq!(field(line, "proves_nothing"), "true");
    }
    assert!(site.said("one").contains("PROVES NOTHING"));
    assert!(!site.said("two").contains("proving_time_ms"), "nobody asked for times");
    assert!(site.folder.path().join("one/data/provers/2").is_dir(), "each has a folder");
    // No batch was given out twice.
    let mut given: Vec<_> = site
        .lines("coordinator", "a batch is given out")
        .iter()
        .map(|line| (field(line, "batch"), field(line, "level")))
        .collect();
    given.sort();
    let all = given.len();
    given.dedup();
    assert_eq!(given.len(), all, "{}", site.said("coordinator"));
    wait("L1's word on them", || site.said("alone").contains("L1 has verified the batches up to this one"));
    assert!(site.said("alone").contains("nothing is submitted to L1"), "{}", site.said("alone"));
    for running in [&mut one, &mut two, &mut alone, &mut node] {
        assert!(
            running.terminate(),
            "{}\n{}\n{}",
            site.said("one"),
            site.said("two"),
            site.said("coordinator")
        );
    }
}

#[test]
fn a_prover_killed_in_the_middle_loses_its_batch_after_the_time_out() {
    let mut site = Site::new();
    let mut hasty = site.coordinator(Role::Alone, 6);
    // It would need two hours for it.
    let mut slow = site.prover("slow", &["--delay", "7200000", "--max-weight", "2"]);
    site.load_until("a batch to be proven", |site| !site.lines("slow", "proving a batch").is_empty());
    let batch = field(&site.lines("slow", "proving a batch")[0], "batch");
    slow.kill();
    let mut quick = site.prover("quick", &["--max-weight", "2"]);
    wait("the batch to be taken back", || {
        site.lines("coordinator", "a batch is taken back").iter().any(|line| field(line, "batch") == batch)
    });
    let is_it = |line: &String| field(line, "batch") == batch;
    wait("the other one to prove it", || site.lines("quick", "a proof was handed in").iter().any(is_it));
    assert!(site.counted("proofmill_pull_batches_taken_back_total{prover=\"exec\"}") >= 1);
    assert!(site.counted("proofmill_pull_proofs_total{prover=\"exec\",outcome=\"stored\"}") >= 1);
    assert!(site.counted("proofmill_pull_answers_total{prover=\"exec\",outcome=\"assigned\"}") >= 2);
    assert!(quick.terminate(), "{}", site.said("quick"));
    // One that is stopped in good order gives its batch back at once. In the six seconds of this coordinator it may not have been
    // stopped yet.
    hasty.kill();
    let _patient = site.coordinator(Role::Alone, 540);
    let mut leaving = site.prover("leaving", &["--delay", "600000", "--max-weight", "2"]);
    site.load_until("another batch", |site| !site.lines("leaving", "proving a batch").is_empty());
    let batch = field(&site.lines("leaving", "proving a batch")[0], "batch");
    assert!(leaving.terminate(), "{}", site.said("leaving"));
    wait("the batch to be given back", || {
        site.lines("coordinator", "a batch was given back").iter().any(|line| field(line, "batch") == batch)
    });
    let late = &site.lines("coordinator", "a batch is taken back")[0];
    assert_eq!(field(late, "event"), "proof_timed_out", "{late}");
    // A report of these logs says that not every time is that of one try.
    let troubles = proofmill_bench::log::read(&site.said("coordinator")).troubles;
    let retries = troubles.get(&proofmill_bench::log::Trouble::Retry);
    assert!(retries.is_some_and(|lines| *lines >= 2), "{troubles:?}");
    assert!(site.counted("proofmill_pull_batches_given_back_total{prover=\"exec\",fault=\"none\"}") >= 1);
}

#[test]
fn assignments_survive_a_coordinator_that_is_killed() {
    let mut site = Site::new();
    let mut first = site.coordinator(Role::Alone, 540);
    // It proves for a while: until after the coordinator is back.
    let _slow = site.prover("slow", &["--delay", "20000", "--max-weight", "2"]);
    site.load_until("a batch to be proven", |site| !site.lines("slow", "proving a batch").is_empty());
    let batch = field(&site.lines("slow", "proving a batch")[0], "batch");
    first.kill();
    let _second = site.coordinator(Role::Alone, 540);
    assert!(
        site.said("coordinator").contains("going on with what was given out"),
        "{}",
        site.said("coordinator")
    );
    // Another prover gets other batches, but never that one.
    let _quick = site.prover("quick", &["--max-weight", "2"]);
    let other = |line: &String| field(line, "batch") != batch;
    site.load_until("other batches to be proven", |site| {
        site.lines("quick", "a proof was handed in").iter().any(other)
    });
    let is_it = |line: &String| field(line, "batch") == batch;
    wait("the slow one to hand it in", || site.lines("slow", "a proof was handed in").iter().any(is_it));
    assert!(!site.lines("quick", "proving a batch").iter().any(is_it), "{}", site.said("quick"));
    assert!(site.lines("coordinator", "a batch is taken back").is_empty(), "{}", site.said("coordinator"));
}

#[test]
fn what_a_prover_is_told_is_one_of_a_few_outcomes() {
    let mut site = Site::new();
    let _coordinator = site.coordinator(Role::Alone, 540);
    // Of another version, with a coordinator that is away in its list; it goes on with the others, whatever they say.
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let all = format!("{nobody},{}", site.address());
    let version = format!("0x{}", "07".repeat(32));
    let words = ["--coordinator", &all, "--program-version", &version, "--max-weight", "2"];
    let mut old = site.prover("old", &words);
    site.load_until("the mismatch to be said", |site| {
        !site.lines("old", "for another program version").is_empty()
    });
    // The other one may be late with an answer.
    let away = site.lines("old", "a coordinator does not answer");
    assert_eq!(away.iter().filter(|line| line.contains(&nobody)).count(), 1, "{}", site.said("old"));
    assert!(site.said("old").contains(&version) && site.said("old").contains("needed="));
    runtime().block_on(async {
        use assign_response::Outcome;
        let mut client = client(&site.address()).await;
        for (name, reason) in [
            ("sp1", prover_type_not_needed::Reason::NotAskedFor),
            ("openvm", prover_type_not_needed::Reason::NotAskedFor),
            ("risc0", prover_type_not_needed::Reason::NotBuiltIn),
            ("zisk", prover_type_not_needed::Reason::NotBuiltIn),
            ("tdx", prover_type_not_needed::Reason::NotBuiltIn),
        ] {
            let Outcome::ProverTypeNotNeeded(told) = assign(&mut client, ask("a", name)).await else {
                panic!()
            };
            assert_eq!((told.reason(), told.needed), (reason, vec!["exec".to_owned()]), "{name}");
        }
        let Outcome::Assigned(given) = assign(&mut client, ask("a", "exec")).await else { panic!() };
        // Who asks again is told the same, and nobody else is.
        let Outcome::Assigned(again) = assign(&mut client, ask("a", "exec")).await else { panic!() };
        assert_eq!(again.batch, given.batch);
        match assign(&mut client, ask("b", "exec")).await {
            Outcome::Assigned(other) => assert_ne!(other.batch, given.batch),
            other => assert!(matches!(other, Outcome::RetryLater(_)), "{other:?}"),
        }
        // A call that is none is refused as such.
        let status =
            client.assign(AssignRequest { range_version: vec![1], ..ask("c", "exec") }).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let status = client.assign(ask("two words", "exec")).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    });
    assert!(old.terminate(), "an answer ended it, or it does not stop:\n{}", site.said("old"));
    let said =
        process::fail(site.role("tdx").args(["prover", "--coordinator", &nobody, "--prover-type", "tdx"]));
    assert!(said.contains("no release of Proofmill has the prover type `tdx`"), "{said}");
    let said =
        process::fail(site.role("sp1").args(["prover", "--coordinator", &nobody, "--prover-type", "sp1"]));
    assert!(said.contains("`sp1` is not compiled into this binary"), "{said}");
    let said =
        process::fail(site.role("bad").args(["prover", "--coordinator", "nowhere", "--prover-type", "exec"]));
    assert!(said.contains("`nowhere` is not the address of a service"), "{said}");
}

#[test]
fn garbage_is_refused_logged_seldom_and_holds_up_nobody() {
    let mut site = Site::new();
    let _coordinator = site.coordinator(Role::Alone, 540);
    site.load_until("a batch", |site| {
        let outcome = runtime()
            .block_on(async { assign(&mut client(&site.address()).await, ask("scout", "exec")).await });
        matches!(outcome, assign_response::Outcome::Assigned(_))
    });
    runtime().block_on(async {
        use submit_response::Outcome;
        let mut client = client(&site.address()).await;
        let assign_response::Outcome::Assigned(given) = assign(&mut client, ask("scout", "exec")).await
        else {
            panic!()
        };
        let batch = given.batch.unwrap();
        let mut sent = Instant::now();
        let Outcome::Refused(refused) = submit(&mut client, "liar", &batch, b"garbage".to_vec()).await else {
            panic!()
        };
        assert_eq!(refused.reason(), proof_refused::Reason::Unreadable);
        assert!(refused.cause.contains("PMPROOF1") && refused.paused_ms > 0, "{refused:?}");
        // It waits; nothing of it is looked at until then.
        let (mut pause, mut waited) = (Duration::from_millis(refused.paused_ms), 0);
        for _ in 0..2_000 {
            let now = Instant::now();
            match submit(&mut client, "liar", &batch, b"garbage".to_vec()).await {
                Outcome::RetryLater(later) => {
                    waited += 1;
                    assert!(later.after_ms > 0);
                }
                Outcome::Refused(refused) => {
                    // The coordinator counts in milliseconds.
                    assert!(sent.elapsed() + Duration::from_millis(1) >= pause, "looked at within {pause:?}");
                    (sent, pause) = (now, Duration::from_millis(refused.paused_ms));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(waited > 0);
        // A well-made claim of another program, and of something else, by others.
        let exec = proofmill_backends::ExecBackend::default();
        let program = proofmill_client::programs::range_version(&exec).unwrap();
        let claim = |program, says: Vec<u8>| proofmill_backends::Proof {
            prover: proofmill_primitives::ProverType::Exec,
            mode: proofmill_primitives::ProofMode::Compressed,
            program,
            public_values: says,
            body: Vec::new(),
        };
        let other = proofmill_primitives::ProgramVersion([9; 32].into());
        for (name, proof, reason) in [
            ("other", claim(other, vec![1]), proof_refused::Reason::OtherProgram),
            ("else", claim(program, vec![1]), proof_refused::Reason::OtherStatement),
        ] {
            let Outcome::Refused(refused) = submit(&mut client, name, &batch, proof.encode()).await else {
                panic!()
            };
            assert_eq!(refused.reason(), reason, "{refused:?}");
        }
        // The one that holds the batch has lost nothing by that.
        let assign_response::Outcome::Assigned(still) = assign(&mut client, ask("scout", "exec")).await
        else {
            panic!()
        };
        assert_eq!(still.batch, Some(batch));
    });
    let refused = |cause: &str| {
        let name = "proofmill_pull_proofs_refused_total";
        site.counted(&format!("{name}{{prover=\"exec\",cause=\"{cause}\"}}"))
    };
    assert!(refused("unreadable") >= 1);
    assert_eq!((refused("other program"), refused("other statement")), (1, 1));
    assert!(site.counted("proofmill_pull_batches{prover=\"exec\",state=\"held\"}") >= 1);
    let lines = site.lines("coordinator", "a proof was refused");
    // Of two thousand.
    assert!(lines.len() < 20, "{} lines:\n{}", lines.len(), lines.join("\n"));
    // An honest one goes on all the while; also one that has coordinators of no use to it in its list.
    let (runtime, unneeding) = unneeding();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let all = format!("{unneeding},{nobody},{}", site.address());
    let mut prover = site.prover("honest", &["--coordinator", &all, "--max-weight", "2"]);
    site.load_until("two honest proofs", |site| site.lines("honest", "a proof was handed in").len() >= 2);
    for (of, told) in [
        (&unneeding, "a coordinator does not need this prover's type"),
        (&nobody, "a coordinator does not answer"),
    ] {
        let lines = site.lines("honest", told);
        let of_it = lines.iter().filter(|line| line.contains(of.as_str())).count();
        assert_eq!(of_it, 1, "{told}:\n{}", site.said("honest"));
    }
    assert!(site.said("honest").contains("needed=\"sp1\""), "{}", site.said("honest"));
    assert!(prover.terminate(), "{}", site.said("honest"));
    drop(runtime);
}

#[test]
fn two_provers_of_a_machine_that_always_have_work_take_turns() {
    let mut site = Site::new();
    let _coordinator = site.coordinator(Role::Alone, 540);
    site.load_until("ten batches that wait", |site| {
        site.lines("coordinator", "a batch is ready for provers").len() >= 10
    });
    // Nobody has a turn before both are there: the first would have proven all of them meanwhile.
    let turn = ProcessLock::take(&site.folder.path().join("turns")).unwrap();
    let (_one, _two) = (site.prover("one", &[]), site.prover("two", &[]));
    for name in ["one", "two"] {
        wait("the prover to want its turn", || {
            site.said(name).contains("another prover of this machine has the turn")
        });
    }
    drop(turn);
    let handed_in = |site: &Site, name: &str| site.lines(name, "a proof was handed in").len();
    wait("them to be proven", || handed_in(&site, "one") + handed_in(&site, "two") >= 10);
    for name in ["one", "two"] {
        assert!(handed_in(&site, name) >= 2, "{name} had no turn:\n{}", site.said(name));
    }
}

#[test]
fn a_coordinator_that_takes_no_proof_does_not_keep_a_prover_from_the_others() {
    let mut site = Site::new();
    let _coordinator = site.coordinator(Role::Alone, 540);
    let (_runtime, deaf) = takes_no_proofs(&site.address());
    let all = format!("{deaf},{}", site.address());
    let mut prover = site.prover("prover", &["--coordinator", &all]);
    site.load_until("proofs for the other one", |site| {
        site.lines("prover", "a proof was handed in").len() >= 2
            && !site.lines("prover", "a coordinator does not answer").is_empty()
    });
    assert!(prover.terminate(), "{}", site.said("prover"));
    // What nobody took is handed in by the next process, as often as one is killed over it.
    let mut kept = site.lines("prover", "it is kept, and handed in at the next start");
    // The other one may have been late with its answer.
    kept.retain(|line| field(line, "coordinator") == deaf);
    assert_eq!(kept.len(), 1, "{}", site.said("prover"));
    for starts in 1..=3 {
        let mut prover = site.prover("prover", &["--coordinator", &all]);
        wait("the proof to be handed in again", || {
            let again = site.lines("prover", "a proof from before is handed in");
            again.iter().filter(|line| field(line, "batch") == field(&kept[0], "batch")).count() >= starts
        });
        prover.kill();
    }
}

#[test]
fn a_coordinator_of_another_release_is_told_from_one_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let (_runtime, other) = of_another_release();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let log = folder.path().join("prover.log");
    let mut command = proofmill(folder.path());
    command.args(["prover", "--prover-type", "exec", "--max-weight", "2"]);
    command.args(["--coordinator", &format!("{other},{nobody}")]).env("NO_COLOR", "1");
    let mut prover = Running::start(&mut command, &log);
    let lines = |what: &str| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        said.lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>()
    };
    let other_version = "a coordinator speaks another version: run the same release on both sides";
    wait("both to be told", || {
        !lines(other_version).is_empty() && !lines("a coordinator does not answer").is_empty()
    });
    assert!(prover.terminate(), "an answer ended it, or it does not stop");
    let (said, away) = (lines(other_version), lines("a coordinator does not answer"));
    assert!(said.len() == 1 && said[0].contains(&other), "{said:?}");
    assert!(away.iter().all(|line| line.contains(&nobody)), "{away:?}");
}

#[test]
fn a_role_hears_as_many_as_the_system_allows() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, listen) = (proofmill(folder.path()), format!("127.0.0.1:{}", free_port()));
    let mut command = process::like(&ours, Path::new("bash"));
    command.args(["-c", "ulimit -Sn 300; exec \"$0\" \"$@\""]).arg(ours.get_program());
    command.args(["cluster", "--listen", &listen]);
    let role = Running::start(&mut command, &folder.path().join("cluster.log"));
    wait("the cluster", || std::net::TcpStream::connect(&listen).is_ok());
    let limits = fs::read_to_string(format!("/proc/{}/limits", role.id())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_ne!(files.split_whitespace().next(), Some("300"), "{limits}");
}

#[test]
fn a_port_that_is_taken_is_told_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let mut command = proofmill(folder.path());
    command.args(["prover", "--prover-type", "exec", "--coordinator", "http://127.0.0.1:1"]);
    let said = process::fail(command.args(["--metrics-listen", &place]));
    assert!(said.contains(&format!("cannot listen on {place}")), "{said}");
    assert!(said.contains("choose another --metrics-listen"), "{said}");
}

#[test]
fn settings_are_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let help = |command: &str| succeed(proofmill(folder.path()).args([command, "--help"]));
    for (command, settings) in [
        (
            "prover",
            &["--coordinator", "--prover-type", "--timed", "PROVER_CLIENT_TIMED", "--turns", "--max-weight"]
                [..],
        ),
        (
            "proof-coordinator",
            &[
                "--pull-listen",
                "--prover-timeout",
                "PROOFMILL_PROVER_TIMEOUT",
                "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT",
                "600",
            ],
        ),
        (
            "prover-node",
            &["--service", "pull", "local", "--pull-listen", "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT"],
        ),
    ] {
        let help = help(command);
        for setting in settings {
            assert!(help.contains(setting), "{command} does not show {setting}:\n{help}");
        }
        assert!(!help.contains("--delay") && !help.contains("--program-version"), "{help}");
    }
    let missing = output(proofmill(folder.path()).arg("prover"));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("--coordinator") && said.contains("--prover-type"), "{said}");
    // A file may say it all.
    let file = folder.path().join("proofmill.toml");
    fs::write(
        &file,
        "[prover]\ncoordinator = [\"nowhere\"]\nprover-type = \"exec\"\nmax-weight = 2\ntimed = true\n",
    )
    .unwrap();
    let said = process::fail(proofmill(folder.path()).arg("prover"));
    assert!(said.contains("`nowhere` is not the address"), "{said}");
    assert!(Path::new(&file).exists());
}
