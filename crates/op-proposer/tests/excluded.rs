//! Games that the registry's guardian excluded, or retired: the contract takes no new game that builds on them.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256, U256};
use proofmill_chain::{Game, GameStatus, OracleConfig, Output, ProposalStatus};
use proofmill_op_proposer::games::{
    GameId, GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesSeen, Judged,
};
use proofmill_op_proposer::rules::BlockGas;

const US: Address = Address::repeat_byte(0x05);

/// Game `index` of the blocks after `start` up to `block`, on the one before it.
fn game(index: u32, start: u64, block: u64, excluded: bool) -> Judged {
    let config =
        OracleConfig { aggregation_key: B256::ZERO, range_key: B256::ZERO, rollup_config_hash: B256::ZERO };
    let game = Game {
        index,
        address: Address::repeat_byte(index as u8 + 0x10),
        creator: US,
        claim: Output { root: B256::repeat_byte(block as u8), block },
        start: Output { root: B256::repeat_byte(start as u8), block: start },
        parent: index.checked_sub(1),
        l1_head: B256::repeat_byte(1),
        config,
        verifier: Address::ZERO,
        access_manager: Address::ZERO,
        challenger_bond: U256::ZERO,
        respected: true,
        excluded,
        status: GameStatus::InProgress,
        proposal: ProposalStatus::Unchallenged,
        deadline: 1_000,
        challenger: None,
        prover: None,
        is_final: false,
        credit: U256::ZERO,
    };
    Judged { right: Some(true), provable: true, gas: BlockGas::default(), game }
}

/// The block of the game that is created, and what it builds on.
fn created(games: Vec<Judged>) -> (u64, Option<GameId>) {
    let mut plan = GamesPlan::new(GamesConfig { interval: 10, ..GamesConfig::of(US) });
    let seen = GamesSeen {
        l1_block: 7,
        l1_time: 0,
        anchor: 100,
        may_create: true,
        held: None,
        l2_finalized: 200,
        unread: None,
        games,
    };
    let actions = plan.handle(0, GamesEvent::Seen(seen));
    let create = actions.iter().find_map(|action| match action {
        GamesAction::Create { block, parent, .. } => Some((*block, *parent)),
        _ => None,
    });
    create.unwrap()
}

#[test]
fn nothing_is_built_on_a_game_that_is_excluded() {
    let games = |excluded: [bool; 2]| vec![game(0, 100, 110, excluded[0]), game(1, 110, 120, excluded[1])];
    let all = games([false; 2]);
    let [first, second] = [0, 1].map(|at| Some(all[at].id()));
    assert_eq!(created(all), (130, second));
    // The one before it goes on; its next claim is another than that of the excluded one.
    assert_eq!(created(games([false, true])), (121, first));
    // All are retired: from the anchor, and not with the claim that is there.
    assert_eq!(created(games([true, true])), (111, None));
}
