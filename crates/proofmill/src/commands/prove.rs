//! `proofmill prove`: witness, request, progress, check, file, figures.

use crate::{
    cli,
    local::Site,
    progress::{Progress, duration},
    report::{Report, thousands},
    stop, wiring,
};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::{Backend, Proof, Registry};
use proofmill_client::{CheckpointProof, ClusterProver, Made, files, programs};
use proofmill_ledger::{DataDir, DataDirError};
use proofmill_primitives::{BlockRange, Instructions, ProofMode};
use proofmill_program::{ProvenFor, RangePublicValues, range};
use proofmill_service::Executed;
use proofmill_stateless::Rules;
use proofmill_stateless::Spent;
use proofmill_wire::operator::ProofProgress;
use proofmill_witness::{ChainSource, Node, NodeOptions};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How many blocks are proven where only one end of the range is given, or none.
const DEFAULT_BLOCKS: u64 = 5;

/// A program with its input, ready to be proven.
struct Work {
    program: Vec<u8>,
    stdin: Vec<u8>,
    /// What a proof of blocks must say, and what they did.
    blocks: Option<(RangePublicValues, Executed)>,
    /// The transaction that spends the most gas, where that is asked for.
    dearest: Option<Spent>,
    output: PathBuf,
    witness: Duration,
}

