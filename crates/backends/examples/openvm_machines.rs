//! What the tables of a machine cost every proof: `openvm_machines TOML… [--prove ELF HEX [BUDGET_MB]]`.
//!
//! For this backend's machine and for each of OpenVM's (a file in the form of its `openvm.toml`) prints the rows of the table in which a leaf of the folding tree
//! evaluates constraints. It has a row for each node of the constraints of every table of the machine and for each field
//! of its lookups, used or not, and is padded to a power of two: with another doubling each leaf has twice as much of it.
//!
//! With `--prove` also what it takes to prove a program on each: the CPU seconds (of the whole process, user and system) of
//! its segments and of a leaf over the first two. HEX is the one frame of its input.
#![allow(clippy::unwrap_used, missing_docs)]

use openvm_circuit::arch::{VirtualMachine, VmInstance, instructions::exe::VmExe};
use openvm_continuations::{
    circuit::inner::ProofsType,
    prover::{ChildVkKind, InnerCpuProver},
};
use openvm_sdk::{
    DefaultStarkEngine, StdIn,
    config::{AggregationSystemParams, AppConfig, MAX_NUM_CHILDREN_LEAF},
    keygen::AppProvingKey,
    openvm_circuit,
};
use openvm_sdk_config::{SdkVmConfig, SdkVmCpuBuilder, TranspilerConfig};
use openvm_stark_backend::{StarkEngine, prover::DeviceDataTransporter};
use openvm_stark_sdk::config::app_params_with_100_bits_security;
use openvm_transpiler::{FromElf, elf::Elf, openvm_platform::memory::MEM_SIZE};
use proofmill_backends::OpenVmBackend;
use std::{error::Error, fs, sync::Arc, time::Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Key = AppProvingKey<SdkVmConfig>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (machines, program) = match arguments.iter().position(|word| word == "--prove") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (&arguments[..], &[][..]),
    };
    println!("## this backend's");
    let ours = OpenVmBackend::default().tables()?;
    print_tables(ours.iter().map(|table| (table.leaf_rows as usize, table.columns as usize, &*table.name)));
    for machine in machines {
        println!("## {machine}");
        let config = SdkVmConfig::from_toml(&fs::read_to_string(machine)?)?.optimize();
        let key = AppProvingKey::keygen(AppConfig::new(config, app_params_with_100_bits_security(20)))?;
        tables(&key);
        if let [elf, input, rest @ ..] = program {
            let budget = rest.first().map_or(Ok(640), |budget| budget.parse())?;
            prove(&key, &fs::read(elf)?, &hex::decode(input)?, budget)?;
        }
    }
    Ok(())
}

fn tables(key: &Key) {
    print_tables(key.app_vm_pk.vm_pk.per_air.iter().map(|air| {
        let constraints = &air.vk.symbolic_constraints;
        // A lookup's fields, its count and its bus.
        let lookups: usize = constraints.interactions.iter().map(|lookup| lookup.message.len() + 2).sum();
        let rows = constraints.constraints.nodes.len() + lookups + air.vk.unused_variables.len();
        (rows, air.vk.params.width.main_widths().iter().sum(), air.air_name.as_str())
    }));
}

/// Rows in a leaf, columns, name.
fn print_tables<'a>(tables: impl Iterator<Item = (usize, usize, &'a str)>) {
    let mut tables: Vec<_> = tables.collect();
    let all: usize = tables.iter().map(|(rows, ..)| rows).sum();
    println!("{} tables, {all} rows, padded to {}", tables.len(), all.next_power_of_two());
    tables.sort_by_key(|(rows, ..)| std::cmp::Reverse(*rows));
    for (rows, columns, name) in tables.iter().filter(|(rows, ..)| rows * 100 > all) {
        println!("{rows:>7} rows {columns:>5} columns  {name}");
    }
}

fn prove(key: &Key, elf: &[u8], input: &[u8], budget_mb: usize) -> Outcome {
    let key = &key.app_vm_pk;
    let engine = DefaultStarkEngine::new(key.get_params());
    let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
    let vm = VirtualMachine::new(engine, SdkVmCpuBuilder, key.vm_config.clone(), device_key)?;
    let exe = Arc::new(VmExe::from_elf(Elf::decode(elf, MEM_SIZE as u32)?, key.vm_config.transpiler())?);
    let trace = vm.commit_program_on_device(&exe.program);
    let mut machine = VmInstance::new(vm, exe.clone(), trace)?;
    let stdin = || {
        let mut stdin = StdIn::default();
        stdin.write_bytes(input);
        stdin
    };
    let metering = machine.vm.build_metered_ctx(&exe).with_max_memory(budget_mb << 20);
    let (cuts, _) = machine.vm.metered_interpreter(&exe)?.execute_metered(stdin(), metering)?;
    let mut proofs = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        let clock = Clock::start();
        let state = machine.vm.interpreter(&exe)?.execute(stdin(), Some(cut.instret_start))?;
        let VmInstance { vm, interpreter, .. } = &mut machine;
        let (proof, _) = vm.prove(interpreter, state, Some(cut.num_insns), &cut.trace_heights)?;
        proofs.push(proof);
        clock.print(&format!("segment {index}, {} instructions", cut.num_insns));
    }
    let clock = Clock::start();
    let params = AggregationSystemParams::default().leaf;
    let below = Arc::new(key.vm_pk.get_vk());
    let leaf = InnerCpuProver::<MAX_NUM_CHILDREN_LEAF>::new::<DefaultStarkEngine>(below, params, false, None);
    clock.print("keys of the leaf");
    for children in [1, 2, 4] {
        if let Some(children) = proofs.get(..children) {
            let clock = Clock::start();
            leaf.agg_prove::<DefaultStarkEngine>(children, ChildVkKind::App, ProofsType::Vm, None)?;
            clock.print(&format!("leaf over {}", children.len()));
        }
    }
    Ok(())
}

struct Clock {
    wall: Instant,
    cpu: f64,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    fn print(&self, what: &str) {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        println!("{what:<32} {cpu:>7.1} CPU seconds, {wall:>7.1} s");
    }
}

/// What this process has used, user and system, in hundredths of a second as Linux counts.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
