//! A service that keeps a key and signs with it: Web3Signer, or what answers as it does.
//!
//! It is asked by `eth_signTransaction`. What comes back is not believed: every word of it must be as it was asked for, and the
//! signature that of the account. A service that signs something else is found out before anything is sent.

use crate::{ChainError, fees::gwei};
use alloy_consensus::{TxEip1559, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, Bytes, U64, U128};
use alloy_rpc_client::RpcClient;
use alloy_transport::{RpcError, TransportErrorKind};
use proofmill_http::NodeUrl;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{fmt, time::Duration};

/// How long an answer may take: the key may be in hardware, and somebody may have to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most characters of what a service says that are told on.
const SAID: usize = 200;

/// The key of one account, kept elsewhere. Its `Debug` shows of the service scheme, host and port only.
#[derive(Clone)]
pub struct RemoteSigner {
    service: NodeUrl,
    client: RpcClient,
    account: Address,
}

impl RemoteSigner {
    /// The key of `account` at this service. Nobody is asked yet: see [`check`](Self::check).
    pub fn new(service: NodeUrl, account: Address) -> Self {
        let client = service.client();
        Self { service, client, account }
    }

    /// The account that it signs for.
    pub const fn address(&self) -> Address {
        self.account
    }

    /// Makes sure that the service has the key.
    ///
    /// # Errors
    /// [`ChainError::RemoteSigner`] where it does not answer, or has other keys.
    pub async fn check(&self) -> Result<(), ChainError> {
        let accounts: Vec<Address> = self.ask("eth_accounts", json!([])).await?;
        if accounts.contains(&self.account) {
            return Ok(());
        }
        let has = accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(self.failed(format!(
            "it has no key of {}: {}; load the key there, or name another account",
            self.account,
            if has.is_empty() { "it has none at all".to_owned() } else { format!("its accounts are {has}") }
        )))
    }

    pub(crate) async fn sign(&self, wanted: &TxEip1559) -> Result<TxEnvelope, ChainError> {
        let mut asked = json!({
            "from": self.account,
            "gas": U64::from(wanted.gas_limit),
            "maxFeePerGas": U128::from(wanted.max_fee_per_gas),
            "maxPriorityFeePerGas": U128::from(wanted.max_priority_fee_per_gas),
            "nonce": U64::from(wanted.nonce),
            "value": wanted.value,
            "data": wanted.input,
            "chainId": U64::from(wanted.chain_id),
        });
        if let Some(to) = wanted.to.to() {
            asked["to"] = json!(to);
        }
        let raw: Bytes = self.ask("eth_signTransaction", json!([asked])).await?;
        let envelope = TxEnvelope::decode_2718_exact(&raw)
            .map_err(|error| self.failed(format!("what it signed is no transaction: {error}")))?;
        let TxEnvelope::Eip1559(signed) = &envelope else {
            return Err(self.failed("it signed a transaction of another type than 2 (EIP-1559)".to_owned()));
        };
        if let Some(what) = difference(wanted, signed.tx()) {
            return Err(self.failed(format!("it signed something else than it was asked to: {what}")));
        }
        match envelope.recover_signer() {
            Ok(signer) if signer == self.account => Ok(envelope),
            Ok(signer) => Err(self.failed(format!("it signed as {signer} instead of {}", self.account))),
            Err(_) => Err(self.failed("its signature is of no key".to_owned())),
        }
    }

    async fn ask<T: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        method: &'static str,
        params: serde_json::Value,
    ) -> Result<T, ChainError> {
        match tokio::time::timeout(PATIENCE, self.client.request(method, params)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(said(&error))),
            Err(_) => Err(self.failed(format!("no answer to {method} within {} s", PATIENCE.as_secs()))),
        }
    }

    fn failed(&self, cause: String) -> ChainError {
        ChainError::RemoteSigner { service: self.service.to_string(), cause }
    }
}

/// What a service said, without what may be an access key in its address.
fn said(error: &RpcError<TransportErrorKind>) -> String {
    match error {
        RpcError::ErrorResp(answer) => {
            format!("it refused: {} (code {})", proofmill_http::line(&answer.message, SAID), answer.code)
        }
        RpcError::Transport(TransportErrorKind::HttpError(answer)) => {
            format!("HTTP status {}", answer.status)
        }
        RpcError::DeserError { .. } => {
            "its answer cannot be read: is it a Web3Signer in the mode eth1?".to_owned()
        }
        _ => "it does not answer: check its address, and that it runs".to_owned(),
    }
}

/// The first word of a transaction that is not as it was asked for.
fn difference(wanted: &TxEip1559, signed: &TxEip1559) -> Option<String> {
    let other = |what: &str, wanted: &dyn fmt::Display, signed: &dyn fmt::Display| {
        Some(format!("{what} {signed} instead of {wanted}"))
    };
    if signed.chain_id != wanted.chain_id {
        return other("chain", &wanted.chain_id, &signed.chain_id);
    }
    if signed.nonce != wanted.nonce {
        return other("nonce", &wanted.nonce, &signed.nonce);
    }
    if signed.gas_limit != wanted.gas_limit {
        return other("gas", &wanted.gas_limit, &signed.gas_limit);
    }
    if signed.max_fee_per_gas != wanted.max_fee_per_gas {
        return other("fee in gwei", &gwei(wanted.max_fee_per_gas), &gwei(signed.max_fee_per_gas));
    }
    if signed.max_priority_fee_per_gas != wanted.max_priority_fee_per_gas {
        let (wanted, signed) = (wanted.max_priority_fee_per_gas, signed.max_priority_fee_per_gas);
        return other("tip in gwei", &gwei(wanted), &gwei(signed));
    }
    if signed.value != wanted.value {
        return other("value", &wanted.value, &signed.value);
    }
    // The receiver, the call, or what nobody asked for.
    (signed != wanted).then(|| "another receiver, call or access list".to_owned())
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteSigner({} at {})", self.account, self.service)
    }
}
