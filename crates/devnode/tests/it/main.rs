//! The node as its users see it: over JSON-RPC.
#![expect(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod anvil;
mod fuzz;
mod kinds;
mod mixed;
mod scene;
mod wallet;
