//! What keeps a rollup from being followed, once that lasts: a coordinator that has nothing to give out says why.

use proofmill_chain::StreamStatus;
use std::{future::pending, time::Duration};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

/// What passes by itself within this time is nobody's business: every node is behind for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells what keeps a stream's events from coming for longer than that, and that nothing does any more. Does not come back.
pub(crate) async fn tell_troubles(mut status: watch::Receiver<StreamStatus>, tell: impl Fn(Option<String>)) {
    let (mut since, mut is_said): (Option<Instant>, bool) = (None, false);
    loop {
        let trouble = status.borrow_and_update().trouble();
        since = trouble.as_ref().map(|_| since.unwrap_or_else(Instant::now));
        let due = since.map(|since| since + PATIENCE);
        let lasting = trouble.filter(|_| due.is_some_and(|due| due <= Instant::now()));
        let due = due.filter(|_| lasting.is_none());
        match &lasting {
            Some(cause) if !is_said => {
                tracing::warn!(cause, "the rollup cannot be followed: new batches wait")
            }
            None if is_said => tracing::info!("the rollup is followed again"),
            _ => {}
        }
        is_said = lasting.is_some();
        tell(lasting);
        let passes = async {
            match due {
                Some(due) => time::sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            changed = status.changed() => if changed.is_err() {
                return pending().await;
            },
            () = passes => {}
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::Waiting;
    use proofmill_primitives::CheckpointNumber;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_told_and_what_passes_is_not() {
        let (status, watched) = watch::channel(StreamStatus::default());
        let last = Mutex::new(None);
        let telling = tell_troubles(watched, |trouble| *last.lock().unwrap() = trouble);
        let behind = |head| {
            status.send_modify(|status| {
                status.waiting = Waiting::L2Behind { checkpoint: CheckpointNumber(7), block: 90, head };
            });
        };
        let told = || last.lock().unwrap().clone();
        let wait = |secs| time::sleep(Duration::from_secs(secs));
        let story = async {
            behind(1);
            wait(6).await;
            status.send_modify(|status| status.waiting = Waiting::Nothing);
            wait(60).await;
            assert_eq!(told(), None);
            // It comes on, and not far enough.
            for head in 2..8 {
                behind(head);
                wait(3).await;
                assert_eq!(told().is_some(), head >= 5, "{head}");
            }
            let cause: String = told().unwrap();
            assert!(cause.contains("checkpoint 7") && cause.contains("at block 7"), "{cause}");
            status.send_modify(|status| status.waiting = Waiting::Nothing);
            wait(1).await;
            assert_eq!(told(), None);
        };
        tokio::select! {
            () = telling => panic!("it came back"),
            () = story => {}
        }
    }
}
