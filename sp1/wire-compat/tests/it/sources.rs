//! Finds and compiles both sets of definitions.

use prost_reflect::DescriptorPool;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The files that both sides have.
pub(crate) const FILES: [&str; 2] = ["worker.proto", "cluster.proto"];

/// Proofmill's definitions.
pub(crate) fn ours() -> DescriptorPool {
    compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/wire/proto"))
}

/// The SP1 cluster's, from the source of the crate that this workspace is locked to.
pub(crate) fn theirs() -> DescriptorPool {
    compile(&crate_root("sp1-prover-types").join("proto"))
}

fn compile(folder: &Path) -> DescriptorPool {
    let files =
        protox::compile(FILES, [folder]).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

fn crate_root(name: &str) -> PathBuf {
    // Packages of other platforms may never have been downloaded.
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]));
    let metadata = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--offline", "--locked"])
            .args(["--filter-platform", String::from_utf8(host).unwrap().trim()])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
