//! Each rule of the scheduler in a scene of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apart;
mod dialects;
mod executions;
mod failure;
mod faults;
mod lifecycle;
mod losses;
mod order;
mod placement;
mod planted;
mod restart;
mod scene;
mod stores;
