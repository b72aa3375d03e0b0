//! `proofmill bench run`: a session, here or on a server. Its rules are in `proofmill_bench`; this carries it out.

mod ask;

mod follow;
mod live;
mod metrics;
mod ports;
mod prepare;
mod processes;
mod proving;
mod roles;
mod server;
mod session;
mod source;
mod starting;
mod wind_up;
mod written;

pub(crate) use self::metrics::fetch;
pub(crate) use written::write;

use crate::{cli, stop};
use eyre::{Result, bail};
use proofmill_backends::Registry;
use proofmill_bench::{Server, steps::Gpu, utc};
use proofmill_primitives::ProverType;
use std::{
    io::{IsTerminal, stderr, stdin, stdout},
    num::{NonZeroU32, NonZeroUsize},
    time::{SystemTime, UNIX_EPOCH},
};

/// How many transactions each account sends where nobody says it.
const TRANSACTIONS: NonZeroU32 = proofmill_loadgen::LoadPlan::TRANSACTIONS;
/// How many batches are proven where nobody says it: so many are needed for a comparison.
const BATCHES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(proofmill_bench::compare::FEWEST - 1);

/// Runs a session to its end.
pub(crate) async fn run(global: &cli::Global, mut args: cli::Run, registry: Registry) -> Result<()> {
    if stdin().is_terminal() && stdout().is_terminal() && !args.defaults {
        let prover = |gpu| default_prover(&registry, gpu);
        ask::missing(&mut args, prover, &mut stdin().lock(), &mut stderr())?;
    }
    if args.l2_rpc.is_some() && (args.l1_rpc.is_none() || args.rollup.is_none()) {
        bail!(
            "an L2 that runs already (--l2-rpc) is settled on an L1: name its node with --l1-rpc, and the contract with --rollup"
        );
    }
    args.name.get_or_insert_with(|| {
        format!("bench-{}", utc(unix_seconds()).replace(['-', ':'], "").replace(' ', "-"))
    });
    // Only now: a question is ended by Ctrl-C as any program is.
    let stop = stop::on_signal()?;
    match args.server.clone() {
        Some(server) => server::run(global, &args, &server, &stop).await,
        None => session::run(global, &args, &registry, &stop).await,
    }
}

impl cli::Run {
    /// Whether provers use a GPU.
    fn gpu(&self) -> Gpu {
        self.gpu.map_or_else(Gpu::default, Gpu::from)
    }

    fn transactions(&self) -> NonZeroU32 {
        self.transactions.unwrap_or(TRANSACTIONS)
    }

    fn batches(&self) -> NonZeroUsize {
        self.batches.unwrap_or(BATCHES)
    }

    fn kind(&self) -> proofmill_loadgen::LoadKind {
        self.kind.unwrap_or(proofmill_loadgen::LoadKind::EthTransfers)
    }

    fn is_endless(&self) -> bool {
        self.endless.unwrap_or(false)
    }

    /// The session's name; it has one from its beginning.
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("bench")
    }
}

/// What proves and this binary, or one that it knows, has: SP1 first where there is a GPU.
fn default_prover(registry: &Registry, gpu: Gpu) -> Option<ProverType> {
    let has_gpu = gpu != Gpu::Hidden && !Server::this().gpus.is_empty();
    let order = match has_gpu {
        true => [ProverType::Sp1, ProverType::OpenVm],
        false => [ProverType::OpenVm, ProverType::Sp1],
    };
    let there: Vec<ProverType> = registry.checked_types().collect();
    order.into_iter().find(|prover| there.contains(prover))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_proves_goes_first() {
        let exec = Registry::default().with(Arc::new(proofmill_backends::ExecBackend::default()));
        // What proves nothing is named by who wants it.
        assert_eq!(default_prover(&exec, Gpu::Hidden), None);
        let sp1 = exec.with_helper(ProverType::Sp1, "/there/proofmill-sp1");
        assert_eq!(default_prover(&sp1, Gpu::Hidden), Some(ProverType::Sp1));
        let both = sp1.with_helper(ProverType::OpenVm, "/there/proofmill");
        assert_eq!(default_prover(&both, Gpu::Hidden), Some(ProverType::OpenVm));
    }
}
