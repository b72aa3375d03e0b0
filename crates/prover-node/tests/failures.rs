//! The failure store: the same in a folder and in a bucket.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use alloy_primitives::{Address, B256};
use proofmill_artifacts::S3Options;
use proofmill_localstore::{LocalS3, S3_KEYS};
use proofmill_primitives::{
    BlockRange, Checkpoint, CheckpointNumber, Epoch, ProgramVersion, ProofMode, ProverType, Slot,
};
use proofmill_prover_node::{
    parts::{
        BadProof, FailureId, FailureRecord, FailureStore, FailureStoreError, Kept, MissingFile, NewFile,
        ProgramPair, RecordFile, Statement, Subject,
    },
    rerun::{self, RerunError, Scope, Source},
    rules::{Failed, Failure, FailurePiece, ProofLevel, RangeSpec, Time},
};
use std::collections::BTreeMap;

fn range() -> RangeSpec {
    let blocks = BlockRange::new(1, 8).unwrap();
    RangeSpec { blocks, parent_hash: B256::repeat_byte(1), last_hash: B256::repeat_byte(2) }
}

/// The checkpoint with these blocks.
fn checkpoint() -> Checkpoint {
    let RangeSpec { blocks, parent_hash, last_hash } = range();
    Checkpoint {
        number: CheckpointNumber(3),
        slot: Slot(1),
        blocks,
        parent_hash,
        last_hash,
        state_root: B256::repeat_byte(8),
        last_timestamp: 9,
        parent_commitment: B256::ZERO,
        commitment: B256::repeat_byte(9),
    }
}

fn record(proof: &'static [u8]) -> (FailureRecord, Vec<NewFile>) {
    let statement = Statement {
        chain_id: 901,
        config_hash: B256::repeat_byte(3),
        rollup: Address::repeat_byte(4),
        prover: Address::repeat_byte(5),
    };
    let (range_key, aggregation) =
        (ProgramVersion(B256::repeat_byte(6)), ProgramVersion(B256::repeat_byte(7)));
    let bad = BadProof {
        level: ProofLevel::Range,
        prover: ProverType::OpenVm,
        range: range(),
        checkpoint: None,
        cause: "an opening does not hold".into(),
        at: Time::from_millis(9),
        proof: proof.into(),
    };
    let files = vec![NewFile::bad_proof(proof.into()), NewFile::input(range(), vec![7; 100_000].into())];
    let record = FailureRecord {
        release: "0.1.0".into(),
        statement,
        programs: BTreeMap::from([(ProverType::OpenVm, ProgramPair { range: range_key, aggregation })]),
        epoch_modes: BTreeMap::new(),
        subject: Subject::BadProof(bad),
        files: files.iter().map(NewFile::described).collect(),
        missing: Vec::new(),
    };
    (record, files)
}

async fn keeps_and_gives(store: FailureStore) {
    assert_eq!(store.list().await.unwrap(), []);
    let (record, files) = record(b"proof");
    let id = FailureId::of(&record.subject);
    assert!(matches!(store.record(&id).await, Err(FailureStoreError::Missing { .. })));
    assert_eq!(store.keep(&record, &files).await.unwrap(), Kept::New);
    assert_eq!(store.keep(&record, &files).await.unwrap(), Kept::Already);
    let (other, its) = self::record(b"another");
    assert_eq!(store.keep(&other, &its).await.unwrap(), Kept::New);
    let mut both = vec![id.clone(), FailureId::of(&other.subject)];
    both.sort();
    assert_eq!(store.list().await.unwrap(), both);
    let got = store.record(&id).await.unwrap();
    assert_eq!((got.subject.cause(), got.files), (record.subject.cause(), record.files.clone()));
    for (file, described) in files.iter().zip(&record.files) {
        assert_eq!(store.file(&id, described).await.unwrap(), file.content);
    }
    let no_such = RecordFile { name: "no-such".to_owned(), ..record.files[0].clone() };
    let missing = store.file(&id, &no_such).await.unwrap_err().to_string();
    assert!(missing.contains("no-such") && missing.contains("failures list"), "{missing}");
    assert_eq!(rerun::plan(&record, Scope::Failed, ProverType::OpenVm), Err(RerunError::BadProof));
}

