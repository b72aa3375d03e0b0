//! Why a dispute game, or the factory of games, refused a call.

use crate::contracts::{
    OpDevAnchorRegistry::OpDevAnchorRegistryErrors as RegistryErrors,
    OpDevGame::OpDevGameErrors as GameErrors, OpDevGameFactory::OpDevGameFactoryErrors as FactoryErrors,
    StockGame::StockGameErrors as StockErrors,
};
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolInterface;

/// The custom error of a dispute game of OP Succinct, or of the factory of games.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GameRefusal {
    /// The factory has no code for games of this type.
    #[error("the factory makes no dispute games of type {game_type}: check GAME_TYPE")]
    NoImplementation {
        /// The type.
        game_type: u32,
    },
    /// What was sent is not the bond.
    #[error("what was sent is not the bond: it was changed just now")]
    WrongBond,
    /// There is such a game.
    #[error("there is a game of this claim already, under the id {id}")]
    Exists {
        /// The factory's id of it.
        id: B256,
    },
    /// The account is on no list of proposers, or of challengers.
    #[error("the account may not do this: have the owner of the access manager add it")]
    NotAllowed,
    /// The parent is lost, not ahead of the anchor, or of no account.
    #[error("the parent game is lost, blacklisted, retired, or not ahead of the anchor")]
    InvalidParent,
    /// The claim is of no later block than where it begins.
    #[error("the claim {root} is of no later block than where it begins")]
    NotAhead {
        /// The claim.
        root: B256,
    },
    /// The game is challenged.
    #[error("the game is challenged already")]
    Challenged,
    /// The game is proven, or its time is over.
    #[error("the game is over: its claim is proven, or its deadline has passed")]
    Over,
    /// The deadline has not passed, and the claim is not proven.
    #[error("the game is not over: its deadline is still to come, and its claim is not proven")]
    NotOver,
    /// The game is resolved.
    #[error("the game is resolved already")]
    Resolved,
    /// The parent is not resolved.
    #[error("the parent game is not resolved: it comes first")]
    ParentNotResolved,
    /// The registry's delay has not passed since the game was resolved.
    #[error("the game is not final yet: it has to be resolved for as long as the anchor registry wants")]
    NotFinal,
    /// The account has nothing in the game.
    #[error("there is no credit to claim")]
    NoCredit,
    /// Paying out failed.
    #[error("the receiver does not take its credit")]
    NotPaid,
    /// The system is paused.
    #[error("the system is paused")]
    Paused,
    /// An error that a call of ours does not meet.
    #[error("it reverted with {name}")]
    Unexpected {
        /// The error's name.
        name: &'static str,
    },
}

impl GameRefusal {
    /// Reads what a reverted call returned; none where it is of other contracts.
    pub(crate) fn decode(data: &Bytes) -> Option<Self> {
        if let Ok(error) = GameErrors::abi_decode_validate(data) {
            return Some(Self::of_game(error));
        }
        if let Ok(error) = FactoryErrors::abi_decode_validate(data) {
            return match error {
                FactoryErrors::NoImplementation(e) => Some(Self::NoImplementation { game_type: e.gameType }),
                FactoryErrors::IncorrectBondAmount(_) => Some(Self::WrongBond),
                FactoryErrors::GameAlreadyExists(e) => Some(Self::Exists { id: e.uuid }),
                // Of the library.
                _ => None,
            };
        }
        if let Ok(RegistryErrors::AnchorStateRegistry_InvalidAnchorGame(_)) =
            RegistryErrors::abi_decode_validate(data)
        {
            return Some(Self::Unexpected { name: "AnchorStateRegistry_InvalidAnchorGame" });
        }
        Some(match StockErrors::abi_decode_validate(data).ok()? {
            StockErrors::BadAuth(_) => Self::NotAllowed,
            StockErrors::GameNotResolved(_) => Self::NotFinal,
            StockErrors::GamePaused(_) => Self::Paused,
            StockErrors::InvalidProposalStatus(_) => Self::Unexpected { name: "InvalidProposalStatus" },
            StockErrors::InvalidBondDistributionMode(_) => {
                Self::Unexpected { name: "InvalidBondDistributionMode" }
            }
            StockErrors::UnexpectedGameType(_) => Self::Unexpected { name: "UnexpectedGameType" },
        })
    }

    fn of_game(error: GameErrors) -> Self {
        use GameErrors as E;
        match error {
            E::IncorrectBondAmount(_) => Self::WrongBond,
            E::InvalidParentGame(_) => Self::InvalidParent,
            E::UnexpectedRootClaim(e) => Self::NotAhead { root: e.rootClaim },
            E::ClaimAlreadyChallenged(_) => Self::Challenged,
            E::GameOver(_) => Self::Over,
            E::GameNotOver(_) => Self::NotOver,
            E::ClaimAlreadyResolved(_) => Self::Resolved,
            E::ParentGameNotResolved(_) => Self::ParentNotResolved,
            E::GameNotFinalized(_) => Self::NotFinal,
            E::NoCreditToClaim(_) => Self::NoCredit,
            E::BondTransferFailed(_) => Self::NotPaid,
            E::AlreadyInitialized(_) => Self::Unexpected { name: "AlreadyInitialized" },
            E::IncorrectDisputeGameFactory(_) => Self::Unexpected { name: "IncorrectDisputeGameFactory" },
            E::BadExtraData(_) => Self::Unexpected { name: "BadExtraData" },
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::Refusal;
    use alloy_primitives::keccak256;

    #[test]
    fn the_stock_contracts_errors_are_known_by_their_selectors() {
        for (error, wanted) in [
            ("BadAuth()", GameRefusal::NotAllowed),
            ("InvalidParentGame()", GameRefusal::InvalidParent),
            ("ClaimAlreadyChallenged()", GameRefusal::Challenged),
            ("GameOver()", GameRefusal::Over),
            ("GameNotOver()", GameRefusal::NotOver),
            ("ParentGameNotResolved()", GameRefusal::ParentNotResolved),
            ("ClaimAlreadyResolved()", GameRefusal::Resolved),
            ("GameNotFinalized()", GameRefusal::NotFinal),
            ("NoCreditToClaim()", GameRefusal::NoCredit),
            ("IncorrectBondAmount()", GameRefusal::WrongBond),
        ] {
            let data = Bytes::copy_from_slice(&keccak256(error)[..4]);
            assert_eq!(Refusal::decode(&data), Refusal::Game(wanted), "{error}");
        }
        let id = B256::repeat_byte(9);
        let data = [&keccak256("GameAlreadyExists(bytes32)")[..4], id.as_slice()].concat().into();
        assert_eq!(GameRefusal::decode(&data).unwrap(), GameRefusal::Exists { id });
    }
}
