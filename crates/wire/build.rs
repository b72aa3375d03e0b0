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
    let messages = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().codec_path("crate::codec::Counted").compile_fds(messages)?;
    Ok(())
}
