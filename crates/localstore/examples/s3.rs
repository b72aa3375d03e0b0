//! An S3 server with an empty bucket, until its standard input ends. Prints what a client needs, one `NAME=value` a line.
#![allow(clippy::print_stdout, missing_docs)]

use proofmill_localstore::{LocalS3, S3_KEYS};
use std::io::{self, Read};

fn main() -> io::Result<()> {
    let server = LocalS3::start()?;
    println!("AWS_ENDPOINT_URL={}", server.url());
    println!("AWS_ACCESS_KEY_ID={}", S3_KEYS.0);
    println!("AWS_SECRET_ACCESS_KEY={}", S3_KEYS.1);
    println!("CLI_S3_BUCKET={}", LocalS3::BUCKET);
    println!("CLI_S3_REGION=us-east-1");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
