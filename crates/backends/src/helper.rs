//! A prover type that another binary has: what can be asked of it here, and the process that answers.
//!
//! SP1 and OpenVM cannot be linked into one binary, but a prover node, an attestor and `verify` may need both. They need
//! little of it: to encode an input, to derive a program's key, to verify, and to put a proof as a contract takes it. A
//! [`HelperBackend`] has the other binary do that, as a child that reads questions from its standard input and writes answers to its standard output ([`answer`]).
//! What makes proofs is not among them: that is a worker's work, and workers of the type run the other binary.

#[cfg(test)]
mod tests;

use crate::{
    Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget, SnarkConfig,
    SnarkVariant,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    borrow::Cow,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The longest message, in bytes. The proofs of an epoch's ranges are in one.
const LONGEST: u64 = 4 << 30;

/// The command that the other binary is started with: it answers for the prover type that follows.
pub const COMMAND: &str = "backend";

/// A question to the other binary.
#[derive(Debug, Serialize, Deserialize)]
enum Question<'a> {
    Circuits,
    CheckMode(ProofMode),
    Version { program: Cow<'a, [u8]> },
    Encode { frames: Cow<'a, [Cow<'a, [u8]>]>, proofs: Cow<'a, [Proof]> },
    Pack { proof: Cow<'a, Proof> },
    Unpack { stored: Cow<'a, [u8]>, program: Cow<'a, [u8]> },
    Verify { proof: Cow<'a, Proof>, expected: ProgramVersion },
    EvmProof { proof: Cow<'a, Proof> },
    Insecure { proof: Cow<'a, Proof> },
    VariantOf { proof: Cow<'a, Proof> },
    ContractWords,
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done,
    Bytes(Vec<u8>),
    Proof(Proof),
    Version(ProgramVersion),
    Failed(Failure),
    EvmProof(Option<Vec<u8>>),
    Insecure(Option<String>),
    VariantOf(Option<String>),
    ContractWords(Vec<[[u8; 32]; 2]>),
}

/// An error of a backend, as far as who asks tells errors apart.
#[derive(Debug, Serialize, Deserialize)]
enum Failure {
    NotCompiledIn,
    MalformedProgram(String),
    MalformedInput(String),
    UnsupportedMode(ProofMode, String),
    NotSetUp(String),
    WrongProgram { expected: ProgramVersion, found: ProgramVersion },
    InvalidProof(String),
    Other(String),
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::NotCompiledIn { .. } => Self::NotCompiledIn,
            BackendError::MalformedProgram { cause, .. } => Self::MalformedProgram(cause),
            BackendError::MalformedInput { cause, .. } => Self::MalformedInput(cause),
            BackendError::UnsupportedMode { mode, cause, .. } => Self::UnsupportedMode(mode, cause),
            BackendError::NotSetUp { cause, .. } => Self::NotSetUp(cause),
            BackendError::WrongProgram { expected, found } => Self::WrongProgram { expected, found },
            BackendError::InvalidProof { cause } => Self::InvalidProof(cause),
            error => Self::Other(error.to_string()),
        }
    }
}

/// Answers questions about a prover type until nobody asks any more.
///
/// # Errors
/// The channel broke in the middle of a message, or what came is no question.
pub fn answer(backend: &dyn Backend, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    while let Some(question) = receive::<Question<'_>>(input)? {
        let answer = answer_one(backend, question).unwrap_or_else(|error| Answer::Failed(error.into()));
        send(output, &answer)?;
    }
    Ok(())
}

fn answer_one(backend: &dyn Backend, question: Question<'_>) -> Result<Answer, BackendError> {
    Ok(match question {
        Question::Circuits => Answer::Bytes(backend.circuits()),
        Question::CheckMode(mode) => backend.check_mode(mode).map(|()| Answer::Done)?,
        Question::Version { program } => Answer::Version(backend.program_version(&program)?),
        Question::Encode { frames, proofs } => {
            let frames: Vec<&[u8]> = frames.iter().map(AsRef::as_ref).collect();
            Answer::Bytes(backend.encode_input(&frames, &proofs)?)
        }
        Question::Pack { proof } => Answer::Bytes(backend.pack(&proof)?),
        Question::Unpack { stored, program } => Answer::Proof(backend.unpack(&stored, &program)?),
        Question::Verify { proof, expected } => backend.verify(&proof, expected).map(|()| Answer::Done)?,
        Question::EvmProof { proof } => Answer::EvmProof(backend.evm_proof(&proof)?),
        Question::Insecure { proof } => Answer::Insecure(backend.insecure(&proof)?),
        Question::VariantOf { proof } => Answer::VariantOf(backend.variant_of(&proof)?),
        Question::ContractWords => Answer::ContractWords(backend.contract_words()?),
    })
}

/// Length and bytes.
fn send(output: &mut dyn Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = bitcode::serialize(message).map_err(io::Error::other)?;
    output.write_all(&(bytes.len() as u64).to_le_bytes())?;
    output.write_all(&bytes)?;
    output.flush()
}

/// Nothing where the channel was closed between two messages.
fn receive<T: DeserializeOwned>(input: &mut dyn Read) -> io::Result<Option<T>> {
    let mut length = [0; 8];
    match input.read(&mut length)? {
        0 => return Ok(None),
        read => input.read_exact(&mut length[read..])?,
    }
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other(format!("a message of {length} bytes: the other side is no helper")));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bitcode::deserialize(&bytes).map(Some).map_err(io::Error::other)
}

/// A prover type that another binary has. The process is started when it is first asked, and ends with this one.
#[derive(Debug)]
pub struct HelperBackend {
    prover: ProverType,
    binary: PathBuf,
    snark: Option<SnarkConfig>,
    process: Mutex<Option<Process>>,
    /// What the binary said of its circuits: a proof must not change its name because the binary does not answer now.
    circuits: OnceLock<Vec<u8>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn ask(&mut self, question: &Question<'_>) -> io::Result<Answer> {
        send(&mut self.input, question)?;
        receive(&mut self.output)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It keeps nothing, and must not be left as a zombie.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl HelperBackend {
    /// Asks this binary, which is started with [`COMMAND`] and the name of the type.
    pub fn new(prover: ProverType, binary: impl Into<PathBuf>) -> Self {
        let binary = binary.into();
        Self { prover, binary, snark: None, process: Mutex::default(), circuits: OnceLock::new() }
    }

    /// Tells the binary which SNARK there is: in its folder may be circuits that the binary does not know otherwise.
    #[must_use]
    pub fn with_snark(self, snark: SnarkConfig) -> Self {
        Self { snark: Some(snark), ..self }
    }

    /// The binary that is asked.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Starts the binary, and has it answer once.
    ///
    /// # Errors
    /// It is not there, is none of ours, or lacks the type.
    pub fn ready(&self) -> Result<(), BackendError> {
        if self.circuits.get().is_some() {
            return Ok(());
        }
        match self.ask(&Question::Circuits)? {
            Answer::Bytes(circuits) => {
                self.circuits.get_or_init(|| circuits);
                Ok(())
            }
            other => self.confused(&other),
        }
    }

    fn start(&self) -> Result<Process, BackendError> {
        // Settings and environment are for this process: whoever asks says all that counts.
        let mut command = Command::new(&self.binary);
        command.args([COMMAND, self.prover.name(), "--settings=/dev/null"]);
        if let Some(SnarkConfig { variant, folder }) = &self.snark {
            command.args(["--snark", variant.name(), "--snark-dir"]).arg(folder);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.failed(format!("cannot start {}: {error}", self.binary.display())))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.failed("it has no standard input and output".to_owned()));
        };
        Ok(Process { child, input: BufWriter::new(input), output: BufReader::new(output) })
    }

    fn ask(&self, question: &Question<'_>) -> Result<Answer, BackendError> {
        let mut place = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // One that ended since it was last asked is started again.
        let ended = |process: &mut Process| !matches!(process.child.try_wait(), Ok(None));
        if place.as_mut().is_some_and(ended) {
            *place = None;
        }
        let process = match &mut *place {
            Some(process) => process,
            empty => empty.insert(self.start()?),
        };
        match process.ask(question) {
            Ok(Answer::Failed(failure)) => Err(self.error(failure)),
            Ok(answer) => Ok(answer),
            Err(error) => {
                *place = None;
                Err(self.failed(format!(
                    "{} {COMMAND} {} does not answer ({error}): is it a Proofmill binary of this version that has the type?",
                    self.binary.display(),
                    self.prover
                )))
            }
        }
    }

    fn error(&self, failure: Failure) -> BackendError {
        let prover = self.prover;
        match failure {
            Failure::NotCompiledIn => BackendError::NotCompiledIn {
                prover,
                remedy: "nor into the one that is named for it: name the right one",
            },
            Failure::MalformedProgram(cause) => BackendError::MalformedProgram { prover, cause },
            Failure::MalformedInput(cause) => BackendError::MalformedInput { prover, cause },
            Failure::UnsupportedMode(mode, cause) => BackendError::UnsupportedMode { prover, mode, cause },
            Failure::NotSetUp(cause) => BackendError::NotSetUp { prover, cause },
            Failure::WrongProgram { expected, found } => BackendError::WrongProgram { expected, found },
            Failure::InvalidProof(cause) => BackendError::InvalidProof { cause },
            Failure::Other(cause) => self.failed(cause),
        }
    }

    const fn failed(&self, cause: String) -> BackendError {
        BackendError::Prover { prover: self.prover, doing: "asking another binary", cause }
    }

    fn confused<T>(&self, answer: &Answer) -> Result<T, BackendError> {
        Err(self.failed(format!("{} gave an answer to another question: {answer:?}", self.binary.display())))
    }

    /// What only a worker does.
    fn not_here<T>(&self) -> Result<T, BackendError> {
        Err(BackendError::NotCompiledIn {
            prover: self.prover,
            remedy: "it can only be checked here; run a worker of the binary that has it",
        })
    }
}

impl Backend for HelperBackend {
    fn prover_type(&self) -> ProverType {
        self.prover
    }

    /// None where the other binary has never answered: [`ready`](Self::ready) says why.
    fn circuits(&self) -> Vec<u8> {
        drop(self.ready());
        self.circuits.get().cloned().unwrap_or_default()
    }

    fn weight(&self, kind: TaskKind, _budget: SegmentBudget) -> Weight {
        kind.default_weight()
    }

    fn budget_for(&self, _memory: Weight) -> SegmentBudget {
        SegmentBudget(0)
    }

    fn check_mode(&self, mode: ProofMode) -> Result<(), BackendError> {
        match self.ask(&Question::CheckMode(mode))? {
            Answer::Done => Ok(()),
            other => self.confused(&other),
        }
    }

    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        match self.ask(&Question::Version { program: program.into() })? {
            Answer::Version(version) => Ok(version),
            other => self.confused(&other),
        }
    }

    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        let frames: Vec<Cow<'_, [u8]>> = frames.iter().map(|frame| Cow::Borrowed(*frame)).collect();
        match self.ask(&Question::Encode { frames: frames.into(), proofs: proofs.into() })? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => self.confused(&other),
        }
    }

    fn execute(&self, _: &Job<'_>) -> Result<Execution, BackendError> {
        self.not_here()
    }

    fn plan(&self, _: &Job<'_>, _: SegmentBudget) -> Result<Plan, BackendError> {
        self.not_here()
    }

    fn prove_segment(&self, _: &Job<'_>, _: &Plan, _: u32) -> Result<Vec<u8>, BackendError> {
        self.not_here()
    }

    fn tree(&self, _: &[Segment], _: ProofMode, _: SegmentBudget) -> Result<Vec<Node>, BackendError> {
        self.not_here()
    }

    fn node_weight(&self, _node: &Node) -> Weight {
        TaskKind::RecursionReduce.default_weight()
    }

    fn reduce(&self, _: &[u8], _: &Node, _: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        self.not_here()
    }

    fn finish(&self, _: &Job<'_>, _: &Plan, _: ProofMode, _: &[Vec<u8>]) -> Result<Proof, BackendError> {
        self.not_here()
    }

    fn pack(&self, proof: &Proof) -> Result<Vec<u8>, BackendError> {
        match self.ask(&Question::Pack { proof: Cow::Borrowed(proof) })? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => self.confused(&other),
        }
    }

    fn unpack(&self, stored: &[u8], program: &[u8]) -> Result<Proof, BackendError> {
        match self.ask(&Question::Unpack { stored: stored.into(), program: program.into() })? {
            Answer::Proof(proof) => Ok(proof),
            other => self.confused(&other),
        }
    }

    fn evm_proof(&self, proof: &Proof) -> Result<Option<Vec<u8>>, BackendError> {
        match self.ask(&Question::EvmProof { proof: Cow::Borrowed(proof) })? {
            Answer::EvmProof(for_contract) => Ok(for_contract),
            other => self.confused(&other),
        }
    }

    fn insecure(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        match self.ask(&Question::Insecure { proof: Cow::Borrowed(proof) })? {
            Answer::Insecure(cause) => Ok(cause),
            other => self.confused(&other),
        }
    }

    fn snark_variant(&self) -> Option<SnarkVariant> {
        self.snark.as_ref().map(|config| config.variant)
    }

    fn contract_words(&self) -> Result<Vec<[[u8; 32]; 2]>, BackendError> {
        match self.ask(&Question::ContractWords)? {
            Answer::ContractWords(words) => Ok(words),
            other => self.confused(&other),
        }
    }

    fn variant_of(&self, proof: &Proof) -> Result<Option<String>, BackendError> {
        match self.ask(&Question::VariantOf { proof: Cow::Borrowed(proof) })? {
            Answer::VariantOf(variant) => Ok(variant),
            other => self.confused(&other),
        }
    }

    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        match self.ask(&Question::Verify { proof: Cow::Borrowed(proof), expected })? {
            Answer::Done => Ok(()),
            other => self.confused(&other),
        }
    }
}
