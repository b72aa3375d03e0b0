//! OpenVM: real STARKs on CPUs, split over processes.
//!
//! A program runs once with metering, which yields its [`Plan`]. Any process can then prove any segment: it replays the
//! program up to the segment (20 ms for a million instructions, so state is not shipped) and proves its instructions.
//! Segment proofs are folded by the [tree](tree), and the root is wrapped once more into a proof of constant size.
//! Processes that never spoke to each other make the same keys.

mod fold;
mod guard;
mod input;
mod memory;
mod part;
mod program;
mod segment;
mod tree;
mod vm;

use crate::{Backend, BackendError, Execution, Job, Node, Plan, Proof, SegmentBudget};
use openvm_circuit::arch::{StaticProgramError, VirtualMachineError, VmInstance};
use openvm_sdk::{DefaultStarkEngine, SC, keygen::AppProvingKey, openvm_circuit, prover::AggProver};
use openvm_sdk_config::{SdkVmConfig, SdkVmCpuBuilder};
use openvm_stark_sdk::config::baby_bear_poseidon2::Digest;
use program::{Program, Programs};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use std::{
    fmt::Display,
    sync::{Arc, OnceLock},
};

use openvm_sdk::F;
type AppKey = AppProvingKey<SdkVmConfig>;
type Instance = VmInstance<DefaultStarkEngine, SdkVmCpuBuilder>;
type Stark = openvm_stark_backend::proof::Proof<SC>;

/// The OpenVM backend. Making one costs nothing; keys are made when first needed and kept.
#[derive(Default)]
pub struct OpenVmBackend {
    app: OnceLock<AppKey>,
    aggregation: OnceLock<Arc<AggProver>>,
    programs: Programs,
}

impl OpenVmBackend {
    fn app(&self) -> Result<&AppKey, BackendError> {
        if self.app.get().is_none() {
            let key =
                guard::guard(|cause| failed("making the keys of the virtual machine", cause), vm::app_key)?;
            // Another thread may have been first; its key is the same.
            let _ = self.app.set(key);
        }
        self.app.get().ok_or_else(|| failed("making the keys of the virtual machine", "the key is gone"))
    }

    fn aggregation(&self) -> Result<Arc<AggProver>, BackendError> {
        let doing = "making the keys of the folding circuits";
        let app = self.app()?;
        if let Some(keys) = self.aggregation.get() {
            return Ok(keys.clone());
        }
        let keys = guard::guard(
            |cause| failed(doing, cause),
            || {
                let keys = vm::aggregation_keys(app);
                let found = vm::vm_commit(&keys);
                if found == vm::VM_COMMIT {
                    Ok(keys)
                } else {
                    Err(failed(doing, format!("they commit to {found}, this build knows {}", vm::VM_COMMIT)))
                }
            },
        )?;
        Ok(self.aggregation.get_or_init(|| keys).clone())
    }

    fn program(&self, elf: &[u8]) -> Result<Arc<Program>, BackendError> {
        self.programs.get(elf)
    }
}

impl std::fmt::Debug for OpenVmBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenVmBackend")
            .field("has_vm_keys", &self.app.get().is_some())
            .field("has_folding_keys", &self.aggregation.get().is_some())
            .finish_non_exhaustive()
    }
}

impl Backend for OpenVmBackend {
    fn prover_type(&self) -> ProverType {
        ProverType::OpenVm
    }

    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight {
        memory::weight(kind, budget)
    }

    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        memory::budget_for(memory)
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        let program = self.program(program)?;
        Ok(vm::version(&program.exe_commit(self.app()?)?))
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        if !proofs.is_empty() {
            return Err(BackendError::MalformedInput {
                prover: ProverType::OpenVm,
                cause: "this virtual machine cannot verify proofs inside a program; give it none".to_owned(),
            });
        }
        Ok(input::encode(frames))
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        segment::execute(self.app()?, &*self.program(job.program)?, job)
    }

    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError> {
        segment::plan(self.app()?, &*self.program(job.program)?, job, budget)
    }

    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        segment::prove(self.app()?, &*self.program(job.program)?, job, plan, index)?.encode()
    }

    fn tree(&self, segments: u32) -> Vec<Node> {
        tree::nodes(segments)
    }

    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        let hash = blake3::hash(program);
        fold::reduce(self.app()?, &*self.aggregation()?, hash.as_bytes(), node, children)?.encode()
    }

    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        let hash = blake3::hash(job.program);
        let segments = plan.segments.len();
        let body = match mode {
            ProofMode::Core => fold::bundle(hash.as_bytes(), segments, parts)?,
            ProofMode::Compressed => {
                fold::wrap(self.app()?, &*self.aggregation()?, hash.as_bytes(), segments, parts)?
            }
            _ => return Err(unsupported(mode)),
        };
        let proof = Proof {
            prover: ProverType::OpenVm,
            mode,
            program: self.program_version(job.program)?,
            public_values: plan.execution.public_values.clone(),
            body,
        };
        // What leaves here is right, whatever the parts were.
        self.verify(&proof, proof.program)?;
        Ok(proof)
    }

    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        if proof.prover != ProverType::OpenVm {
            return Err(BackendError::InvalidProof {
                cause: format!("it is a proof of {}, not of {}", proof.prover, ProverType::OpenVm),
            });
        }
        if proof.program != expected {
            return Err(BackendError::WrongProgram { expected, found: proof.program });
        }
        let (found, public_values) = match proof.mode {
            ProofMode::Core => fold::verify_core(self.app()?, &proof.body)?,
            ProofMode::Compressed => {
                fold::verify_compressed(self.app()?, &*self.aggregation()?, &proof.body)?
            }
            mode => return Err(unsupported(mode)),
        };
        if found != expected {
            return Err(BackendError::WrongProgram { expected, found });
        }
        if public_values != proof.public_values {
            return Err(BackendError::InvalidProof {
                cause: "its public values are not those that the program committed to".to_owned(),
            });
        }
        Ok(())
    }
}

fn unsupported(mode: ProofMode) -> BackendError {
    let cause = match mode {
        ProofMode::Execute => "there is nothing to prove in a mere execution; ask for `core` or `compressed`",
        ProofMode::Groth16 => "OpenVM has no Groth16 wrap; ask for `compressed`",
        _ => {
            "its wrap for the EVM needs a trusted-setup file and circuits that are not part of this build; ask for `compressed`"
        }
    };
    BackendError::UnsupportedMode { prover: ProverType::OpenVm, mode, cause: cause.to_owned() }
}

/// The prover itself failed.
fn failed(doing: &'static str, cause: impl Display) -> BackendError {
    BackendError::Prover { prover: ProverType::OpenVm, doing, cause: cause.to_string() }
}

/// The machine cannot take the program.
fn rejected(error: impl Into<VirtualMachineError>) -> BackendError {
    match error.into() {
        VirtualMachineError::StaticProgram(
            error @ (StaticProgramError::InvalidInstruction(_)
            | StaticProgramError::DisabledOperation { .. }
            | StaticProgramError::ExecutorNotFound { .. }),
        ) => BackendError::MalformedProgram { prover: ProverType::OpenVm, cause: error.to_string() },
        other => failed("loading the program", other),
    }
}
