//! What several commands put together from their settings.

use crate::{cli, observe::Observed};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::{Registry, SnarkConfig};
use proofmill_chain::{
    ChainError, DEVELOPMENT_CHAIN, FeeLimits, L1, L2, OtherSnark, Pool, PoolOptions, Publishers, Rollup,
    ScheduledRules, Sender, Signer, Start, VerifierKind, Wait,
};
pub(crate) use proofmill_chain::{patiently, until_there};
use proofmill_client::{ClusterClient, programs};
use proofmill_devnet::ProofTypePlan;
use proofmill_ledger::{LockError, ProcessLock};
use proofmill_primitives::{ProverType, Weight};
use proofmill_prover_node::parts::FailureStore;
use proofmill_srs::{Setup, Srs};
use proofmill_witness::{Beacon, BuildError, ChainSource, Node, NodeOptions};
use std::{env, fs, path::Path, sync::Arc, time::Duration};
use url::Url;

/// The binary of each prover type that no binary with another one has.
const BINARIES: [(ProverType, &str); 2] =
    [(ProverType::OpenVm, "proofmill"), (ProverType::Sp1, "proofmill-sp1")];

/// Names the binaries that have what this one lacks: those beside it, and before them those of the settings.
pub(crate) fn with_helpers(mut registry: Registry, global: &cli::Global) -> Result<Registry> {
    let own = std::env::current_exe().ok();
    if let Some(folder) = own.as_deref().and_then(Path::parent) {
        let beside = BINARIES.map(|(prover, name)| (prover, folder.join(name)));
        for (prover, file) in
            beside.into_iter().filter(|(_, file)| file.is_file() && Some(file) != own.as_ref())
        {
            registry = registry.with_helper(prover, file);
        }
    }
    for (prover, file) in &global.binary {
        if !file.is_file() {
            bail!("--binary {prover}={}: there is no such file", file.display());
        }
        registry = registry.with_helper(*prover, file);
    }
    Ok(registry)
}

/// The SNARK that the settings name.
fn snark(global: &cli::Global) -> Option<SnarkConfig> {
    global.snark.map(|variant| SnarkConfig { variant, folder: global.snark_folder() })
}

/// Has epoch proofs carried on to a SNARK, and those SNARKs verified, where the settings name one.
pub(crate) fn with_snark(registry: Registry, global: &cli::Global) -> Result<Registry> {
    let Some(config) = snark(global) else { return Ok(registry) };
    let said = format!("--snark {}", config.variant);
    registry.with_snark(config).wrap_err(said)
}

/// Refuses a SNARK on the setup for development where L1 is for more than that: its contract must take none such.
pub(crate) fn check_snark(global: &cli::Global, l1_chain_id: u64) -> Result<()> {
    match global.snark {
        Some(variant) if variant.setup == Setup::Development && l1_chain_id != DEVELOPMENT_CHAIN => bail!(
            "--snark {variant}: everybody knows the secret of its setup, and L1 has chain id {l1_chain_id}: it is for the development chain \
             {DEVELOPMENT_CHAIN} alone. Name one on a setup of a ceremony: --snark small or --snark published"
        ),
        _ => Ok(()),
    }
}

/// Refuses a SNARK of another setup, size or circuit than L1's verifier takes.
pub(crate) async fn check_taken(
    global: &cli::Global,
    registry: &Registry,
    verifier: &VerifierKind,
) -> Result<(), OtherSnark> {
    proofmill_attestor::check_snark(verifier, global.snark, registry.checker(ProverType::OpenVm).ok()).await
}

/// Looks now for what making a SNARK needs, not when hours of proving are done. Takes no time: what takes seconds is for
/// [`check_start`].
pub(crate) fn check_setups(global: &cli::Global) -> Result<()> {
    let Some(config) = snark(global) else { return Ok(()) };
    Srs::check_all_there(&config.folder, config.variant.setup, &config.degrees())
        .wrap_err_with(|| format!("--snark {}", config.variant))
}

