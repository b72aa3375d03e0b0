//! `exec`: runs a program natively and proves nothing.

use crate::proof::{seal, unseal};
use crate::{Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SegmentKind};
use alloy_primitives::{B256, keccak256};
use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use proofmill_program::{PublicValues, aggregation, op};
use std::{borrow::Cow, error::Error};

/// A native program: from its input and the proofs that it is to verify to its public values, or why it refuses them.
pub type NativeRun = fn(&[u8], &[Proof]) -> Result<Vec<u8>, String>;

/// A program that `exec` can run.
#[derive(Clone, Copy, Debug)]
pub struct NativeProgram {
    /// What a [`Job`] gives as the program: the bytes of this name.
    pub name: &'static str,
    /// The program itself.
    pub run: NativeRun,
}

/// The programs of this binary. Unlike the zkVM guests, which reveal a hash, they commit to the public values themselves.
const PROGRAMS: [NativeProgram; 4] = [
    // Input: as `proofmill_program::range::encode_input` makes it.
    NativeProgram { name: RANGE, run: |input, proofs| range(input, proofs) },
    // Input: as `proofmill_program::aggregation::encode_input` makes it, and a proof of each range.
    NativeProgram { name: AGGREGATION, run: |input, proofs| aggregate(input, proofs) },
    // The same for chains of the OP Stack: `proofmill_program::op`.
    NativeProgram { name: OP_RANGE, run: |input, proofs| op_range(input, proofs) },
    NativeProgram { name: OP_AGGREGATION, run: |input, proofs| op_aggregate(input, proofs) },
];
/// First bytes of an input that brings proofs along.
const WITH_PROOFS: &[u8; 8] = b"PMEXECP1";

fn decode_input(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Vec<Proof>), BackendError> {
    if !bytes.starts_with(WITH_PROOFS) {
        return Ok((bytes.into(), Vec::new()));
    }
    let malformed = |cause| BackendError::MalformedInput { prover: ProverType::Exec, cause };
    let sealed = unseal(WITH_PROOFS, bytes)
        .ok_or_else(|| malformed(format!("its checksum does not match its {} bytes", bytes.len())))?;
    let (input, proofs): (Vec<u8>, Vec<Proof>) =
        bitcode::deserialize(sealed).map_err(|error| malformed(error.to_string()))?;
    Ok((input.into(), proofs))
}

const RANGE: &str = "proofmill-exec:range";
const AGGREGATION: &str = "proofmill-exec:aggregation";
const OP_RANGE: &str = "proofmill-exec:op-range";
const OP_AGGREGATION: &str = "proofmill-exec:op-aggregation";

fn range(input: &[u8], proofs: &[Proof]) -> Result<Vec<u8>, String> {
    no_proofs(proofs)?;
    proofmill_program::range::run(input).map(|values| values.to_bytes()).map_err(with_causes)
}

fn op_range(input: &[u8], proofs: &[Proof]) -> Result<Vec<u8>, String> {
    no_proofs(proofs)?;
    op::range::run(input).map(|values| values.to_bytes()).map_err(with_causes)
}

fn no_proofs(proofs: &[Proof]) -> Result<(), String> {
    if proofs.is_empty() {
        return Ok(());
    }
    Err(format!("the range program verifies no proofs and was given {}", proofs.len()))
}

fn aggregate(input: &[u8], proofs: &[Proof]) -> Result<Vec<u8>, String> {
    let (by, ranges) = aggregation::decode_input(input).map_err(with_causes)?;
    check(by.range_key, &ranges, proofs)?;
    aggregation::fold(&by, &ranges).map(|values| values.to_bytes()).map_err(with_causes)
}

fn op_aggregate(input: &[u8], proofs: &[Proof]) -> Result<Vec<u8>, String> {
    let (by, ranges) = op::aggregation::decode_input(input).map_err(with_causes)?;
    check(by.range_key, &ranges, proofs)?;
    op::aggregation::fold(&by, &ranges).map(|values| values.to_bytes()).map_err(with_causes)
}

/// There is a proof of each range, which says what the range says.
fn check(key: B256, ranges: &[impl PublicValues], proofs: &[Proof]) -> Result<(), String> {
    if ranges.len() != proofs.len() {
        return Err(format!("it claims {} ranges and was given {} proofs", ranges.len(), proofs.len()));
    }
    for (at, (proof, range)) in proofs.iter().zip(ranges).enumerate() {
        if proof.prover != ProverType::Exec || proof.program.0 != key {
            return Err(format!("proof {at} is of {} by {}, not of {key}", proof.program, proof.prover));
        }
        if proof.public_values != range.to_bytes() {
            return Err(format!("proof {at} says something else than range {at}"));
        }
    }
    Ok(())
}

