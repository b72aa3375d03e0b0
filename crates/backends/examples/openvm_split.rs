//! Proves one execution in many processes and says what each step takes.
//!
//! ```text
//! openvm_split all ELF STDIN [BUDGET_MB] [--fast]  every step in a process of its own, then OpenVM's own prover in one
//! openvm_split plan|segment N|node N|finish|core|verify|local … one step
//! ```
//! STDIN is a file, or `hex:…` for one byte string. Steps leave their results in the folder `$SPLIT_DIR` (default
//! `/tmp/openvm_split`). Segments are proven last first, to show that the order does not matter. Each step prints one line:
//! its name, seconds, and the peak of its memory (VmHWM) in MB. `--fast` leaves out OpenVM's own prover.
//! RAYON_NUM_THREADS limits the threads of a step.
#![allow(clippy::unwrap_used, missing_docs)]

use num_bigint::BigUint;
use openvm_sdk::{
    CpuSdk, StdIn,
    config::{AggregationSystemParams, AppConfig},
};
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_backend::codec::Encode;
use openvm_stark_sdk::config::app_params_with_100_bits_security;
use openvm_transpiler::{elf::Elf, openvm_platform::memory::MEM_SIZE};
use proofmill_backends::{Backend, Child, Job, OpenVmBackend, Plan, Proof, SegmentBudget};
use proofmill_primitives::ProofMode;
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

struct Steps {
    backend: OpenVmBackend,
    elf: Vec<u8>,
    input: Vec<u8>,
    budget: SegmentBudget,
    folder: PathBuf,
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--fast").collect();
    let (step, index, rest) = match words.as_slice() {
        [step @ ("segment" | "node"), index, rest @ ..] => (*step, index.parse::<u32>()?, rest),
        [step, rest @ ..] => (*step, 0, rest),
        [] => return Err("usage: openvm_split all ELF STDIN [BUDGET_MB]".into()),
    };
    let [elf, stdin, rest @ ..] = rest else { return Err("an ELF and its input are missing".into()) };
    let budget = rest.first().map_or(Ok(768), |budget| budget.parse())?;
    if step == "all" {
        let fast = arguments.iter().any(|word| word == "--fast");
        return all(&[elf, stdin, &budget.to_string()], SegmentBudget(budget), fast);
    }
    let backend = OpenVmBackend::default();
    let input = match stdin.strip_prefix("hex:") {
        Some(text) => backend.encode_input(&[&hex::decode(text)?], &[])?,
        None => fs::read(stdin)?,
    };
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let steps = Steps { backend, elf: fs::read(elf)?, input, budget: SegmentBudget(budget), folder };
    let start = Instant::now();
    let note = steps.run(step, index)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{step:<8} {index:>3} {seconds:>8.2} s {:>6} MB  {note}", peak_mb());
    Ok(())
}

