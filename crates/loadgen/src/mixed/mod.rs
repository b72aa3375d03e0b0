//! Reproducible random transactions of every sort that a fork knows.
//!
//! [`Mixed`] is a generator without I/O: it says which transactions to send, and counts nonces itself. Whoever drives it
//! sends [`Mixed::deployment`] first and mines, then [`Mixed::batch`] again and again. The same seed and fork give the
//! same transactions, as long as the fees handed in are the same.
//!
//! ```
//! use alloy_hardforks::EthereumHardfork;
//! use proofmill_loadgen::mixed::{Fees, Mixed};
//!
//! let keys = [alloy_primitives::B256::repeat_byte(1), alloy_primitives::B256::repeat_byte(2)];
//! let fees = Fees { base_fee: 1_000_000_000, blob_base_fee: 1 };
//! let mut once = Mixed::new(7, EthereumHardfork::Prague, 31337, &keys).unwrap();
//! let mut again = Mixed::new(7, EthereumHardfork::Prague, 31337, &keys).unwrap();
//! assert_eq!(once.deployment(fees).unwrap(), again.deployment(fees).unwrap());
//! assert_eq!(once.batch(9, fees).unwrap(), again.batch(9, fees).unwrap());
//! ```

mod actions;
mod precompiles;
mod signing;

use crate::{
    LoadError,
    accounts::{Funder, derived},
    contracts::Contract,
};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, TxHash, TxKind, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolValue;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use signing::{Envelope, Shape};

/// How many authorities sign EIP-7702 authorizations.
const AUTHORITIES: u64 = 6;
/// How many salts there are: few, so that the same child is created, destroyed and created again.
const SALTS: u64 = 8;
/// The target of a Cancun block.
const MOST_BLOBS: usize = 3;
/// Gas of a transaction unless it is meant to run out.
const GAS: u64 = 1_500_000;

/// What blocks cost at the moment, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The latest block's base fee.
    pub base_fee: u128,
    /// The price of blob gas.
    pub blob_base_fee: u128,
}

/// How much of what a fork knows is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// All but the BLOCKHASH of older blocks: for who seals the blocks anew, which changes their hashes.
    WithoutBlockHashes,
    /// Transfers, creations, storage that is never zero, and BLOCKHASH: what anvil commits to as Ethereum does. (Up to
    /// 1.7.1 it keeps slots that are zero and accounts that are empty in its tries, and hashes the sidecars of blob
    /// transactions into the transactions root.)
    AnvilRoots,
    /// What a node of any fork takes from anybody, and a small machine proves in minutes: no blobs, precompiles of little
    /// work only, and little gas where all of it is lost.
    Affordable,
}

impl Scope {
    /// For blocks that anvil makes.
    const fn for_anvil(self) -> bool {
        matches!(self, Self::WithoutBlockHashes | Self::AnvilRoots)
    }
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixedTransaction {
    /// What it is about, for messages.
    pub label: String,
    /// Its hash.
    pub hash: TxHash,
    /// What `eth_sendRawTransaction` takes (blobs with their sidecar).
    pub raw: Bytes,
}

#[derive(Debug)]
struct Account {
    signer: PrivateKeySigner,
    nonce: u64,
}

impl Account {
    fn address(&self) -> Address {
        self.signer.address()
    }
}

/// The generator.
#[derive(Debug)]
pub struct Mixed {
    rng: Xoshiro256PlusPlus,
    fork: EthereumHardfork,
    chain_id: u64,
    senders: Vec<Account>,
    authorities: Vec<Account>,
    chaos: Address,
    /// Runs opcodes that came after Shanghai; absent on Shanghai.
    novelty: Option<Address>,
    scope: Scope,
}

impl Mixed {
    /// A generator whose senders are these rich keys, all with nonce 0.
    ///
    /// Fails when a key is none, or when there is none.
    pub fn new(seed: u64, fork: EthereumHardfork, chain_id: u64, keys: &[B256]) -> Result<Self, LoadError> {
        if keys.is_empty() {
            return Err(LoadError::EmptyPlan);
        }
        let senders: Vec<_> = keys
            .iter()
            .map(|key| Ok(Account { signer: Funder::try_from(*key)?.0, nonce: 0 }))
            .collect::<Result<_, LoadError>>()?;
        let authorities =
            (0..AUTHORITIES).map(|index| Account { signer: derived(!seed, index), nonce: 0 }).collect();
        let deployer = senders[0].address();
        Ok(Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            fork,
            chain_id,
            chaos: deployer.create(0),
            novelty: (fork >= EthereumHardfork::Cancun).then(|| deployer.create(1)),
            senders,
            authorities,
            scope: Scope::Everything,
        })
    }