#[test]
fn an_epoch_of_one_checkpoint_that_was_missed_is_aggregated_again_and_a_refuted_checkpoint_is_not() {
    let (mut record, _) = record(b"proof");
    let (prover, checkpoint) = (ProverType::OpenVm, checkpoint());
    let mut failure = Failure {
        what: Failed::Checkpoint { prover, range: range() },
        cause: "its prover was away".into(),
        epoch: Epoch(0),
        missed: true,
        checkpoints: vec![checkpoint],
        pieces: vec![FailurePiece { checkpoint: checkpoint.number, prover, range: range() }],
        at: Time::from_millis(9),
        journal: Vec::new(),
    };
    record.subject = Subject::Failure(failure.clone());
    let plan = rerun::plan(&record, Scope::Epoch, prover).unwrap();
    assert!(plan.epoch.is_some() && plan.ranges.len() == 1, "{plan:?}");
    // It is carried as L1 wants it. Records of releases before this one do not tell.
    let mode = |record: &FailureRecord| {
        let json = serde_json::to_value(record).unwrap();
        let read: FailureRecord = serde_json::from_value(json).unwrap();
        rerun::plan(&read, Scope::Epoch, prover).unwrap().epoch.unwrap().mode
    };
    for wanted in [ProofMode::Plonk, ProofMode::Compressed] {
        record.epoch_modes.insert(prover, wanted);
        assert_eq!(mode(&record), Some(wanted));
    }
    let mut old = serde_json::to_value(&record).unwrap();
    old.as_object_mut().unwrap().remove("epoch_modes").unwrap();
    record = serde_json::from_value(old).unwrap();
    assert_eq!(mode(&record), None);
    failure.missed = false;
    record.subject = Subject::Failure(failure.clone());
    let refused = rerun::plan(&record, Scope::Epoch, prover);
    assert_eq!(refused, Err(RerunError::NotAnEpoch(checkpoint.number)));
    // Where there is nothing to be done, that is no success.
    failure.pieces.clear();
    record.subject = Subject::Failure(failure);
    for scope in [Scope::Failed, Scope::Epoch] {
        assert_eq!(rerun::plan(&record, scope, prover), Err(RerunError::NoRange(prover)));
    }
}

#[test]
fn a_refused_proof_of_a_checkpoint_is_made_again_from_its_input() {
    let (mut record, _) = record(b"proof");
    let checkpoint = checkpoint();
    let Subject::BadProof(bad) = &mut record.subject else { panic!("it is of a proof") };
    bad.checkpoint = Some(checkpoint);
    let json = serde_json::to_string(&record).unwrap();
    let mut record: FailureRecord = serde_json::from_str(&json).unwrap();
    assert_eq!(rerun::provers(&record, Scope::Failed), Ok(vec![ProverType::OpenVm]));
    for scope in [Scope::Failed, Scope::Checkpoint(CheckpointNumber(3))] {
        let plan = rerun::plan(&record, scope, ProverType::OpenVm).unwrap();
        assert!(plan.epoch.is_none() && plan.ranges.len() == 1, "{plan:?}");
        assert_eq!(plan.ranges[0].source, Source::Input(record.files[1].clone()));
        assert_eq!(plan.ranges[0].request.checkpoint, checkpoint);
    }
    let refused = |scope, prover| rerun::plan(&record, scope, prover).unwrap_err();
    assert_eq!(refused(Scope::Failed, ProverType::Sp1), RerunError::NoProver(ProverType::Sp1));
    assert_eq!(refused(Scope::Epoch, ProverType::OpenVm), RerunError::NotAnEpoch(CheckpointNumber(3)));
    let other = CheckpointNumber(4);
    let error = refused(Scope::Checkpoint(other), ProverType::OpenVm);
    assert_eq!(error, RerunError::NoCheckpoint(other));
    // Where its blocks were gone, it says so.
    record.files.pop();
    record.missing = vec![MissingFile { range: range(), cause: "L2 pruned them".to_owned() }];
    let plan = rerun::plan(&record, Scope::Failed, ProverType::OpenVm).unwrap();
    assert_eq!(plan.ranges[0].source, Source::Missing("L2 pruned them".to_owned()));
    // Records of releases before this one have no checkpoint.
    let mut old: serde_json::Value = serde_json::to_value(&record).unwrap();
    old["subject"]["bad-proof"].as_object_mut().unwrap().remove("checkpoint").unwrap();
    let old: FailureRecord = serde_json::from_value(old).unwrap();
    assert_eq!(rerun::plan(&old, Scope::Failed, ProverType::OpenVm), Err(RerunError::BadProof));
}

