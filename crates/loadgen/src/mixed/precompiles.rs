//! Inputs for the precompiled contracts: right ones, and now and then wrong ones.

use super::{Mixed, Scope, signing::ZERO_BLOB_HASH};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_signer::SignerSync;
use rand::RngExt;

/// The generator of the second group of bn254 (EIP-197), each coordinate's imaginary part first.
const BN254_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
/// The second coordinate of minus the generator (1, 2) of the first group: the field's prime less 2.
const BN254_MINUS_2: [u8; 32] = hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45");
/// The generator of the first group of BLS12-381 (EIP-2537 encoding: each coordinate padded to 64 bytes).
const BLS_G1: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
/// A hash, a signature of it and the public key: the example of EIP-7951's predecessor RIP-7212.
const P256_SIGNED: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

impl Mixed {
    /// A precompile of the fork, and an input for it.
    pub(super) fn precompile(&mut self) -> (Address, Bytes) {
        let mut known: Vec<u64> = (1..=9).collect();
        if self.fork >= EthereumHardfork::Cancun {
            known.push(0x0a);
        }
        if self.fork >= EthereumHardfork::Prague {
            known.extend(0x0b..=0x11);
        }
        if self.fork >= EthereumHardfork::Osaka {
            known.push(0x100);
        }
        if self.scope == Scope::Affordable {
            known = vec![1, 1, 2, 3, 4, 6, 7];
        }
        let which = known[self.rng.random_range(0..known.len())];
        let mut input = self.precompile_input(which);
        if self.rng.random_range(0..6) == 0 && !input.is_empty() {
            let at = self.rng.random_range(0..input.len());
            input[at] ^= 1 << self.rng.random_range(0..8);
        }
        if self.rng.random_range(0..12) == 0 {
            input.truncate(input.len() / 2);
        }
        (Address::from_word(U256::from(which).into()), input.into())
    }

    fn word(&mut self) -> B256 {
        keccak256(self.rng.random::<u64>().to_be_bytes())
    }

    fn precompile_input(&mut self, which: u64) -> Vec<u8> {
        let word = self.word();
        match which {
            1 => {
                let sender = self.rng.random_range(0..self.senders.len());
                let Ok(signature) = self.senders[sender].signer.sign_hash_sync(&word) else {
                    return Vec::new();
                };
                let v = B256::with_last_byte(27 + u8::from(signature.v()));
                [word, v, signature.r().into(), signature.s().into()].concat()
            }
            2..=4 => word.repeat(self.rng.random_range(0..8)),
            5 => {
                let lens = [32u64, self.rng.random_range(0..33), 32].map(|len| B256::from(U256::from(len)));
                [lens.concat(), word.repeat(3)].concat()
            }
            6 => [bn254(1), bn254(2), bn254(1), bn254(2)].concat(),
            7 => [bn254(1), bn254(2), word].concat(),
            8 if self.rng.random_range(0..3) == 0 => Vec::new(),
            8 => [&bn254(1)[..], &bn254(2)[..], &BN254_G2, &bn254(1)[..], &BN254_MINUS_2, &BN254_G2].concat(),
            9 => {
                let rounds = self.rng.random_range(0..50u32).to_be_bytes();
                let last = [self.rng.random_range(0..2u8)];
                [&rounds[..], &word.repeat(6), &[0; 16], &last].concat()
            }
            // The zero polynomial is zero everywhere, and both its commitment and its proof are infinity.
            0x0a => {
                let mut infinity = [0; 48];
                infinity[0] = 0xc0;
                let mut point = word;
                point[0] = 0;
                [&ZERO_BLOB_HASH[..], &point[..], &[0; 32], &infinity, &infinity].concat()
            }
            0x0b => [BLS_G1, BLS_G1].concat(),
            0x0c => [&BLS_G1[..], &word[..]].concat(),
            // Points of the second group: infinity.
            0x0d => vec![0; 512],
            0x0e => [&[0; 256], &word[..]].concat(),
            0x0f => [&BLS_G1[..], &[0; 256]].concat(),
            0x10 => [&[0; 17], &word[..15], &word[..]].concat(),
            0x11 => [&[0; 17], &word[..15], &word[..], &[0; 17], &word[..15], &word[..]].concat(),
            _ => P256_SIGNED.to_vec(),
        }
    }
}

fn bn254(coordinate: u8) -> B256 {
    B256::with_last_byte(coordinate)
}