    /// Makes only some of the transactions.
    #[must_use]
    pub const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Who sends, and who signs authorizations, with the nonces that they have next.
    pub fn nonces(&self) -> impl Iterator<Item = (Address, u64)> {
        self.senders.iter().chain(&self.authorities).map(|account| (account.address(), account.nonce))
    }

    /// How many of [`nonces`](Self::nonces) are senders: they come first.
    pub const fn senders(&self) -> usize {
        self.senders.len()
    }

    /// Goes on where a chain is: what these accounts send or sign next has these nonces. The order is that of
    /// [`nonces`](Self::nonces).
    pub fn go_on(&mut self, nonces: &[u64]) {
        let accounts = self.senders.iter_mut().chain(&mut self.authorities);
        for (account, nonce) in accounts.zip(nonces) {
            account.nonce = *nonce;
        }
    }

    /// Where the contract is, or will be, that most transactions call.
    pub const fn contract(&self) -> Address {
        self.chaos
    }

    /// The transactions that deploy what the later ones call.
    pub fn deployment(&mut self, fees: Fees) -> Result<Vec<MixedTransaction>, LoadError> {
        let mut envelopes = vec![Envelope {
            label: "deploy Chaos".into(),
            gas: 3_000_000,
            ..Envelope::create(Contract::Chaos.creation_code())
        }];
        if self.novelty.is_some() {
            let runtime = self.novelty_code();
            envelopes.push(Envelope {
                label: "deploy novelties".into(),
                ..Envelope::create(actions::deploying(&runtime))
            });
        }
        let funds = Envelope {
            label: "fund Chaos".into(),
            value: U256::from(10).pow(U256::from(if self.scope == Scope::Affordable { 9 } else { 20 })),
            ..Envelope::call(self.chaos, Bytes::new())
        };
        envelopes.push(funds);
        if self.scope.for_anvil() {
            // To anvil an account that is there but empty is one that exists, which changes the refund of an authorization.
            envelopes.extend(self.authorities.iter().map(|authority| Envelope {
                label: "fund an authority".into(),
                value: U256::from(1),
                ..Envelope::call(authority.address(), Bytes::new())
            }));
        }
        envelopes.into_iter().map(|envelope| self.signed(0, envelope, fees)).collect()
    }

    /// The next up to `count` random transactions, in the order in which they must be sent.
    pub fn batch(&mut self, count: usize, fees: Fees) -> Result<Vec<MixedTransaction>, LoadError> {
        let mut able: Vec<usize> = (0..self.senders.len()).collect();
        let mut blobs = 0;
        let mut batch = Vec::with_capacity(count);
        while batch.len() < count && !able.is_empty() {
            let at = self.rng.random_range(0..able.len());
            let sender = able[at];
            let mut envelope = self.envelope(sender);
            if let Shape::Blobs(more) = envelope.shape {
                blobs += more;
                // anvil's excess blob gas is not Cancun's once a block has more than its target.
                if self.scope.for_anvil() && blobs > MOST_BLOBS {
                    envelope.shape = Shape::Fee;
                }
            }
            if envelope.own_authorizations > 0 {
                // The sender's nonce will jump, and pools keep what comes after a gap until the transaction is in a block.
                able.swap_remove(at);
            }
            batch.push(self.signed(sender, envelope, fees)?);
        }
        Ok(batch)
    }

