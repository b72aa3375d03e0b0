//! EVM nodes as child processes on free ports, for tests, benches and the demo.
//!
//! [`Anvil`] is a running node. It is made by [`AnvilOptions::spawn`], which returns once the node listens, and it
//! is ended when the handle is dropped. Where the system has `setpriv` (util-linux), the node also ends with a
//! parent that was killed with `SIGKILL`, so that no node is ever left behind.
//!
//! ```no_run
//! # async fn run() -> Result<(), proofmill_localnet::LocalnetError> {
//! use proofmill_localnet::{AnvilOptions, Hardfork};
//!
//! let node = AnvilOptions::new().chain_id(901).hardfork(Hardfork::Prague).spawn().await?;
//! println!("{} with {} rich accounts", node.rpc_url(), node.accounts().len());
//! # Ok(()) }
//! ```

mod error;
mod keeper;
mod keys;
mod locate;
mod node;
mod options;

pub use error::{LocalnetError, OutputTail};
pub use keeper::ends_with_parent;
pub use keys::WELL_KNOWN_KEYS;
pub use locate::{ANVIL_ENV, locate_anvil};
pub use node::{Anvil, DevAccount};
pub use options::{AnvilOptions, Hardfork, Mining};
