//! What attestors sign: that they verified a proof off chain.

use crate::{ChainError, SigningKey};
use alloy_primitives::{Address, B256, Bytes, Signature, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};
use proofmill_primitives::ProgramVersion;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

mod typed {
    use super::sol;

    sol! {
        struct Attestation {
            bytes32 programVKey;
            bytes32 publicValuesHash;
        }
    }
}

/// The statement that a valid proof exists, of one program, with these public values. It counts for one verifier contract
/// on one chain; which rollup it is for stands in the public values.
///
/// Whoever signs one must have verified the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// The `AttestedVerifier` contract.
    pub verifier: Address,
    /// The program that the proof is of.
    pub program: ProgramVersion,
    /// keccak256 of the public values.
    pub public_values_hash: B256,
}

/// An attestor's signature: `r ‖ s ‖ v`, 65 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestorSignature(Signature);

impl Attestation {
    /// Of a proof with these public values, as they go to the contract.
    pub fn new(l1_chain_id: u64, verifier: Address, program: ProgramVersion, public_values: &[u8]) -> Self {
        Self { l1_chain_id, verifier, program, public_values_hash: keccak256(public_values) }
    }

    /// What is signed: the EIP-712 hash, as the contract computes it.
    pub fn digest(&self) -> B256 {
        let domain = Eip712Domain {
            name: Some(Cow::Borrowed("Proofmill attested verifier")),
            version: Some(Cow::Borrowed("1")),
            chain_id: Some(alloy_primitives::U256::from(self.l1_chain_id)),
            verifying_contract: Some(self.verifier),
            salt: None,
        };
        typed::Attestation { programVKey: self.program.0, publicValuesHash: self.public_values_hash }
            .eip712_signing_hash(&domain)
    }

    /// Signs it. The caller must have verified the proof.
    pub fn sign(&self, key: &SigningKey) -> Result<AttestorSignature, ChainError> {
        Ok(AttestorSignature(key.sign(&self.digest())?))
    }

    /// Who made the signature of this attestation; none if the signature is of no key. A signature of something else gives
    /// an address that nobody has.
    pub fn signer(&self, signature: &AttestorSignature) -> Option<Address> {
        signature.0.recover_address_from_prehash(&self.digest()).ok()
    }

    /// The proof bytes that the contract takes: the signatures in the order of their signers, each signer once.
    pub fn proof_bytes(&self, signatures: &[AttestorSignature]) -> Bytes {
        let by_signer: BTreeMap<Address, AttestorSignature> =
            signatures.iter().filter_map(|signature| Some((self.signer(signature)?, *signature))).collect();
        encode_signatures(by_signer.values())
    }
}

fn encode_signatures<'a>(signatures: impl Iterator<Item = &'a AttestorSignature>) -> Bytes {
    let list: Vec<Bytes> = signatures.map(|signature| signature.to_bytes().into()).collect();
    list.abi_encode().into()
}

impl AttestorSignature {
    /// The bytes on the wire: `r ‖ s ‖ v`, `s` in its lower half, `v` 27 or 28.
    pub fn to_bytes(&self) -> [u8; 65] {
        self.0.normalized_s().as_bytes()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; none if it is no signature.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Signature::try_from(bytes).ok().map(Self)
    }
}