#[tokio::test]
async fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not/there/yet");
    keeps_and_gives(FailureStore::in_folder(&place)).await;
    // Another release, or a record that broke off.
    let store = FailureStore::in_folder(&place);
    let id = store.list().await.unwrap().remove(0);
    std::fs::write(place.join(id.as_str()).join("record.json"), "{}").unwrap();
    let error = store.record(&id).await.unwrap_err();
    assert!(matches!(error, FailureStoreError::Unreadable { .. }), "{error}");
    std::fs::remove_file(place.join(id.as_str()).join("record.json")).unwrap();
    assert_eq!(store.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_as_it_was_written_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = FailureStore::in_folder(folder.path());
    let (record, files) = record(b"proof");
    store.keep(&record, &files).await.unwrap();
    let id = FailureId::of(&record.subject);
    let place = folder.path().join(id.as_str());
    std::fs::write(place.join("1-8.input"), vec![7; 99]).unwrap();
    let input = &record.files[1];
    let error = store.file(&id, input).await.unwrap_err().to_string();
    assert!(error.contains("1-8.input") && error.contains("99 bytes") && error.contains("100000"), "{error}");
    // As long as it was, and one bit is another: what is proven again from it would be of something else.
    let mut turned = files[1].content.to_vec();
    turned[50_000] ^= 1;
    std::fs::write(place.join("1-8.input"), turned).unwrap();
    let error = store.file(&id, input).await.unwrap_err();
    assert!(
        matches!(error, FailureStoreError::Changed { .. }) && error.to_string().contains("1-8.input"),
        "{error}"
    );
    // Records of releases before this one tell the length alone.
    let mut old = serde_json::to_value(&record).unwrap();
    old["files"][1].as_object_mut().unwrap().remove("hash").unwrap();
    let old: FailureRecord = serde_json::from_value(old).unwrap();
    assert_eq!(store.file(&id, &old.files[1]).await.unwrap().len(), 100_000);
    // A name may lead nowhere else, whoever wrote the record.
    for name in ["../../outside", "/etc/passwd", "..", "record.json", ".hidden", "a/b", "a\\b", "a\nb", ""] {
        let mut changed = record.clone();
        changed.files[0].name = name.to_owned();
        std::fs::write(place.join("record.json"), serde_json::to_vec(&changed).unwrap()).unwrap();
        let error = store.record(&id).await.unwrap_err();
        assert!(matches!(error, FailureStoreError::Unreadable { .. }), "{name:?}: {error}");
    }
    // One that broke off.
    let json = serde_json::to_vec(&record).unwrap();
    std::fs::write(place.join("record.json"), &json[..json.len() / 2]).unwrap();
    let error = store.record(&id).await.unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (record, files) = record(b"proof");
    let error = FailureStore::in_folder(file.join("below")).keep(&record, &files).await.unwrap_err();
    assert!(matches!(error, FailureStoreError::Folder { .. }), "{error}");
}

fn bucket(server: &LocalS3, name: &str, keys: (&str, &str)) -> FailureStore {
    let mut options = S3Options::new(name, "eu-west-1");
    options.endpoint = Some(server.url());
    options.keys = Some((keys.0.to_owned(), keys.1.to_owned()));
    FailureStore::in_bucket(options, "failures/of/ours").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket() {
    let server = LocalS3::start().unwrap();
    keeps_and_gives(bucket(&server, LocalS3::BUCKET, S3_KEYS)).await;
    for (store, remedy) in [
        (bucket(&server, "no-such-bucket", S3_KEYS), "(--failures, PROOFMILL_FAILURES)"),
        (bucket(&server, LocalS3::BUCKET, ("AKIDWRONG", "wrong")), "AWS_ACCESS_KEY_ID"),
    ] {
        for error in [store.list().await.unwrap_err(), store.check().await.unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains(remedy) && !said.contains("--s3-bucket") && !error.is_away(), "{said}");
        }
    }
}

#[test]
fn what_names_no_store_is_refused() {
    for (text, region, cause) in [
        ("", None, "it is empty"),
        ("s3://", Some("eu-west-1"), "no bucket is named"),
        ("s3://bucket/prefix", None, "no region is named"),
        ("s3://bucket/prefix", Some(""), "no region is named"),
        ("gs://bucket", Some("eu-west-1"), "only s3:// is known"),
        ("s3://AKID:secret@bucket/prefix", Some("eu-west-1"), "AWS_SECRET_ACCESS_KEY"),
        ("s3://AKID:sec/ret@bucket/prefix", None, "AWS_SECRET_ACCESS_KEY"),
        ("https://AKID:secret@s3.example/bucket", Some("eu-west-1"), "only s3:// is known"),
    ] {
        let error = FailureStore::at(text, region).unwrap_err().to_string();
        assert!(error.contains(cause), "{text}: {error}");
        assert!(!error.contains("secret@") && !error.contains("AKID:"), "{error}");
    }
    assert_eq!(FailureStore::at("some/folder", None).unwrap().to_string(), "some/folder");
    for none in ["", "Epoch", "a/b", "..", "a b", "epoch_1"] {
        assert_eq!(FailureId::parse(none), None, "{none}");
    }
}
