//! Makes range program inputs for measuring: `make_input KIND BLOCKS TRANSACTIONS OUT`, or `make_input attacks` for the names and
//! lengths of all attacks.
//!
//! KIND is `transfers`, `erc20`, `storage`, `precompiles` or an attack, of which TRANSACTIONS is the length in percent; otherwise it
//! is their number in each block. OUT gets the input as the OpenVM backend reads it from a file; OUT with `.raw` appended
//! gets the bare bytes.
#![allow(clippy::expect_used, missing_docs)]

use proofmill_made_blocks::{ATTACKS, Kind, Made, make};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["attacks"] {
        for (name, percent) in ATTACKS {
            println!("{name} {percent}");
        }
        return;
    }
    let [kind, blocks, transactions, out] = arguments.as_slice() else {
        panic!(
            "usage: make_input transfers|erc20|storage|precompiles|ATTACK BLOCKS TRANSACTIONS OUT, or make_input attacks"
        );
    };
    let (blocks, transactions): (u64, u64) =
        (blocks.parse().expect("a number"), transactions.parse().expect("a number"));
    let Some(kind) = Kind::named(kind, transactions as u32) else {
        panic!(
            "no kind `{kind}`: transfers, erc20, storage, precompiles, or an attack (`make_input attacks`)"
        );
    };
    let Made { input, blocks, transactions, gas, nodes } = make(&kind, blocks, transactions);
    let mut framed = b"PMSTDIN1".to_vec();
    framed.extend((input.len() as u32).to_le_bytes());
    framed.extend(&input);
    std::fs::write(out, framed).expect("written");
    std::fs::write(format!("{out}.raw"), &input).expect("written");
    println!("blocks {blocks} transactions {transactions} gas {gas} nodes {nodes} bytes {}", input.len());
}
