//! Makes the file of verifying keys that the OpenVM backend has in it: `openvm_keys > crates/backends/src/openvm/keys.bin`.
//! To be run after a change of OpenVM's version or of a machine's configuration.
//! Then `programs/keys.sh openvm`: the versions of the programs follow from these keys.
#![allow(missing_docs)]

use proofmill_backends::OpenVmBackend;
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::io::stdout().write_all(&OpenVmBackend::make_verifying_keys()?)?;
    Ok(())
}
