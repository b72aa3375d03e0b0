//! What makes blocks dear to prove: a guess by gas, and by what each thing takes for it.

use crate::JobError;
use proofmill_primitives::BlockRange;
use proofmill_stateless::{Spender, Spent, StatelessInput, StatelessInputRef, profile};

/// The transaction that is dearest to prove by its gas and by what that is spent on. Of its parts, [`Spent::most`] is the
/// dearest.
pub async fn dearest(input: StatelessInput) -> Option<Spent> {
    let spent = tokio::task::spawn_blocking(move || {
        let bytes = input.encode();
        dearest_of(profile(&StatelessInputRef::decode(&bytes).ok()?).ok()?)
    });
    spent.await.ok().flatten()
}

fn dearest_of(spent: Vec<Spent>) -> Option<Spent> {
    let whole = |spent: &Spent| spent.parts.iter().map(cost).fold(0, u64::saturating_add);
    let mut dearest = spent.into_iter().max_by_key(whole)?;
    dearest.most = dearest.parts.iter().max_by_key(|part| cost(part)).copied().unwrap_or(dearest.most);
    Some(dearest)
}

fn cost((spender, gas): &(Spender, u64)) -> u64 {
    gas.saturating_mul(instructions_per_gas(spender))
}

/// At its worst, in the OpenVM guest (`benches/cycles.md`). What is not measured counts as a cheap instruction.
fn instructions_per_gas(spender: &Spender) -> u64 {
    match spender {
        Spender::Transaction => 4,
        Spender::Precompile(address) => match u16::from_be_bytes([address[18], address[19]]) {
            0x01 => 8,   // ECRECOVER
            0x02 => 170, // SHA-256
            0x03 => 11,  // RIPEMD-160
            0x04 => 24,  // identity
            0x05 => 302, // MODEXP
            0x06 => 31,  // BN254: addition
            0x07 => 22,  // multiplication
            0x08 => 27,  // pairing
            0x09 => 595, // BLAKE2F
            0x0a => 70,  // KZG
            0x0b => 22,  // BLS12-381: addition
            0x0c => 31,  // sum of multiples
            0x0d => 25,  // the same on the twist
            0x0e => 50,
            0x0f => 40, // pairing
            0x10 => 18, // points of fields' elements
            0x11 => 16,
            0x100 => 50, // P-256
            _ => 30,
        },
        Spender::Opcode(opcode) => match opcode {
            0x02 => 42,         // MUL
            0x04..=0x07 => 110, // DIV, SDIV, MOD, SMOD
            0x08 => 81,         // ADDMOD
            0x09 => 120,        // MULMOD
            0x0a => 55,         // EXP
            0x20 => 14,         // KECCAK256
            0x31 | 0x3f => 5,   // BALANCE, EXTCODEHASH
            0x3b | 0x3c => 15,  // EXTCODESIZE, EXTCODECOPY
            0x54 => 4,          // SLOAD
            0x55 => 1,          // SSTORE
            0x5c | 0x5d => 8,   // TLOAD, TSTORE
            _ => 35,
        },
    }
}