pub(crate) async fn run(global: &cli::Global, args: cli::Prove, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let backend = registry.get(args.prover)?;
    if matches!(args.mode, ProofMode::Execute) {
        bail!("`execute` is not a proof: use --execute-only");
    }
    if !args.execute_only && args.export.is_none() {
        backend.check_mode(args.mode)?;
    }
    if !args.prover.proves() {
        eprintln!("note: `exec` runs the program natively and PROVES NOTHING");
    }
    // Caches and proofs go there too, so it must be a data directory before anything is written to it. One that a
    // cluster owns already is one.
    match DataDir::open(&global.data_dir) {
        Ok(_) | Err(DataDirError::InUse { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let work = tokio::select! {
        work = prepare(global, &args, &*backend) => work?,
        () = stop.cancelled() => bail!("stopped"),
    };
    if let Some(folder) = &args.export {
        save(&folder.join("program.elf"), &work.program)?;
        save(&folder.join("stdin"), &work.stdin)?;
        println!("wrote program.elf and stdin into {}", folder.display());
        return Ok(());
    }
    let site = Site::open(global, &args.site, &registry, vec![args.prover]).await?;
    let prover = site.prover(backend, args.cycle_limit);
    site.run(&stop, async |stop| prove(&args, &prover, &work, stop).await).await
}

/// Reads the program and its input, or builds the input from a chain.
async fn prepare(global: &cli::Global, args: &cli::Prove, backend: &dyn Backend) -> Result<Work> {
    if let (Some(elf), Some(stdin)) = (&args.elf, &args.stdin) {
        let read = |path: &Path| fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()));
        let (program, stdin) = (read(elf)?, read(stdin)?);
        let output = args.output.clone().unwrap_or_else(|| elf.with_extension("proof"));
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
    match (&node.chain().rules, node.chain().require_rollup()) {
        (Rules::Optimism(_), _) => eprintln!(
            "  by the rules of the OP Stack; deposits, L1's attributes and the gas limit are taken as they stand: that they are \
             what L1 says is not proven"
        ),
        (Rules::Ethereum, Err(_)) => eprintln!(
            "  withdrawals, beacon roots and times are taken as they stand: the chain's beacon chain checks them"
        ),
        (Rules::Ethereum, Ok(())) => {}
    }
    let last_phase = Mutex::new(None);
    let witnessed = node
        .witness(range, &|progress| {
            let mut last = last_phase.lock().unwrap_or_else(PoisonError::into_inner);
            if *last != Some(progress.phase) {
                eprintln!("  {}", progress.phase);
                *last = Some(progress.phase);
            }
        })
        .await?;
    let of = ProvenFor { rollup: args.rollup, prover: args.prover_id };
    let statement = range::public_values(of, &witnessed.outcome);
    let executed =
        Executed { gas_used: witnessed.outcome.gas_used, transactions: witnessed.outcome.transactions };
    let input = range::encode_input(of, &witnessed.input);
    let witness = start.elapsed();
    let dearest = if args.execute_only { proofmill_service::dearest(witnessed.input).await } else { None };
    eprintln!(
        "blocks {range}: {} transactions, {} gas; the witness has {} bytes and holds (built and executed in {})",
        thousands(executed.transactions),
        thousands(executed.gas_used),
        thousands(input.len() as u64),
        duration(witness)
    );
    let output = args.output.clone().unwrap_or_else(|| {
        global.data_dir.join(statement.chainId.to_string()).join("proofs").join(format!("{range}.bin"))
    });
    Ok(Work {
        program: programs::range_of(args.prover, &node.chain().rules).to_vec(),
        stdin: backend.encode_input(&[&input], &[])?,
        blocks: Some((statement, executed)),
        dearest,
        output,
        witness,
    })
}

/// The blocks that were asked for, or the latest finalized ones.
async fn block_range(node: &Node, args: &cli::Prove) -> Result<BlockRange> {
    match (args.start, args.end) {
        (Some(start), Some(end)) => Ok(BlockRange::new(start, end)?),
        (Some(start), None) => Ok(BlockRange::new(start, start.saturating_add(DEFAULT_BLOCKS - 1))?),
        (None, Some(end)) => Ok(BlockRange::new(end.saturating_sub(DEFAULT_BLOCKS - 1).max(1), end)?),
        (None, None) => {
            let found = node.finalized_range(DEFAULT_BLOCKS).await?;
            eprintln!("proving blocks {}: the last is {}", found.range, found.anchor);
            Ok(found.range)
        }
    }
}

async fn prove(
    args: &cli::Prove,
    prover: &ClusterProver,
    work: &Work,
    stop: &CancellationToken,
) -> Result<()> {
    let mode = if args.execute_only { ProofMode::Execute } else { args.mode };
    eprintln!("asking for a proof: {mode} by {}", args.prover);
    let mut progress = Progress::new();
    let show = |now: &ProofProgress| progress.show(now);
    if args.execute_only {
        let executed = prover.execute(&work.program, work.stdin.clone(), stop, show).await;
        progress.finish();
        return say_executed(&executed?, work, args.cost);
    }
    let made = prover.prove(&work.program, work.stdin.clone(), mode, stop, show).await;
    progress.finish();
    finish(args, work, &made?)
}

/// What the validation step found.
fn say_executed(ended: &ProofProgress, work: &Work, limits: cli::Cost) -> Result<()> {
    if let Some((statement, _)) = &work.blocks {
        if !ended.public_values.is_empty() && !programs::says(&ended.public_values, statement) {
            bail!(
                "the program commits to other values in the zkVM than natively: do not prove this; please report it"
            );
        }
        println!("the program accepts blocks {} to {}", statement.firstBlock, statement.lastBlock);
    }
    println!("instructions   {}", thousands(ended.instructions));
    if let Some((_, executed)) = &work.blocks
        && let Some(per_gas) = executed.per_gas(Instructions(ended.instructions))
    {
        println!("gas            {}", thousands(executed.gas_used));
        println!("cost per gas   {per_gas} instructions");
        if let Some(dearest) = &work.dearest {
            println!("most gas       {dearest}");
        }
        if per_gas > limits.cost_warning {
            eprintln!(
                "warning: the blocks cost {per_gas} instructions for each gas, more than {} (--cost-warning): most likely by \
                 the transaction with the most gas",
                limits.cost_warning
            );
        }
    }
    println!("public values  {}", alloy_primitives::hex::encode_prefixed(&ended.public_values));
    Ok(())
}

/// Saves the proof, which was verified, and shows the figures.
fn finish(args: &cli::Prove, work: &Work, made: &Made<Proof>) -> Result<()> {
    let Made { proof, progress, verified_in } = made;
    let file = match &work.blocks {
        Some((statement, _)) => {
            if !programs::says(&proof.public_values, statement) {
                bail!(
                    "the proof holds, but says something else about the blocks than their native execution: {}",
                    alloy_primitives::hex::encode_prefixed(&proof.public_values)
                );
            }
            CheckpointProof { statement: statement.clone(), proof: proof.clone() }.encode()
        }
        None => proof.encode(),
    };
    if !proof.prover.proves() && files::holds_a_proof(&work.output) {
        bail!(
            "{} holds a real proof, which a file of `exec` must not replace: name another with --output",
            work.output.display()
        );
    }
    save(&work.output, &file)?;
    let blocks = work.blocks.as_ref().map(|(statement, executed)| (statement, *executed));
    let report = Report::new(proof, file.len(), progress, blocks, work.witness, *verified_in);
    println!("{}", report.table());
    println!("saved {}", work.output.display());
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
