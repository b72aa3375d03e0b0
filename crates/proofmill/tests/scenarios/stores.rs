//! Stores that are away, or start anew.

use crate::{away, house::House, logs::made_twice};
use std::time::Duration;

#[test]
fn redis_is_away_at_each_phase_of_an_epoch() {
    let Some(house) = House::new() else { return };
    away_at_each_phase(house, away());
}

/// Shorter: what waits for Redis waits for S3.
#[test]
fn s3_is_away_at_each_phase_of_an_epoch() {
    away_at_each_phase(House::over_s3(), Duration::from_secs(2));
}

fn away_at_each_phase(mut house: House, away: Duration) {
    let _cluster = house.cluster();
    let (_one, _two) = (house.worker("worker-1"), house.worker("worker-2"));
    let _node = house.node();
    house.settle(1);
    for phase in ["a range is proven", "awaiting root", "publishing", "completed"] {
        house.load_until(phase);
        house.store.stop();
        // Transactions and checkpoints go on.
        house.load();
        std::thread::sleep(away);
        house.store.start_again().unwrap();
        house.settle(1);
    }
    let said = house.said("node");
    assert!(!said.contains("epoch missed"), "{said}");
    assert_eq!(made_twice(house.logs()), [""; 0]);
}

#[test]
fn redis_is_restarted() {
    let Some(mut house) = House::new() else { return };
    let _cluster = house.cluster();
    let _one = house.worker("worker-1");
    let _node = house.node();
    for _ in 0..3 {
        house.load();
        house.store.start_again().unwrap();
        house.settle(1);
    }
}
