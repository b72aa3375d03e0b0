//! A verifier that is to be deployed: whom it relies on, and what is tried before anything rests on it.

use super::judge::{attestors_words, check_halo2, check_trust, snark};
use crate::{cli, settle::for_contract};
use alloy_primitives::{Address, B256, Bytes};
use eyre::{Result, WrapErr, bail};
use proofmill_attestor::check_snark;
use proofmill_backends::Registry;
use proofmill_chain::{
    DEVELOPMENT_CHAIN, Halo2Code, Halo2Verifier, L1, Sender, VerifierKind, deploy_accepts_anything_verifier,
    deploy_attested_verifier, deploy_snark_and_attested_verifier, deploy_snark_verifier, is_for_development,
    majority, verify_snark_in_evm,
};
use proofmill_client::{EpochProof, StatedProof, files, programs};
use proofmill_primitives::ProverType;
use proofmill_program::PublicValues;
use std::path::Path;

/// What verifies proofs of one type.
pub(super) enum Verifier {
    /// A contract that is there, and what it is.
    There(Address, String),
    /// One that verifies SNARKs, yet to be deployed; where attestors are named, too, one that wants both.
    Snark(Halo2Verifier, Option<Quorum>),
    /// One that counts attestors, yet to be deployed.
    Attested(Quorum),
    /// One that accepts anything, yet to be deployed.
    AcceptsAnything,
}

/// Attestors, each once, and how many of them must sign.
pub(super) struct Quorum {
    attestors: Vec<Address>,
    threshold: u64,
}

impl Verifier {
    /// The one to be deployed that verifies by this contract for Halo2 proofs, counts these attestors, or wants both; none where neither
    /// is named.
    ///
    /// # Errors
    /// L1 is a network on which nothing may rest on these.
    pub(super) async fn named(
        l1: &L1,
        halo2: Option<Halo2Verifier>,
        quorum: Option<Quorum>,
        trust_attestors: bool,
    ) -> Result<Option<Self>> {
        Ok(match (halo2, quorum) {
            (Some(halo2), quorum) => {
                judge_halo2(l1, halo2).await?;
                Some(Self::Snark(halo2, quorum))
            }
            (None, Some(quorum)) => {
                check_trust(l1.chain_id(), trust_attestors)?;
                Some(Self::Attested(quorum))
            }
            (None, None) => None,
        })
    }

    /// What it is, for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::There(address, words) => format!("{address}, one {words}"),
            Self::Snark(halo2, quorum) => {
                let halo2 = match halo2 {
                    Halo2Verifier::There(address) => format!("that verifies {} by {address}", snark(false)),
                    Halo2Verifier::InsecureDevelopment => format!("that verifies {}", snark(true)),
                };
                quorum.iter().fold(halo2, |halo2, quorum| format!("{halo2}, and one {}", quorum.words()))
            }
            Self::Attested(quorum) => quorum.words(),
            Self::AcceptsAnything => "that ACCEPTS ANYTHING".to_owned(),
        }
    }

    /// Where it is from now on. Of contracts that are final and nobody's, one of each is enough: a run that ended between two of them has
    /// paid for those that are there.
    pub(super) async fn deploy(&self, sender: &Sender) -> Result<Address> {
        let salt = B256::ZERO;
        let deployed = match self {
            Self::There(address, _) => return Ok(*address),
            Self::Snark(halo2, None) => deploy_snark_verifier(sender, *halo2, salt).await?,
            Self::Snark(halo2, Some(Quorum { attestors, threshold })) => {
                deploy_snark_and_attested_verifier(sender, *halo2, attestors, *threshold, salt).await?
            }
            Self::Attested(Quorum { attestors, threshold }) => {
                deploy_attested_verifier(sender, attestors, *threshold, salt).await?
            }
            Self::AcceptsAnything => deploy_accepts_anything_verifier(sender, salt).await?,
        };
        Ok(deployed.address)
    }
}

impl Quorum {
    /// These attestors, and more than half of them unless told otherwise.
    fn of(attestors: &[Address], threshold: Option<u64>) -> Result<Self> {
        let mut attestors = attestors.to_vec();
        attestors.sort_unstable();
        let most = majority(attestors.len()) as u64;
        let threshold = threshold.unwrap_or(most);
        if threshold == 0 || threshold > attestors.len() as u64 {
            bail!(
                "of {} attestors {threshold} cannot sign: --threshold is from 1 to their number",
                attestors.len()
            );
        }
        if threshold < most {
            println!("note: {threshold} of {} attestors are no more than half of them", attestors.len());
        }
        Ok(Self { attestors, threshold })
    }

    /// None where nobody is named.
    pub(super) fn named(attestors: &[Address], threshold: Option<u64>) -> Result<Option<Self>> {
        if attestors.is_empty() {
            return Ok(None);
        }
        Self::of(attestors, threshold).map(Some)
    }

    fn words(&self) -> String {
        attestors_words(self.threshold, &self.attestors)
    }
}

