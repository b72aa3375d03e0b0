//! What the transactions do.

use super::{
    Mixed, Scope,
    signing::{Envelope, Shape},
};
use crate::contracts::{
    Contract, askCall, burnAllGasCall, create2Call, createAndDestroyCall, createCall,
    createDestroyThenPayCall, destroyCall, lookCall, moveCall, payCall, severalCall, surviveCall, writeCall,
    writeThenRevertCall,
};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_sol_types::{SolCall, SolValue};
use rand::RngExt;

/// Gas of a creation in [`Scope::Affordable`]: many of them lose all of it.
const AFFORDABLE_CREATION: u64 = 300_000;

/// Creation code that returns `runtime`, which must be shorter than 256 bytes.
pub(super) fn deploying(runtime: &[u8]) -> Bytes {
    // PUSH1 len, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN
    let mut code = vec![0x60, runtime.len() as u8, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend_from_slice(runtime);
    code.into()
}

impl Mixed {
    pub(super) fn transfer(&mut self) -> Envelope {
        let to = self.somebody();
        let value = if self.rng.random_range(0..4) == 0 { U256::ZERO } else { self.small(1_000_000) };
        Envelope { label: format!("{value} wei to {to}"), value, ..Envelope::call(to, Bytes::new()) }
    }

    /// Something of [`Scope::AnvilRoots`].
    pub(super) fn plain(&mut self) -> Envelope {
        let first = self.slot();
        let at = self.senders[0].address();
        let (label, input) = match self.rng.random_range(0..4) {
            0 => {
                let count = self.small(8);
                let value = self.small(5) + U256::from(1);
                ("write", writeCall { first, count, value }.abi_encode())
            }
            1 => {
                let back = self.small(6) + U256::from(1);
                ("look", lookCall { back, at, slot: first }.abi_encode())
            }
            2 => {
                let slots = self.small(6);
                let code = [&Contract::Child.creation_code()[..], &slots.abi_encode()].concat();
                return Envelope { label: "creation of a child".into(), ..Envelope::create(code.into()) };
            }
            _ => {
                let to = Address::from_word(keccak256(self.rng.random_range(0..40u64).to_be_bytes()));
                let value = self.small(1_000) + U256::from(1);
                return Envelope { label: "transfer".into(), value, ..Envelope::call(to, Bytes::new()) };
            }
        };
        Envelope { label: label.into(), ..Envelope::call(self.chaos, input.into()) }
    }

    pub(super) fn creation(&mut self) -> Envelope {
        let slots = self.small(6);
        let (label, code): (_, Bytes) = match self.rng.random_range(0..9) {
            0 => ("creation that reverts", hex!("5f5ffd").into()),
            1 => ("creation with an invalid opcode", hex!("6001600155fe").into()),
            2 => ("creation of code that begins with EF", deploying(&[0xef, 0])),
            3 => ("creation of empty code", hex!("6007600755").into()),
            // MSTORE-free: returns 24,577 zero bytes, one more than EIP-170 allows.
            4 => ("creation of code that is too large", hex!("6160015ff3").into()),
            5 => ("creation that destroys itself", hex!("600160015533ff").into()),
            _ => (
                "creation of a child",
                [&Contract::Child.creation_code()[..], &slots.abi_encode()].concat().into(),
            ),
        };
        let mut envelope = Envelope { label: label.into(), value: self.small(3), ..Envelope::create(code) };
        if self.scope == Scope::Affordable {
            envelope.gas = AFFORDABLE_CREATION;
        }
        envelope
    }

    pub(super) fn out_of_gas(&mut self) -> Envelope {
        let most = if self.scope == Scope::Affordable { 100_000 } else { 400_000 };
        let gas = self.rng.random_range(60_000..most);
        let input = match self.rng.random_range(0..3) {
            0 => burnAllGasCall {}.abi_encode(),
            1 => writeCall { first: self.slot(), count: U256::from(60), value: U256::from(9) }.abi_encode(),
            _ => {
                let (salt, slots) = self.salt();
                create2Call { salt, slots: slots + U256::from(40) }.abi_encode()
            }
        };
        Envelope { label: format!("out of {gas} gas"), gas, ..Envelope::call(self.chaos, input.into()) }
    }

    pub(super) fn several(&mut self) -> Envelope {
        let mut labels = Vec::new();
        let mut calls = Vec::new();
        for _ in 0..self.rng.random_range(2..6) {
            let (label, input, _) = self.chaos_call();
            labels.push(label);
            calls.push(input);
        }
        Envelope {
            label: format!("several: {}", labels.join(", ")),
            gas: 3_000_000,
            value: self.small(1_000),
            ..Envelope::call(self.chaos, severalCall { calls }.abi_encode().into())
        }
    }

    /// A call of Chaos: what it does, its input, and the value that may go with it.
    pub(super) fn chaos_call(&mut self) -> (String, Bytes, U256) {
        let first = self.slot();
        let count = self.small(8);
        let heir = self.somebody();
        let mut value = U256::ZERO;
        let (label, input) = match self.rng.random_range(0..20) {
            0..3 => {
                let value = self.small(5);
                ("write", writeCall { first, count, value }.abi_encode())
            }
            3..6 => ("clear", writeCall { first, count, value: U256::ZERO }.abi_encode()),
            6 => ("move", moveCall { from: first, to: self.slot(), count }.abi_encode()),
            7 => ("write, then revert", writeThenRevertCall { first, count }.abi_encode()),
            8 => ("survive a revert", surviveCall { first, count }.abi_encode()),
            9..12 => {
                let (target, input) = self.precompile();
                ("precompile", askCall { target, input, slot: first }.abi_encode())
            }
            12 => {
                value = self.small(1_000);
                ("pay", payCall { to: heir, value }.abi_encode())
            }
            13 => {
                let farthest = if self.rng.random_range(0..4) == 0 { 300 } else { 12 };
                // The hash of the block itself is always zero.
                let back =
                    if self.scope == Scope::WithoutBlockHashes { U256::ZERO } else { self.small(farthest) };
                ("look", lookCall { back, at: heir, slot: first }.abi_encode())
            }
            14 => ("create", createCall { slots: self.small(6) }.abi_encode()),
            15 => {
                let (salt, slots) = self.salt();
                value = self.small(10);
                ("create2", create2Call { salt, slots }.abi_encode())
            }
            16 => {
                let (salt, slots) = self.salt();
                value = self.small(10);
                ("create and destroy", createAndDestroyCall { salt, slots, heir }.abi_encode())
            }
            17 => {
                let (salt, slots) = self.salt();
                value = self.small(10);
                ("create, destroy, pay", createDestroyThenPayCall { salt, slots, heir }.abi_encode())
            }
            _ => {
                let (salt, slots) = self.salt();
                let child = self.child(salt, slots);
                // A child that is its own heir burns what it has, or keeps it: forks differ.
                let heir = if self.rng.random_range(0..4) == 0 { child } else { heir };
                ("destroy", destroyCall { child, heir }.abi_encode())
            }
        };
        (label.into(), input.into(), value)
    }

    /// Runtime code that runs the opcodes that are newer than Shanghai, and stores what they gave.
    pub(super) fn novelty_code(&self) -> Vec<u8> {
        // TSTORE(1, CALLER); SSTORE(1, TLOAD(1)); SSTORE(2, BLOBBASEFEE); SSTORE(3, BLOBHASH(0));
        // MSTORE(0, CALLER); MCOPY(32, 0, 32); SSTORE(MOD(NUMBER, 7), MLOAD(32))
        let mut code = hex!(
            "3360015d" "60015c600155" "4a600255" "5f49600355"
            "335f52" "60205f60205e" "602051" "6007430655"
        )
        .to_vec();
        if self.fork >= EthereumHardfork::Osaka {
            // SSTORE(4, CLZ(NUMBER))
            code.extend_from_slice(&hex!("431e600455"));
        }
        code.push(0);
        code
    }

    pub(super) fn novelty_call(&mut self) -> Envelope {
        match self.novelty {
            Some(novelty) => Envelope { label: "novelties".into(), ..Envelope::call(novelty, Bytes::new()) },
            None => self.transfer(),
        }
    }

    /// Authorities become Chaos, a precompile, an empty account, or themselves again; then one of them is called.
    pub(super) fn delegation(&mut self, sender: usize) -> Envelope {
        let (label, input, _) = self.chaos_call();
        let called = self.rng.random_range(0..self.authorities.len());
        let mut envelope = Envelope {
            label: format!("delegations, {label}"),
            shape: Shape::Delegation,
            ..Envelope::call(self.authorities[called].address(), input)
        };
        for _ in 0..self.rng.random_range(1..4) {
            let address = match self.rng.random_range(0..6) {
                0 => Address::ZERO,
                1 => Address::with_last_byte(4),
                2 => self.somebody(),
                _ => self.chaos,
            };
            let (chain_id, raises) = match self.rng.random_range(0..8) {
                0 => (self.chain_id + 1, 0),
                1 => (0, 1),
                _ => (self.chain_id, 1),
            };
            let chain_id = U256::from(chain_id);
            let chosen = self.rng.random_range(0..self.authorities.len());
            let authority = &mut self.authorities[chosen];
            // A nonce that is wrong makes the authorization void.
            let skew = u64::from(self.rng.random_range(0..8) == 0);
            let nonce = authority.nonce + skew;
            if skew == 0 {
                authority.nonce += raises;
            }
            let authorization = Authorization { chain_id, address, nonce };
            if let Some(signed) = authorized(&authority.signer, authorization) {
                envelope.authorizations.push(signed);
            }
        }
        if self.rng.random_range(0..4) == 0 {
            let account = &self.senders[sender];
            let address = if self.rng.random_range(0..2) == 0 { self.chaos } else { Address::ZERO };
            // The sender's nonce is raised before its authorizations are looked at.
            let authorization =
                Authorization { chain_id: U256::from(self.chain_id), address, nonce: account.nonce + 1 };
            if let Some(signed) = authorized(&account.signer, authorization) {
                envelope.authorizations.push(signed);
                envelope.own_authorizations = 1;
            }
        }
        envelope
    }
}

fn authorized(
    signer: &alloy_signer_local::PrivateKeySigner,
    authorization: Authorization,
) -> Option<SignedAuthorization> {
    let signature = signer.sign_hash_sync(&authorization.signature_hash()).ok()?;
    Some(authorization.into_signed(signature))
}
