//! A client against a cluster where nobody takes up what it asks for, or where the test does.
#![expect(clippy::unwrap_used, reason = "tests")]

mod faults;
mod insecure;
mod late;
mod limits;
mod lost;
mod site;
mod snarks;
mod withdraw;
