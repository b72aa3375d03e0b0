//! Serves the small chain and its L1 until it is ended, to try commands on:
//!
//! `proofmill prove --l2-rpc $L2_RPC --l2-node-rpc $L2_RPC --l1-rpc $L1_RPC --start 1001 --end 1001`

use proofmill_op_fixtures::Local;

#[tokio::main]
async fn main() {
    let local = Local::new();
    let (l1, l2) = (local.serve_l1().await, local.serve_l2().await);
    println!("export L1_RPC={} L2_RPC={} L2_NODE_RPC={}", l1.url, l2.url, l2.url);
    std::future::pending::<()>().await;
}