impl Steps {
    fn run(&self, step: &str, index: u32) -> Outcome<String> {
        let job = Job { program: &self.elf, input: &self.input, cycle_limit: None };
        match step {
            "execute" => Ok(format!("{} instructions", self.backend.execute(&job)?.instructions)),
            "plan" => {
                let plan = self.backend.plan(&job, self.budget)?;
                let sizes: Vec<u64> = plan.segments.iter().map(|segment| segment.instructions.0).collect();
                fs::write(self.folder.join("plan"), bitcode::serialize(&plan)?)?;
                Ok(format!("{} instructions, segments of {sizes:?}", plan.execution.instructions))
            }
            "segment" => {
                let part = self.backend.prove_segment(&job, &self.plan()?, index)?;
                self.save(&format!("segment-{index}"), &part)
            }
            "node" => {
                let tree = self.backend.tree(&self.plan()?.segments, ProofMode::Compressed, self.budget)?;
                let node = &tree[index as usize];
                let children = node
                    .children
                    .iter()
                    .map(|child| match child {
                        Child::Segment(child) => fs::read(self.folder.join(format!("segment-{child}"))),
                        Child::Node(child) => fs::read(self.folder.join(format!("node-{child}"))),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let part = self.backend.reduce(&self.elf, node, &children)?;
                let saved = self.save(&format!("node-{index}"), &part)?;
                Ok(format!("layer {}, {} children, {saved}", node.layer, children.len()))
            }
            "finish" => {
                let plan = self.plan()?;
                let root = self.backend.tree(&plan.segments, ProofMode::Compressed, self.budget)?.len() - 1;
                let root = fs::read(self.folder.join(format!("node-{root}")))?;
                let proof = self.backend.finish(&job, &plan, ProofMode::Compressed, &[root])?;
                self.save("proof", &proof.encode())
            }
            "core" => {
                let plan = self.plan()?;
                let parts = (0..plan.segments.len())
                    .map(|segment| fs::read(self.folder.join(format!("segment-{segment}"))))
                    .collect::<Result<Vec<_>, _>>()?;
                let proof = self.backend.finish(&job, &plan, ProofMode::Core, &parts)?;
                self.save("core-proof", &proof.encode())
            }
            "verify" => {
                let proof = Proof::decode(&fs::read(self.folder.join("proof"))?)?;
                let version = self.backend.program_version(&self.elf)?;
                self.backend.verify(&proof, version)?;
                let start = Instant::now();
                self.backend.verify(&proof, version)?;
                Ok(format!("program {version}; again with warm keys: {:.3} s", start.elapsed().as_secs_f64()))
            }
            "local" => self.local(),
            other => Err(format!("unknown step `{other}`").into()),
        }
    }

    /// OpenVM's own prover, all in this process, on the same machine with the same segments.
    fn local(&self) -> Outcome<String> {
        let mut config = SdkVmConfig::from_toml(include_str!("../src/openvm/openvm.toml"))?.optimize();
        let more =
            OpenVmBackend::FIELDS.iter().filter_map(|digits| BigUint::parse_bytes(digits.as_bytes(), 16));
        if let Some(modular) = &mut config.modular {
            // With comparisons, as OpenVM has them.
            modular.supported_moduli.extend(more);
        }
        config.system.config.segmentation_max_memory = (self.budget.0 as usize) << 20;
        let config = AppConfig::new(config, app_params_with_100_bits_security(20));
        let sdk = CpuSdk::new(config, AggregationSystemParams::default())?;
        let elf = Elf::decode(&self.elf, MEM_SIZE as u32)?;
        let mut stdin = StdIn::default();
        let mut rest = &self.input[8..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            stdin.write_bytes(frame);
            rest = after;
        }
        let (proof, baseline) = sdk.prove(elf, stdin, &[])?;
        CpuSdk::verify_proof(sdk.agg_vk().as_ref().clone(), baseline, &proof)?;
        Ok(format!("{} bytes, one process", proof.encode_to_vec()?.len()))
    }

    fn plan(&self) -> Outcome<Plan> {
        Ok(bitcode::deserialize(&fs::read(self.folder.join("plan"))?)?)
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Outcome<String> {
        fs::write(self.folder.join(name), bytes)?;
        Ok(format!("{} bytes", bytes.len()))
    }
}

fn all(program: &[&str], budget: SegmentBudget, fast: bool) -> Outcome {
    let start = Instant::now();
    let step = |words: &[&str]| -> Outcome {
        let status = Command::new(std::env::current_exe()?).args(words).args(program).status()?;
        if status.success() { Ok(()) } else { Err(format!("{words:?} failed").into()) }
    };
    step(&["execute"])?;
    step(&["plan"])?;
    let plan: Plan = bitcode::deserialize(&fs::read(folder().join("plan"))?)?;
    let segments = plan.segments.len();
    for index in (0..segments).rev() {
        step(&["segment", &index.to_string()])?;
    }
    step(&["core"])?;
    for index in 0..OpenVmBackend::default().tree(&plan.segments, ProofMode::Compressed, budget)?.len() {
        step(&["node", &index.to_string()])?;
    }
    step(&["finish"])?;
    step(&["verify"])?;
    println!("split         {:>8.2} s in all", start.elapsed().as_secs_f64());
    if fast { Ok(()) } else { step(&["local"]) }
}

fn folder() -> PathBuf {
    std::env::var_os("SPLIT_DIR").map_or_else(|| Path::new("/tmp/openvm_split").to_owned(), PathBuf::from)
}

/// The peak of this process's resident memory.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}