/// An error with everything that led to it.
fn with_causes(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Runs programs of this binary as native code, in milliseconds, for development.
///
/// **It proves nothing** ([`ProverType::proves`] is false): its "proof" is a claim that anybody can write, and
/// [`Backend::verify`] checks only that the claim names the program that was asked for. Whoever shows one must say so.
///
/// A program is its name, such as `proofmill-exec:range`; its version is the Keccak-256 of that name; its input is one
/// byte string, as it is.
#[derive(Clone, Debug)]
pub struct ExecBackend {
    programs: Cow<'static, [NativeProgram]>,
}

impl Default for ExecBackend {
    /// With the programs of this binary.
    fn default() -> Self {
        Self { programs: Cow::Borrowed(&PROGRAMS) }
    }
}

impl ExecBackend {
    /// With these programs only.
    pub fn with_programs(programs: impl Into<Vec<NativeProgram>>) -> Self {
        Self { programs: Cow::Owned(programs.into()) }
    }

    fn find(&self, program: &[u8]) -> Result<&NativeProgram, BackendError> {
        self.programs.iter().find(|known| known.name.as_bytes() == program).ok_or_else(|| {
            let known: Vec<&str> = self.programs.iter().map(|known| known.name).collect();
            BackendError::MalformedProgram {
                prover: ProverType::Exec,
                cause: format!(
                    "`{}` is not a program of this binary; it has: {}",
                    String::from_utf8_lossy(&program[..program.len().min(64)]).escape_debug(),
                    known.join(", ")
                ),
            }
        })
    }
}

impl Backend for ExecBackend {
    fn prover_type(&self) -> ProverType {
        ProverType::Exec
    }

    fn weight(&self, kind: TaskKind, _budget: SegmentBudget) -> Weight {
        match kind {
            TaskKind::MarkerDeferredRecord => Weight::ZERO,
            _ => Weight::gb(1),
        }
    }

    fn budget_for(&self, _memory: Weight) -> SegmentBudget {
        SegmentBudget(0)
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        self.find(program).map(|program| ProgramVersion(keccak256(program.name)))
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        let input = frames.concat();
        if proofs.is_empty() {
            return Ok(input);
        }
        let sealed = bitcode::serialize(&(input, proofs)).map_err(|error| BackendError::MalformedInput {
            prover: ProverType::Exec,
            cause: error.to_string(),
        })?;
        Ok(seal(WITH_PROOFS, &sealed))
    }

    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        let program = self.find(job.program)?;
        let (input, proofs) = decode_input(job.input)?;
        let public_values =
            (program.run)(&input, &proofs).map_err(|cause| BackendError::GuestFailed { cause })?;
        Ok(Execution { public_values, instructions: Instructions(0) })
    }

    fn plan(&self, job: &Job<'_>, _budget: SegmentBudget) -> Result<Plan, BackendError> {
        let execution = self.execute(job)?;
        let segment = Segment {
            kind: SegmentKind::Execution,
            instructions: execution.instructions,
            detail: Vec::new(),
        };
        Ok(Plan { execution, segments: vec![segment] })
    }

    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        if index != 0 || plan.segments.len() != 1 {
            return Err(BackendError::MalformedPart {
                cause: format!("segment {index} of {}: `exec` has one segment", plan.segments.len()),
            });
        }
        if self.execute(job)? != plan.execution {
            return Err(BackendError::MalformedPart {
                cause: "the plan is of another program or input: running it gives other public values"
                    .to_owned(),
            });
        }
        Ok(Vec::new())
    }

    fn tree(&self, _: &[Segment], mode: ProofMode, _: SegmentBudget) -> Result<Vec<Node>, BackendError> {
        check_mode(mode).map(|()| Vec::new())
    }

    fn node_weight(&self, _node: &Node) -> Weight {
        Weight::gb(1)
    }

    fn reduce(&self, _program: &[u8], node: &Node, _children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        Err(BackendError::MalformedPart {
            cause: format!("a node of layer {}: `exec` has nothing to fold", node.layer),
        })
    }

    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        check_mode(mode)?;
        let program = self.program_version(job.program)?;
        match parts {
            [only] if only.is_empty() => Ok(Proof {
                prover: ProverType::Exec,
                mode,
                program,
                public_values: plan.execution.public_values.clone(),
                body: Vec::new(),
            }),
            [only] => Err(BackendError::WrongPart {
                index: 0,
                cause: format!("it has {} bytes: that of `exec` is empty", only.len()),
            }),
            _ => Err(BackendError::MalformedPart { cause: format!("{} parts: `exec` has one", parts.len()) }),
        }
    }

    /// Checks which program the claim names. **Convinces nobody of anything**: see [`ExecBackend`].
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        check_mode(proof.mode)?;
        if proof.prover != ProverType::Exec || !proof.body.is_empty() {
            return Err(BackendError::InvalidProof {
                cause: format!(
                    "it is a proof of {} with {} bytes, not of `exec`",
                    proof.prover,
                    proof.body.len()
                ),
            });
        }
        if proof.program != expected {
            return Err(BackendError::WrongProgram { expected, found: proof.program });
        }
        Ok(())
    }
}

