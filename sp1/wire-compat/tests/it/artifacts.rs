//! What SP1's own code stores is read by our stores, and what we store by SP1's code: programs, inputs, what tasks exchange and
//! finished proofs, in Redis whole and in chunks, and in S3.

use crate::stock::{StockRedis, StockS3};
use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactKind, ArtifactStore, RedisArtifacts, RedisOptions, S3Artifacts, S3Options,
};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS, skipped};
use proofmill_primitives::ArtifactId;
use serde::{Deserialize, Serialize};
use sp1_prover_types::{Artifact, ArtifactClient, ArtifactType};

/// Something that tasks exchange; large, and not to be packed into less.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Exchanged {
    range: (u64, u64),
    proof: Vec<u8>,
}

fn exchanged(bytes: usize) -> Exchanged {
    let mut state = 7_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    Exchanged { range: (1, 2), proof: noise.take(bytes).collect() }
}

/// There and back, for each kind.
async fn they_understand_each_other(stock: impl ArtifactClient, ours: &dyn ArtifactStore) {
    for size in [100, 300_000] {
        let elf = exchanged(size).proof;
        let value = exchanged(size);
        let encoded = Bytes::from(bincode::serialize(&value).unwrap());
        let [program, stdin, shard, proof] =
            [(); 4].map(|()| stock.create_artifact().unwrap()).map(|artifact| artifact.to_id());
        let id = |name: &str| ArtifactId::new(name);

        stock.upload_program(&program, elf.clone()).await.unwrap();
        stock.upload_with_type(&stdin, ArtifactType::Stdin, &value).await.unwrap();
        stock.upload(&shard, &value).await.unwrap();
        stock.upload_proof(&proof, &value).await.unwrap();
        assert_eq!(ours.get(&id(&program), ArtifactKind::Program).await.unwrap(), elf, "{size}");
        for (name, kind) in
            [(&stdin, ArtifactKind::Stdin), (&shard, ArtifactKind::Exchanged), (&proof, ArtifactKind::Proof)]
        {
            assert!(ours.exists(&id(name), kind).await.unwrap(), "{kind} of {size}");
            assert_eq!(ours.get(&id(name), kind).await.unwrap(), encoded, "{kind} of {size}");
        }

        let our = |what: &str| Artifact(format!("{what}-{size}"));
        let [program, stdin, shard, proof] = ["program", "stdin", "shard", "proof"].map(our);
        ours.put(&id(&program.0), ArtifactKind::Program, elf.clone().into()).await.unwrap();
        ours.put(&id(&stdin.0), ArtifactKind::Stdin, encoded.clone()).await.unwrap();
        ours.put(&id(&shard.0), ArtifactKind::Exchanged, encoded.clone()).await.unwrap();
        ours.put(&id(&proof.0), ArtifactKind::Proof, encoded.clone()).await.unwrap();
        assert_eq!(stock.download_program(&program).await.unwrap(), elf, "{size}");
        assert_eq!(stock.download_stdin::<Exchanged>(&stdin).await.unwrap(), value, "{size}");
        assert_eq!(stock.download::<Exchanged>(&shard).await.unwrap(), value, "{size}");
        let read = stock.download_with_type::<Exchanged>(&proof, ArtifactType::Proof).await;
        assert_eq!(read.unwrap(), value, "{size}");

        stock.delete(&shard, ArtifactType::UnspecifiedArtifactType).await.unwrap();
        assert!(!ours.exists(&id(&shard.0), ArtifactKind::Exchanged).await.unwrap());
        ours.delete(&id(&stdin.0), ArtifactKind::Stdin).await.unwrap();
        assert!(!stock.exists(&stdin, ArtifactType::Stdin).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_in_redis_whole_and_in_chunks() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let server = LocalRedis::start(&["--maxmemory", "200mb", "--maxmemory-policy", "noeviction"]).unwrap();
    for chunk in [32 << 20, 64 << 10] {
        let stock = StockRedis::connect(&server.url(), chunk).await;
        let options = RedisOptions { piece: chunk, ..RedisOptions::new(vec![server.url()]) };
        they_understand_each_other(stock, &RedisArtifacts::new(&options).unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_in_s3() {
    let server = LocalS3::start().unwrap();
    let options = S3Options {
        endpoint: Some(server.url()),
        keys: Some((S3_KEYS.0.to_owned(), S3_KEYS.1.to_owned())),
        ..S3Options::new(LocalS3::BUCKET, "eu-west-1")
    };
    let bucket = server.file("programs").parent().unwrap().to_owned();
    they_understand_each_other(StockS3(bucket), &S3Artifacts::new(&options).unwrap()).await;
}

/// What OP Succinct stores before it asks for a proof, and reads when that is made: by the client that it pins.
#[tokio::test(flavor = "multi_thread")]
async fn artifacts_of_the_client_that_op_succinct_has() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let server = LocalRedis::start(&["--maxmemory", "200mb", "--maxmemory-policy", "noeviction"]).unwrap();
    for chunk in [32 << 20, 64 << 10] {
        let stock = StockRedis::connect(&server.url(), chunk).await.older();
        let options = RedisOptions { piece: chunk, ..RedisOptions::new(vec![server.url()]) };
        let ours = RedisArtifacts::new(&options).unwrap();
        let (elf, stdin, proof) = (exchanged(300_000).proof, exchanged(300_000), exchanged(300_001));
        let [program, input] = [(); 2].map(|()| stock.create_artifact().unwrap());
        stock.upload_program(&program, elf.clone()).await.unwrap();
        stock.upload_with_type(&input, ArtifactType::Stdin, &stdin).await.unwrap();
        let (program, input) = (ArtifactId::new(program.to_id()), ArtifactId::new(input.to_id()));
        assert!(ours.exists(&program, ArtifactKind::Program).await.unwrap(), "in chunks of {chunk}");
        assert!(ours.exists(&input, ArtifactKind::Stdin).await.unwrap(), "in chunks of {chunk}");
        assert_eq!(ours.get(&program, ArtifactKind::Program).await.unwrap(), elf);
        let encoded = bincode::serialize(&stdin).unwrap();
        assert_eq!(ours.get(&input, ArtifactKind::Stdin).await.unwrap(), encoded);
        let made = Artifact(format!("proof-{chunk}"));
        let bytes = bincode::serialize(&proof).unwrap();
        ours.put(&ArtifactId::new(made.0.as_str()), ArtifactKind::Proof, bytes.into()).await.unwrap();
        let read = stock.download_with_type::<Exchanged>(&made, ArtifactType::Proof).await.unwrap();
        assert_eq!(read, proof);
    }
}
