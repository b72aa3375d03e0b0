//! Starting and ending a devnet.

use crate::{Description, DevKeys, DevnetError, proposer::Proposer};
use alloy_primitives::{Address, B256};
use proofmill_chain::{
    BlockAt, ChainError, DEVELOPMENT_CHAIN, GenesisBlock, Halo2Verifier, L1, L2, Limits, PoolOptions,
    ProofTypeConfig, Roles, RollupConfig, Sender, SigningKey, deploy_accepts_anything_verifier,
    deploy_attested_verifier, deploy_rollup, deploy_snark_and_attested_verifier, deploy_snark_verifier,
};
use proofmill_devnode::{DevNode, DevNodeOptions, Genesis};
use proofmill_localnet::{Anvil, AnvilOptions, Mining};
use proofmill_primitives::{ProgramVersion, ProverType, SlotClock};
use std::{collections::BTreeMap, fmt, num::NonZeroU64, str::FromStr, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

const L2_CHAIN_ID: u64 = 900_901;
/// The time between two blocks of L1.
const L1_BLOCK_TIME: Duration = Duration::from_secs(1);

/// How the L1 of a devnet is started, for whoever keeps one over several devnets.
pub fn l1_options() -> AnvilOptions {
    AnvilOptions::new().chain_id(DEVELOPMENT_CHAIN).mining(Mining::Every(L1_BLOCK_TIME)).slots_in_an_epoch(2)
}

/// A prover type that the rollup asks for, and the keys of its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofTypePlan {
    /// The type.
    pub prover: ProverType,
    /// Its range program.
    pub range_key: ProgramVersion,
    /// Its aggregation program.
    pub aggregation_key: ProgramVersion,
}

/// What L1 wants to be shown of the proofs of a type that proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L1Verifier {
    /// Signatures of attestors.
    #[default]
    Attestors,
    /// A SNARK on the setup for development, which L1 verifies.
    Snark,
    /// Both.
    Both,
}

/// The name of an L1 verifier that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown verifier {0:?}: use attestors, snark or both")]
pub struct UnknownL1Verifier(String);

impl L1Verifier {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Attestors, Self::Snark, Self::Both];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attestors => "attestors",
            Self::Snark => "snark",
            Self::Both => "both",
        }
    }

    /// Whether attestors are asked.
    pub const fn has_attestors(self) -> bool {
        matches!(self, Self::Attestors | Self::Both)
    }
}

impl fmt::Display for L1Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for L1Verifier {
    type Err = UnknownL1Verifier;

    fn from_str(name: &str) -> Result<Self, UnknownL1Verifier> {
        let found = Self::ALL.into_iter().find(|verifier| verifier.name() == name);
        found.ok_or_else(|| UnknownL1Verifier(name.to_owned()))
    }
}

/// How a devnet is to be.
#[derive(Clone, Debug)]
pub struct DevnetOptions {
    proof_types: Vec<ProofTypePlan>,
    slot: Duration,
    epoch_slots: u64,
    window_epochs: u64,
    l2_block_time: Duration,
    verifier: L1Verifier,
    attestors: usize,
    threshold: u64,
    limits: Option<Limits>,
    roles: Roles,
    l1: Option<Url>,
    l2_port: u16,
    mempool_limit: Option<usize>,
}

/// A running devnet; its nodes end when it is dropped.
#[derive(Debug)]
pub struct Devnet {
    description: Description,
    keys: DevKeys,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// None where L1 is another's.
    l1: Option<Anvil>,
    l2: DevNode,
}

impl DevnetOptions {
    /// A rollup that asks for proofs of these types, with slots of 6 s, epochs of 8 slots, a proof submission window of
    /// 150 epochs (two hours), L2 blocks each second while there are transactions, and two of three attestors.
    pub fn new(proof_types: Vec<ProofTypePlan>) -> Self {
        Self {
            proof_types,
            slot: Duration::from_secs(6),
            epoch_slots: 8,
            window_epochs: 150,
            l2_block_time: Duration::from_secs(1),
            verifier: L1Verifier::default(),
            attestors: 3,
            threshold: 2,
            limits: None,
            roles: Roles::default(),
            l1: None,
            l2_port: 0,
            mempool_limit: None,
        }
    }

    /// The length of a slot in whole seconds, at least 1.
    #[must_use]
    pub const fn slot(mut self, slot: Duration) -> Self {
        self.slot = slot;
        self
    }

