//! The command line, its settings, and the wiring of the roles. No logic of its own: what a role does is in its crate.
//!
//! It is a library so that a binary with other backends (`sp1/`, which cannot share a lock file with OpenVM) is three
//! lines:
//!
//! ```no_run
//! use proofmill_backends::Registry;
//!
//! fn main() -> std::process::ExitCode {
//!     proofmill::main_with(Registry::compiled_in())
//! }
//! ```

#[macro_use]
mod printed;

mod bench;
mod cli;
mod commands;
mod dev;
mod figures;
mod held_port;
mod keys;
mod ledger;
mod local;
mod logged;
mod node;
mod observe;
mod place;
mod progress;
mod pulling;
mod report;
mod rollup_config;
mod room;
mod settings;
mod settle;
mod sides;
mod stop;
mod wiring;

use proofmill_backends::Registry;
use proofmill_prover_node::CHANGES_TARGET;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{io::IsTerminal, process::ExitCode};
use tracing_subscriber::{EnvFilter, filter::Directive};

/// In `proofmill … | head` the reader leaves early. The standard library panics then; other tools end without a word.
fn end_when_nobody_reads() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(|text| text.starts_with("failed printing to std")) {
            // 128 + SIGPIPE, as shells report it.
            std::process::exit(141);
        }
        report(panic);
    }));
}

/// More files than this are asked of no system.
const FILES: u64 = 1 << 20;

/// Each connection is an open file. Shells and service managers allow 1,024 of them and let a process have more if it asks: thousands of
/// workers or of provers that pull need them, and without them nobody new is heard.
fn allow_many_connections() {
    let allowed = getrlimit(Resource::Nofile);
    let most = allowed.maximum.unwrap_or(FILES).min(FILES);
    if allowed.current.is_some_and(|current| current < most) {
        // Without more it goes on with what it has.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..allowed });
    }
}

/// Runs the command line with these backends.
pub fn main_with(registry: Registry) -> ExitCode {
    end_when_nobody_reads();
    allow_many_connections();
    let cli = match settings::parse() {
        Ok(cli) => cli,
        Err(settings::SettingsError::Clap(error)) => {
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    start_logging(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the threads of the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(commands::run(cli, registry));
    // A prover that was withdrawn in the middle of its work is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut said = error.to_string();
            eprintln!("error: {said}");
            for cause in error.chain().skip(1).map(ToString::to_string) {
                // Many errors have their cause in their own words.
                if !said.contains(&cause) {
                    eprintln!("  because: {cause}");
                    said = cause;
                }
            }
            ExitCode::FAILURE
        }
    }
}

/// What `dev` says in lines of its own is not logged besides, but for machines.
fn start_logging(cli: &cli::Cli) {
    let global = &cli.global;
    // What is no filter was refused when it was read.
    let mut filter = EnvFilter::try_new(&global.log_filter).unwrap_or_default();
    // Its spans at `debug` name whole URLs, which often hold access keys.
    let mut left_out = vec!["alloy_transport_http=info".to_owned()];
    if matches!((&cli.command, global.log_format), (cli::Command::Dev(_), cli::LogFormat::Text)) {
        left_out.push(format!("{CHANGES_TARGET}=off"));
    }
    for directive in left_out.iter().filter_map(|directive| directive.parse::<Directive>().ok()) {
        filter = filter.add_directive(directive);
    }
    let (format, colours) = (global.log_format, std::io::stderr().is_terminal());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || logged::Records { to: std::io::stderr(), format, colours })
        // A role goes on although nobody reads its log any more.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(colours);
    match format {
        cli::LogFormat::Text => builder.init(),
        cli::LogFormat::Json => builder.json().init(),
    }
}
