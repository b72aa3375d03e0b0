//! From what a transaction should do to its signed bytes.

use super::{Fees, MixedTransaction};
use crate::LoadError;
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEip7702,
    TxEnvelope, TxLegacy,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip4844::{BlobTransactionSidecar, Bytes48},
    eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
    eip7702::SignedAuthorization,
};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256, b256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// The versioned hash of the commitment to a blob of zeros: the SHA-256 of the point at infinity, its first byte 1.
pub(super) const ZERO_BLOB_HASH: B256 =
    b256!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");

/// Which type of transaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Legacy,
    AccessList,
    Fee,
    /// With this many blobs.
    Blobs(usize),
    Delegation,
}

/// What a transaction should do.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) label: String,
    pub(super) to: TxKind,
    pub(super) value: U256,
    pub(super) gas: u64,
    pub(super) input: Bytes,
    pub(super) shape: Shape,
    pub(super) access_list: Vec<(Address, Vec<B256>)>,
    pub(super) authorizations: Vec<SignedAuthorization>,
    /// How many of them the sender signed, each valid.
    pub(super) own_authorizations: u64,
}

pub(super) fn sign(
    signer: &PrivateKeySigner,
    nonce: u64,
    chain_id: u64,
    fork: EthereumHardfork,
    envelope: Envelope,
    fees: Fees,
) -> Result<MixedTransaction, LoadError> {
    let Envelope { label, to, value, gas: gas_limit, input, .. } = envelope;
    let access_list = AccessList(
        envelope
            .access_list
            .into_iter()
            .map(|(address, storage_keys)| AccessListItem { address, storage_keys })
            .collect(),
    );
    let max_priority_fee_per_gas = 1_000_000_000;
    let max_fee_per_gas = fees.base_fee * 4 + max_priority_fee_per_gas;
    // Legacy prices are a little above the base fee, so that fees differ between transactions.
    let gas_price = fees.base_fee * 2 + max_priority_fee_per_gas;
    let called = to.to().copied().unwrap_or_default();
    let signed: TxEnvelope = match envelope.shape {
        Shape::Legacy => {
            let tx = TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input };
            let signature = signer.sign_hash_sync(&tx.signature_hash())?;
            tx.into_signed(signature).into()
        }
        Shape::AccessList => {
            let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            let signature = signer.sign_hash_sync(&tx.signature_hash())?;
            tx.into_signed(signature).into()
        }
        Shape::Fee => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            };
            let signature = signer.sign_hash_sync(&tx.signature_hash())?;
            tx.into_signed(signature).into()
        }
        Shape::Blobs(blobs) => {
            let tx = TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: called,
                value,
                access_list,
                blob_versioned_hashes: vec![ZERO_BLOB_HASH; blobs],
                max_fee_per_blob_gas: fees.blob_base_fee * 8 + 1_000,
                input,
            };
            let tx = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar {
                tx,
                sidecar: zero_blobs(blobs, fork),
            });
            let signature = signer.sign_hash_sync(&tx.signature_hash())?;
            tx.into_signed(signature).into()
        }
        Shape::Delegation => {
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: called,
                value,
                access_list,
                authorization_list: envelope.authorizations,
                input,
            };
            let signature = signer.sign_hash_sync(&tx.signature_hash())?;
            tx.into_signed(signature).into()
        }
    };
    Ok(MixedTransaction { label, hash: *signed.tx_hash(), raw: signed.encoded_2718().into() })
}

/// Blobs of zeros: their commitments and all their proofs are the point at infinity, so nothing has to be computed.
fn zero_blobs(count: usize, fork: EthereumHardfork) -> BlobTransactionSidecarVariant {
    let mut infinity = Bytes48::ZERO;
    infinity[0] = 0xc0;
    let blobs = vec![FixedBytes::ZERO; count];
    let commitments = vec![infinity; count];
    if fork >= EthereumHardfork::Osaka {
        let cell_proofs = vec![infinity; count * CELLS_PER_EXT_BLOB];
        BlobTransactionSidecarVariant::Eip7594(BlobTransactionSidecarEip7594 {
            blobs,
            commitments,
            cell_proofs,
        })
    } else {
        BlobTransactionSidecarVariant::Eip4844(BlobTransactionSidecar {
            blobs,
            proofs: commitments.clone(),
            commitments,
        })
    }
}
