//! Who waits for the ends of tasks, and who follows their messages.

use super::State;
use crate::{
    convert::{self, MAX_UNKNOWN},
    error::brief,
    owner::Release,
    queue::Sink,
    streams::{self, Channel, Messages, Subscriber},
};
use proofmill_ledger::Change;
use proofmill_primitives::{ProofId, TaskId, TaskKind};
use proofmill_wire::worker::ServerSubMessage;
use std::time::Instant;
use tonic::Status;

impl State {
    pub(crate) fn open_subscriber(
        &mut self,
        id: String,
        proof: ProofId,
        tasks: Vec<TaskId>,
        sink: Sink<ServerSubMessage>,
    ) -> Result<(), Status> {
        // The id is the subscriber's own choice: of another proof, it is another subscriber.
        let earlier = self.subscribers.remove(&id).filter(|subscriber| subscriber.proof == proof);
        let mut subscriber = earlier.unwrap_or_else(|| Subscriber::new(proof.clone(), sink.clone()));
        subscriber.reopen(sink, Instant::now(), &mut self.releases);
        subscriber.heartbeat();
        if self.scheduler.proof(&proof).is_none() && (subscriber.has_named || !tasks.is_empty()) {
            subscriber.end(&mut self.releases);
            // This stream may break as the one before did.
            if subscriber.is_owed() {
                self.subscribers.insert(id, subscriber);
            }
            return Ok(());
        }
        self.subscribers.insert(id.clone(), subscriber);
        self.subscribe(&id, tasks)
    }

    pub(crate) fn update_subscriber(&mut self, id: &str, tasks: Vec<TaskId>) -> Result<(), Status> {
        if !self.subscribers.contains_key(id) {
            let text = format!("there is no subscriber {id}: open its stream again");
            return Err(Status::not_found(brief(text)));
        }
        self.subscribe(id, tasks)
    }

    fn subscribe(&mut self, id: &str, tasks: Vec<TaskId>) -> Result<(), Status> {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return Ok(()) };
        subscriber.has_named |= !tasks.is_empty();
        let mut unknown = 0;
        for task in tasks {
            // Of another proof's tasks it would hear nothing.
            match self.scheduler.task(&task).filter(|(spec, _)| spec.proof == subscriber.proof) {
                None if unknown == MAX_UNKNOWN => {
                    return Err(Status::invalid_argument(format!(
                        "more than {MAX_UNKNOWN} of these tasks are none of this proof: name those that were created for it"
                    )));
                }
                None => {
                    unknown += 1;
                    subscriber.unknown(&task, &mut self.releases);
                }
                Some((_, state)) if super::has_ended(state) => {
                    subscriber.result(&task, convert::task_status(state), &mut self.releases);
                }
                Some((spec, _)) => {
                    // Marks are asked for by controllers, and name none.
                    let is_from_outside =
                        spec.parent.is_none() && spec.kind != TaskKind::MarkerDeferredRecord;
                    subscriber.waiting.insert(task, is_from_outside.then_some(spec.kind));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn acknowledge(&mut self, subscriber: &str, message: &str) {
        if let Some(subscriber) = self.subscribers.get_mut(subscriber) {
            subscriber.acknowledge(message);
        }
    }

    pub(crate) fn live_subscribers(&self) -> usize {
        self.subscribers.values().filter(|subscriber| !subscriber.is_gone()).count()
    }

    /// A message of a task that has ended, or is not known any more, is dropped: nobody is left to hear it.
    pub(crate) fn write_channel(&mut self, task: TaskId, payload: Vec<u8>) -> Result<(), Status> {
        let Some((channel, releases)) = self.channel(task.clone()) else { return Ok(()) };
        if channel.write(payload.clone(), releases)? {
            self.batch.push(Change::TaskSaid { task, payload });
        }
        Ok(())
    }

    /// Of a task that is not known any more there is nothing but the end.
    pub(crate) fn read_channel(&mut self, task: TaskId, start: u64) -> Messages {
        self.channel(task).map_or_else(streams::nothing_but_the_end, |(channel, _)| channel.read(start))
    }

    /// That of a task whose proof is live, and what is done once all is durable. The task itself may have ended before its first reader
    /// came.
    fn channel(&mut self, task: TaskId) -> Option<(&mut Channel, &mut Vec<Release>)> {
        let Self { scheduler, channels, releases, .. } = self;
        let (spec, state) = scheduler.task(&task)?;
        let channel = channels.entry(task).or_insert_with(|| Channel::new(spec.proof.clone()));
        if super::has_ended(state) {
            channel.end(releases);
        }
        Some((channel, releases))
    }
}
