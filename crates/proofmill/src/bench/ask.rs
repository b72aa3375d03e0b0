//! What a session asks for in a terminal: each thing that was not given.

use super::{BATCHES, TRANSACTIONS};
use crate::cli::{GpuChoice, Run, node_url};
use clap::ValueEnum;
use eyre::{Result, bail};
use proofmill_backends::prover_type;
use proofmill_bench::steps::Gpu;
use proofmill_loadgen::LoadKind;
use proofmill_primitives::ProverType;
use std::{
    io::{BufRead, Write},
    str::FromStr,
};

/// Questions and answers.
struct Dialogue<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl Dialogue<'_> {
    /// Asks until the answer can be read; none where it is empty, which takes the default.
    fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>> {
        loop {
            write!(self.output, "{question} [{default}]: ")?;
            self.output.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                bail!("the answers ended: give the rest as flags, or --defaults to take the defaults");
            }
            match line.trim() {
                "" => return Ok(None),
                answer => match read(answer) {
                    Ok(answer) => return Ok(Some(answer)),
                    Err(error) => writeln!(self.output, "  {error}")?,
                },
            }
        }
    }
}

/// Asks for what is missing. `prover` tells what this machine would prove with.
pub(super) fn missing(
    run: &mut Run,
    prover: impl Fn(Gpu) -> Option<ProverType>,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<()> {
    let mut dialogue = Dialogue { input, output };
    if run.server.is_none() {
        run.server = dialogue.ask("Server, by ssh", "this machine", |text| Ok(text.to_owned()))?;
    }
    // First: what proves by default depends on it.
    if run.gpu.is_none() {
        run.gpu = dialogue.ask("GPU: auto, yes or no", "auto", |text| GpuChoice::from_str(text, true))?;
    }
    if run.prover.is_none() {
        let question = "Prover type: openvm, sp1, or exec, which proves nothing";
        match (&run.server, prover(run.gpu())) {
            // What a server has is known there.
            (Some(_), _) => run.prover = dialogue.ask(question, "what proves there", named)?,
            (None, Some(prover)) => run.prover = dialogue.ask(question, prover.name(), named)?,
            (None, None) => {
                while run.prover.is_none() {
                    run.prover = dialogue.ask(question, "needed", named)?;
                }
            }
        }
    }
    if run.l2_rpc.is_none() {
        run.l2_rpc = dialogue.ask("L2 that runs already: its node's address", "none", node_url)?;
    }
    while run.l2_rpc.is_some() && run.l1_rpc.is_none() {
        run.l1_rpc = dialogue.ask("  its L1's address", "needed", node_url)?;
    }
    while run.l2_rpc.is_some() && run.rollup.is_none() {
        run.rollup = dialogue.ask("  the rollup's contract", "needed", parsed)?;
    }
    if run.kind.is_none() {
        let kinds = LoadKind::ALL.map(LoadKind::name).join(", ");
        run.kind = dialogue.ask(&format!("Transactions: {kinds}"), LoadKind::EthTransfers.name(), parsed)?;
    }
    if run.transactions.is_none() {
        run.transactions = dialogue.ask("Transactions of each account", &TRANSACTIONS.to_string(), parsed)?;
    }
    if run.endless.is_none() {
        run.endless = dialogue.ask("Send until the end: yes or no", "no", yes_or_no)?;
    }
    if run.batches.is_none() {
        run.batches = dialogue.ask("Batches to prove", &BATCHES.to_string(), parsed)?;
    }
    if run.git_ref.is_none() && run.source.is_none() {
        run.git_ref =
            dialogue.ask("Git revision to build and measure", "this binary", |text| Ok(text.to_owned()))?;
    }
    Ok(())
}

/// As `--prover` takes it: a type of another system is refused with the reason.
fn named(text: &str) -> Result<ProverType, String> {
    prover_type(text).map_err(|error| error.to_string())
}

fn parsed<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "y" | "yes" | "true" => Ok(true),
        "n" | "no" | "false" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cli::{Bench, Cli, Command};
    use clap::Parser;

    fn run(words: &[&str]) -> Run {
        let words = ["proofmill", "bench", "run"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Bench(Bench::Run(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    fn asked(run: &mut Run, answers: &str) -> Result<String> {
        let mut said = Vec::new();
        // As with a binary that has both, where there is a GPU.
        let prover = |gpu: Gpu| if gpu == Gpu::Hidden { ProverType::OpenVm } else { ProverType::Sp1 };
        missing(run, |gpu| Some(prover(gpu)), &mut answers.as_bytes(), &mut said)?;
        Ok(String::from_utf8(said).unwrap())
    }

    #[test]
    fn empty_answers_take_the_defaults() {
        let mut given = run(&[]);
        let said = asked(&mut given, &"\n".repeat(9)).unwrap();
        for default in
            ["this machine", "sp1", "auto", "none", "eth-transfers", "50", "no", "5", "this binary"]
        {
            assert!(said.contains(&format!("[{default}]")), "{default} in {said}");
        }
        assert_eq!((given.server.clone(), given.prover, given.git_ref.clone()), (None, None, None));
        assert_eq!((given.batches().get(), given.transactions().get(), given.is_endless()), (5, 50, false));
    }

    #[test]
    fn an_empty_answer_takes_what_is_shown_where_no_gpu_is_wanted() {
        let said = asked(&mut run(&[]), &format!("\nno\n{}", "\n".repeat(7))).unwrap();
        assert!(said.contains("[openvm]") && !said.contains("[sp1]"), "{said}");
    }

    #[test]
    fn what_was_given_is_not_asked_for_and_a_bad_answer_is_asked_again() {
        let mut given =
            run(&["--server=a", "--prover=exec", "--gpu=no", "--kind=erc20", "--endless", "--git-ref=main"]);
        let said = asked(&mut given, "\n0\nmany\n7\n3\n").unwrap();
        assert_eq!((given.transactions().get(), given.batches().get(), given.is_endless()), (7, 3, true));
        assert_eq!(said.matches("Transactions of each account").count(), 3, "{said}");
        assert!(!said.contains("Server") && !said.contains("Git"), "{said}");
    }

    #[test]
    fn a_running_l2_needs_its_l1_and_its_contract() {
        let mut given = run(&["--server=a", "--prover=exec", "--gpu=no", "--kind=erc20", "--endless=false"]);
        let rollup = "0x00000000000000000000000000000000000000aa";
        let said =
            asked(&mut given, &format!("l2/secret\nhttp://l2\n\nhttp://l1\n{rollup}\n\n\n\n")).unwrap();
        assert_eq!(given.l1_rpc.unwrap().as_str(), "http://l1/");
        assert!(given.rollup.is_some() && !said.contains("secret"), "{said}");
    }

    #[test]
    fn a_prover_type_of_another_system_is_refused_with_the_reason() {
        let said = asked(&mut run(&[]), &format!("\n\ntdx\nexec\n{}", "\n".repeat(6))).unwrap();
        assert!(said.contains("attests by hardware"), "{said}");
    }

    #[test]
    fn answers_that_end_are_an_error() {
        assert!(asked(&mut run(&[]), "\n\n").unwrap_err().to_string().contains("--defaults"));
    }
}