    fn envelope(&mut self, sender: usize) -> Envelope {
        if self.scope == Scope::AnvilRoots {
            return self.plain();
        }
        let mut envelope = match self.rng.random_range(0..100) {
            0..14 => self.transfer(),
            14..26 => self.creation(),
            26..30 => self.out_of_gas(),
            30..36 => self.several(),
            36..44 => self.novelty_call(),
            44..56 => self.fork_envelope(sender),
            _ => {
                let (label, input, value) = self.chaos_call();
                Envelope { label, value, ..Envelope::call(self.chaos, input) }
            }
        };
        if envelope.shape == Shape::Fee && self.rng.random_range(0..3) == 0 {
            envelope.shape = if self.rng.random_range(0..2) == 0 { Shape::Legacy } else { Shape::AccessList };
        }
        if !matches!(envelope.shape, Shape::Legacy) && self.rng.random_range(0..3) == 0 {
            for _ in 0..self.rng.random_range(0..3) {
                let address = self.somebody();
                let slots = (0..self.rng.random_range(0..4)).map(|_| self.slot().into()).collect();
                envelope.access_list.push((address, slots));
            }
        }
        envelope
    }

    fn fork_envelope(&mut self, sender: usize) -> Envelope {
        if self.fork >= EthereumHardfork::Prague && self.rng.random_range(0..3) > 0 {
            self.delegation(sender)
        } else if self.fork >= EthereumHardfork::Cancun && self.scope != Scope::Affordable {
            let blobs = self.rng.random_range(1..=2);
            let (label, input, _) = self.chaos_call();
            Envelope {
                label: format!("{blobs} blobs, {label}"),
                shape: Shape::Blobs(blobs),
                ..Envelope::call(self.chaos, input)
            }
        } else {
            self.transfer()
        }
    }

    /// A number that later transactions are likely to draw again.
    fn small(&mut self, below: u64) -> U256 {
        U256::from(self.rng.random_range(0..below))
    }

    fn slot(&mut self) -> U256 {
        self.small(48)
    }

    fn salt(&mut self) -> (B256, U256) {
        let salt = self.rng.random_range(0..SALTS);
        // The number of slots is part of the creation code, hence of the address: bound to the salt.
        (U256::from(salt).into(), U256::from(salt % 4))
    }

    /// Where `create2` with this salt puts its child.
    fn child(&self, salt: B256, slots: U256) -> Address {
        let code = [&Contract::Child.creation_code()[..], &slots.abi_encode()].concat();
        self.chaos.create2(salt, keccak256(code))
    }

    /// An address that was there before, or never was.
    fn somebody(&mut self) -> Address {
        match self.rng.random_range(0..8) {
            0 => {
                let at = self.rng.random_range(0..self.senders.len());
                self.senders[at].address()
            }
            1 => {
                let at = self.rng.random_range(0..self.authorities.len());
                self.authorities[at].address()
            }
            2 => {
                let (salt, slots) = self.salt();
                self.child(salt, slots)
            }
            3 => self.chaos,
            4 => Address::with_last_byte(self.rng.random_range(1..=20)),
            5 => Address::from_word(keccak256(self.rng.random::<u64>().to_be_bytes())),
            6 => Address::from_word(keccak256(self.rng.random_range(0..40u64).to_be_bytes())),
            _ => Address::ZERO,
        }
    }

    fn signed(
        &mut self,
        sender: usize,
        envelope: Envelope,
        fees: Fees,
    ) -> Result<MixedTransaction, LoadError> {
        let account = &mut self.senders[sender];
        let nonce = account.nonce;
        // An authorization by the sender itself raises its nonce a second time.
        account.nonce += 1 + envelope.own_authorizations;
        let signed = signing::sign(&account.signer, nonce, self.chain_id, self.fork, envelope, fees)?;
        Ok(signed)
    }
}

impl Envelope {
    fn create(input: Bytes) -> Self {
        Self { to: TxKind::Create, ..Self::call(Address::ZERO, input) }
    }

    fn call(to: Address, input: Bytes) -> Self {
        Self {
            label: String::new(),
            to: TxKind::Call(to),
            value: U256::ZERO,
            gas: GAS,
            input,
            shape: Shape::Fee,
            access_list: Vec::new(),
            authorizations: Vec::new(),
            own_authorizations: 0,
        }
    }
}
