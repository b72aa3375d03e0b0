//! Settles the output roots of an OP Stack chain in OP Succinct's contracts on L1.
//!
//! In the way of its validity mode:
//! [`rules`] decide: which blocks are proven together, what a failure means, when an output is proposed. They are pure.
//! [`OpProposer`] carries out what they decide: it looks at both chains, has ranges proven and aggregated by a cluster, has the
//! contract keep the hash of an L1 block, and proposes. What it knows and what was proven is in a folder: after a restart it goes on
//! from there.
//!
//! In the way of its fault proofs, [`games`] decide, and [`GamesProposer`] carries out: dispute games are created, proven where they
//! are challenged, resolved and paid out. Wrong claims of others are challenged by another account: [`challenges`] decide, and a
//! [`Challenger`] carries out.

pub mod challenges;
mod error;
pub mod games;
pub mod rules;
mod shell;
mod steps;

pub use error::OpProposerError;
pub use shell::{
    Anchor, AnchorTag, Challenger, ChallengerOptions, ChallengerStatus, GamesOptions, GamesProposer,
    GamesStatus, OpProposer, Options, Parts, Status, aggregation_mode,
};
