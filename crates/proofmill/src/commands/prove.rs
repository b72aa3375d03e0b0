//! `proofmill prove`: witness, request, progress, check, file, figures.

use crate::{
    cli, commands,
    local::Site,
    place::{self, ProofPlace},
    progress::{Progress, duration},
    report::{Report, thousands},
    rollup_config::rollup_config,
    stop, wiring,
};
use eyre::{Report as Error, Result, WrapErr, bail, eyre};
use proofmill_backends::{Backend, BackendError, Proof, Registry};
use proofmill_client::{CheckpointProof, ClientError, ClusterProver, Made, OpRangeProof, files, programs};
use proofmill_derivation::RollupConfig;
use proofmill_ledger::DataDir;
use proofmill_primitives::{BlockRange, Instructions, ProofMode, ProverType};
use proofmill_program::{
    ProvenFor, RangePublicValues,
    op::{self, OpRangePublicValues, range::OpStatement},
    range,
};
use proofmill_service::Executed;
use proofmill_stateless::{Rules, Spent};
use proofmill_wire::operator::ProofProgress;
use proofmill_witness::{ChainSource, L1Source, Node, NodeOptions};
use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A program with its input, ready to be proven.
struct Work {
    program: Vec<u8>,
    stdin: Vec<u8>,
    blocks: Option<Blocks>,
    /// The transaction that is most likely the dearest, where that is asked for.
    dearest: Option<Spent>,
    output: ProofPlace,
    witness: Duration,
}

/// Blocks, what they did, and what a proof of them must say.
struct Blocks {
    chain_id: u64,
    range: BlockRange,
    executed: Executed,
    says: Says,
}

enum Says {
    Range(RangePublicValues),
    OpRange(OpRangePublicValues),
}

impl Says {
    /// Whether a proof's public values say that.
    fn is_said_by(&self, public_values: &[u8]) -> bool {
        match self {
            Self::Range(says) => programs::says(public_values, says),
            Self::OpRange(says) => programs::says(public_values, says),
        }
    }

    /// The file of the proof.
    fn file(&self, proof: Proof) -> Vec<u8> {
        match self {
            Self::Range(statement) => CheckpointProof { statement: statement.clone(), proof }.encode(),
            Self::OpRange(statement) => OpRangeProof { statement: statement.clone(), proof }.encode(),
        }
    }
}

/// What is done with a program and its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Execute,
    Prove,
    ExecuteAndProve,
}

pub(crate) async fn run(global: &cli::Global, args: cli::Prove, registry: Registry) -> Result<()> {
    let how = if args.execute_only { How::Execute } else { How::Prove };
    run_as(global, args, how, registry).await
}

/// `proofmill range`.
pub(crate) async fn validate(global: &cli::Global, args: cli::Range, registry: Registry) -> Result<()> {
    let how = match args.prove && !args.of.execute_only {
        true => How::ExecuteAndProve,
        false => How::Execute,
    };
    run_as(global, args.of, how, registry).await
}

async fn run_as(global: &cli::Global, args: cli::Prove, how: How, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let proves = how != How::Execute && args.export.is_none();
    if proves && args.elf.is_none() {
        check_mode_of_blocks(args.prover, args.mode)?;
    }
    let backend = registry.get(args.prover)?;
    if matches!(args.mode, ProofMode::Execute) {
        bail!("`execute` is not a proof: use --execute-only");
    }
    if proves {
        check_mode(&*backend, args.mode, args.site.cluster.is_some())?;
        args.site.check_room_for(&registry, &[args.prover], args.mode)?;
    }
    commands::note_unproven(args.prover);
    // Caches and proofs go there too.
    DataDir::mark(&global.data_dir)?;
    check_places(&args, proves)?;
    let work = tokio::select! {
        work = prepare(global, &args, how, &*backend) => work?,
        () = stop.cancelled() => bail!("stopped"),
    };
    if let Some(folder) = &args.export {
        save(&folder.join("program.elf"), &work.program)?;
        save(&folder.join("stdin"), &work.stdin)?;
        println!("wrote program.elf and stdin into {}", folder.display());
        return Ok(());
    }
    if proves {
        work.output.check(args.prover)?;
    }
    let site = Site::open(global, &args.site, &registry, vec![args.prover]).await?;
    let prover = site.prover(backend, args.cycle_limit);
    site.run(&stop, async |stop| prove(&args, how, &prover, &work, stop).await).await
}

