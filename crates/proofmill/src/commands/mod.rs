//! One module for each command.

mod aggregate;
mod attestor;
mod backend;
mod bench;
mod cluster;
mod contracts;
mod dev;
mod epoch;
mod failures;
mod load;
pub(crate) mod localnet;
mod localnet_op;
mod node_status;
mod op_challenger;
mod op_proposer;
mod proof_coordinator;
mod proposer;
mod prove;
mod prover;
mod prover_node;
mod srs;
mod status;
mod submit;
mod verify;
mod worker;

use crate::{
    cli::{Cli, Command},
    wiring,
};
use eyre::Result;
use proofmill_backends::Registry;
use proofmill_primitives::ProverType;

pub(crate) async fn run(cli: Cli, registry: Registry) -> Result<()> {
    let Cli { global, command } = cli;
    let registry = wiring::with_helpers(registry, &global)?;
    let registry = match command {
        // It makes the setup that others look for.
        Command::Srs(_) => registry,
        _ => {
            let makes_snarks = command.makes_snarks();
            if makes_snarks {
                wiring::check_setups(&global)?;
            }
            let registry = wiring::with_snark(registry, &global)?;
            // Workers look for themselves, as soon as they are looked after.
            if makes_snarks && let Some(site) = command.own_site() {
                let memory = proofmill_worker::memory::max_weight(site.max_weight)?;
                wiring::check_memory(&global, memory)?;
                wiring::check_start(&registry, &[ProverType::OpenVm], memory).await?;
            }
            registry
        }
    };
    match command {
        Command::Srs(args) => srs::run(&global, args).await,
        Command::Cluster(args) => cluster::run(&global, args).await,
        Command::Worker(args) => worker::run(&global, args, registry).await,
        Command::Prove(args) => prove::run(&global, *args, registry).await,
        Command::Range(args) => prove::validate(&global, *args, registry).await,
        Command::Aggregate(args) => aggregate::run(&global, *args, registry).await,
        Command::OpProposer(args) => op_proposer::run(&global, *args, registry).await,
        Command::OpChallenger(args) => op_challenger::run(*args).await,
        Command::Verify(args) => verify::run(&args, &registry),
        Command::Status(args) => status::run(&args).await,
        Command::Load(args) => load::run(&args).await,
        Command::Localnet(args) => localnet::run(&global, args, registry).await,
        Command::Attestor(args) => attestor::run(&global, args, registry).await,
        Command::Contracts(args) => contracts::run(args, registry).await,
        Command::ProverNode(args) => prover_node::run(&global, *args, registry).await,
        Command::ProofCoordinator(args) => proof_coordinator::run(&global, *args, registry).await,
        Command::Prover(args) => prover::run(&global, *args, registry).await,
        Command::Proposer(args) => proposer::run(args).await,
        Command::Submit(args) => submit::run(*args, registry).await,
        Command::Epoch(args) => epoch::run(args).await,
        Command::Failures(args) => failures::run(&global, args, registry).await,
        Command::Bench(args) => bench::run(&global, args, registry).await,
        Command::Backend(args) => backend::run(&args, &registry),
        Command::Dev(args) => dev::run(&global, *args, registry).await,
    }
}

/// Says it where proofs of a type prove nothing.
fn note_unproven(prover: ProverType) {
    if !prover.proves() {
        eprintln!("note: `exec` runs the program natively and PROVES NOTHING");
    }
}