/// Has the backends of a worker with so much memory look for what they lack.
pub(crate) async fn check_start(registry: &Registry, provers: &[ProverType], memory: Weight) -> Result<()> {
    for prover in provers {
        // The worker itself says which it does not have.
        let Ok(backend) = registry.get(*prover) else { continue };
        tokio::task::spawn_blocking(move || backend.check_start(memory)).await??;
    }
    Ok(())
}

/// Refuses a SNARK whose heaviest step has no room beside the controller of its proof, where nobody else could make it.
pub(crate) fn check_memory(global: &cli::Global, room: Weight) -> Result<()> {
    let Some(variant) = global.snark else { return Ok(()) };
    let needed = variant.size.memory() + Weight::gb(1);
    if room < needed {
        bail!(
            "--snark {variant}: making it takes {needed} of memory, and the tasks here may take {room}: take a larger machine, have workers of \
             a cluster make it, or name a smaller one"
        );
    }
    Ok(())
}

/// Has this process, which makes proofs of these types itself, look for what it lacks, as a worker's does at its start.
pub(crate) async fn check_maker(
    global: &cli::Global,
    registry: &Registry,
    provers: &[ProverType],
    max_weight: Option<Weight>,
) -> Result<()> {
    check_setups(global)?;
    check_start(registry, provers, proofmill_worker::memory::max_weight(max_weight)?).await
}

/// Has every binary that is asked for another prover type answer once: what is missing is said now, not when a proof is there.
pub(crate) async fn check_helpers(registry: &Registry, provers: &[ProverType]) -> Result<()> {
    for prover in provers {
        let Some(helper) = registry.helper(*prover).cloned() else { continue };
        tokio::task::spawn_blocking(move || helper.ready()).await??;
    }
    Ok(())
}

/// The artifact store that the settings name, and `folder` where they name none.
pub(crate) async fn artifacts(args: &cli::Store, folder: &Path) -> Result<Arc<dyn ArtifactStore>> {
    Ok(args.settings()?.choose_or(folder)?.open().await?)
}

/// L1, from which a chain of the OP Stack is derived. A file says its rules where nobody knows them.
pub(crate) async fn l1_node(options: NodeOptions, genesis: Option<&Path>) -> Result<Node> {
    with_genesis(options, genesis).connect().await.map_err(not_l1)
}

/// The same, for a role: it waits for its nodes.
pub(crate) async fn l1_node_of_role(options: NodeOptions, genesis: Option<&Path>) -> Result<Node> {
    node_of_role("the rules of L1", with_genesis(options, genesis)).await.map_err(not_l1)
}

/// A file says a chain's rules, if one is named.
pub(crate) fn with_genesis(options: NodeOptions, genesis: Option<&Path>) -> NodeOptions {
    match genesis {
        Some(file) => options.chain(ChainSource::Genesis(file.to_owned())),
        None => options,
    }
}

fn not_l1(error: BuildError) -> eyre::Report {
    let of_l1 = match &error {
        BuildError::UnknownChain { .. } => {
            "L1 is no well-known network: its genesis file is named by --l1-genesis (PROOFMILL_L1_GENESIS), and not by --genesis"
        }
        _ => "L1",
    };
    eyre::Report::new(error).wrap_err(of_l1)
}

/// How long a beacon node is waited for before it is known whether it is needed.
const BEACON_WITHIN: Duration = Duration::from_secs(10);

