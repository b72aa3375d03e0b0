//! The node as its users see it: over JSON-RPC.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod anvil;
mod fuzz;
mod kinds;
mod mixed;
mod scene;
mod wallet;
