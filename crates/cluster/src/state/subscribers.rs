//! Who waits for the ends of tasks, and who follows their messages.

use super::State;
use crate::{
    convert,
    error::brief,
    streams::{self, Channel, Sink, Subscriber},
};
use proofmill_ledger::Change;
use proofmill_primitives::{ProofId, TaskId};
use proofmill_wire::worker::{MessageStreamResponse, ServerSubMessage};
use std::time::Instant;
use tonic::Status;

impl State {
    pub(crate) fn open_subscriber(
        &mut self,
        id: String,
        proof: ProofId,
        tasks: Vec<TaskId>,
        sink: Sink<ServerSubMessage>,
    ) {
        // The id is the subscriber's own choice: of another proof, it is another subscriber.
        let earlier = self.subscribers.remove(&id).filter(|subscriber| subscriber.proof == proof);
        let mut subscriber = earlier.unwrap_or_else(|| Subscriber::new(proof.clone(), sink.clone()));
        subscriber.reopen(sink, Instant::now(), &mut self.releases);
        subscriber.heartbeat();
        if self.scheduler.proof(&proof).is_none() {
            subscriber.end(&mut self.releases);
            return;
        }
        self.subscribers.insert(id.clone(), subscriber);
        self.subscribe(&id, tasks);
    }

    pub(crate) fn update_subscriber(&mut self, id: &str, tasks: Vec<TaskId>) -> Result<(), Status> {
        if !self.subscribers.contains_key(id) {
            let text = format!("there is no subscriber {id}: open its stream again");
            return Err(Status::not_found(brief(text)));
        }
        self.subscribe(id, tasks);
        Ok(())
    }

    fn subscribe(&mut self, id: &str, tasks: Vec<TaskId>) {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return };
        for task in tasks {
            // Of another proof's tasks it would hear nothing.
            match self.scheduler.task(&task).filter(|(spec, _)| spec.proof == subscriber.proof) {
                None => subscriber.unknown(&task, &mut self.releases),
                Some((_, state)) if super::has_ended(state) => {
                    subscriber.result(&task, convert::task_status(state), &mut self.releases);
                }
                Some(_) => drop(subscriber.waiting.insert(task)),
            }
        }
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
    pub(crate) fn write_channel(&mut self, task: TaskId, payload: Vec<u8>) {
        if self.channel(task.clone()).is_some_and(|channel| channel.write(payload.clone())) {
            self.batch.push(Change::TaskSaid { task, payload });
        }
    }

    /// Of a task that is not known any more there is nothing but the end.
    pub(crate) fn read_channel(&mut self, task: TaskId, start: u64, reader: Sink<MessageStreamResponse>) {
        match self.channel(task) {
            Some(channel) => channel.read(start, reader),
            None => streams::send_end(&reader),
        }
    }

    /// That of a task whose proof is live. The task itself may have ended before its first reader came.
    fn channel(&mut self, task: TaskId) -> Option<&mut Channel> {
        let (spec, state) = self.scheduler.task(&task)?;
        let channel = self.channels.entry(task).or_insert_with(|| Channel::new(spec.proof.clone()));
        if super::has_ended(state) {
            channel.end();
        }
        Some(channel)
    }
}
