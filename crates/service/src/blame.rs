//! What makes blocks dear to prove: a guess by gas.

use crate::JobError;
use proofmill_primitives::BlockRange;
use proofmill_stateless::{Spent, StatelessInput, StatelessInputRef, profile};

/// The transaction that spends the most gas.
pub async fn dearest(input: StatelessInput) -> Option<Spent> {
    let spent = tokio::task::spawn_blocking(move || {
        let bytes = input.encode();
        let spent = profile(&StatelessInputRef::decode(&bytes).ok()?).ok()?;
        spent.into_iter().max_by_key(|spent| spent.gas)
    });
    spent.await.ok().flatten()
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
    use alloy_primitives::{Address, B256};
    use proofmill_localnet::{AnvilOptions, Hardfork};
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
}
