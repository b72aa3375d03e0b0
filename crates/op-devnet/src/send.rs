//! Transactions on L1.

use crate::{
    OpDevnetError,
    l1::{L1Client, fees},
};
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::{Blob, BlobTransactionSidecar, Bytes48, kzg_to_versioned_hash},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use c_kzg::ethereum_kzg_settings;
use serde_json::json;
use std::time::{Duration, Instant};

/// How often is looked whether something happened.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const TIP: u128 = 1_000_000_000;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) to: TxKind,
    pub(crate) value: U256,
    pub(crate) gas: u64,
    pub(crate) input: Bytes,
}

/// Signs and sends.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) client: L1Client,
    pub(crate) chain_id: u64,
}

fn unsendable(error: impl ToString) -> OpDevnetError {
    OpDevnetError::Send(error.to_string())
}

impl Sender {
    /// Sends a transaction. `hash` of the result is in a block later, or never.
    pub(crate) async fn send(
        &self,
        signer: &PrivateKeySigner,
        nonce: u64,
        call: Call,
    ) -> Result<B256, OpDevnetError> {
        let (fee, _) = fees(&self.client.latest().await?);
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: call.gas,
            max_fee_per_gas: fee + TIP,
            max_priority_fee_per_gas: TIP,
            to: call.to,
            value: call.value,
            input: call.input,
            ..Default::default()
        };
        let signature = signer.sign_hash_sync(&transaction.signature_hash()).map_err(unsendable)?;
        self.submit(TxEnvelope::from(transaction.into_signed(signature))).await
    }

    /// Sends blobs.
    pub(crate) async fn send_blobs(
        &self,
        signer: &PrivateKeySigner,
        nonce: u64,
        to: Address,
        blobs: Vec<Vec<u8>>,
    ) -> Result<B256, OpDevnetError> {
        let (fee, blob_fee) = fees(&self.client.latest().await?);
        let proven = tokio::task::spawn_blocking(move || sidecar(&blobs)).await.map_err(unsendable)?;
        let sidecar = proven.map_err(unsendable)?;
        let hashes = sidecar.commitments.iter().map(|one| kzg_to_versioned_hash(one.as_slice())).collect();
        let transaction = TxEip4844 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: fee + TIP,
            max_priority_fee_per_gas: TIP,
            to,
            max_fee_per_blob_gas: blob_fee,
            blob_versioned_hashes: hashes,
            ..Default::default()
        };
        let signature = signer.sign_hash_sync(&transaction.signature_hash()).map_err(unsendable)?;
        let sidecar = BlobTransactionSidecarVariant::Eip4844(sidecar);
        let with = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar { tx: transaction, sidecar });
        self.submit(TxEnvelope::from(with.into_signed(signature))).await
    }

    async fn submit(&self, transaction: TxEnvelope) -> Result<B256, OpDevnetError> {
        let raw: Bytes = transaction.encoded_2718().into();
        self.client.ask("eth_sendRawTransaction", json!([raw])).await
    }

    /// Waits until a transaction is in a block, and succeeded.
    pub(crate) async fn succeeded(
        &self,
        hash: B256,
        what: &'static str,
        within: Duration,
    ) -> Result<(), OpDevnetError> {
        let began = Instant::now();
        loop {
            match self.client.status(hash).await? {
                Some(true) => return Ok(()),
                Some(false) => return Err(OpDevnetError::L1Transaction { hash, what }),
                None if began.elapsed() > within => {
                    return Err(OpDevnetError::Late { what, seconds: within.as_secs() });
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// Blobs with commitments and proofs (EIP-4844, `compute_blob_kzg_proof`).
fn sidecar(blobs: &[Vec<u8>]) -> Result<BlobTransactionSidecar, c_kzg::Error> {
    let settings = ethereum_kzg_settings(0);
    let mut sidecar = BlobTransactionSidecar::default();
    for bytes in blobs {
        let blob = c_kzg::Blob::from_bytes(bytes)?;
        let commitment = settings.blob_to_kzg_commitment(&blob)?.to_bytes();
        let proof = settings.compute_blob_kzg_proof(&blob, &commitment)?.to_bytes();
        sidecar.blobs.push(Blob::from_slice(bytes));
        sidecar.commitments.push(Bytes48::from_slice(commitment.as_ref()));
        sidecar.proofs.push(Bytes48::from_slice(proof.as_ref()));
    }
    Ok(sidecar)
}
