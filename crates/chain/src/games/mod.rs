//! OP Succinct's dispute games: claims of output roots that count unless they are challenged and nobody proves them.

mod read;
mod types;

use crate::{
    CallName, ChainError, Deployed, GameRefusal, Included, L1, Output, Sender,
    contracts::{
        OpDevAnchorRegistry::{self, getAnchorRootCall},
        OpDevGame::{
            self, GameParams, accessManagerCall, anchorStateRegistryCall, challengeCall, challengerBondCall,
            claimCreditCall, claimDataCall, gameCreatorCall, isAllowedChallengerCall, isAllowedProposerCall,
            l1HeadCall, l2BlockNumberCall, maxChallengeDurationCall, maxProveDurationCall, proveCall,
            resolveCall, sp1VerifierCall, startingRootHashCall,
        },
        OpDevGameFactory::{
            self, createCall, gameAtIndexCall, gameImplsCall, initBondsCall, setImplementationCall,
            setInitBondCall,
        },
    },
    deploy::deploy,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use read::Read;
use std::sync::Arc;
use tokio::sync::Mutex;

pub use types::{Game, GameStatus, GamesSettings, GamesStart, GamesView, ProposalStatus, UnreadGames};

/// The parent of a game that begins with the anchor.
const NO_PARENT: u32 = u32::MAX;

/// The games of one type, and the contracts around them. A clone shares what was read.
#[derive(Clone, Debug)]
pub struct Games {
    l1: L1,
    factory: Address,
    registry: Address,
    /// Whether the registry was named, and does not follow from the games.
    is_named: bool,
    game_type: u32,
    read: Arc<Mutex<Read>>,
}

/// The contracts, newly deployed.
#[derive(Clone, Debug)]
pub struct GamesDeployed {
    /// The factory and its games.
    pub games: Games,
    /// The factory.
    pub factory: Deployed,
    /// The anchor registry.
    pub registry: Deployed,
}

impl Games {
    /// The type of OP Succinct's games.
    pub const TYPE: u32 = 42;

    /// Finds the contracts: the factory, and the anchor registry that its games name: new ones, or the newest that there is where the factory
    /// makes none any more. Where `registry` is given, it must be that, or that of a game.
    ///
    /// # Errors
    /// There are none, or they are others.
    pub async fn connect(
        l1: L1,
        factory: Address,
        registry: Option<Address>,
        game_type: u32,
    ) -> Result<Self, ChainError> {
        if !l1.has_code(factory).await? {
            return Err(l1.no_contract(factory).await);
        }
        let is_named = registry.is_some();
        let mut games =
            Self { l1, factory, registry: Address::ZERO, is_named, game_type, read: Arc::default() };
        let named = match games.registry_of_new().await {
            // Games that are there are decided, whatever became of the code of new ones.
            Err(none @ ChainError::NoGames { .. }) => match games.registry_of_newest().await {
                Ok(Some(named)) => named,
                Ok(None)
                | Err(
                    ChainError::Reverted(_) | ChainError::OtherAnswer { .. } | ChainError::NoContract { .. },
                ) => return Err(none),
                Err(error) => return Err(error),
            },
            named => named?,
        };
        games.registry = named;
        if let Some(given) = registry.filter(|given| *given != named) {
            if !games.has_games_of(given).await? {
                return Err(ChainError::OtherRegistry { factory, game_type, given, named });
            }
            // Games that are there may have another one than new ones.
            games.registry = given;
        }
        let anchor = games.l1.read(games.registry, &getAnchorRootCall {}, None).await;
        anchor.map_err(|error| games.no_games(error))?;
        Ok(games)
    }

    /// The anchor registry of new games, whose settings can be read.
    async fn registry_of_new(&self) -> Result<Address, ChainError> {
        let code = self.implementation().await?;
        let registry = self.l1.read(code, &anchorStateRegistryCall {}, None).await;
        let registry = registry.map_err(|error| self.no_games(error))?;
        Self { registry, ..self.clone() }.settings().await?;
        Ok(registry)
    }

    /// What a contract answers that is none of games is no fault of L1's nodes.
    fn no_games(&self, error: ChainError) -> ChainError {
        let reason = match error {
            ChainError::Reverted(refusal) => refusal.to_string(),
            ChainError::OtherAnswer { reason, .. } => reason,
            error @ ChainError::NoContract { .. } => error.to_string(),
            error => return error,
        };
        ChainError::NoGames { address: self.factory, game_type: self.game_type, reason }
    }

    /// Deploys contracts with Proofmill's own code of the same interface, for development. The account owns them.
    ///
    /// # Errors
    /// They are not deployed.
    pub async fn deploy(
        sender: &Sender,
        start: &GamesStart,
        salt: B256,
    ) -> Result<GamesDeployed, ChainError> {
        let (owner, settings) = (sender.account(), start.settings);
        let arguments = OpDevGameFactory::constructorCall { owner_: owner }.abi_encode();
        let factory =
            deploy(sender, "OpDevGameFactory", &OpDevGameFactory::BYTECODE, &arguments, salt).await?;
        let arguments = OpDevAnchorRegistry::constructorCall {
            owner_: owner,
            factory: factory.address,
            gameType: Self::TYPE,
            finalityDelay: U256::from(start.finality_seconds),
            root: start.anchor.root,
            number: U256::from(start.anchor.block),
        };
        let code = &OpDevAnchorRegistry::BYTECODE;
        let registry = deploy(sender, "OpDevAnchorRegistry", code, &arguments.abi_encode(), salt).await?;
        let params = GameParams {
            maxChallengeDuration: settings.challenge_seconds,
            maxProveDuration: settings.prove_seconds,
            disputeGameFactory: factory.address,
            verifier: settings.verifier,
            rollupConfigHash: settings.config.rollup_config_hash,
            aggregationVkey: settings.config.aggregation_key,
            rangeVkeyCommitment: settings.config.range_key,
            challengerBond: settings.challenger_bond,
            anchorStateRegistry: registry.address,
        };
        let arguments = OpDevGame::constructorCall { params }.abi_encode();
        let game = deploy(sender, "OpDevGame", &OpDevGame::BYTECODE, &arguments, salt).await?;
        let (l1, at, game_type) = (sender.l1().clone(), factory.address, Self::TYPE);
        let (of, is_named, read) = (registry.address, false, Arc::default());
        let games = Self { l1, factory: at, registry: of, is_named, game_type, read };
        games.set_implementation(sender, game.address).await?;
        let call = setInitBondCall { gameType: game_type, bond: settings.bond };
        sender.send(CallName::SetInitBond, Some(at), call.abi_encode().into()).await?;
        let games = Self::connect(games.l1, at, None, game_type).await?;
        Ok(GamesDeployed { games, factory, registry })
    }

    /// The factory's owner has it make new games by this code; by none where that is zero.
    ///
    /// # Errors
    /// The factory refuses, or the transaction is not included.
    pub async fn set_implementation(&self, owner: &Sender, code: Address) -> Result<Included, ChainError> {
        let call = setImplementationCall { gameType: self.game_type, r#impl: code };
        owner.send(CallName::SetImplementation, Some(self.factory), call.abi_encode().into()).await
    }

    /// Where the factory is.
    pub const fn factory(&self) -> Address {
        self.factory
    }

    /// Where the anchor registry is.
    pub const fn registry(&self) -> Address {
        self.registry
    }

    /// The type of the games.
    pub const fn game_type(&self) -> u32 {
        self.game_type
    }

    /// The chain that they are on.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// What new games have in common, as it is now: the factory's owner may set other code for them, or none.
    ///
    /// # Errors
    /// [`ChainError::NoGames`] where the factory has no code for them, one that does not answer as theirs, or one of another registry; or L1
    /// cannot be read.
    pub async fn settings(&self) -> Result<GamesSettings, ChainError> {
        self.settings_of_new().await.map_err(|error| self.no_games(error))
    }

    async fn settings_of_new(&self) -> Result<GamesSettings, ChainError> {
        let (l1, at) = (&self.l1, Some(self.l1.head().await?.hash));
        let code = self.implementation_at(at).await?;
        let named = l1.read(code, &anchorStateRegistryCall {}, at).await?;
        if named != self.registry {
            let reason = format!(
                "new ones have the anchor registry {named}, and not {}: another process is for those, each with its \
                 ANCHOR_STATE_REGISTRY_ADDRESS",
                self.registry
            );
            return Err(ChainError::NoGames { address: self.factory, game_type: self.game_type, reason });
        }
        Ok(GamesSettings {
            config: self.config(code, at).await?,
            verifier: l1.read(code, &sp1VerifierCall {}, at).await?,
            bond: l1.read(self.factory, &initBondsCall { gameType: self.game_type }, at).await?,
            challenger_bond: l1.read(code, &challengerBondCall {}, at).await?,
            challenge_seconds: l1.read(code, &maxChallengeDurationCall {}, at).await?,
            prove_seconds: l1.read(code, &maxProveDurationCall {}, at).await?,
        })
    }

    /// The code that new games have now.
    ///
    /// # Errors
    /// [`ChainError::NoGames`] where there is none; or L1 cannot be read.
    pub async fn implementation(&self) -> Result<Address, ChainError> {
        self.implementation_at(None).await
    }

    async fn implementation_at(&self, at: Option<B256>) -> Result<Address, ChainError> {
        let game_type = self.game_type;
        let code = self.l1.read(self.factory, &gameImplsCall { gameType: game_type }, at).await;
        let code = code.map_err(|error| self.no_games(error))?;
        if code.is_zero() {
            let reason = GameRefusal::NoImplementation { game_type }.to_string();
            return Err(ChainError::NoGames { address: self.factory, game_type, reason });
        }
        Ok(code)
    }

    /// What says who may create and challenge new games.
    ///
    /// # Errors
    /// As of [`settings`](Self::settings).
    pub async fn access_manager(&self) -> Result<Address, ChainError> {
        let manager = self.l1.read(self.implementation().await?, &accessManagerCall {}, None).await;
        manager.map_err(|error| self.no_games(error))
    }

    /// Whether an account may create games.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn may_propose(&self, account: Address) -> Result<bool, ChainError> {
        self.l1.read(self.access_manager().await?, &isAllowedProposerCall(account), None).await
    }

    /// Whether an account may challenge the games of an access manager.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn may_challenge(&self, account: Address, manager: Address) -> Result<bool, ChainError> {
        self.l1.read(manager, &isAllowedChallengerCall(account), None).await
    }

    /// Creates a game of a claim, with the bond that the factory wants now.
    ///
    /// # Errors
    /// The factory refuses, the account cannot pay, or the transaction is not included.
    pub async fn create(
        &self,
        sender: &Sender,
        claim: Output,
        parent: Option<u32>,
    ) -> Result<Included, ChainError> {
        let game_type = self.game_type;
        let bond = self.l1.read(self.factory, &initBondsCall { gameType: game_type }, None).await?;
        let mut extra = U256::from(claim.block).to_be_bytes::<32>().to_vec();
        extra.extend(parent.unwrap_or(NO_PARENT).to_be_bytes());
        let call = createCall { gameType: game_type, rootClaim: claim.root, extraData: extra.into() };
        sender.send_with(CallName::CreateGame, Some(self.factory), call.abi_encode().into(), bond).await
    }

    /// What a challenge of a new game costs for a while, in wei.
    ///
    /// # Errors
    /// As of [`settings`](Self::settings).
    pub async fn challenger_bond(&self) -> Result<U256, ChainError> {
        let bond = self.l1.read(self.implementation().await?, &challengerBondCall {}, None).await;
        bond.map_err(|error| self.no_games(error))
    }

    /// Whether a game is still there as it was read: a reorg may have put another one at its address, or its number.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn is_there(&self, game: &Game) -> Result<bool, ChainError> {
        self.was_there(game, None).await
    }

    /// The same, in the block with this hash.
    async fn was_there(&self, game: &Game, at: Option<B256>) -> Result<bool, ChainError> {
        let (l1, address) = (&self.l1, game.address);
        let call = gameAtIndexCall { index: U256::from(game.index) };
        match l1.read(self.factory, &call, at).await {
            Ok(made) if made.proxy == address => {}
            // There are not so many.
            Ok(_) | Err(ChainError::Reverted(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let block = l1.read(address, &l2BlockNumberCall {}, at).await?;
        // A claim may be of any number. One beyond all blocks is read as the greatest, here and in a view.
        Ok(l1.read(address, &claimDataCall {}, at).await?.claim == game.claim.root
            && block.saturating_to::<u64>() == game.claim.block
            && l1.read(address, &l1HeadCall {}, at).await? == game.l1_head
            && l1.read(address, &gameCreatorCall {}, at).await? == game.creator
            && l1.read(address, &startingRootHashCall {}, at).await? == game.start.root)
    }

    /// Challenges a game, with the bond that it wants.
    ///
    /// # Errors
    /// The game refuses, the account cannot pay, or the transaction is not included.
    pub async fn challenge(&self, sender: &Sender, game: Address) -> Result<Included, ChainError> {
        let bond = self.l1.read(game, &challengerBondCall {}, None).await?;
        let call = challengeCall {}.abi_encode();
        sender.send_with(CallName::ChallengeGame, Some(game), call.into(), bond).await
    }

    /// Proves a game's claim. The proof, in the encoding of the verifier, names the account that sends it.
    ///
    /// # Errors
    /// The game or the verifier refuses, or the transaction is not included.
    pub async fn prove(&self, sender: &Sender, game: Address, proof: Bytes) -> Result<Included, ChainError> {
        let call = proveCall { proofBytes: proof };
        sender.send(CallName::ProveGame, Some(game), call.abi_encode().into()).await
    }

    /// Resolves a game that is over.
    ///
    /// # Errors
    /// The game refuses, or the transaction is not included.
    pub async fn resolve(&self, sender: &Sender, game: Address) -> Result<Included, ChainError> {
        sender.send(CallName::ResolveGame, Some(game), resolveCall {}.abi_encode().into()).await
    }

    /// Has a final game pay what the account has in it; the first such call makes it the anchor, where it can be.
    ///
    /// # Errors
    /// The game refuses, or the transaction is not included.
    pub async fn claim_credit(
        &self,
        sender: &Sender,
        game: Address,
        account: Address,
    ) -> Result<Included, ChainError> {
        let call = claimCreditCall { recipient: account };
        sender.send(CallName::ClaimCredit, Some(game), call.abi_encode().into()).await
    }
}