/// Judges the contract by which a verifier of SNARKs verifies Halo2 proofs.
///
/// # Errors
/// It is on the setup for development and L1 is for more than that, or it can be no such verifier.
async fn judge_halo2(l1: &L1, halo2: Halo2Verifier) -> Result<()> {
    match halo2 {
        Halo2Verifier::InsecureDevelopment if l1.chain_id() != DEVELOPMENT_CHAIN => bail!(
            "L1 has chain id {}: everybody knows the secret of the setup for development, whose contract is for the chain \
             {DEVELOPMENT_CHAIN} alone. Name a contract on a setup of a ceremony with --halo2-verifier ADDRESS",
            l1.chain_id()
        ),
        Halo2Verifier::InsecureDevelopment => Ok(()),
        Halo2Verifier::There(address) => {
            let code = l1.code(address).await?;
            check_halo2(&code, l1.chain_id()).wrap_err_with(|| format!("--halo2-verifier {address}"))
        }
    }
}

/// Has the Halo2 verifier that was named check a real SNARK, and altered ones: what is deployed on it stays as it is.
///
/// # Errors
/// It takes none such, or takes altered ones, or not the SNARK that the settings name; or nothing was named to be tried and L1 is no development chain.
pub(super) async fn try_proof(args: &cli::Halo2, l1: &L1, registry: &Registry) -> Result<()> {
    if let Some(Halo2Verifier::There(address)) = args.halo2_verifier {
        let checked = check_named(address, l1, registry).await;
        checked.wrap_err_with(|| format!("--halo2-verifier {address}"))?;
    }
    match (args.halo2_verifier, &args.try_proof) {
        (None, _) => {}
        (Some(halo2), Some(file)) => {
            let gas = tried(halo2, file, l1, registry).await;
            let gas = gas.wrap_err_with(|| format!("--try-proof {}", file.display()))?;
            println!(
                "tried: the Halo2 verifier takes {}, in a transaction of {gas} gas, and refuses it with a bit changed anywhere\n",
                file.display()
            );
        }
        (Some(Halo2Verifier::There(address)), None) if args.untried || l1.chain_id() == DEVELOPMENT_CHAIN => {
            println!(
                "note: {address} was not tried: name the SNARK of an epoch's proof that it must take with --try-proof"
            );
        }
        (Some(Halo2Verifier::There(address)), None) => bail!(
            "{address} was not tried, and a verifier of another circuit would take no SNARK, for ever: name that of an epoch's proof with \
             --try-proof, or say --untried"
        ),
        (Some(Halo2Verifier::InsecureDevelopment), None) => {}
    }
    Ok(())
}

/// Refuses a contract that does not take the SNARK which the settings name, where they name one.
async fn check_named(halo2: Address, l1: &L1, registry: &Registry) -> Result<()> {
    let Ok(backend) = registry.checker(ProverType::OpenVm) else { return Ok(()) };
    let Some(named) = backend.snark_variant() else { return Ok(()) };
    let halo2 = l1.code(halo2).await?;
    let insecure = is_for_development(&halo2);
    let kind = VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2 };
    Ok(check_snark(&kind, Some(named), Some(backend)).await?)
}

/// The gas of a transaction that has it verified.
async fn tried(halo2: Halo2Verifier, file: &Path, l1: &L1, registry: &Registry) -> Result<u64> {
    let halo2 = match halo2 {
        Halo2Verifier::InsecureDevelopment => Halo2Code::InsecureDevelopment,
        Halo2Verifier::There(address) => Halo2Code::There(l1.code(address).await?),
    };
    let bytes = files::read_proof(file).wrap_err("cannot be read")?;
    let StatedProof { statement, proof } = EpochProof::decode(&bytes)?;
    let program = programs::published(proof.prover).map(|[_, aggregation]| aggregation);
    if program != Some(proof.program) {
        bail!("it is of the program {}, not of this release's aggregation program", proof.program);
    }
    let backend = registry.checker(proof.prover)?;
    if let Some(cause) = backend.insecure(&proof)?
        && l1.chain_id() != DEVELOPMENT_CHAIN
    {
        bail!("{cause}: the contract must take none such on L1 {}", l1.chain_id());
    }
    let (program, values) = (proof.program.0, Bytes::from(statement.to_bytes()));
    let for_contract = for_contract(backend, proof).await?;
    Ok(verify_snark_in_evm(&halo2, program, values, for_contract)?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_attestors_must_sign_unless_told_otherwise() {
        let some = |count: u8| (0..count).map(Address::repeat_byte).collect::<Vec<_>>();
        for (count, most) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            assert_eq!(Quorum::of(&some(count), None).unwrap().threshold, most, "{count}");
        }
        assert_eq!(Quorum::of(&some(3), Some(1)).unwrap().threshold, 1);
        for wrong in [0, 4] {
            assert!(Quorum::of(&some(3), Some(wrong)).is_err());
        }
    }
}
