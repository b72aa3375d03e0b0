//! Deploying the contracts.

use crate::{
    CallName, ChainError, Included, Roles, Rollup, RollupConfig, Sender, Wait,
    contracts::{
        AcceptsAnythingVerifier, AllOfVerifier, AttestedVerifier, InsecureDevelopmentHalo2Verifier,
        InsecureDevelopmentSnarkVerifier, Rollup as RollupContract, SnarkVerifier,
    },
    until_there,
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, address, keccak256};
use alloy_sol_types::SolConstructor;
use proofmill_endpoints::Need;
use serde_json::json;

/// A contract that deploys what it is called with (a salt, then creation code) by `CREATE2`, at the same address of many
/// chains: <https://github.com/Arachnid/deterministic-deployment-proxy>.
const DETERMINISTIC_DEPLOYER: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");

/// A deployed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Where it is.
    pub address: Address,
    /// The transaction that deployed it; none if it was there already.
    pub transaction: Option<Included>,
}

/// Deploys the verifier that accepts what `threshold` of the attestors signed. They may be given in any order; each counts
/// once.
pub async fn deploy_attested_verifier(
    sender: &Sender,
    attestors: &[Address],
    threshold: u64,
    salt: B256,
) -> Result<Deployed, ChainError> {
    let mut attestors = attestors.to_vec();
    attestors.sort_unstable();
    attestors.dedup();
    let constructor =
        AttestedVerifier::constructorCall { attestors_: attestors, threshold_: U256::from(threshold) };
    deploy(sender, "AttestedVerifier", &AttestedVerifier::BYTECODE, &constructor.abi_encode(), salt).await
}

/// Deploys the verifier that accepts anything, for proofs of type `exec`. The contract refuses to be on any chain but 31337.
pub async fn deploy_accepts_anything_verifier(sender: &Sender, salt: B256) -> Result<Deployed, ChainError> {
    deploy(sender, "AcceptsAnythingVerifier", &AcceptsAnythingVerifier::BYTECODE, &[], salt).await
}

/// Which contract verifies the Halo2 proofs of a verifier of SNARKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halo2Verifier {
    /// One that is there, of a circuit on a setup whose secret nobody knows.
    There(Address),
    /// Proofmill's own, on the setup for development, whose secret everybody knows. Both contracts are only for chain 31337.
    InsecureDevelopment,
}

/// Deploys the verifier of SNARKs, and before it the Halo2 verifier where that is Proofmill's own.
pub async fn deploy_snark_verifier(
    sender: &Sender,
    halo2: Halo2Verifier,
    salt: B256,
) -> Result<Deployed, ChainError> {
    let address = match halo2 {
        Halo2Verifier::There(address) => address,
        Halo2Verifier::InsecureDevelopment => {
            let code = &InsecureDevelopmentHalo2Verifier::BYTECODE;
            deploy(sender, "InsecureDevelopmentHalo2Verifier", code, &[], salt).await?.address
        }
    };
    let (name, code, arguments) = match halo2 {
        Halo2Verifier::There(_) => {
            let constructor = SnarkVerifier::constructorCall { halo2Verifier_: address };
            ("SnarkVerifier", &SnarkVerifier::BYTECODE, constructor.abi_encode())
        }
        Halo2Verifier::InsecureDevelopment => {
            let constructor = InsecureDevelopmentSnarkVerifier::constructorCall { halo2Verifier_: address };
            let code = &InsecureDevelopmentSnarkVerifier::BYTECODE;
            ("InsecureDevelopmentSnarkVerifier", code, constructor.abi_encode())
        }
    };
    deploy(sender, name, code, &arguments, salt).await
}

/// Deploys the verifier that wants a SNARK and the signatures of attestors, in this order, and before it one for each: as
/// [`deploy_snark_verifier`] and [`deploy_attested_verifier`] do.
pub async fn deploy_snark_and_attested_verifier(
    sender: &Sender,
    halo2: Halo2Verifier,
    attestors: &[Address],
    threshold: u64,
    salt: B256,
) -> Result<Deployed, ChainError> {
    let snark = deploy_snark_verifier(sender, halo2, salt).await?.address;
    let attested = deploy_attested_verifier(sender, attestors, threshold, salt).await?.address;
    let constructor = AllOfVerifier::constructorCall { verifiers_: vec![snark, attested] };
    deploy(sender, "AllOfVerifier", &AllOfVerifier::BYTECODE, &constructor.abi_encode(), salt).await
}

