//! The chain stream: what happens on L1 and L2, as a row of events that are acknowledged.

mod core;
mod poll;
#[cfg(test)]
mod simulation;
mod status;
mod tips;
mod view;

pub use poll::{ChainStream, StreamOptions};
pub use status::{StreamStatus, Trouble, Waiting};
pub use tips::StreamTips;