/// Refuses places that are named and cannot be written.
fn check_places(args: &cli::Prove, proves: bool) -> Result<()> {
    if let Some(folder) = &args.export {
        place::check(&folder.join("stdin"), "--export")?;
    }
    if proves && let Some(file) = &args.output {
        place::check_proof(file, args.prover)?;
    }
    if proves && let Some(file) = &args.report {
        place::check(file, "--report")?;
    }
    Ok(())
}

/// Refuses what is never made of blocks before their witness is built.
fn check_mode_of_blocks(prover: ProverType, mode: ProofMode) -> Result<()> {
    if prover == ProverType::OpenVm && mode == ProofMode::Plonk {
        bail!(
            "OpenVM's SNARK is made of an epoch's proof, and not of that of blocks: ask for --mode compressed, and have the proofs joined (by \
             a prover node, or by `proofmill aggregate`)"
        );
    }
    Ok(())
}

/// Refuses a mode that is not made. What this process lacks for it, workers of a cluster may have.
fn check_mode(backend: &dyn Backend, mode: ProofMode, elsewhere: bool) -> Result<()> {
    match backend.check_mode(mode) {
        Err(BackendError::NotSetUp { .. }) if elsewhere => Ok(()),
        checked => Ok(checked?),
    }
}

/// Reads the program and its input, or builds the input from a chain.
async fn prepare(global: &cli::Global, args: &cli::Prove, how: How, backend: &dyn Backend) -> Result<Work> {
    if let (Some(elf), Some(stdin)) = (&args.elf, &args.stdin) {
        let read = |path: &Path| fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()));
        let (program, stdin) = (read(elf)?, read(stdin)?);
        let output = ProofPlace::new(args.output.as_deref(), elf.with_extension("proof"));
        return Ok(Work { program, stdin, blocks: None, dearest: None, output, witness: Duration::ZERO });
    }
    if args.l2_rpc.is_empty() {
        bail!("name a chain with --l2-rpc, or a program with --elf and --stdin");
    }
    let start = Instant::now();
    let mut options = NodeOptions::at(wiring::endpoints(&args.l2_rpc)?).cache(global.data_dir.join("cache"));
    if let Some(chain_id) = args.chain_id {
        options = options.chain_id(chain_id);
    }
    if let Some(genesis) = &args.genesis {
        options = options.chain(ChainSource::Genesis(genesis.clone()));
    }
    let node = options.connect().await?;
    let range = block_range(&node, args).await?;
    eprintln!("building the witness of blocks {range} of chain {}", node.chain().chain_id);
    let derives = matches!(node.chain().rules, Rules::Optimism(_)) && !args.l1_rpc.is_empty();
    if !args.l1_rpc.is_empty() && !derives {
        eprintln!("  --l1-rpc (L1_RPC) is for chains of the OP Stack, and not used for this one");
    }
    match (&node.chain().rules, node.chain().require_rollup()) {
        (Rules::Optimism(_), _) if derives => {}
        (Rules::Optimism(_), _) => eprintln!(
            "  by the rules of the OP Stack; deposits, L1's attributes and the gas limit are taken as they stand: that they are \
             what L1 says is proven with --l1-rpc"
        ),
        (Rules::Ethereum, Err(_)) => eprintln!(
            "  withdrawals, beacon roots and times are taken as they stand: the chain's beacon chain checks them"
        ),
        (Rules::Ethereum, Ok(())) => {}
    }
    let l1 = match derives {
        true => Some(l1_of(args, &node, range).await?),
        false => None,
    };
    let last_phase = Mutex::new(None);
    let show = |progress: proofmill_witness::Progress| {
        let mut last = last_phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != Some(progress.phase) {
            eprintln!("  {}", progress.phase);
            *last = Some(progress.phase);
        }
    };
    let witnessed = node.witness(range, &show).await?;
    let of = ProvenFor { rollup: args.rollup, prover: args.prover_id };
    let executed =
        Executed { gas_used: witnessed.outcome.gas_used, transactions: witnessed.outcome.transactions };
    let (says, input) = if let Some((source, config)) = &l1 {
        let derived = source.derivation(config, &node, &witnessed.input, None, &show).await?;
        let input = op::range::encode_derived(&derived, &witnessed.input);
        match op::range::run(&input)? {
            OpStatement::Derived(says) => (Says::OpRange(says), input),
            OpStatement::Executed(_) => bail!("the program derived nothing; please report it"),
        }
    } else {
        let input = match node.chain().rules {
            Rules::Ethereum => range::encode_input(of, &witnessed.input),
            Rules::Optimism(_) => op::range::encode_executed(of, &witnessed.input),
        };
        (Says::Range(range::public_values(of, &witnessed.outcome)), input)
    };
    let chain_id = node.chain().chain_id;
    let witness = start.elapsed();
    let is_asked_for = how != How::Prove || args.cycle_limit.is_some();
    let dearest = if is_asked_for { proofmill_service::dearest(witnessed.input).await } else { None };
    eprintln!(
        "blocks {range}: {} transactions, {} gas; the witness has {} bytes and holds (built and executed in {})",
        thousands(executed.transactions),
        thousands(executed.gas_used),
        thousands(input.len() as u64),
        duration(witness)
    );
    let default = global.data_dir.join(chain_id.to_string()).join("proofs").join(format!("{range}.bin"));
    let output = ProofPlace::new(args.output.as_deref(), default);
    Ok(Work {
        program: match node.chain().rules {
            Rules::Ethereum => programs::range(args.prover),
            Rules::Optimism(_) => programs::op_range(args.prover),
        }
        .to_vec(),
        stdin: backend.encode_input(&[&input], &[])?,
        blocks: Some(Blocks { chain_id, range, executed, says }),
        dearest,
        output,
        witness,
    })
}