/// `exec` claims `core` and `compressed` so that a whole cluster can be tried with it, but nothing for a contract.
fn check_mode(mode: ProofMode) -> Result<(), BackendError> {
    let cause = match mode {
        ProofMode::Core | ProofMode::Compressed => return Ok(()),
        ProofMode::Execute => "there is nothing to claim in a mere execution; ask for `core` or `compressed`",
        ProofMode::Plonk | ProofMode::Groth16 => {
            "it proves nothing, so it makes nothing that a contract would accept"
        }
    };
    Err(BackendError::UnsupportedMode { prover: ProverType::Exec, mode, cause: cause.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::B256;
    use proofmill_program::{Aggregation, AggregationPublicValues, RangePublicValues};

    const NAME: &str = "proofmill-exec:reverse";

    fn backend() -> ExecBackend {
        ExecBackend::with_programs([NativeProgram {
            name: NAME,
            run: |input, _| match input {
                [] => Err("the input is empty".to_owned()),
                _ => Ok(input.iter().rev().copied().collect()),
            },
        }])
    }

    fn job<'a>(program: &'a [u8], input: &'a [u8]) -> Job<'a> {
        Job { program, input, cycle_limit: None }
    }

    fn finish(backend: &ExecBackend, job: &Job<'_>) -> Proof {
        let plan = backend.plan(job, SegmentBudget(0)).unwrap();
        let part = backend.prove_segment(job, &plan, 0).unwrap();
        backend.finish(job, &plan, ProofMode::Compressed, &[part]).unwrap()
    }

    #[test]
    fn it_runs_and_claims() {
        let backend = backend();
        let proof =
            finish(&backend, &job(NAME.as_bytes(), &backend.encode_input(&[&[1, 2, 3]], &[]).unwrap()));
        assert_eq!(proof.public_values, [3, 2, 1]);
        assert!(!proof.prover.proves());
        assert_eq!(proof.program.0, keccak256(NAME));
        backend.verify(&proof, proof.program).unwrap();
    }

    #[test]
    fn it_refuses_what_it_cannot_stand_for() {
        let backend = backend();
        let job = job(NAME.as_bytes(), &[1]);
        let proof = finish(&backend, &job);
        let other = ProgramVersion(keccak256("other"));
        assert!(matches!(backend.verify(&proof, other), Err(BackendError::WrongProgram { .. })));
        let with_body = Proof { body: vec![1], ..proof.clone() };
        assert!(matches!(backend.verify(&with_body, proof.program), Err(BackendError::InvalidProof { .. })));
        let foreign = Proof { prover: ProverType::OpenVm, ..proof.clone() };
        assert!(matches!(backend.verify(&foreign, proof.program), Err(BackendError::InvalidProof { .. })));
        let plan = backend.plan(&job, SegmentBudget(0)).unwrap();
        for mode in [ProofMode::Plonk, ProofMode::Groth16, ProofMode::Execute] {
            let result = backend.finish(&job, &plan, mode, &[Vec::new()]);
            assert!(matches!(result, Err(BackendError::UnsupportedMode { .. })), "{mode}");
            let claim = Proof { mode, ..proof.clone() };
            assert!(matches!(
                backend.verify(&claim, proof.program),
                Err(BackendError::UnsupportedMode { .. })
            ));
        }
    }

    #[test]
    fn parts_of_others_are_refused() {
        let backend = backend();
        let job = job(NAME.as_bytes(), &[1]);
        let plan = backend.plan(&job, SegmentBudget(0)).unwrap();
        let refused = |parts: &[Vec<u8>]| {
            let error = backend.finish(&job, &plan, ProofMode::Core, parts).unwrap_err();
            assert!(
                matches!(error, BackendError::MalformedPart { .. } | BackendError::WrongPart { .. }),
                "{error}"
            );
            error
        };
        assert!(matches!(refused(&[vec![1]]), BackendError::WrongPart { index: 0, .. }));
        assert!(matches!(refused(&[]), BackendError::MalformedPart { .. }));
        assert!(matches!(refused(&[Vec::new(), Vec::new()]), BackendError::MalformedPart { .. }));
    }

    #[test]
    fn a_plan_of_another_input_is_refused() {
        let backend = backend();
        let plan = backend.plan(&job(NAME.as_bytes(), &[1, 2]), SegmentBudget(0)).unwrap();
        let result = backend.prove_segment(&job(NAME.as_bytes(), &[2, 2]), &plan, 0);
        assert!(matches!(result, Err(BackendError::MalformedPart { .. })));
        let result = backend.prove_segment(&job(NAME.as_bytes(), &[1, 2]), &plan, 1);
        assert!(matches!(result, Err(BackendError::MalformedPart { .. })));
    }

    #[test]
    fn ranges_are_aggregated() {
        let backend = ExecBackend::default();
        let range = |first: u64, last: u64, parent: u8, hash: u8| RangePublicValues {
            firstBlock: first,
            lastBlock: last,
            parentHash: B256::repeat_byte(parent),
            lastHash: B256::repeat_byte(hash),
            preStateRoot: B256::repeat_byte(parent),
            postStateRoot: B256::repeat_byte(hash),
            lastTimestamp: last,
            ..Default::default()
        };
        let proof = |range: &RangePublicValues| Proof {
            prover: ProverType::Exec,
            mode: ProofMode::Compressed,
            program: backend.program_version(RANGE.as_bytes()).unwrap(),
            public_values: range.to_bytes(),
            body: Vec::new(),
        };
        let aggregate = |ranges: &[RangePublicValues], proofs: &[Proof]| {
            let range_key = keccak256(RANGE);
            let by =
                Aggregation { range_key, from_commitment: B256::ZERO, checkpoints: vec![1; ranges.len()] };
            let input = aggregation::encode_input(&by, ranges);
            let input = backend.encode_input(&[&input], proofs).unwrap();
            backend.execute(&job(AGGREGATION.as_bytes(), &input))
        };
        let (first, second) = (range(1, 4, 1, 2), range(5, 5, 2, 3));
        let both = [first.clone(), second.clone()];
        let public_values = aggregate(&both, &[proof(&first), proof(&second)]).unwrap().public_values;
        let values = AggregationPublicValues::from_bytes(&public_values).unwrap();
        assert_eq!((values.firstBlock, values.lastBlock), (1, 5));
        assert_eq!(values.toCommitment, second.boundary().commit(first.boundary().commit(B256::ZERO)));

        let foreign = Proof { program: ProgramVersion(B256::ZERO), ..proof(&first) };
        let gap = [first.clone(), range(6, 6, 2, 3)];
        for (ranges, proofs) in [
            (&gap[..], vec![proof(&gap[0]), proof(&gap[1])]),
            (&both[..1], vec![foreign]),
            (&both[..1], vec![]),
            (&[], vec![]),
            (&both, vec![proof(&first)]),
            (&both, vec![proof(&first), proof(&first)]),
        ] {
            assert!(matches!(aggregate(ranges, &proofs), Err(BackendError::GuestFailed { .. })));
        }
        // Cut off on its way.
        let whole = backend.encode_input(&[&[1; 68]], &[proof(&first)]).unwrap();
        let cut = backend.execute(&job(AGGREGATION.as_bytes(), &whole[..whole.len() - 1]));
        assert!(matches!(cut, Err(BackendError::MalformedInput { .. })));
    }

    #[test]
    fn the_range_program_refuses_a_broken_input_with_its_cause() {
        let error = ExecBackend::default().execute(&job(RANGE.as_bytes(), &[7; 64])).unwrap_err();
        assert!(
            matches!(&error, BackendError::GuestFailed { cause } if cause.contains("not readable: ")),
            "{error}"
        );
    }

    #[test]
    fn bad_programs_and_inputs_are_errors() {
        let backend = backend();
        let error = backend.execute(&job(b"\x7fELF\xff", &[1])).unwrap_err();
        assert!(matches!(error, BackendError::MalformedProgram { .. }));
        assert!(error.to_string().contains(NAME), "{error}");
        assert!(matches!(
            backend.execute(&job(NAME.as_bytes(), &[])),
            Err(BackendError::GuestFailed { cause }) if cause == "the input is empty"
        ));
    }
}
