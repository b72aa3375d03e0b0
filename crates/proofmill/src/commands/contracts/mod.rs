//! `proofmill contracts`.

mod deploy;
mod judge;
mod roles;
mod show;
mod verifier;

use crate::cli;
use eyre::Result;
use proofmill_backends::Registry;
use proofmill_chain::{ProofTypeConfig, RoleCall, Rules};

pub(crate) async fn run(args: cli::Contracts, registry: Registry) -> Result<()> {
    match args {
        cli::Contracts::Deploy(args) => deploy::rollup(*args, registry).await,
        cli::Contracts::DeployVerifier(args) => deploy::verifier(args, registry).await,
        cli::Contracts::Show(chains) => show::run(&chains).await,
        cli::Contracts::Schedule(args) => roles::schedule(*args, registry).await,
        cli::Contracts::Cancel(args) => roles::act(&args, &RoleCall::CancelScheduledRules).await,
        cli::Contracts::TransferOwnership(args) => {
            roles::act(&args.act, &RoleCall::TransferOwnership(args.to)).await
        }
        cli::Contracts::AcceptOwnership(args) => roles::act(&args, &RoleCall::AcceptOwnership).await,
        cli::Contracts::SetGuardian(args) => {
            roles::act(&args.act, &RoleCall::SetGuardian(args.guardian)).await
        }
        cli::Contracts::Pause(args) => roles::act(&args, &RoleCall::Pause).await,
        cli::Contracts::Resume(args) => roles::act(&args, &RoleCall::Resume).await,
    }
}

/// Shows one fact on a line of its own.
fn line(name: &str, fact: impl std::fmt::Display) {
    println!("{name:<18} {fact}");
}

/// Shows rules, each fact on a line of its own.
fn show_rules(rules: &Rules) {
    line("configHash", rules.config_hash);
    line("proposer", rules.proposer);
    rules.proof_types.iter().for_each(|of| show_proof_type(of, &of.verifier.to_string()));
}

fn show_proof_type(of: &ProofTypeConfig, verifier: &str) {
    line(
        of.prover.name(),
        format_args!(
            "verifier {verifier}, range program {}, aggregation program {}",
            of.range_key, of.aggregation_key
        ),
    );
}
