//! How much memory SP1's prover takes.
//!
//! SP1's defaults are for machines with a GPU and a hundred GB: several provers side by side, shards as large as the
//! proof system allows. Here everything runs one at a time; two CPU provers side by side only share the same cores.
//! Every `SP1_WORKER_…` variable and the shard variables of `SP1CoreOpts` still win where they are set.

use sp1_core_executor::SP1CoreOpts;
use sp1_prover::worker::SP1WorkerConfig;

/// The most field elements (4 bytes each) in the trace of one shard, where `ELEMENT_THRESHOLD` does not say otherwise.
/// SP1's own is three times as much. Each shard costs a minute of recursion, however short it is; at this size recursion
/// still takes the most memory.
const ELEMENTS: u64 = 1 << 27;

/// The most memory reads (16 bytes each) in a chunk of trace, where `MINIMAL_TRACE_CHUNK_THRESHOLD` does not say
/// otherwise. SP1's own is four times as much.
const CHUNK_READS: u64 = 1 << 22;

/// The most memory that a program may use while it runs, in bytes: 4 GB, what `ExecuteOnly` weighs.
pub const MEMORY_LIMIT: u64 = 4 << 30;

/// The options of the core machine.
pub(crate) fn core_opts() -> SP1CoreOpts {
    let mut opts = SP1CoreOpts::default();
    if unset("ELEMENT_THRESHOLD") {
        opts.sharding_threshold.element_threshold = ELEMENTS;
    }
    if unset("SHARD_SIZE") {
        opts.shard_size = 1 << 21;
    }
    if unset("MINIMAL_TRACE_CHUNK_THRESHOLD") {
        opts.minimal_trace_chunk_threshold = CHUNK_READS;
    }
    if unset("TRACE_CHUNK_SLOTS") {
        opts.trace_chunk_slots = 2;
    }
    if unset("MEMORY_LIMIT") {
        opts.memory_limit = MEMORY_LIMIT;
    }
    opts
}

/// Brings a worker's configuration down to one of everything.
pub(crate) fn shrink(config: &mut SP1WorkerConfig) {
    config.controller_config.opts = core_opts();
    let controller = &mut config.controller_config;
    one("SP1_WORKER_NUM_SPLICING_WORKERS", &mut controller.num_splicing_workers);
    one("SP1_WORKER_SPLICING_BUFFER_SIZE", &mut controller.splicing_buffer_size);
    one("SP1_WORKER_GLOBAL_MEMORY_BUFFER_SIZE", &mut controller.global_memory_buffer_size);
    let core = &mut config.prover_config.core_prover_config;
    one("SP1_WORKER_NUM_CORE_WORKERS", &mut core.num_core_workers);
    one("SP1_WORKER_CORE_BUFFER_SIZE", &mut core.core_buffer_size);
    one("SP1_WORKER_NUM_SETUP_WORKERS", &mut core.num_setup_workers);
    one("SP1_WORKER_SETUP_BUFFER_SIZE", &mut core.setup_buffer_size);
    one("SP1_WORKER_NORMALIZE_PROGRAM_CACHE_SIZE", &mut core.normalize_program_cache_size);
    let recursion = &mut config.prover_config.recursion_prover_config;
    one("SP1_WORKER_NUM_PREPARE_REDUCE_WORKERS", &mut recursion.num_prepare_reduce_workers);
    one("SP1_WORKER_PREPARE_REDUCE_BUFFER_SIZE", &mut recursion.prepare_reduce_buffer_size);
    one("SP1_WORKER_NUM_RECURSION_EXECUTOR_WORKERS", &mut recursion.num_recursion_executor_workers);
    one("SP1_WORKER_RECURSION_EXECUTOR_BUFFER_SIZE", &mut recursion.recursion_executor_buffer_size);
    one("SP1_WORKER_NUM_RECURSION_PROVER_WORKERS", &mut recursion.num_recursion_prover_workers);
    one("SP1_WORKER_RECURSION_PROVER_BUFFER_SIZE", &mut recursion.recursion_prover_buffer_size);
    // Each arity keeps a proving key of its own in memory. Folding two at a time needs only two of the four.
    if unset("SP1_WORKER_MAX_COMPOSE_ARITY") {
        recursion.max_compose_arity = ARITY;
    }
    let deferred = &mut config.prover_config.deferred_prover_config;
    one("SP1_WORKER_NUM_DEFERRED_WORKERS", &mut deferred.num_deferred_workers);
    one("SP1_WORKER_DEFERRED_BUFFER_SIZE", &mut deferred.deferred_buffer_size);
}

/// How many proofs are folded into one.
pub(crate) const ARITY: usize = 2;

/// For how many proofs there is a key to fold them in one step.
pub(crate) fn compose_arity() -> usize {
    let set = std::env::var("SP1_WORKER_MAX_COMPOSE_ARITY").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(ARITY).max(2)
}

fn one(variable: &str, value: &mut usize) {
    if unset(variable) {
        *value = 1;
    }
}

fn unset(variable: &str) -> bool {
    std::env::var_os(variable).is_none()
}
