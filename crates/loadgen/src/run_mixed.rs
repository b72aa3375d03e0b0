//! The mixed kind of load: a generator's transactions, on a chain that may have some of them already.

use crate::{
    LoadError, Phase,
    mixed::{Fees, Mixed, Scope},
    run::{Load, Planned, hand_over},
};
use alloy_primitives::B256;
use std::sync::atomic::AtomicBool;

impl Load<'_> {
    /// Makes the generator, and deploys the contracts that its transactions call unless they are there.
    pub(crate) async fn prepare_mixed(&mut self) -> Result<(), LoadError> {
        if self.mixed.is_some() {
            return Ok(());
        }
        let keys: Vec<B256> = self.signers.iter().map(|signer| signer.to_bytes()).collect();
        let fork = self.node.fork().await?;
        let mut nonces = Vec::new();
        for signer in &self.signers {
            nonces.push(self.node.pending_nonce(signer.address()).await?);
        }
        // Where something was sent before, something else is sent now.
        let seed = self.plan.seed ^ nonces.iter().sum::<u64>().rotate_left(32);
        let mut mixed = Mixed::new(seed, fork, self.chain_id, &keys)?.scope(Scope::Affordable);
        let there = self.node.has_code(mixed.contract()).await?;
        if !there {
            let fees = self.fees().await?;
            let deployer = mixed.nonces().next();
            let deployment = mixed.deployment(fees)?;
            let (full, patience) = (AtomicBool::new(false), self.plan.stall_timeout);
            for transaction in &deployment {
                hand_over(&self.node, transaction.hash, &transaction.raw, &full, patience).await?;
            }
            if let Some((deployer, first)) = deployer {
                self.wait(Phase::Preparing, &[(deployer, first + deployment.len() as u64)]).await?;
            }
            for transaction in &deployment {
                if !self.receipt(transaction.hash).await?.0 {
                    let what = "deploys the contracts";
                    return Err(LoadError::PreparationFailed { transaction: transaction.hash, what });
                }
            }
        }
        self.mixed = Some(mixed);
        Ok(())
    }

    /// The next transactions of the generator.
    pub(crate) async fn plan_mixed(&mut self) -> Result<Planned, LoadError> {
        let fees = self.fees().await?;
        let Some(mixed) = &mut self.mixed else { return Ok(Planned::default()) };
        let accounts: Vec<_> = mixed.nonces().map(|(address, _)| address).collect();
        let mut nonces = Vec::with_capacity(accounts.len());
        for address in accounts {
            nonces.push(self.node.pending_nonce(address).await?);
        }
        mixed.go_on(&nonces);
        let count = self.signers.len() * self.plan.transactions_per_account as usize;
        let batch = mixed.batch(count, fees)?;
        let senders = mixed.senders();
        Ok(Planned {
            batches: vec![batch.into_iter().map(|sent| (sent.hash, sent.raw.to_vec())).collect()],
            targets: mixed.nonces().take(senders).collect(),
        })
    }

    async fn fees(&self) -> Result<Fees, LoadError> {
        Ok(Fees { base_fee: self.node.base_fee().await?, blob_base_fee: 1 })
    }
}