/// Where the chain is derived from, and by what. What it cannot be derived by, or not in this range, is said before anything is gathered.
async fn l1_of(args: &cli::Prove, node: &Node, range: BlockRange) -> Result<(L1Source, RollupConfig)> {
    let l1 = NodeOptions::at(wiring::endpoints(&args.l1_rpc)?);
    let l1 = wiring::l1_node(l1, args.l1_genesis.as_deref()).await?;
    let config = rollup_config(args.genesis.as_deref(), args.l2_node_rpc.as_ref(), l1.chain()).await?;
    if node.chain().rules != Rules::Optimism(config.rules.clone()) {
        bail!(
            "the rollup configuration has other rules than those by which the blocks were executed: give its rollup.json by \
             --genesis, so that both are the same"
        );
    }
    L1Source::check_times(&config, node, range).await?;
    let warn = |cause: String| eprintln!("  {cause}");
    let beacon = wiring::beacon(args.l1_beacon_rpc.as_ref(), l1.chain().chain_id, warn).await?;
    Ok((L1Source { node: l1, beacon }, config))
}

/// The blocks that were asked for, or the latest finalized ones.
async fn block_range(node: &Node, args: &cli::Prove) -> Result<BlockRange> {
    let blocks = args.default_range.get();
    match (args.start, args.end) {
        (Some(start), Some(end)) => Ok(BlockRange::new(start, end)?),
        (Some(start), None) => Ok(BlockRange::new(start, start.saturating_add(blocks - 1))?),
        (None, Some(end)) => Ok(BlockRange::new(end.saturating_sub(blocks - 1).max(1), end)?),
        (None, None) => {
            let found = node.finalized_range(blocks).await?;
            eprintln!("proving blocks {}: the last is {}", found.range, found.anchor);
            Ok(found.range)
        }
    }
}

async fn prove(
    args: &cli::Prove,
    how: How,
    prover: &ClusterProver,
    work: &Work,
    stop: &CancellationToken,
) -> Result<()> {
    if how != How::Prove {
        eprintln!("running the program: {} by {}", ProofMode::Execute, args.prover);
        let mut progress = Progress::new();
        let show = |now: &ProofProgress| progress.show(now);
        let executed = prover.execute(&work.program, work.stdin.clone(), stop, show).await;
        progress.finish();
        say_executed(&executed.map_err(|error| blamed(error, work))?, work, args.cost)?;
        if how == How::Execute {
            return Ok(());
        }
    }
    eprintln!("asking for a proof: {} by {}", args.mode, args.prover);
    let mut progress = Progress::new();
    let show = |now: &ProofProgress| progress.show(now);
    let made = prover.prove(&work.program, work.stdin.clone(), args.mode, stop, show).await;
    progress.finish();
    finish(args, &*prover.backend, work, &made.map_err(|error| blamed(error, work))?)
}

/// An error, with the transaction that is most likely the cause where blocks cannot be executed within a limit.
fn blamed(error: ClientError, work: &Work) -> Error {
    match (&error, &work.dearest) {
        (ClientError::CannotExecute { .. }, Some(dearest)) => eyre!("{error}; most likely by {dearest}"),
        _ => error.into(),
    }
}

