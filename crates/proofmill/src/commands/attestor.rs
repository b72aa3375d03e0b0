//! `proofmill attestor`.

use crate::{
    cli, keys,
    observe::{self, Observed},
    stop, wiring,
};
use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail};
use proofmill_attestor::Attestor;
use proofmill_backends::Registry;
use proofmill_chain::{ChainError, GameStatus, Games, OutputOracle, Rollup, SigningKey, VerifierKind};
use std::collections::BTreeSet;
use tokio::net::TcpListener;

pub(crate) async fn run(global: &cli::Global, args: cli::Attestor, registry: Registry) -> Result<()> {
    let contract = match (args.rollup, args.oracle, args.factory) {
        (Some(rollup), None, None) => Contract::Rollup(rollup),
        (None, Some(oracle), None) => Contract::Oracle(oracle),
        (None, None, Some(factory)) => Contract::Factory(factory),
        (None, None, None) => bail!(
            "name a contract: --rollup (PROOFMILL_ROLLUP), or of OP Succinct's --oracle (L2OO_ADDRESS) or --factory \
             (FACTORY_ADDRESS) for dispute games"
        ),
        // One of the settings file and one of elsewhere: flags alone are compared before.
        _ => bail!("several contracts are named: leave one of --rollup, --oracle and --factory"),
    };
    let stop = stop::on_signal()?;
    let key: SigningKey = keys::key(args.key_file.as_deref(), keys::ATTESTOR_KEY)?;
    let observed = Observed::new("attestor");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let of = tokio::select! {
        of = of(contract, &args, &observed) => of?,
        () = stop.cancelled() => return Ok(()),
    };
    if global.snark.is_none() {
        tokio::select! {
            checked = check_snarks(global, &registry, &of) => checked?,
            () = stop.cancelled() => return Ok(()),
        }
    }
    let wanted: Vec<_> = match &of {
        Of::Rollup(rollup) => rollup.config().proof_types.iter().map(|of| of.prover).collect(),
        Of::Oracle(_) | Of::Games(_) => registry.checked_types().collect(),
    };
    let wanted: Vec<_> = wanted.into_iter().filter(|prover| prover.proves()).collect();
    wiring::check_helpers(&registry, &wanted).await?;
    for prover in wanted.iter().filter(|prover| registry.checker(**prover).is_err()) {
        tracing::warn!(%prover, "proofs of this type are not attested here: no binary that has it is known (--binary)");
    }
    let listener = TcpListener::bind(&args.listen).await.wrap_err_with(|| {
        format!("cannot listen on {}: stop what listens there, or choose another --listen", args.listen)
    })?;
    let (address, listen) = (key.address(), listener.local_addr()?);
    observed.started(Vec::new);
    let attestor = match of {
        Of::Rollup(rollup) => {
            tracing::info!(%address, rollup = %rollup.address(), %listen, "the attestor is ready");
            Attestor::new(registry, key, rollup)
        }
        Of::Oracle(oracle) => {
            tracing::info!(%address, oracle = %oracle.address(), %listen, "the attestor is ready");
            Attestor::of_oracle(registry, key, oracle)
        }
        Of::Games(games) => {
            let (factory, game_type) = (games.factory(), games.game_type());
            tracing::info!(%address, %factory, game_type, %listen, "the attestor is ready");
            Attestor::of_games(registry, key, games)
        }
    };
    proofmill_attestor::serve(attestor, listener, stop).await?;
    Ok(())
}

/// Whose proofs are to be attested.
#[derive(Clone, Copy)]
enum Contract {
    Rollup(Address),
    Oracle(Address),
    Factory(Address),
}

/// Whose proofs are attested.
enum Of {
    Rollup(Rollup),
    Oracle(OutputOracle),
    Games(Games),
}

/// Refuses to attest SNARKs that could not be verified here without one being named: that would be said when one is there, after hours.
async fn check_snarks(global: &cli::Global, registry: &Registry, of: &Of) -> Result<()> {
    let what = "the verifier on L1";
    let (l1, verifiers) = match of {
        Of::Rollup(rollup) => {
            let proving = rollup.config().proof_types.iter().filter(|of| of.prover.proves());
            (rollup.l1(), proving.map(|of| of.verifier).collect())
        }
        Of::Oracle(oracle) => (oracle.l1(), vec![wiring::patiently(what, || oracle.verifier()).await?]),
        Of::Games(games) => (games.l1(), wiring::patiently(what, || verifiers_of(games)).await?),
    };
    for verifier in verifiers {
        let kind = wiring::patiently(what, || VerifierKind::find(l1, verifier)).await?;
        wiring::check_taken(global, registry, &kind).await?;
    }
    Ok(())
}

/// The verifier of new games; where the factory makes none any more, those of games that are there, which want signatures nevertheless.
async fn verifiers_of(games: &Games) -> Result<Vec<Address>, ChainError> {
    match games.settings().await {
        Ok(settings) => Ok(vec![settings.verifier]),
        Err(cause @ ChainError::NoGames { .. }) => {
            tracing::warn!(%cause, "there can be no new games: proofs of those that are there are attested");
            let view = games.view(Address::ZERO, 0).await?;
            let open = view.games.iter().filter(|game| game.status == GameStatus::InProgress);
            Ok(open.map(|game| game.verifier).collect::<BTreeSet<_>>().into_iter().collect())
        }
        Err(error) => Err(error),
    }
}

async fn of(contract: Contract, args: &cli::Attestor, observed: &Observed) -> Result<Of> {
    let l1 = wiring::l1_of_role(&args.l1, observed).await?;
    Ok(match contract {
        Contract::Rollup(rollup) => {
            let read = || Rollup::connect(l1.clone(), rollup);
            Of::Rollup(wiring::patiently("the rollup's contract on L1", read).await?)
        }
        Contract::Oracle(oracle) => {
            let read = || OutputOracle::connect(l1.clone(), oracle);
            Of::Oracle(wiring::patiently("the output oracle on L1", read).await?)
        }
        Contract::Factory(factory) => {
            let read = || Games::connect(l1.clone(), factory, None, args.game_type);
            Of::Games(wiring::patiently("the factory of dispute games on L1", read).await?)
        }
    })
}
