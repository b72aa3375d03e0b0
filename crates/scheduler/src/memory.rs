//! One picture of a worker's memory, in GB.
//!
//! ```text
//! 0              waiting            waiting + work                            max
//! |================|=====================|.....................................|
//! |    waiting     |        work         |<------------- free now ------------>|
//! |                |<-------- room later, for work: all work has ended ------->|
//! |                |<---- room later, for a controller ---->|<--- headroom --->|
//! ```
//!
//! *Waiting* are controllers and executions: they wait for other tasks of their proof while they hold their memory. *Work* ends by
//! itself. So what a task could ever get beside those that wait is the room *later*, when all work has ended; what it gets *now* is
//! no more than that, and no more than what is free. The headroom is what a worker that does the work too keeps free of every
//! controller after its first, so that the proofs that controllers wait for can go on there.

use crate::want::Lane;

/// What a worker has, and what is held of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) max: u64,
    controllers: u64,
    executions: u64,
    work: u64,
    /// Zero where the worker does no work beside controllers.
    pub(crate) headroom: u64,
}

impl Memory {
    pub(crate) const fn hold(&mut self, lane: Lane, weight: u64) {
        *self.of(lane) += weight;
    }

    pub(crate) const fn release(&mut self, lane: Lane, weight: u64) {
        *self.of(lane) -= weight;
    }

    const fn of(&mut self, lane: Lane) -> &mut u64 {
        match lane {
            Lane::Controller => &mut self.controllers,
            Lane::Execution => &mut self.executions,
            Lane::Work => &mut self.work,
        }
    }

    /// What those hold that end only after others have run.
    const fn waiting(&self) -> u64 {
        self.controllers + self.executions
    }

    pub(crate) const fn held(&self) -> u64 {
        self.waiting() + self.work
    }

    /// `None` where more is held than there is: the worker came back with less.
    pub(crate) const fn free(&self) -> Option<u64> {
        self.max.checked_sub(self.held())
    }

    /// What a task of the lane may take now.
    pub(crate) fn room_now(&self, lane: Lane) -> Option<u64> {
        Some(self.free()?.min(self.room_later(lane)))
    }

    /// What it could take once all work has ended.
    pub(crate) const fn room_later(&self, lane: Lane) -> u64 {
        let room = self.max.saturating_sub(self.waiting());
        match lane {
            Lane::Controller if self.controllers > 0 => room.saturating_sub(self.headroom),
            _ => room,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Memory};

    fn memory(controllers: u64, work: u64) -> Memory {
        let mut memory = Memory { max: 16, headroom: 4, ..Memory::default() };
        memory.hold(Lane::Controller, controllers);
        memory.hold(Lane::Work, work);
        memory
    }

    #[test]
    fn the_first_controller_may_take_all_and_every_other_leaves_the_headroom() {
        assert_eq!(memory(0, 0).room_now(Lane::Controller), Some(16));
        assert_eq!(memory(2, 0).room_now(Lane::Controller), Some(10));
        assert_eq!(memory(2, 0).room_now(Lane::Work), Some(14));
        assert_eq!(memory(14, 0).room_now(Lane::Controller), Some(0));
    }

    #[test]
    fn work_takes_room_now_and_none_later() {
        assert_eq!(memory(2, 9).room_now(Lane::Work), Some(5));
        assert_eq!(memory(2, 9).room_now(Lane::Controller), Some(5));
        assert_eq!(memory(2, 9).room_later(Lane::Work), 14);
        assert_eq!(memory(2, 9).room_later(Lane::Controller), 10);
        let mut put_back = memory(2, 9);
        put_back.release(Lane::Controller, 2);
        assert_eq!(put_back.room_later(Lane::Controller), 16, "it is the first then");
    }

    #[test]
    fn an_execution_takes_room_now_and_later_and_needs_no_headroom() {
        let mut memory = memory(2, 0);
        assert_eq!(memory.room_now(Lane::Execution), Some(14));
        memory.hold(Lane::Execution, 8);
        assert_eq!((memory.held(), memory.room_now(Lane::Work)), (10, Some(6)));
        assert_eq!((memory.room_later(Lane::Work), memory.room_later(Lane::Controller)), (6, 2));
        memory.release(Lane::Controller, 2);
        assert_eq!(memory.room_now(Lane::Controller), Some(8), "the first controller leaves no headroom");
    }

    #[test]
    fn a_worker_that_came_back_smaller_has_no_room_until_enough_has_ended() {
        let mut memory = memory(2, 16);
        assert_eq!((memory.free(), memory.room_now(Lane::Work)), (None, None));
        assert_eq!(memory.room_later(Lane::Work), 14);
        memory.release(Lane::Work, 3);
        assert_eq!(memory.room_now(Lane::Work), Some(1));
    }
}