/// What the validation step found.
fn say_executed(ended: &ProofProgress, work: &Work, limits: cli::Cost) -> Result<()> {
    if let Some(Blocks { range, says, .. }) = &work.blocks {
        if !ended.public_values.is_empty() && !says.is_said_by(&ended.public_values) {
            bail!(
                "the program commits to other values in the zkVM than natively: do not prove this; please report it"
            );
        }
        println!("the program accepts blocks {} to {}", range.first(), range.last());
    }
    // The native execution has none.
    match ended.instructions {
        0 => println!("instructions   not counted"),
        counted => println!("instructions   {}", thousands(counted)),
    }
    if let Some(Blocks { executed, range, .. }) = &work.blocks {
        let blocks = range.len();
        println!("blocks         {}", thousands(blocks));
        for (what, all) in [
            ("transactions", executed.transactions),
            ("gas", executed.gas_used),
            ("input bytes", work.stdin.len() as u64),
        ] {
            println!("{what:<14} {} ({} a block)", thousands(all), thousands(all / blocks));
        }
    }
    if let Some(Blocks { executed, says, .. }) = &work.blocks
        && let Some(per_gas) = executed.per_gas(Instructions(ended.instructions))
    {
        println!("cost per gas   {per_gas} instructions");
        if let Some(dearest) = &work.dearest {
            println!("dearest        {dearest}");
        }
        if per_gas > limits.cost_warning {
            let by = blame(matches!(says, Says::OpRange(_)), work.dearest.is_some());
            eprintln!(
                "warning: the blocks cost {per_gas} instructions for each gas, more than {} (--cost-warning){by}",
                limits.cost_warning
            );
        }
    }
    println!("public values  {}", alloy_primitives::hex::encode_prefixed(&ended.public_values));
    Ok(())
}

/// What makes blocks dear. Where they are derived from L1, a quiet chain pays for L1's blocks with little gas of its own.
const fn blame(derived: bool, named: bool) -> &'static str {
    match (derived, named) {
        (true, _) => ": most likely by what is read of L1, where they have few transactions",
        (false, true) => ": most likely by the transaction that is named above",
        (false, false) => "",
    }
}

/// Saves the proof, which was verified, and shows the figures.
fn finish(args: &cli::Prove, backend: &dyn Backend, work: &Work, made: &Made<Proof>) -> Result<()> {
    let Made { proof, progress, verified_in } = made;
    let file = match &work.blocks {
        Some(Blocks { says, .. }) => {
            if !says.is_said_by(&proof.public_values) {
                bail!(
                    "the proof holds, but says something else about the blocks than their native execution: {}",
                    alloy_primitives::hex::encode_prefixed(&proof.public_values)
                );
            }
            says.file(proof.clone())
        }
        None => proof.encode(),
    };
    let saved = work.output.save(proof.prover, &file)?;
    let blocks = work.blocks.as_ref().map(|blocks| (blocks.chain_id, blocks.range, blocks.executed));
    let mut report = Report::new(proof, file.len(), progress, blocks, work.witness, *verified_in);
    report.insecure = backend.insecure(proof)?;
    println!("{}", report.table());
    println!("saved {}", saved.display());
    if let Some(path) = &args.report {
        let json = serde_json::to_vec_pretty(&report)?;
        save(path, &json)?;
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    files::save(path, bytes).wrap_err_with(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofmill_backends::ExecBackend;

    /// Can make SNARKs, and was told of none. Others it has not.
    struct NotToldOfSnarks(ExecBackend);

    impl Backend for NotToldOfSnarks {
        proofmill_stand_in::forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree
        node_weight reduce finish verify }

        fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
            let (prover, cause) = (self.prover_type(), "no such thing".to_owned());
            match mode {
                ProofMode::Plonk => Err(BackendError::NotSetUp { prover, cause }),
                ProofMode::Groth16 => Err(BackendError::UnsupportedMode { prover, mode, cause }),
                _ => Ok(()),
            }
        }
    }

    #[test]
    fn workers_of_a_cluster_may_have_what_this_process_lacks_for_a_snark() {
        let backend = NotToldOfSnarks(ExecBackend::default());
        for (mode, here, elsewhere) in [
            (ProofMode::Compressed, true, true),
            (ProofMode::Plonk, false, true),
            // Nobody makes it.
            (ProofMode::Groth16, false, false),
        ] {
            assert_eq!(check_mode(&backend, mode, false).is_ok(), here, "{mode}");
            assert_eq!(check_mode(&backend, mode, true).is_ok(), elsewhere, "{mode}");
        }
    }

    #[test]
    fn no_transaction_is_blamed_for_what_reading_l1_takes() {
        assert!(blame(true, true).contains("L1") && !blame(true, true).contains("by the transaction"));
        assert!(blame(false, true).contains("by the transaction"));
        assert_eq!(blame(false, false), "");
    }
}