/// The beacon node of L1, if one is named. That it does not answer is told to `warn`: batches may be elsewhere than in blobs.
///
/// # Errors
/// It is of another chain.
pub(crate) async fn beacon(
    url: Option<&Url>,
    l1_chain_id: u64,
    warn: impl FnOnce(String),
) -> Result<Option<Beacon>> {
    let Some(url) = url else { return Ok(None) };
    let beacon = Beacon::new(url.clone().into());
    match tokio::time::timeout(BEACON_WITHIN, beacon.check(l1_chain_id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error @ BuildError::BeaconChain { .. })) => return Err(error.into()),
        Ok(Err(error)) => warn(error.to_string()),
        Err(_) => warn(format!(
            "the beacon node did not answer within {} s (--l1-beacon-rpc, L1_BEACON_RPC)",
            BEACON_WITHIN.as_secs()
        )),
    }
    Ok(Some(beacon))
}

/// The cluster, for a role: it may come later, which is said. What needs it waits for it.
pub(crate) async fn cluster_of_role(address: &str) -> Result<ClusterClient> {
    let client = ClusterClient::lazy(address)?;
    if let Err(error) = client.stats().await {
        tracing::warn!(%error, cluster = address, "the cluster does not answer yet: proofs wait for it");
    }
    Ok(client)
}

/// A role's L1 is said to stand still after so long without a block: Ethereum makes one every 12 s, and misses few.
const L1_STALL: Duration = Duration::from_secs(45);

/// The endpoints of a chain, for a command that somebody waits for.
pub(crate) fn endpoints(urls: &[Url]) -> Result<PoolOptions> {
    let (first, others) = urls.split_first().ok_or_else(|| eyre!("no node is named"))?;
    Ok(others.iter().cloned().fold(PoolOptions::new(first.clone()), PoolOptions::or))
}

/// The rollup's contract, for a command that somebody waits for.
pub(crate) async fn rollup(chains: &cli::Chains) -> Result<Rollup> {
    let l1 = L1::connect(endpoints(&chains.l1.l1_rpc)?, chains.l1.l1_chain_id).await?;
    Ok(Rollup::connect(l1, chains.rollup).await?)
}

/// The rollup's contract, for a role: it waits for its nodes.
pub(crate) async fn rollup_of_role(chains: &cli::Chains, observed: &Observed) -> Result<Rollup> {
    let l1 = l1_of_role(&chains.l1, observed).await?;
    Ok(patiently("the rollup's contract on L1", || Rollup::connect(l1.clone(), chains.rollup)).await?)
}

/// L1, for a role: it waits for its nodes.
pub(crate) async fn l1_of_role(args: &cli::L1, observed: &Observed) -> Result<L1> {
    let pool = Pool::new("L1", endpoints(&args.l1_rpc)?.start(Start::Wait).stall(L1_STALL));
    observed.chain(pool.clone());
    pool.join(args.l1_chain_id).await?;
    Ok(L1::over(pool))
}

/// The chain that is proven, for a role: it waits for its nodes, which must have this chain id, where one is known.
pub(crate) async fn l2_of_role(args: &cli::L2, chain_id: Option<u64>, observed: &Observed) -> Result<L2> {
    let pool = Pool::new("L2", endpoints(&args.l2_rpc)?.start(Start::Wait));
    observed.chain(pool.clone());
    pool.join(chain_id).await?;
    Ok(L2::over(pool))
}

/// How long a role waits at its start for what a node is asked for a witness.
pub(crate) fn wait_of_node(error: &BuildError) -> Option<Wait> {
    match error {
        BuildError::Unreachable { .. } => Some(Wait::UntilThere),
        BuildError::Refused { passes: true, .. }
        | BuildError::Malformed { .. }
        | BuildError::Lags { .. }
        | BuildError::BlockGone { .. }
        // It has no block before the newest one, or does not show it yet.
        | BuildError::NoBlockTime => Some(Wait::WhileItLags),
        _ => None,
    }
}

/// A chain whose rules are found out, for a role: it waits for its nodes.
pub(crate) async fn node_of_role(what: &str, options: NodeOptions) -> Result<Node, BuildError> {
    let say = |error: &BuildError| tracing::warn!(%error, what, "waiting for an endpoint to answer");
    until_there(wait_of_node, say, || options.clone().connect()).await
}