/// Deploys a rollup's contract with these constants and first rules, and reads it back.
pub async fn deploy_rollup(
    sender: &Sender,
    config: &RollupConfig,
    roles: Roles,
    salt: B256,
) -> Result<(Rollup, Deployed), ChainError> {
    let constructor = RollupContract::constructorCall {
        constants_: config.to_abi(),
        first: config.rules().to_abi(),
        roles: roles.to_abi(),
    };
    let deployed =
        deploy(sender, "Rollup", &RollupContract::BYTECODE, &constructor.abi_encode(), salt).await?;
    let address = deployed.address;
    // It is paid for: where it is must be known, whatever becomes of reading it.
    let say = |error: &ChainError| {
        tracing::warn!(%error, %address, "the rollup is deployed, and L1's nodes do not show it yet");
    };
    let rollup = until_there(shown_later, say, || Rollup::connect(sender.l1().clone(), address)).await;
    let rollup = rollup.inspect_err(|error| {
        tracing::error!(%error, %address, "the rollup is deployed, and cannot be read from L1's nodes");
    })?;
    Ok((rollup, deployed))
}

/// Deploys by the deterministic deployer, where the chain has it: then the address follows from the salt, the code and the
/// constructor's arguments, and a contract that is there already is found. Elsewhere by a plain creation.
pub(crate) async fn deploy(
    sender: &Sender,
    contract: &'static str,
    code: &Bytes,
    arguments: &[u8],
    salt: B256,
) -> Result<Deployed, ChainError> {
    let name = CallName::Deploy(contract);
    let l1 = sender.l1();
    let init_code = Bytes::from([code, arguments].concat());
    let deterministic = l1.has_code(DETERMINISTIC_DEPLOYER).await?;
    let there = DETERMINISTIC_DEPLOYER.create2(salt, keccak256(&init_code));
    if deterministic && l1.has_code(there).await? {
        return Ok(Deployed { address: there, transaction: None });
    }
    // The deterministic deployer hides why a constructor reverts.
    let creation = json!({ "from": sender.account(), "data": init_code });
    let _: Bytes = l1.rpc.ask("eth_call", (creation, "latest")).await?;
    let (address, transaction) = if deterministic {
        let input = Bytes::from([salt.as_slice(), &init_code].concat());
        (there, sender.send(name, Some(DETERMINISTIC_DEPLOYER), input).await?)
    } else {
        let included = sender.send(name, None, init_code).await?;
        let say = |error: &ChainError| {
            tracing::warn!(%error, contract, transaction = %included.transaction, "waiting for L1's nodes to show the deployment");
        };
        (until_there(shown_later, say, || created_by(sender, included)).await?, included)
    };
    let shown = || async move {
        match l1.has_code(address).await? {
            true => Ok(()),
            false => Err(ChainError::NotDeployed { contract, address }),
        }
    };
    let say = |error: &ChainError| {
        tracing::warn!(%error, contract, %address, "waiting for L1's nodes to show what was deployed");
    };
    until_there(shown_later, say, shown).await?;
    Ok(Deployed { address, transaction: Some(transaction) })
}

/// How long what was deployed is waited for: of several nodes behind one address, one may not have come to its block.
const fn shown_later(error: &ChainError) -> Option<Wait> {
    match error {
        ChainError::NotDeployed { .. } | ChainError::NoContract { .. } | ChainError::Unreachable { .. } => {
            Some(Wait::WhileItLags)
        }
        error => error.wait(),
    }
}

/// The address that a plain creation gave.
async fn created_by(sender: &Sender, included: Included) -> Result<Address, ChainError> {
    #[derive(serde::Deserialize)]
    struct Sent {
        nonce: U64,
    }
    let sent: Sent =
        sender.l1().rpc.ask_with(Need::Seen, "eth_getTransactionByHash", [included.transaction]).await?;
    Ok(sender.account().create(sent.nonce.to()))
}
