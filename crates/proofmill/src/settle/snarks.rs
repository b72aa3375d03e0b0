//! Whether L1 wants the SNARKs that are made for it, and takes them. The verifiers of the start are asked then; an epoch may be proven
//! under later rules.

use super::{L1Settlement, mode_for};
use alloy_primitives::Address;
use futures::future::BoxFuture;
use proofmill_attestor::check_snark;
use proofmill_backends::SnarkVariant;
use proofmill_chain::VerifierKind;
use proofmill_primitives::{CheckpointNumber, ProofMode, ProverType};
use proofmill_service::{Away, L1Verifiers};

/// The SNARKs that this process has made.
#[derive(Debug)]
pub(crate) struct Snarks {
    /// What they are made for.
    pub(crate) settlement: L1Settlement,
    /// Which, where one is named.
    pub(crate) named: Option<SnarkVariant>,
}

impl Snarks {
    async fn mode(&self, prover: ProverType, last: CheckpointNumber) -> Result<ProofMode, Away> {
        let rules = self.settlement.rollup.rules_of(last).await.map_err(Away::because)?;
        match rules.proof_type(prover) {
            Some(of) => self.mode_of_verifier(prover, of.verifier).await,
            None => Err(Away { cause: format!("L1 asks for no {prover} proof of checkpoint {last}") }),
        }
    }

    async fn mode_of_verifier(&self, prover: ProverType, verifier: Address) -> Result<ProofMode, Away> {
        let L1Settlement { rollup, wanted, registry, .. } = &self.settlement;
        if let Some(wanted) = wanted.get(&prover).filter(|wanted| wanted.verifier == verifier) {
            return Ok(mode_for(&wanted.kind));
        }
        let kind = VerifierKind::find(rollup.l1(), verifier).await.map_err(Away::because)?;
        let backend = registry.checker(ProverType::OpenVm).ok();
        check_snark(&kind, self.named, backend).await.map_err(|other| Away {
            cause: format!(
                "the rollup's rules have changed since this process was started, and no SNARK is made in vain: {other}; then start it again"
            ),
        })?;
        Ok(mode_for(&kind))
    }
}

impl L1Verifiers for Snarks {
    fn epoch_mode(
        &self,
        prover: ProverType,
        last: CheckpointNumber,
    ) -> BoxFuture<'_, Result<ProofMode, Away>> {
        Box::pin(self.mode(prover, last))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settle::Wanted;
    use alloy_primitives::{B256, hex::encode_prefixed};
    use proofmill_backends::Registry;
    use proofmill_chain::{
        Halo2Verifier, L1, PoolOptions, Publishers, Rollup, Sender, deploy_snark_verifier,
    };
    use proofmill_devnet::{DevKeys, DevnetOptions, ProofTypePlan};
    use proofmill_primitives::ProgramVersion;
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, sync::Arc};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_verifier_of_later_rules_is_asked_before_a_snark_is_made_for_it() {
        let key = |byte| ProgramVersion(B256::repeat_byte(byte));
        let prover = ProverType::OpenVm;
        let plan = ProofTypePlan { prover, range_key: key(1), aggregation_key: key(2) };
        let devnet = DevnetOptions::new(vec![plan]).start().await.unwrap();
        let url = devnet.description().l1_rpc.clone();
        let l1 = L1::connect(PoolOptions::new(url.clone()), None).await.unwrap();
        let rollup = Rollup::connect(l1.clone(), devnet.description().rollup).await.unwrap();
        let sender = Sender::new(l1.clone(), DevKeys::well_known(1).unwrap().prover);
        let deploy = async |salt| {
            let halo2 = Halo2Verifier::InsecureDevelopment;
            deploy_snark_verifier(&sender, halo2, B256::repeat_byte(salt)).await.unwrap().address
        };
        let (first, later) = (deploy(1).await, deploy(2).await);

        // As if the circuit of the later one were of the other size.
        let [small, _, published, _] = SnarkVariant::ALL;
        let halo2 = VerifierKind::halo2_behind(&l1, later).await.unwrap();
        let mut code = l1.code(halo2).await.unwrap().to_vec();
        let [own, other] =
            [small, published].map(|variant| proofmill_srs::rows_word(variant.size.wrapper_k()));
        let at = code.windows(32).position(|part| part == own).unwrap();
        code[at..][..32].copy_from_slice(&other);
        let client = proofmill_http::rpc_client(url);
        client
            .request::<_, Value>("anvil_setCode", json!([halo2.to_string(), encode_prefixed(&code)]))
            .await
            .unwrap();

        let kind = VerifierKind::find(&l1, first).await.unwrap();
        let attested = rollup.config().proof_types[0].verifier;
        let settlement = L1Settlement {
            rollup,
            publishers: Publishers::new(sender, []),
            attestors: Vec::new(),
            wanted: BTreeMap::from([(prover, Wanted { verifier: first, kind, quorums: vec![None] })]),
            others: Arc::default(),
            // Whatever this build has: a backend would know the circuit in the code again, whose rows alone are another's.
            registry: Registry::default(),
            estimates: false,
        };
        for (named, takes) in [(None, false), (Some(small), false), (Some(published), true)] {
            let snarks = Snarks { settlement: settlement.clone(), named };
            match snarks.mode_of_verifier(prover, later).await {
                Ok(mode) => assert!(takes && mode == ProofMode::Plonk, "{named:?}: {mode}"),
                Err(Away { cause }) => {
                    assert!(!takes, "{named:?}: {cause}");
                    assert!(
                        cause.contains(published.name()) && cause.contains("rules have changed"),
                        "{cause}"
                    );
                }
            }
            // The one of the start was compared then, and attestors want none: it would be made in vain.
            for (other, mode) in [(first, ProofMode::Plonk), (attested, ProofMode::Compressed)] {
                assert_eq!(snarks.mode_of_verifier(prover, other).await, Ok(mode));
            }
        }
    }
}