/// An error of a block that cannot be executed, with the transaction that is most likely the cause. A longer range is cut
/// first.
pub(crate) async fn blamed(error: JobError, blocks: BlockRange, input: StatelessInput) -> JobError {
    let JobError::CannotExecute { cause } = error else { return error };
    if blocks.len() > 1 {
        return JobError::CannotExecute { cause };
    }
    let block = blocks.first();
    let cause = match dearest(input).await {
        Some(dearest) => format!("block {block}: {cause}; most likely by {dearest}"),
        None => format!("block {block}: {cause}"),
    };
    JobError::CannotExecute { cause }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256, Bytes};
    use proofmill_localnet::{AnvilOptions, Hardfork, Mining};
    use proofmill_witness::{NodeOptions, Witnessed};
    use serde_json::json;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_executed_is_split_or_named_with_its_transaction() {
        let anvil = AnvilOptions::new().hardfork(Hardfork::Prague).spawn().await.unwrap();
        let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
        let _: serde_json::Value = client.request("anvil_mine", json!(["0x2"])).await.unwrap();
        let accounts: Vec<Address> = client.request_noparams("eth_accounts").await.unwrap();
        let transaction = json!({ "from": accounts[0], "to": Address::repeat_byte(7), "value": "0x1" });
        let hash: B256 = client.request("eth_sendTransaction", json!([transaction])).await.unwrap();
        let _: serde_json::Value = client.request("anvil_mine", json!(["0x1"])).await.unwrap();
        let receipt: serde_json::Value =
            client.request("eth_getTransactionReceipt", json!([hash])).await.unwrap();
        let number = receipt["blockNumber"].as_str().unwrap().trim_start_matches("0x");
        let block = u64::from_str_radix(number, 16).unwrap();
        let blocks = BlockRange::new(block, block).unwrap();
        let node = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
        let Witnessed { input, .. } = node.witness(blocks, &|_| {}).await.unwrap();
        let failed =
            || JobError::CannotExecute { cause: "it ran past its limit of 7 instructions".to_owned() };
        let range = BlockRange::new(2, 4).unwrap();
        let said = blamed(failed(), range, input.clone()).await.to_string();
        assert!(said.contains("limit of 7") && !said.contains("transaction"), "it is split first: {said}");
        let said = blamed(failed(), blocks, input.clone()).await;
        assert!(matches!(said, JobError::CannotExecute { .. }), "{said}");
        let said = said.to_string();
        let named = format!("most likely by transaction 0 of block {} ({hash})", blocks.first());
        assert!(said.contains(&named) && said.contains("limit of 7"), "{said}");
        // Of what the prover failed at, no transaction is to blame.
        let failed = JobError::Failed { cause: "its disk is full".into() };
        assert_eq!(blamed(failed.clone(), blocks, input).await, failed);
    }

    fn spent(tx: usize, parts: &[(Spender, u64)]) -> Spent {
        let gas = parts.iter().map(|(_, gas)| gas).sum();
        let most = *parts.iter().max_by_key(|(_, gas)| *gas).unwrap();
        Spent { block: 1, tx, hash: B256::with_last_byte(tx as u8), gas, most, parts: parts.to_vec() }
    }

    #[test]
    fn what_little_gas_is_spent_on_dearly_outweighs_much_gas() {
        let blake2f = (Spender::Precompile(Address::with_last_byte(9)), 1_000_000);
        let plain = spent(0, &[(Spender::Transaction, 21_000), (Spender::Opcode(0x54), 4_979_000)]);
        // More of its gas goes to reading, and it is not for that that it is dear.
        let dear = spent(1, &[(Spender::Transaction, 24_591), (Spender::Opcode(0x54), 1_200_000), blake2f]);
        let blamed = dearest_of(vec![plain.clone(), dear]).unwrap();
        assert_eq!((blamed.tx, blamed.most), (1, blake2f));
        let alike = dearest_of(vec![plain.clone(), spent(1, &[(Spender::Opcode(0x54), 1_000)])]).unwrap();
        assert_eq!(alike, plain, "of the same kind, more gas counts");
        assert_eq!(dearest_of(Vec::new()), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_small_transaction_of_dear_rounds_is_blamed_and_not_a_large_plain_one() {
        let options = AnvilOptions::new().hardfork(Hardfork::Prague).mining(Mining::OnRequest);
        let anvil = options.spawn().await.unwrap();
        let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
        let accounts: Vec<Address> = client.request_noparams("eth_accounts").await.unwrap();
        let send = async |from: Address, to: Address, gas: &str, data: Bytes| -> B256 {
            let transaction = json!({ "from": from, "to": to, "gas": gas, "data": data, "value": "0x1" });
            client.request("eth_sendTransaction", json!([transaction])).await.unwrap()
        };
        // Anvil's genesis is no block's parent: its header has another state than its accounts.
        let _: serde_json::Value = client.request("anvil_mine", json!(["0x1"])).await.unwrap();
        // A million rounds of BLAKE2F, 1 gas each; and 100,000 bytes of data, 40 gas each.
        let rounds = [&1_000_000_u32.to_be_bytes()[..], &[5; 208], &[1]].concat();
        let dear = send(accounts[0], Address::with_last_byte(9), "0x200000", rounds.into()).await;
        let large = send(accounts[1], Address::repeat_byte(7), "0x4c4b40", vec![1_u8; 100_000].into()).await;
        let _: serde_json::Value = client.request("anvil_mine", json!(["0x1"])).await.unwrap();
        let mut used = Vec::new();
        for hash in [dear, large] {
            let receipt: serde_json::Value =
                client.request("eth_getTransactionReceipt", json!([hash])).await.unwrap();
            let number = |key: &str| {
                let text = receipt[key].as_str().unwrap();
                u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
            };
            used.push((number("blockNumber"), number("gasUsed")));
        }
        let [(block, little), (same, much)] = used[..] else { panic!("{used:?}") };
        assert!(block == same && little * 3 < much, "{used:?}");
        let node = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
        let blocks = BlockRange::new(block, block).unwrap();
        let Witnessed { input, .. } = node.witness(blocks, &|_| {}).await.unwrap();
        let blamed = dearest(input).await.unwrap();
        assert_eq!(blamed.hash, dear, "{blamed}");
        assert_eq!(blamed.most.0, Spender::Precompile(Address::with_last_byte(9)), "{blamed}");
    }
}
