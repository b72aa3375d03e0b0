//! For tests: a server before a JSON-RPC node that answers as other clients, providers and broken nodes do.
//!
//! A [`Proxy`] asks its rule what becomes of each [`Request`]: it is forwarded, its result is changed, or something else is
//! answered ([`Action`]). It counts what it is asked. A [`Wire`] is below HTTP: a connection that can be cut and mended.
//!
//! It is made for tests, so it panics where a test would.
#![expect(clippy::unwrap_used, reason = "a test's panic says which test")]

mod mangle;
mod mood;
mod proxy;
mod wire;

pub use mood::{Mood, Moody};
pub use proxy::{Action, Proxy, Request};
pub use wire::Wire;
