//! Writes inputs of the range program for OP Stack chains into a folder, for `benches/cycles.sh op`: real blocks, which are executed, and
//! the block of the small chain, which is derived from more and more on L1.
//!
//! `op_inputs FOLDER` prints a line for each: its name; its gas; and, where it is to be compared, the name of another one, and how many
//! of what it has more than that. `FOLDER/NAME` is as the OpenVM backend reads it from a file, `FOLDER/NAME.raw` the bare bytes.
#![expect(clippy::unwrap_used, reason = "a program of the benches")]

use proofmill_op_fixtures::{BLOCKS, L1_BLOCKS, L1Body, Local, RangeInput, channel_of_real_blocks, zlib};
use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where inputs are written.
struct Folder(PathBuf);

impl Folder {
    fn write(&self, name: &str, input: &RangeInput, more: &str) {
        let path = self.0.join(name);
        let mut framed = b"PMSTDIN1".to_vec();
        framed.extend((input.bytes.len() as u32).to_le_bytes());
        framed.extend(&input.bytes);
        fs::write(&path, framed).unwrap();
        fs::write(path.with_extension("raw"), &input.bytes).unwrap();
        println!("{name} {} {more}", input.gas);
    }
}

fn main() {
    let argument = std::env::args().nth(1).unwrap();
    let folder = Folder(Path::new(&argument).to_owned());
    for number in BLOCKS {
        let Some(input) = RangeInput::real(&[number]) else { break };
        folder.write(&format!("op-{number}"), &input, "");
    }
    if let Some(input) = RangeInput::real(&BLOCKS[..4]) {
        folder.write("op-four", &input, "");
    }
    let local = Local::new();
    folder.write("op-local", &RangeInput::executed(&local), "");
    folder.write("op-derived", &RangeInput::derived(&local), "op-local 4 L1-block");
    if let Some(bodies) = L1_BLOCKS.map(L1Body::read).collect::<Option<Vec<_>>>() {
        let with_receipts = bodies.iter().filter(|body| body.receipts.is_some()).count();
        let bare: Vec<_> = bodies.iter().map(|body| L1Body { receipts: None, ..body.clone() }).collect();
        let more = format!("op-derived {} mainnet-block", bodies.len());
        folder.write("op-mainnet", &RangeInput::derived(&Local::beside(&bare, None)), &more);
        let more = format!("op-mainnet {with_receipts} mainnet-receipts");
        folder.write("op-receipts", &RangeInput::derived(&Local::beside(&bodies, None)), &more);
    }
    let Some(bytes) = channel_of_real_blocks() else { return };
    let more = format!("op-derived {} byte", bytes.len());
    let zlib = zlib(&bytes);
    eprintln!("{} bytes in a channel, {} compressed by zlib", bytes.len(), zlib.len());
    folder.write("op-zlib", &RangeInput::derived(&Local::beside(&[], Some(&zlib))), &more);
    let Some(brotli) = brotli(&bytes) else { return };
    eprintln!("{} compressed by brotli", brotli.len());
    folder.write("op-brotli", &RangeInput::derived(&Local::beside(&[], Some(&brotli))), &more);
}

/// A channel in brotli's format, by Google's encoder as Node.js has it, at the quality of 10 that batchers use. `None`, with a message,
/// where there is no Node.js.
fn brotli(bytes: &[u8]) -> Option<Vec<u8>> {
    const SCRIPT: &str = "const zlib = require('zlib'); process.stdout.write(zlib.brotliCompressSync(require('fs').readFileSync(0), \
                          { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 10 } }))";
    let started =
        Command::new("node").args(["-e", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut node = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: brotli, whose encoder is that of Node.js, and there is no `node` here");
            return None;
        }
        started => started.unwrap(),
    };
    // It reads all before it writes.
    node.stdin.take().unwrap().write_all(bytes).unwrap();
    let done = node.wait_with_output().unwrap();
    assert!(done.status.success(), "node ended with {}", done.status);
    // The byte that says that it is brotli.
    Some([&[1], &done.stdout[..]].concat())
}