/// The rules that are to be in force next. None where only another release knows their types of proofs, which is said: until then this
/// one has work to do.
pub(crate) async fn scheduled(rollup: &Rollup) -> Result<Option<ScheduledRules>, ChainError> {
    match patiently("the scheduled rules", || rollup.scheduled()).await {
        Err(error @ ChainError::UnknownProofType { .. }) => {
            tracing::warn!(%error, "the rules that are to be in force next are for another release");
            Ok(None)
        }
        scheduled => scheduled,
    }
}

/// Sends for an account, as the settings say.
///
/// A role that has to wait for its relays shows them in `observed`.
pub(crate) async fn sender(
    l1: &L1,
    payer: Signer,
    args: &cli::Sending,
    observed: Option<&Observed>,
) -> Result<Sender> {
    let relays = relays(l1, args, observed).await?;
    Ok(sender_of(l1, payer, args, relays))
}

/// Sends for a role's accounts, of which the next one pays where one cannot.
pub(crate) async fn publishers(
    l1: &L1,
    (first, others): (Signer, Vec<Signer>),
    args: &cli::Sending,
    observed: &Observed,
) -> Result<Publishers> {
    let relays = relays(l1, args, Some(observed)).await?;
    let sender = |payer| sender_of(l1, payer, args, relays.clone());
    let publishers = Publishers::new(sender(first), others.into_iter().map(sender));
    patiently("the accounts that pay on L1", || publishers.go_on()).await?;
    Ok(publishers)
}

fn sender_of(l1: &L1, payer: Signer, args: &cli::Sending, relays: Option<Pool>) -> Sender {
    let limits = FeeLimits { max_fee: args.max_fee, max_tip: args.max_tip };
    let sender = Sender::signed_by(l1.clone(), payer).fee_limits(limits);
    match relays {
        Some(relays) => sender.through(relays),
        None => sender,
    }
}

/// Where transactions are sent in place of L1's nodes, if the settings say so.
async fn relays(l1: &L1, args: &cli::Sending, observed: Option<&Observed>) -> Result<Option<Pool>> {
    if args.max_tip > args.max_fee {
        bail!("--max-tip is above --max-fee, of which it is a part");
    }
    if args.l1_send_rpc.is_empty() {
        return Ok(None);
    }
    let start = if observed.is_some() { Start::Wait } else { Start::Fail };
    let relays = Pool::new("L1 relay", endpoints(&args.l1_send_rpc)?.relay_of(l1.chain_id()).start(start));
    if let Some(observed) = observed {
        observed.chain(relays.clone());
    }
    relays.join(Some(l1.chain_id())).await?;
    Ok(Some(relays))
}

/// The keys of this release's programs, for contracts: also of a type that this binary cannot prove or verify.
pub(crate) async fn published_proof_types(
    registry: &Registry,
    provers: &[ProverType],
) -> Result<Vec<ProofTypePlan>> {
    let mut plans = Vec::new();
    for prover in provers {
        match programs::published(*prover) {
            Some([range_key, aggregation_key]) => {
                plans.push(ProofTypePlan { prover: *prover, range_key, aggregation_key });
            }
            None => plans.extend(proof_types(registry, &[*prover]).await?),
        }
    }
    Ok(plans)
}

/// The keys of this release's programs, as backends that are there know them.
pub(crate) async fn proof_types(registry: &Registry, provers: &[ProverType]) -> Result<Vec<ProofTypePlan>> {
    let mut plans = Vec::new();
    for prover in provers {
        let (backend, prover) = (registry.checker(*prover)?, *prover);
        let plan = tokio::task::spawn_blocking(move || {
            Ok::<_, proofmill_backends::BackendError>(ProofTypePlan {
                prover,
                range_key: programs::range_version(&*backend)?,
                aggregation_key: programs::aggregation_version(&*backend)?,
            })
        });
        plans.push(plan.await??);
    }
    Ok(plans)
}

