#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::ExecBackend;

/// What is answered to these questions, in order.
fn answers(questions: &[Question<'_>]) -> Vec<Answer> {
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    for question in questions {
        send(&mut asked, question).unwrap();
    }
    answer(&ExecBackend::default(), &mut asked.as_slice(), &mut said).unwrap();
    let mut said = said.as_slice();
    std::iter::from_fn(|| receive(&mut said).unwrap()).collect()
}

#[test]
fn it_answers_as_the_backend_does() {
    let exec = ExecBackend::default();
    let range = b"proofmill-exec:range".as_slice();
    let version = exec.program_version(range).unwrap();
    let proof = Proof {
        prover: ProverType::Exec,
        mode: ProofMode::Compressed,
        program: version,
        public_values: vec![1],
        body: Vec::new(),
    };
    let frames: Vec<Cow<'_, [u8]>> = vec![b"a".as_slice().into(), b"b".as_slice().into()];
    let verify = |expected| Question::Verify { proof: Cow::Borrowed(&proof), expected };
    let other = ProgramVersion([7; 32].into());
    let answers = answers(&[
        Question::Version { program: range.into() },
        Question::Version { program: b"none".as_slice().into() },
        Question::Encode { frames: frames.into(), proofs: vec![proof.clone()].into() },
        verify(version),
        verify(other),
        Question::CheckMode(ProofMode::Groth16),
        Question::Pack { proof: Cow::Borrowed(&proof) },
        Question::Unpack { stored: proof.encode().into(), program: range.into() },
        Question::Unpack { stored: b"none".as_slice().into(), program: range.into() },
        Question::EvmProof { proof: Cow::Borrowed(&proof) },
        Question::Insecure { proof: Cow::Borrowed(&proof) },
        Question::Circuits,
        Question::VariantOf { proof: Cow::Borrowed(&proof) },
        Question::ContractWords,
    ]);
    let encoded = exec.encode_input(&[b"a", b"b"], std::slice::from_ref(&proof)).unwrap();
    assert!(matches!(&answers[0], Answer::Version(got) if *got == version), "{answers:?}");
    assert!(matches!(&answers[1], Answer::Failed(Failure::MalformedProgram(_))), "{answers:?}");
    assert!(matches!(&answers[2], Answer::Bytes(got) if *got == encoded), "{answers:?}");
    assert!(matches!(answers[3], Answer::Done), "{answers:?}");
    let wrong =
        matches!(&answers[4], Answer::Failed(Failure::WrongProgram { expected, .. }) if *expected == other);
    assert!(wrong, "{answers:?}");
    assert!(matches!(&answers[5], Answer::Failed(Failure::UnsupportedMode(..))), "{answers:?}");
    assert!(matches!(&answers[6], Answer::Bytes(got) if *got == proof.encode()), "{answers:?}");
    assert!(matches!(&answers[7], Answer::Proof(got) if *got == proof), "{answers:?}");
    assert!(matches!(&answers[8], Answer::Failed(Failure::InvalidProof(_))), "{answers:?}");
    assert!(matches!(&answers[9], Answer::EvmProof(None)), "{answers:?}");
    assert!(matches!(&answers[10], Answer::Insecure(None)), "{answers:?}");
    assert!(matches!(&answers[11], Answer::Bytes(got) if *got == exec.circuits()), "{answers:?}");
    assert!(matches!(&answers[12], Answer::VariantOf(None)), "{answers:?}");
    assert!(matches!(&answers[13], Answer::ContractWords(words) if words.is_empty()), "{answers:?}");
    assert_eq!(answers.len(), 14);
}

#[test]
fn a_message_that_is_cut_or_none_is_an_error() {
    let mut asked = Vec::new();
    send(&mut asked, &Question::Circuits).unwrap();
    let heard = |bytes: &[u8]| answer(&ExecBackend::default(), &mut &*bytes, &mut Vec::new());
    heard(&asked).unwrap();
    heard(b"").unwrap();
    heard(&asked[..asked.len() - 1]).unwrap_err();
    heard(&asked[..3]).unwrap_err();
    heard(b"Usage: something else entirely").unwrap_err();
}

#[test]
fn a_binary_that_is_not_there_or_none_of_ours_is_named() {
    let nowhere = HelperBackend::new(ProverType::Sp1, "/nowhere/proofmill-sp1");
    let error = nowhere.program_version(b"elf").unwrap_err().to_string();
    assert!(error.contains("/nowhere/proofmill-sp1"), "{error}");
    let other = HelperBackend::new(ProverType::Sp1, "/bin/true");
    let error = other.program_version(b"elf").unwrap_err().to_string();
    assert!(error.contains("/bin/true") && error.contains("does not answer"), "{error}");
    assert!(matches!(
        other.plan(&Job { program: b"", input: b"", cycle_limit: None }, SegmentBudget(0)),
        Err(BackendError::NotCompiledIn { .. })
    ));
}
