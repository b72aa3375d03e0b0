//! Compiles the protobuf definitions, in Rust alone: `protoc` is not needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/worker.proto",
        "proto/cluster.proto",
        "proto/operator.proto",
        "proto/attestor.proto",
        "proto/node.proto",
        "proto/prover.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    tonic_prost_build::configure().compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
