//! Cluster, worker and client that share nothing but a Redis or an S3 server, by the names that the SP1 cluster's clients and nodes
//! have in the environment.

use crate::{
    blocks::chain,
    process::{Running, fail, free_port, output, proofmill, succeed, wait},
};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS, skipped};
use std::{fs, path::Path, process::Command};

type Variables<'a> = [(&'a str, &'a str)];

/// The binary in a folder of its own.
fn in_own_folder(folder: &Path, name: &str, variables: &Variables<'_>) -> Command {
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    let mut command = proofmill(&own);
    command.envs(variables.iter().copied());
    command
}

/// A whole proof; gives what the cluster logged.
async fn prove_over(clients: &Variables<'_>, nodes: &Variables<'_>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let node = chain(folder.path()).await;
    let (listen, log) = (format!("127.0.0.1:{}", free_port()), folder.path().join("cluster.log"));
    let address = format!("http://{listen}");
    let mut cluster = in_own_folder(folder.path(), "cluster", nodes);
    let _cluster = Running::start(cluster.args(["cluster", "--listen", &listen]), &log);
    let mut worker = in_own_folder(folder.path(), "worker", nodes);
    worker.args(["worker", "--coordinator", &address, "--prover", "exec", "--max-weight", "6"]);
    let _worker = Running::start(&mut worker, &folder.path().join("worker.log"));
    let status = || {
        let asked = output(proofmill(folder.path()).args(["status", "--cluster", &address]));
        String::from_utf8(asked.stdout).unwrap()
    };
    wait("the worker to register", || status().contains("0 of 6 GB"));
    let prove = |first: &str, last: &str| {
        let mut client = in_own_folder(folder.path(), "client", clients);
        client.args([
            "prove",
            "--prover",
            "exec",
            "--l2-rpc",
            node.rpc_url().as_str(),
            "--cluster",
            &address,
        ]);
        client.args(["--start", first, "--end", last]);
        client
    };
    succeed(&mut prove("2", "3"));
    let file = folder.path().join("client/data/4242/proofs/2-3.bin");
    succeed(in_own_folder(folder.path(), "client", &[]).args(["verify", "--allow-exec"]).arg(&file));
    for name in ["cluster", "worker", "client"] {
        assert!(
            !folder.path().join(name).join("data/artifacts").exists(),
            "{name} made a folder for artifacts"
        );
    }
    // A client with another store is told so.
    let mut elsewhere = prove("2", "4");
    for (name, _) in clients {
        elsewhere.env_remove(name);
    }
    let said = fail(&mut elsewhere);
    assert!(said.contains("another artifact store") && said.contains("CLI_REDIS_NODES"), "{said}");
    fs::read_to_string(log).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_over_redis() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let redis = LocalRedis::start(&["--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru"]).unwrap();
    let url = redis.url();
    let nodes = [("NODE_ARTIFACT_STORE", "redis"), ("NODE_REDIS_NODES", &*url)];
    let log = prove_over(&[("CLI_REDIS_NODES", &*url)], &nodes).await;
    assert!(log.contains("allkeys-lru") && log.contains("maxmemory-policy noeviction"), "{log}");
    assert!(!log.contains("of-this-test"), "the password is in the log");
}

#[test]
fn what_is_wrong_with_a_server_is_said_also_where_it_comes_later() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let mut redis =
        LocalRedis::start(&["--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru"]).unwrap();
    redis.stop();
    let (folder, url) = (tempfile::tempdir().unwrap(), redis.url());
    let (listen, log) = (format!("127.0.0.1:{}", free_port()), folder.path().join("cluster.log"));
    let mut cluster = in_own_folder(folder.path(), "cluster", &[("NODE_REDIS_NODES", &*url)]);
    let _cluster = Running::start(cluster.args(["cluster", "--listen", &listen]), &log);
    let said = |words: &str| fs::read_to_string(&log).unwrap_or_default().contains(words);
    wait("the store to be away", || said("does not answer yet"));
    assert!(!said("allkeys-lru"));
    redis.start_again().unwrap();
    wait("what is wrong with it", || said("allkeys-lru") && said("maxmemory-policy noeviction"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_over_s3() {
    let s3 = LocalS3::start().unwrap();
    let url = s3.url();
    // What a compose file leaves out is set to nothing.
    let keys = [
        ("AWS_ACCESS_KEY_ID", S3_KEYS.0),
        ("AWS_SECRET_ACCESS_KEY", S3_KEYS.1),
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_ENDPOINT_URL_S3", ""),
        ("AWS_SESSION_TOKEN", ""),
    ];
    let clients = [("CLI_S3_BUCKET", LocalS3::BUCKET), ("CLI_S3_REGION", "us-east-1")];
    let nodes =
        [("NODE_ARTIFACT_STORE", "s3"), ("NODE_S3_BUCKET", LocalS3::BUCKET), ("NODE_S3_REGION", "us-east-1")];
    let log = prove_over(&[&clients[..], &keys].concat(), &[&nodes[..], &keys].concat()).await;
    assert!(!log.contains(S3_KEYS.1), "the secret key is in the log");
    assert!(s3.file("programs").is_dir() && s3.file("stdins").is_dir() && s3.file("proofs").is_dir());
}

#[test]
fn records_of_failures_are_in_the_region_that_is_named_where_another_variable_is_set_to_nothing() {
    let (s3, folder) = (LocalS3::start().unwrap(), tempfile::tempdir().unwrap());
    let url = s3.url();
    let place = format!("s3://{}/failures", LocalS3::BUCKET);
    let list = |regions: &Variables<'_>| {
        let mut command = in_own_folder(folder.path(), "failures", regions);
        command.envs([
            ("AWS_ACCESS_KEY_ID", S3_KEYS.0),
            ("AWS_SECRET_ACCESS_KEY", S3_KEYS.1),
            ("AWS_ENDPOINT_URL", &*url),
        ]);
        command.args(["failures", "list", "--failures", &place]);
        command
    };
    for regions in [
        [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-1")],
        [("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "")],
    ] {
        let said = succeed(&mut list(&regions));
        assert!(said.contains("no failures in s3://"), "{said}");
    }
    let said = fail(&mut list(&[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", "")]));
    assert!(said.contains("no region is named"), "{said}");
}

#[test]
fn one_store_and_not_several() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = [("CLI_S3_BUCKET", "b"), ("CLI_S3_REGION", "r")];
    let both = [&s3[..], &[("CLI_REDIS_NODES", "redis://:secret@127.0.0.1:1/0")]].concat();
    let cases: [(&Variables<'_>, &str); 4] = [
        (&both, "Redis and S3 are named"),
        (&s3[..1], "needs its region"),
        (&[("NODE_ARTIFACT_STORE", "s3")], "nothing says where"),
        (&[("CLI_REDIS_NODES", "redis://a"), ("NODE_REDIS_NODES", "redis://b")], "different artifact stores"),
    ];
    for (variables, expected) in cases {
        for role in [&["cluster", "--listen", "127.0.0.1:0"][..], &["worker", "--prover", "exec"]] {
            let said = fail(in_own_folder(folder.path(), role[0], variables).args(role));
            assert!(said.contains(expected) && !said.contains("secret"), "{said}");
        }
    }
}
