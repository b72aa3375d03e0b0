//! L1's blocks, checked against their headers, and what is read of them.

use crate::blob::{self, BlobData};
use crate::config::RollupConfig;
use crate::deposits::{TRANSACTION_DEPOSITED, deposit};
use crate::error::DerivationError;
use crate::input::{DerivationInput, L1Block};
use crate::kzg::{self, Kzg};
use crate::system_config::{CONFIG_UPDATE, SystemConfig};
use alloc::{vec, vec::Vec};
use alloy_consensus::{
    EthereumTxEnvelope, Header, ReceiptEnvelope, Transaction, TxEip4844, transaction::SignerRecoverable,
};
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256, BloomInput, Log, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::root::ordered_trie_root_encoded;
use op_alloy_consensus::TxDeposit;

/// A block of L1 whose header is on the way to the L1 head.
pub(crate) struct Checked<'a> {
    pub(crate) header: Header,
    pub(crate) hash: B256,
    block: &'a L1Block,
}

/// Blocks that follow on each other up to the L1 head.
pub(crate) struct L1<'a> {
    pub(crate) blocks: Vec<Checked<'a>>,
    /// By their versioned hashes. There are some dozens; a map would be 8,000 words of code in the guest.
    blobs: Vec<(B256, Option<Vec<u8>>)>,
}

impl<'a> L1<'a> {
    pub(crate) fn open<K: Kzg>(input: &'a DerivationInput) -> Result<Self, DerivationError> {
        let mut blocks: Vec<Checked<'a>> = Vec::with_capacity(input.l1.len());
        for (at, block) in input.l1.iter().enumerate() {
            let mut rest = block.header.as_ref();
            let header = Header::decode(&mut rest)
                .ok()
                .filter(|_| rest.is_empty())
                .ok_or(DerivationError::L1Header { at })?;
            let hash = keccak256(&block.header);
            if let Some(before) = blocks.last()
                && (before.hash != header.parent_hash || before.header.number + 1 != header.number)
            {
                return Err(DerivationError::L1Link { number: before.header.number });
            }
            let number = header.number;
            let wrong = |what| DerivationError::L1Data { number, what };
            if ordered_trie_root_encoded(&block.transactions) != header.transactions_root {
                return Err(wrong("transactions"));
            }
            if let Some(receipts) = &block.receipts
                && ordered_trie_root_encoded(receipts) != header.receipts_root
            {
                return Err(wrong("receipts"));
            }
            blocks.push(Checked { header, hash, block });
        }
        kzg::check::<K>(&input.blobs, &input.blobs_proof)?;
        let decoded = |data: &BlobData| (data.versioned_hash(), blob::decode(&data.blob));
        let blobs = input.blobs.iter().map(decoded).collect();
        Ok(Self { blocks, blobs })
    }

    /// What the batcher sent in a block, in order (specification: `protocol/derivation.md` and `protocol/ecotone/derivation.md`,
    /// "L1 Retrieval").
    pub(crate) fn data(
        &self,
        config: &RollupConfig,
        at: usize,
        batcher: Address,
    ) -> Result<Vec<Vec<u8>>, DerivationError> {
        let block = &self.blocks[at];
        let number = block.header.number;
        let mut data = Vec::new();
        for raw in &block.block.transactions {
            // Types that L1 may have one day are not read.
            let Ok(transaction) = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw) else { continue };
            // The types from which data are taken: 0 to 3.
            let of_batches = !matches!(transaction, EthereumTxEnvelope::Eip7702(_));
            if !of_batches
                || transaction.to() != Some(config.batch_inbox)
                || transaction.recover_signer().ok() != Some(batcher)
            {
                continue;
            }
            let Some(hashes) = transaction.blob_versioned_hashes() else {
                data.push(transaction.input().to_vec());
                continue;
            };
            for hash in hashes {
                let missing = || DerivationError::BlobMissing { number, hash: *hash };
                // What is not in the encoding is passed over.
                let blob = self.blobs.iter().find(|(known, _)| known == hash).ok_or_else(missing)?;
                data.extend(blob.1.clone());
            }
        }
        Ok(data)
    }

    /// The logs of a block that a contract wrote with this first topic, by their place in the block.
    fn logs(&self, at: usize, contract: Address, topic: B256) -> Result<Vec<(u64, Log)>, DerivationError> {
        let Checked { header, block, .. } = &self.blocks[at];
        let bloom = header.logs_bloom;
        let may_be = bloom.contains_input(BloomInput::Raw(contract.as_slice()))
            && bloom.contains_input(BloomInput::Raw(topic.as_slice()));
        if !may_be {
            return Ok(Vec::new());
        }
        let number = header.number;
        let receipts = block.receipts.as_ref().ok_or(DerivationError::ReceiptsMissing { number })?;
        let mut found = vec![];
        let mut index = 0;
        for raw in receipts {
            let unreadable = |_| DerivationError::L1Data { number, what: "receipts" };
            let receipt = ReceiptEnvelope::<Log>::decode_2718_exact(raw).map_err(unreadable)?;
            for log in receipt.logs() {
                if receipt.status() && log.address == contract && log.topics().first() == Some(&topic) {
                    found.push((index, log.clone()));
                }
                index += 1;
            }
        }
        Ok(found)
    }

    /// Users' deposits of a block, in order.
    pub(crate) fn deposits(
        &self,
        config: &RollupConfig,
        at: usize,
    ) -> Result<Vec<TxDeposit>, DerivationError> {
        let Checked { header, hash, .. } = &self.blocks[at];
        let logs = self.logs(at, config.deposit_contract, TRANSACTION_DEPOSITED)?;
        logs.iter().map(|(index, log)| deposit(header.number, *hash, *index, log)).collect()
    }

    /// Whether a block names a batcher, another one or the same anew.
    pub(crate) fn names_batcher(&self, config: &RollupConfig, at: usize) -> Result<bool, DerivationError> {
        let logs = self.logs(at, config.system_config, CONFIG_UPDATE)?;
        Ok(logs.iter().any(|(_, log)| log.topics().get(2).is_some_and(B256::is_zero)))
    }

    /// Applies what a block changes of the configuration.
    pub(crate) fn configure(
        &self,
        config: &RollupConfig,
        at: usize,
        system: &mut SystemConfig,
    ) -> Result<(), DerivationError> {
        let number = self.blocks[at].header.number;
        let logs = self.logs(at, config.system_config, CONFIG_UPDATE)?;
        logs.iter().try_for_each(|(_, log)| system.apply(number, log))
    }
}
