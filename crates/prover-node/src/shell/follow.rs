//! Following the chain: one event after the other to the owner, acknowledged when it is dealt with.

use super::{context::Context, owner::Message, publish::look};
use crate::{
    parts::ChainSource,
    rules::{Event, L1View, Refused},
};
use futures::StreamExt;
use proofmill_chain::{ChainEvent, PruneCause};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// The wait before the stream begins anew.
const RETRY: Duration = Duration::from_secs(1);

impl From<ChainEvent> for Event {
    fn from(event: ChainEvent) -> Self {
        match event {
            ChainEvent::BlocksAdded { blocks } => Self::BlocksAdded { blocks },
            ChainEvent::Checkpointed(checkpoint) => Self::Checkpointed(checkpoint),
            ChainEvent::Pruned { to, cause } => Self::Pruned { to, cause },
            ChainEvent::Proven { checkpoint, .. } => Self::Proven { checkpoint },
            ChainEvent::Finalized { checkpoint } => Self::Finalized { checkpoint },
        }
    }
}

/// Follows until the node is gone; drop it to stop.
pub(super) async fn follow(context: Arc<Context>, mut source: Box<dyn ChainSource>) {
    loop {
        if let Some(l1) = begin(&context, source.as_mut()).await
            && hand_over(&context, Event::Began { l1 }).await.is_ok()
        {
            let ended = tell_all(&context, source.as_mut()).await;
            tracing::warn!(cause = %ended, "the chain is read anew");
        }
        if context.owner.is_closed() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn begin(context: &Context, source: &mut dyn ChainSource) -> Option<L1View> {
    let begun = match source.begin() {
        Ok(()) => look(context).await,
        Err(away) => Err(away.cause),
    };
    begun.map_err(|cause| context.tell(Event::L1Lost { cause })).ok()
}

/// Tells events until one is refused.
async fn tell_all(context: &Context, source: &mut dyn ChainSource) -> Refused {
    let mut troubles = source.troubles();
    context.tell(Event::StreamTrouble { cause: None });
    loop {
        let mut next = source.next();
        let event = loop {
            tokio::select! {
                event = &mut next => break event,
                Some(cause) = troubles.next() => context.tell(Event::StreamTrouble { cause }),
            }
        };
        drop(next);
        tracing::debug!(%event, "the chain moved");
        if matches!(event, ChainEvent::Pruned { cause: PruneCause::WindowClosed, .. }) {
            // The rules record the windows that closed, while they still have what was in them.
            context.tell(match look(context).await {
                Ok(view) => Event::L1Seen(view),
                Err(cause) => Event::L1Lost { cause },
            });
        }
        match hand_over(context, event.into()).await {
            Ok(()) => source.acknowledge(),
            Err(refused) => return refused,
        }
    }
}

/// Gives an event to the owner and waits until it is dealt with.
async fn hand_over(context: &Context, event: Event) -> Result<(), Refused> {
    let (answer, answered) = oneshot::channel();
    context.owner.send(Message::Chain(event, answer)).map_err(|_| Refused::Stopping)?;
    answered.await.unwrap_or(Err(Refused::Stopping))
}
