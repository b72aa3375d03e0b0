//! OpenVM: real STARKs on CPUs, split over processes.
//!
//! A program runs once with metering, which yields its [`Plan`]. Any process can then prove any segment: it replays the
//! program up to the segment (20 ms for a million instructions, so state is not shipped) and proves its instructions.
//! Segment proofs are folded by the [tree](tree), and the root is wrapped once more into a proof of constant size.
//! Processes that never spoke to each other make the same keys.
//!
//! A program may verify such proofs itself, as an aggregation program does with range proofs: see [verification]. What such a
//! program proves can be carried on to a [SNARK](snark) that the EVM verifies.

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
mod snark;
mod tree;
mod verification;
mod verify;

#[doc(hidden)]
pub use machine::Table;

use crate::{
    Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SnarkConfig,
    SnarkVariant,
};
use openvm_circuit::arch::{StaticProgramError, VirtualMachineError, VmInstance};
use openvm_recursion_circuit::utils::poseidon2_hash_slice;
use openvm_sdk::{DefaultStarkEngine, SC, keygen::AppProvingKey, openvm_circuit};
use openvm_stark_sdk::config::baby_bear_poseidon2::Digest;
use program::{Program, Programs};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use provers::Provers;
use std::{fmt::Display, path::Path, sync::Arc};
use tree::Layer;

use openvm_sdk::F;
type AppKey = AppProvingKey<fields::MachineConfig>;
type Instance = VmInstance<DefaultStarkEngine, fields::Builder>;
type Stark = openvm_stark_backend::proof::Proof<SC>;

/// The OpenVM backend. Making one costs nothing; keys are made when first needed and kept.
#[derive(Default)]
pub struct OpenVmBackend {
    provers: Provers,
    programs: Programs,
    snark: Option<SnarkConfig>,
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

    /// A backend that also makes SNARKs of this kind.
    #[must_use]
    pub fn with_snark(snark: SnarkConfig) -> Self {
        Self { snark: Some(snark), ..Self::default() }
    }

    fn program(&self, elf: &[u8]) -> Result<Arc<Program>, BackendError> {
        self.programs.get(elf, &self.provers)
    }

    /// Where there may be circuits that this build does not know.
    fn snark_folder(&self) -> Option<&Path> {
        self.snark.as_ref().map(|config| config.folder.as_path())
    }

    fn snark(&self) -> Result<&SnarkConfig, BackendError> {
        self.snark.as_ref().ok_or_else(|| {
            not_set_up(
                "the SNARK needs a setup: make or import one with `proofmill srs` and name the SNARK with --snark, or ask for \
                 `compressed`",
            )
        })
    }

    /// A step of a SNARK.
    fn snark_step(
        &self,
        program: &[u8],
        layer: Layer,
        children: &[Vec<u8>],
    ) -> Result<Vec<u8>, BackendError> {
        let [below] = children else {
            let cause = format!("a {layer:?} is made of one part, not of {}", children.len());
            return Err(BackendError::MalformedPart { cause });
        };
        let config = |variant: SnarkVariant| self.check_snark(variant.name()).and_then(|()| self.snark());
        match layer {
            Layer::StaticVerifier(variant) => snark::static_verifier(&self.provers, config(variant)?, below),
            Layer::Wrapper(variant) => snark::wrapper(&self.provers, config(variant)?, below),
            _ => {
                let compressed = fold::wrap(&self.provers, &*self.program(program)?, None, children)?;
                snark::root(&self.provers, &compressed)
            }
        }
    }

    /// The steps of a SNARK, from the body of a compressed proof: for `examples/openvm_snark.rs`.
    #[doc(hidden)]
    pub fn snark_of(&self, step: SnarkStep, from: &[u8]) -> Result<Vec<u8>, BackendError> {
        match step {
            SnarkStep::Heights => {
                let heights = snark::heights(&self.provers, from)?;
                Ok(format!("{heights:?}").into_bytes())
            }
            SnarkStep::Root => snark::root(&self.provers, from),
            SnarkStep::StaticVerifier => snark::static_verifier(&self.provers, self.snark()?, from),
            SnarkStep::Wrapper => snark::wrapper(&self.provers, self.snark()?, from),
            SnarkStep::Contract => Ok(snark::describe(&self.provers, self.snark()?, from)?.1.into_bytes()),
            SnarkStep::ForContract => {
                let body = snark::Body::decode(from)?;
                Ok([machine::version_of(body.commits()).0.as_slice(), &body.for_contract()].concat())
            }
            SnarkStep::Verifiers => snark::with_known(snark::describe(&self.provers, self.snark()?, from)?.0),
        }
    }
}

