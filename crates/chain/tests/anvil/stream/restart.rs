//! A stream that starts anew, with or without what another one knew.

use super::two_chains::{TwoChains, blocks, options, proven, pruned};
use proofmill_chain::{ChainEvent, ChainEvent::Checkpointed, PruneCause, StreamTips};
use serde_json::json;

#[tokio::test]
async fn a_stream_goes_on_from_any_point() {
    let chains = TwoChains::new().await;
    for (slot, last) in [(1, 2), (2, 3), (4, 4), (5, 5)] {
        chains.propose(slot, last).await;
    }
    chains.prove(1, 2).await;
    let mut stream = chains.stream();
    let mut events: Vec<ChainEvent> = Vec::new();
    let mut points: Vec<String> = Vec::new();
    loop {
        points.push(serde_json::to_string(&stream.stream.tips()).unwrap());
        if points.len() == 5 {
            break;
        }
        events.push(stream.next().await);
    }
    // The first epoch is proven and over: it is left out.
    let [second_epoch, last] = [3, 4].map(|number| {
        events.iter().find_map(|event| match event {
            Checkpointed(checkpoint) if checkpoint.number.0 == number => Some(*checkpoint),
            _ => None,
        })
    });
    assert_eq!(
        events,
        [proven(2, 0), blocks(4, 5), Checkpointed(second_epoch.unwrap()), Checkpointed(last.unwrap())]
    );
    for (at, point) in points.iter().enumerate() {
        let tips: Option<StreamTips> = serde_json::from_str(point).unwrap();
        let options = tips.map_or_else(options, |tips| options().resume(tips));
        assert_eq!(chains.stream_with(options).all().await, events[at..], "from event {at} on");
    }
}

#[tokio::test]
async fn a_partly_proven_epoch_is_told_whole() {
    let chains = TwoChains::new().await;
    let first = chains.propose(1, 2).await;
    let second = chains.propose(2, 3).await;
    chains.prove(1, 1).await;
    let expected = [proven(1, 0), blocks(2, 5), Checkpointed(first), Checkpointed(second)];
    assert_eq!(chains.stream().all().await, expected);
    // Wholly proven as far as it is, but it is not over.
    chains.prove(1, 2).await;
    let expected = [proven(2, 0), blocks(2, 5), Checkpointed(first), Checkpointed(second)];
    assert_eq!(chains.stream().all().await, expected);
    // Over: nothing of it is to be done.
    chains.to_slot(3).await;
    let expected = [proven(2, 0), blocks(4, 5)];
    let events = chains.stream().all().await;
    assert_eq!(events.iter().filter(|event| expected.contains(event)).count(), 2, "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Checkpointed(_))), "{events:?}");
}

#[tokio::test]
async fn what_happened_meanwhile_is_told() {
    let chains = TwoChains::new().await;
    let snapshot = chains.l1("evm_snapshot", json!([])).await;
    let first = chains.propose(1, 2).await;
    let second = chains.propose(2, 3).await;
    let mut stream = chains.stream();
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first), Checkpointed(second)]);
    let tips = stream.tips().clone();
    drop(stream);
    chains.l1("evm_revert", json!([snapshot])).await;
    let other = chains.propose(1, 4).await;
    chains.mine_l1(4).await;
    let mut stream = chains.stream_with(options().resume(tips));
    assert_eq!(stream.all().await, [pruned(0, PruneCause::L1Reorg), Checkpointed(other)]);
}
