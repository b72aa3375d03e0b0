//! The arguments of a request.

use super::answer::Failure;
use alloy_eips::BlockId;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Arguments by their place.
#[derive(Debug)]
pub struct Params(Vec<Value>);

impl Params {
    /// From what stands in a request.
    pub fn new(params: Value) -> Result<Self, Failure> {
        match params {
            Value::Null => Ok(Self(Vec::new())),
            Value::Array(all) => Ok(Self(all)),
            _ => Err(Failure::params("non-array args")),
        }
    }

    /// An argument that may be left out.
    pub fn optional<T: DeserializeOwned>(&self, at: usize) -> Result<Option<T>, Failure> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| Failure::params(format!("invalid argument {at}: {error}"))),
        }
    }

    /// An argument that must be there.
    pub fn required<T: DeserializeOwned>(&self, at: usize) -> Result<T, Failure> {
        self.optional(at)?.ok_or_else(|| Failure::params(format!("missing value for required argument {at}")))
    }

    /// A block: a number, a tag, or an object of EIP-1898; the newest unless it is there.
    pub fn block(&self, at: usize) -> Result<BlockId, Failure> {
        Ok(self.optional(at)?.unwrap_or_default())
    }
}