    /// How many slots an epoch has, at least 1.
    #[must_use]
    pub const fn epoch_slots(mut self, slots: u64) -> Self {
        self.epoch_slots = slots;
        self
    }

    /// For how many epochs after its end an epoch may be proven, at least 1.
    #[must_use]
    pub const fn window_epochs(mut self, epochs: u64) -> Self {
        self.window_epochs = epochs;
        self
    }

    /// How often L2 makes a block while there are transactions.
    #[must_use]
    pub const fn l2_block_time(mut self, time: Duration) -> Self {
        self.l2_block_time = time;
        self
    }

    /// What L1 wants to be shown of proofs.
    #[must_use]
    pub const fn verifier(mut self, verifier: L1Verifier) -> Self {
        self.verifier = verifier;
        self
    }

    /// How many attestors there are, and how many must sign.
    #[must_use]
    pub const fn attestors(mut self, attestors: usize, threshold: u64) -> Self {
        self.attestors = attestors;
        self.threshold = threshold;
        self
    }

    /// How long things may take, and must, on the contract; those of [`Limits::of`] unless this is called.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Who may change the rules, and who may pause; nobody unless this is called.
    #[must_use]
    pub const fn roles(mut self, roles: Roles) -> Self {
        self.roles = roles;
        self
    }

    /// An L1 that is there already, and stays: an anvil with its well-known accounts that makes a block each second. What was
    /// deployed there before is not in the way.
    #[must_use]
    pub fn on_l1(mut self, rpc: Url) -> Self {
        self.l1 = Some(rpc);
        self
    }

    /// L2's port; a free one unless this is called.
    #[must_use]
    pub const fn l2_port(mut self, port: u16) -> Self {
        self.l2_port = port;
        self
    }

    /// How many transactions may wait on L2 for a block; 20,000 unless this is called.
    #[must_use]
    pub const fn mempool_limit(mut self, transactions: usize) -> Self {
        self.mempool_limit = Some(transactions);
        self
    }

