//! One chain behind several JSON-RPC endpoints.
//!
//! A [`Pool`] is made of [`PoolOptions`] and asks each request of the endpoint that can serve it best: the newest head is
//! followed, what an endpoint was found to lack is remembered, a limit is obeyed, an endpoint that is away rests. A request
//! fails only when every endpoint that could serve it has been asked: the [`Failure`] has the words of each. What those words
//! mean is one table, [`fault_of`]. [`Pool::report`] and [`Pool::troubles`] are for the operator.
//!
//! Which endpoint is asked, and which head is followed, is decided by the pure rules of the module `rules`: faults and heads
//! go in, with the time; an order comes out. Around them is only the sending.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_endpoints::ConnectError> {
//! use proofmill_endpoints::{Need, Pool, PoolOptions};
//!
//! let options = PoolOptions::new("http://10.0.0.1:8545".parse().unwrap()).or("http://10.0.0.2:8545".parse().unwrap());
//! let pool = Pool::connect("L1", options, Some(1)).await?;
//! let balance = pool.get::<String>(Need::Head, "eth_getBalance", ("0x0000000000000000000000000000000000000000", "latest")).await;
//! for endpoint in pool.report().endpoints {
//!     println!("{}: {}", endpoint.url, endpoint.state);
//! }
//! # Ok(()) }
//! ```

mod chain;
mod error;
mod fault;
mod gate;
mod header;
mod heads;
mod health;
mod monitor;
mod options;
mod pool;
mod report;
mod rules;
mod transport;
mod words;

pub use error::{ConnectError, Failure, NoAnswer, ReadError};
pub use fault::{Fault, FaultKind};
pub use header::Header;
pub use options::{PoolOptions, Start};
pub use pool::Pool;
pub use report::{EndpointReport, EndpointState, PoolReport, Trouble};
pub use rules::Need;
pub use words::{RpcError, fault_of};
