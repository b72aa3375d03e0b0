//! Settles the output roots of an OP Stack chain in OP Succinct's contracts on L1.
//!
//! [`rules`] decide: which blocks are proven together, what a failure means, when an output is proposed. They are pure.

pub mod rules;
