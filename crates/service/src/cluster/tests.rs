use crate::JobError;
use proofmill_artifacts::{ArtifactError, ArtifactKind};
use proofmill_backends::BackendError;
use proofmill_client::ClientError;
use proofmill_fault::Code;
use proofmill_primitives::ProverType;
use std::time::Duration;
use tonic::Status;

#[test]
fn a_proof_that_is_bad_twice_is_told_apart_from_a_prover_that_fails() {
    let bad = ClientError::DoesNotHold { id: "p".into(), artifact: "a".into(), cause: "no".into() };
    assert!(matches!(JobError::from(bad), JobError::BadProof { .. }));
    let other = ClientError::SaysSomethingElse { id: "p".into(), public_values: "0x".into() };
    assert!(matches!(JobError::from(other), JobError::BadProof { .. }));
    let failed =
        ClientError::Failed { id: "p".into(), code: Code::ProverFailed, cause: "its worker died".into() };
    assert!(matches!(JobError::from(failed), JobError::Failed { .. }));
}

#[test]
fn a_cluster_that_is_away_or_busy_is_not_a_prover_that_failed() {
    let (address, id, cause) = (|| "http://cluster".to_owned(), || "p".to_owned(), || "why".to_owned());
    let status = |status: Status| Box::new(status);
    let moment = Duration::from_secs(1);
    for error in [
        ClientError::Cluster { address: address(), status: status(Status::unavailable("stopping")) },
        ClientError::NoAnswer { address: address(), after: moment },
        ClientError::OtherStore { address: address(), status: status(Status::failed_precondition("no")) },
        ClientError::Failed { id: id(), code: Code::StoreAway, cause: cause() },
        ClientError::Unknown { id: id() },
        ClientError::Late { id: id(), cause: cause() },
        ClientError::TimedOut { id: id(), after: moment },
        // Another binary that has the prover type cannot be asked: that is no reason to split a range.
        ClientError::Backend(BackendError::Prover {
            prover: ProverType::Sp1,
            doing: "asking",
            cause: cause(),
        }),
        ClientError::Backend(BackendError::NotSetUp { prover: ProverType::Sp1, cause: cause() }),
        ClientError::Backend(BackendError::NotCompiledIn {
            prover: ProverType::Sp1,
            remedy: "name one that has it",
        }),
    ] {
        let said = error.to_string();
        let JobError::Unavailable { cause } = JobError::from(error) else { panic!("{said}") };
        assert_eq!(cause, said, "it is seen in the status");
    }
    for error in [
        ClientError::Refused(status(Status::invalid_argument("no such mode"))),
        ClientError::Failed { id: id(), code: Code::ProverFailed, cause: cause() },
        // A cluster gives up what takes one worker after the other down, and nothing else for a worker's sake.
        ClientError::Failed { id: id(), code: Code::WorkerLost, cause: cause() },
        ClientError::Backend(BackendError::MalformedInput { prover: ProverType::Sp1, cause: cause() }),
    ] {
        assert!(matches!(JobError::from(error), JobError::Failed { .. }));
    }
    assert_eq!(JobError::from(ClientError::Cancelled { id: id() }), JobError::Cancelled);
}

#[test]
fn a_range_whose_input_is_too_large_to_store_is_split() {
    let too_large = |kind| {
        ClientError::Artifact(ArtifactError::TooLarge { id: "b3-1".into(), kind, size: 5_000, limit: 4_000 })
    };
    let JobError::CannotExecute { cause } = JobError::from(too_large(ArtifactKind::Stdin)) else {
        panic!("a shorter range may do")
    };
    assert!(
        cause.contains("5000") && cause.contains("4000") && cause.contains("--artifact-limit"),
        "{cause}"
    );
    assert!(matches!(JobError::from(too_large(ArtifactKind::Program)), JobError::Failed { .. }));
}

/// Each cause for which a program cannot be run comes to a split.
#[test]
fn what_cannot_be_executed_is_told_as_that_whatever_the_cause() {
    for code in [
        Code::CycleLimit,
        Code::ProgramFailed,
        Code::KilledForMemory,
        Code::KilledAmongOthers,
        Code::TooSmall,
    ] {
        let error = match code {
            Code::CycleLimit => ClientError::CannotExecute { id: "p".into(), cause: "why".into() },
            code => ClientError::Failed { id: "p".into(), code, cause: "why".into() },
        };
        assert!(matches!(JobError::from(error), JobError::CannotExecute { .. }), "{code}");
    }
}