/// Holds a rollup's folder, which is made where it is missing, against other processes that do the same.
pub(crate) fn lock(folder: &Path, name: &str, does: &str) -> Result<ProcessLock> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let path = &folder.join(name);
    let mut lock = ProcessLock::take(path).map_err(|error| match error {
        LockError::Held(by) => eyre!(
            "another process (pid {}) {does} from {}: stop it, or choose another --data-dir",
            by.unwrap_or_default(),
            path.display()
        ),
        LockError::Io(error) => eyre!("cannot lock {}: {error}", path.display()),
    })?;
    lock.sign().wrap_err_with(|| format!("cannot write {}", path.display()))?;
    Ok(lock)
}

/// Where records of failures are kept.
pub(crate) fn failures(named: Option<&str>, data_dir: &Path) -> Result<FailureStore> {
    let Some(named) = named else { return Ok(FailureStore::in_folder(data_dir.join("failures"))) };
    // One that is set to nothing is not set: the other may name it.
    let said = |variable| env::var(variable).ok().filter(|region| !region.trim().is_empty());
    let region = said("AWS_REGION").or_else(|| said("AWS_DEFAULT_REGION"));
    Ok(FailureStore::at(named, region.as_deref())?)
}

/// The same, for a role that keeps records there: a bucket that cannot be used is found out at its start, and not by the first failure.
pub(crate) async fn failures_of_role(named: Option<&str>, data_dir: &Path) -> Result<FailureStore> {
    let store = failures(named, data_dir)?;
    match store.check().await {
        Err(error) if error.is_away() => tracing::warn!(%error, "the failure store does not answer yet"),
        checked => checked?,
    }
    Ok(store)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;
    use proofmill_backends::SnarkVariant;

    #[test]
    fn a_snark_on_the_setup_for_development_is_for_a_development_chain() {
        for variant in SnarkVariant::ALL {
            let words = ["proofmill", "status", "--snark", variant.name()];
            let global = cli::Cli::try_parse_from(words).unwrap().global;
            check_snark(&global, DEVELOPMENT_CHAIN).unwrap();
            for chain in [1, 901, 11_155_111] {
                match (variant.setup, check_snark(&global, chain)) {
                    (Setup::Ceremony, checked) => checked.unwrap(),
                    (Setup::Development, checked) => {
                        let refused = checked.unwrap_err().to_string();
                        assert!(
                            refused.contains(variant.name()) && refused.contains("--snark small"),
                            "{refused}"
                        );
                    }
                }
            }
        }
        let global = cli::Cli::try_parse_from(["proofmill", "status"]).unwrap().global;
        check_snark(&global, 1).unwrap();
    }

    #[test]
    fn a_snark_that_has_no_room_is_refused() {
        for (variant, needed) in SnarkVariant::ALL.into_iter().zip([12, 12, 15, 15]) {
            let words = ["proofmill", "status", "--snark", variant.name()];
            let global = cli::Cli::try_parse_from(words).unwrap().global;
            check_memory(&global, Weight::gb(needed)).unwrap();
            let refused = check_memory(&global, Weight::gb(needed - 1)).unwrap_err().to_string();
            assert!(refused.contains(&Weight::gb(needed).to_string()), "{refused}");
        }
        let global = cli::Cli::try_parse_from(["proofmill", "status"]).unwrap().global;
        check_memory(&global, Weight::ZERO).unwrap();
    }

    #[test]
    fn a_folder_is_for_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let take = || lock(&folder.path().join("rollup"), "node.lock", "proves this rollup");
        let held = take().unwrap();
        let said = take().unwrap_err().to_string();
        let who = format!("(pid {}) proves this rollup", std::process::id());
        assert!(said.contains(&who) && said.contains("--data-dir"), "{said}");
        drop(held);
        take().unwrap();
    }
}
