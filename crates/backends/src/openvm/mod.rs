//! OpenVM: real STARKs on CPUs, split over processes.
//!
//! A program runs once with metering, which yields its [`Plan`]. Any process can then prove any segment: it replays the
//! program up to the segment (20 ms for a million instructions, so state is not shipped) and proves its instructions.
//! Segment proofs are folded by the [tree](tree), and the root is wrapped once more into a proof of constant size.
//! Processes that never spoke to each other make the same keys.
//!
//! A program may verify such proofs itself, as an aggregation program does with range proofs: see [verification].

mod circuit;
mod counts;
mod fields;
mod fold;
mod guard;
mod input;
mod machine;
mod memory;
mod part;
mod program;
mod provers;
mod segment;
mod tree;
mod verification;
mod verify;

#[doc(hidden)]
pub use machine::Table;

use crate::{Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget};
use openvm_circuit::arch::{StaticProgramError, VirtualMachineError, VmInstance};
use openvm_recursion_circuit::utils::poseidon2_hash_slice;
use openvm_sdk::{DefaultStarkEngine, SC, keygen::AppProvingKey, openvm_circuit};
use openvm_stark_sdk::config::baby_bear_poseidon2::Digest;
use program::{Program, Programs};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use provers::Provers;
use std::{fmt::Display, sync::Arc};

use openvm_sdk::F;
type AppKey = AppProvingKey<fields::MachineConfig>;
type Instance = VmInstance<DefaultStarkEngine, fields::Builder>;
type Stark = openvm_stark_backend::proof::Proof<SC>;

/// The OpenVM backend. Making one costs nothing; keys are made when first needed and kept.
#[derive(Default)]
pub struct OpenVmBackend {
    provers: Provers,
    programs: Programs,
}

impl OpenVmBackend {
    /// Makes the keys of all circuits anew and gives what the file of verifying keys in this crate's sources must be:
    /// see `examples/openvm_keys.rs`. Takes a minute.
    #[doc(hidden)]
    pub fn make_verifying_keys() -> Result<Vec<u8>, BackendError> {
        Provers::make_all()
    }

    /// The moduli that the machine of programs without proofs has behind those of its `openvm.toml`, in hexadecimal digits.
    #[doc(hidden)]
    pub const FIELDS: [&str; 3] = machine::FIELDS;

    /// The tables of the machine of programs that verify no proofs, in the order of a segment's heights: what examples
    /// measure.
    #[doc(hidden)]
    pub fn tables(&self) -> Result<Vec<Table>, BackendError> {
        Ok(machine::tables(&*self.provers.app(machine::Machine::Base)?))
    }

    fn program(&self, elf: &[u8]) -> Result<Arc<Program>, BackendError> {
        self.programs.get(elf, &self.provers)
    }
}

impl std::fmt::Debug for OpenVmBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenVmBackend").finish_non_exhaustive()
    }
}

impl Backend for OpenVmBackend {
    fn prover_type(&self) -> ProverType {
        ProverType::OpenVm
    }

    fn circuits(&self) -> Vec<u8> {
        circuit::keys_hash().to_vec()
    }

    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight {
        memory::weight(kind, budget)
    }

    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        memory::budget_for(memory)
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        self.program(program)?.version(&self.provers)
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        let bodies = proofs
            .iter()
            .enumerate()
            .map(|(index, proof)| verification::body(index, proof))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(input::encode(frames, &bodies))
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        segment::execute(&self.provers, &*self.program(job.program)?, job)
    }

    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError> {
        segment::plan(&self.provers, &*self.program(job.program)?, job, budget)
    }

    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        segment::prove(&self.provers, &*self.program(job.program)?, job, plan, index)?.encode()
    }

    fn tree(
        &self,
        segments: &[Segment],
        mode: ProofMode,
        budget: SegmentBudget,
    ) -> Result<Vec<Node>, BackendError> {
        let executed = segment::count_executed(segments)? as u32;
        let all = segments.len() as u32;
        match mode {
            ProofMode::Compressed => Ok(tree::nodes(
                &(0..executed).collect::<Vec<_>>(),
                &(executed..all).collect::<Vec<_>>(),
                memory::leaf_children(budget),
            )),
            ProofMode::Core if executed == all => Ok(Vec::new()),
            ProofMode::Core => Err(BackendError::UnsupportedMode {
                prover: ProverType::OpenVm,
                mode,
                cause: "the proofs that the program verifies are only part of a compressed proof".to_owned(),
            }),
            _ => Err(unsupported(mode)),
        }
    }

    fn node_weight(&self, node: &Node) -> Weight {
        memory::node_weight(node)
    }

    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        fold::reduce(&self.provers, &*self.program(program)?, node, children)?.encode()
    }

    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        let program = self.program(job.program)?;
        let segments = segment::count_executed(&plan.segments)?;
        let body = match mode {
            ProofMode::Core => fold::bundle(&program, segments, parts)?,
            ProofMode::Compressed => fold::wrap(&self.provers, &program, segments, parts)?,
            _ => return Err(unsupported(mode)),
        };
        let proof = Proof {
            prover: ProverType::OpenVm,
            mode,
            program: program.version(&self.provers)?,
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
            ProofMode::Core => verify::core(&self.provers, &proof.body)?,
            ProofMode::Compressed => verify::compressed(&self.provers, &proof.body)?,
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

/// OpenVM's hash of field elements.
fn hash_elements(elements: &[F]) -> Digest {
    poseidon2_hash_slice(elements).0
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
