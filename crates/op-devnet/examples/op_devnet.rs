//! Runs a local OP Stack chain until it is ended, to try commands on. `blobs`, `span`, `brotli` and `jovian` choose what is not usual:
//!
//! `cargo run -p proofmill-op-devnet --example op_devnet -- jovian blobs`

use proofmill_op_devnet::{BatchKind, Compression, DataKind, OpDevnetError, OpDevnetOptions, OpFork};

#[tokio::main]
async fn main() -> Result<(), OpDevnetError> {
    tracing_subscriber::fmt().with_env_filter("info,proofmill_op_devnet=debug").init();
    let mut options = OpDevnetOptions::new();
    for word in std::env::args().skip(1) {
        options = match word.as_str() {
            "blobs" => options.data(DataKind::Blobs),
            "span" => options.batch(BatchKind::Span),
            "brotli" => options.compression(Compression::Brotli),
            "jovian" => options.fork(OpFork::Jovian),
            _ => {
                return Err(OpDevnetError::Options {
                    reason: "known words are blobs, span, brotli and jovian",
                });
            }
        };
    }
    let chain = options.start().await?;
    let (l1, l2, beacon) = (chain.l1_url(), chain.rpc_url(), chain.beacon_url());
    println!("export L1_RPC={l1} L2_RPC={l2} L2_NODE_RPC={l2} L1_BEACON_RPC={beacon}");
    std::future::pending::<()>().await;
    Ok(())
}