    /// Starts the nodes, deploys the contracts, and starts the proposer.
    ///
    /// # Errors
    /// A node does not start (anvil is not installed?), or a contract cannot be deployed.
    pub async fn start(self) -> Result<Devnet, DevnetError> {
        self.check()?;
        let keys = DevKeys::well_known(self.attestors)?;
        let signers: Vec<_> = keys.attestors.iter().map(SigningKey::address).collect();
        let (l1, l1_rpc) = match self.l1.clone() {
            Some(there) => (None, there),
            None => {
                let started = l1_options().spawn().await?;
                let rpc = started.rpc_url().clone();
                (Some(started), rpc)
            }
        };
        let mut l2 = DevNodeOptions::new(L2_CHAIN_ID)
            .rich(DevKeys::rich())
            .block_time(self.l2_block_time)
            .port(self.l2_port);
        if let Some(transactions) = self.mempool_limit {
            l2 = l2.mempool_limit(transactions);
        }
        let l2 = l2.start().await?;
        let l1_client = L1::connect(PoolOptions::new(l1_rpc.clone()), Some(DEVELOPMENT_CHAIN)).await?;
        let l2_client = L2::connect(PoolOptions::new(l2.rpc_url().clone()), Some(L2_CHAIN_ID)).await?;
        let first = l2_client.block(BlockAt::Number(0)).await?.ok_or(DevnetError::NoGenesis)?;
        let genesis = GenesisBlock {
            number: first.number,
            hash: first.hash,
            state_root: first.state_root,
            timestamp: first.timestamp,
        };
        let deployer = Sender::new(l1_client.clone(), keys.funder.clone());
        let proposer = Sender::new(l1_client.clone(), keys.proposer.clone());
        let salt: B256 = rand::random::<[u8; 32]>().into();

        let mut proof_types = Vec::new();
        for plan in &self.proof_types {
            let verifier = if plan.prover.proves() {
                self.deploy_verifier(&deployer, &signers, salt).await?
            } else {
                deploy_accepts_anything_verifier(&deployer, salt).await?.address
            };
            proof_types.push(ProofTypeConfig {
                prover: plan.prover,
                verifier,
                range_key: plan.range_key,
                aggregation_key: plan.aggregation_key,
            });
        }
        let clock = self.clock(reach(&l1_client, genesis.timestamp).await?);
        let config = RollupConfig {
            chain_id: L2_CHAIN_ID,
            config_hash: l2.rules().hash(),
            clock,
            limits: self.limits.unwrap_or_else(|| Limits::of(&clock)),
            proposer: proposer.account(),
            genesis,
            proof_types,
        };
        let (rollup, deployed) = deploy_rollup(&deployer, &config, self.roles, salt).await?;
        let description = Description {
            pid: std::process::id(),
            l1_rpc,
            l2_rpc: l2.rpc_url().clone(),
            l1_chain_id: DEVELOPMENT_CHAIN,
            l2_chain_id: L2_CHAIN_ID,
            rollup: rollup.address(),
            deployed_at: deployed.transaction.map_or(0, |included| included.block),
            attestors: if self.verifier.has_attestors() { signers } else { Vec::new() },
            settings: BTreeMap::new(),
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        // A block more than needed where slots have room for it, in case this machine is busy.
        let blocks = if self.slot > L1_BLOCK_TIME * 3 { 2 } else { 1 };
        let proposer = Proposer::new(rollup, l2_client, proposer).l1_block_time(L1_BLOCK_TIME * blocks);
        tasks.spawn(proposer.run(stop.clone()));
        Ok(Devnet { description, keys, stop, tasks, l1, l2 })
    }

    /// The verifier of proofs that prove something.
    async fn deploy_verifier(
        &self,
        deployer: &Sender,
        signers: &[Address],
        salt: B256,
    ) -> Result<Address, ChainError> {
        let (halo2, threshold) = (Halo2Verifier::InsecureDevelopment, self.threshold);
        let deployed = match self.verifier {
            L1Verifier::Attestors => deploy_attested_verifier(deployer, signers, threshold, salt).await?,
            L1Verifier::Snark => deploy_snark_verifier(deployer, halo2, salt).await?,
            L1Verifier::Both => {
                deploy_snark_and_attested_verifier(deployer, halo2, signers, threshold, salt).await?
            }
        };
        Ok(deployed.address)
    }

    fn check(&self) -> Result<(), DevnetError> {
        if self.proof_types.is_empty() {
            return Err(DevnetError::NoProofTypes);
        }
        let mut proving = self.proof_types.iter().filter(|plan| plan.prover.proves());
        if self.verifier != L1Verifier::Attestors
            && let Some(plan) = proving.clone().find(|plan| plan.prover != ProverType::OpenVm)
        {
            return Err(DevnetError::NoSnark { prover: plan.prover });
        }
        match proving.next() {
            Some(plan) if self.verifier.has_attestors() && (self.attestors as u64) < self.threshold => {
                Err(DevnetError::TooFewAttestors {
                    prover: plan.prover,
                    threshold: self.threshold,
                    attestors: self.attestors,
                })
            }
            _ => Ok(()),
        }
    }

    const fn clock(&self, genesis: u64) -> SlotClock {
        const fn at_least_one(number: u64) -> NonZeroU64 {
            match NonZeroU64::new(number) {
                Some(number) => number,
                None => NonZeroU64::MIN,
            }
        }
        SlotClock {
            genesis,
            slot_seconds: at_least_one(self.slot.as_secs()),
            epoch_slots: at_least_one(self.epoch_slots),
            window_epochs: at_least_one(self.window_epochs),
        }
    }
}

/// Waits until L1's time has reached this one, and returns L1's.
async fn reach(l1: &L1, time: u64) -> Result<u64, DevnetError> {
    loop {
        let head = l1.head().await?;
        if head.timestamp >= time {
            return Ok(head.timestamp);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Devnet {
    /// Where everything is.
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Who is who.
    pub const fn keys(&self) -> &DevKeys {
        &self.keys
    }

    /// L2's genesis file.
    pub fn l2_genesis(&self) -> Genesis {
        self.l2.genesis()
    }

    /// Whether the nodes that were started here still run.
    pub fn is_running(&self) -> bool {
        self.l1.as_ref().is_none_or(Anvil::is_running) && self.l2.is_running()
    }

    /// Ends the proposer and the nodes that were started here.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.l2.stop().await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_verifier_is_found_by_its_name() {
        for verifier in L1Verifier::ALL {
            assert_eq!(verifier.to_string().parse(), Ok(verifier));
        }
        let said = "snarks".parse::<L1Verifier>().unwrap_err().to_string();
        assert!(L1Verifier::ALL.iter().all(|verifier| said.contains(verifier.name())), "{said}");
    }
}
