//! Nothing but tests: `proofmill-wire` has definitions of its own, so that the coordinator and the workers build without
//! SP1. The tests here hold them against `sp1-prover-types`, whose clients and workers must find what they know.
//!
//! `tests/it/descriptors.rs` compares the definitions, `messages.rs` what the generated code makes of them, and `artifacts.rs` what each
//! side stores for the other.