/// A step of a SNARK, and what is derived of it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum SnarkStep {
    /// The heights of the root's tables, of a compressed proof's body.
    Heights,
    /// The root, of a compressed proof's body.
    Root,
    /// The static verifier's proof, of the root.
    StaticVerifier,
    /// The wrapper's proof, of the static verifier's.
    Wrapper,
    /// The source of the contract, of the static verifier's proof.
    Contract,
    /// `snark.bin`, of the static verifier's proof.
    Verifiers,
    /// The program's version and what the contract takes, of the wrapper's proof.
    ForContract,
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
        let mut hash = blake3::Hasher::new();
        for part in [circuit::keys_hash()].into_iter().chain(snark::layouts()) {
            hash.update(&part);
        }
        hash.finalize().as_bytes().to_vec()
    }

    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight {
        memory::weight(kind, budget)
    }

    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        memory::budget_for(memory)
    }

    fn check_start(&self, memory: Weight) -> Result<(), BackendError> {
        match &self.snark {
            Some(config) => snark::check_start(&self.provers, config, memory),
            None => Ok(()),
        }
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
            ProofMode::Plonk if executed == all => Err(BackendError::UnsupportedMode {
                prover: ProverType::OpenVm,
                mode,
                cause: "only what an aggregation program proves (an epoch) has a SNARK; ask for `compressed`"
                    .to_owned(),
            }),
            ProofMode::Plonk => {
                let variant = self.snark()?.variant;
                Ok(tree::with_snark(self.tree(segments, ProofMode::Compressed, budget)?, variant))
            }
            ProofMode::Core if executed == all => Ok(Vec::new()),
            ProofMode::Core => Err(BackendError::UnsupportedMode {
                prover: ProverType::OpenVm,
                mode,
                cause: "the proofs that the program verifies are only part of a compressed proof".to_owned(),
            }),
            _ => Err(unsupported(mode)),
        }
    }

    fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
        match mode {
            ProofMode::Execute | ProofMode::Core | ProofMode::Compressed => Ok(()),
            ProofMode::Plonk => self.snark().map(drop),
            ProofMode::Groth16 => Err(unsupported(mode)),
        }
    }

    fn node_task(&self, node: &Node) -> TaskKind {
        match Layer::from_number(node.layer) {
            Some(Layer::Root) => TaskKind::ShrinkWrap,
            Some(Layer::StaticVerifier(_) | Layer::Wrapper(_)) => TaskKind::PlonkWrap,
            _ => TaskKind::RecursionReduce,
        }
    }

    fn evm_proof(&self, proof: &Proof) -> Result<Option<Vec<u8>>, BackendError> {
        match proof.mode {
            ProofMode::Plonk => Ok(Some(snark::Body::decode(&proof.body)?.for_contract())),
            _ => Ok(None),
        }
    }

    fn insecure(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        if proof.mode != ProofMode::Plonk {
            return Ok(None);
        }
        let for_development =
            snark::is_for_development(&snark::Body::decode(&proof.body)?, self.snark_folder())?;
        Ok(for_development.then(|| {
            "it rests on a setup for development, whose secret everybody knows: anybody can make such a proof of anything"
                .to_owned()
        }))
    }

    fn snark_variant(&self) -> Option<SnarkVariant> {
        self.snark.as_ref().map(|config| config.variant)
    }

    fn contract_words(&self) -> Result<Vec<[[u8; 32]; 2]>, BackendError> {
        snark::contract_words(&self.provers, self.snark.as_ref())
    }

    fn variant_of(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        match proof.mode {
            ProofMode::Plonk => {
                snark::variant(&snark::Body::decode(&proof.body)?, self.snark_folder()).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn node_weight(&self, node: &Node) -> Weight {
        memory::node_weight(node)
    }

    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        match Layer::from_number(node.layer) {
            Some(layer @ (Layer::Root | Layer::StaticVerifier(_) | Layer::Wrapper(_))) => {
                self.snark_step(program, layer, children)
            }
            _ => fold::reduce(&self.provers, &*self.program(program)?, node, children)?.encode(),
        }
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
            ProofMode::Compressed => fold::wrap(&self.provers, &program, Some(segments), parts)?,
            ProofMode::Plonk => match parts {
                [snark] => snark.clone(),
                _ => return Err(BackendError::MalformedPart { cause: "a SNARK is one part".to_owned() }),
            },
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
            ProofMode::Plonk => verify::snark(&proof.body, self.snark_folder())?,
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
        _ => "OpenVM has no such mode; ask for `compressed`",
    };
    BackendError::UnsupportedMode { prover: ProverType::OpenVm, mode, cause: cause.to_owned() }
}

/// What this process lacks, and another one may have.
fn not_set_up(cause: impl Into<String>) -> BackendError {
    BackendError::NotSetUp { prover: ProverType::OpenVm, cause: cause.into() }
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
