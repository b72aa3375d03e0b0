//! What a block of an OP Stack chain is known by on L1, as its execution node shows it.

use crate::{ChainError, L2, Output};
use alloy_primitives::{Address, B256, Bytes, U64, address, keccak256};
use proofmill_endpoints::Need;
use serde::Deserialize;
use serde_json::json;

/// The predeploy that keeps messages to L1: `L2ToL1MessagePasser`.
const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
const BLOCK: &str = "eth_getBlockByNumber";
const PROOF: &str = "eth_getProof";
const TRANSACTION: &str = "eth_getTransactionByHash";

/// A header's fields that count here, and its transactions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    hash: B256,
    state_root: B256,
    #[serde(default)]
    withdrawals_root: Option<B256>,
    /// There from Isthmus on.
    #[serde(default)]
    requests_hash: Option<B256>,
    transactions: Vec<B256>,
}

impl L2 {
    /// The output of a block (version 0: `protocol/proposals.md` of the OP Stack's specifications), by its execution node alone; none
    /// where it does not have the block.
    ///
    /// From Isthmus on the header has all of it. Before, the node must have the block's state, for `eth_getProof`.
    ///
    /// # Errors
    /// L2 cannot be read.
    pub async fn output(&self, number: u64) -> Result<Option<Output>, ChainError> {
        let Some(shown) = self.shown(number).await? else { return Ok(None) };
        let messages = match (shown.requests_hash, shown.withdrawals_root) {
            (Some(_), Some(root)) => root,
            _ => self.messages_root(number).await?,
        };
        let root = keccak256([B256::ZERO, shown.state_root, messages, shown.hash].concat());
        Ok(Some(Output { root, block: number }))
    }

    /// The number of the L1 block that a block of L2 follows: from the call with which it begins. None where the node does not have the
    /// block, or the call has another form than all forks since Ecotone have.
    ///
    /// # Errors
    /// L2 cannot be read.
    pub async fn l1_origin(&self, number: u64) -> Result<Option<u64>, ChainError> {
        #[derive(Debug, Deserialize)]
        struct Call {
            input: Bytes,
        }
        let Some(shown) = self.shown(number).await? else { return Ok(None) };
        let Some(first) = shown.transactions.first() else { return Ok(None) };
        let call: Option<Call> = self.rpc.ask_with(Need::Block(number), TRANSACTION, [first]).await?;
        Ok(call.and_then(|call| origin_in(&call.input)))
    }

    async fn shown(&self, number: u64) -> Result<Option<Shown>, ChainError> {
        self.rpc.ask_with(Need::Block(number), BLOCK, (U64::from(number), false)).await
    }

    /// The root of the messages to L1 after a block.
    async fn messages_root(&self, number: u64) -> Result<B256, ChainError> {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Proof {
            storage_hash: B256,
        }
        let params = json!([MESSAGE_PASSER, [], U64::from(number)]);
        let proof: Proof = self.rpc.ask_with(Need::State(number), PROOF, params).await?;
        Ok(proof.storage_hash)
    }
}

/// The L1 block's number in a call of `setL1BlockValues`: a word of Bedrock's, packed in those of Ecotone, Isthmus and Jovian
/// (`l1-attributes.md`).
fn origin_in(input: &[u8]) -> Option<u64> {
    const FORMS: [[u8; 4]; 4] = [
        [0x01, 0x5d, 0x8e, 0xb9],
        [0x44, 0x0a, 0x5e, 0x20],
        [0x09, 0x89, 0x99, 0xbe],
        [0x3d, 0xb6, 0xbe, 0x2b],
    ];
    if !FORMS.contains(input.first_chunk()?) {
        return None;
    }
    // At the same place in all of them.
    input.get(28..36)?.first_chunk().copied().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_block_stands_on_l1_is_read_of_every_form() {
        let number = 0x0102_0304_0506_0708_u64.to_be_bytes();
        // Selector, two scalars, sequence number, time; and then the number.
        for selector in [[0x44, 0x0a, 0x5e, 0x20], [0x09, 0x89, 0x99, 0xbe], [0x3d, 0xb6, 0xbe, 0x2b]] {
            let call = [&selector[..], &[9; 24], &number, &[7; 100]].concat();
            assert_eq!(origin_in(&call), Some(u64::from_be_bytes(number)));
        }
        // A word for each value, the number first.
        let call = [&[0x01, 0x5d, 0x8e, 0xb9][..], &[0; 24], &number, &[7; 224]].concat();
        assert_eq!(origin_in(&call), Some(u64::from_be_bytes(number)));
        for call in [&[][..], &[0x44, 0x0a, 0x5e, 0x20, 1], &[1; 100]] {
            assert_eq!(origin_in(call), None);
        }
    }
}
