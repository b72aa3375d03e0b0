//! Whether a proof's tasks have room on the workers that are to make it: one that has none waits for ever.

use eyre::{Result, bail};
use proofmill_backends::{Backend, Registry};
use proofmill_primitives::{ProofMode, ProverType, TaskKind, Weight};
use std::num::NonZeroU32;

/// What the heaviest task takes of a proof of this mode, a SNARK's own steps aside, whose segments are cut for so much memory.
pub(crate) fn heaviest_task(backend: &dyn Backend, segment_memory: Weight, mode: ProofMode) -> Weight {
    use TaskKind::{ProveShard, RecursionDeferred, RecursionReduce, ShrinkWrap};
    let budget = backend.budget_for(segment_memory);
    let kinds: &[TaskKind] = match mode {
        // Nothing is folded.
        ProofMode::Core => &[ProveShard, ShrinkWrap],
        _ => &[ProveShard, RecursionReduce, RecursionDeferred, ShrinkWrap],
    };
    kinds.iter().map(|kind| backend.weight(*kind, budget)).fold(Weight::ZERO, Weight::max)
}

/// What a proof's execution takes, where it waits beside the controller until the other tasks are done.
pub(crate) fn execution(backend: &dyn Backend, segment_memory: Weight) -> Weight {
    let weight = |_| backend.weight(TaskKind::CoreExecute, backend.budget_for(segment_memory));
    backend.cluster_tasks().map_or(Weight::ZERO, weight)
}

/// What a proof takes of those who make it.
#[derive(Clone, Copy, Debug)]
struct Needs {
    heaviest: Weight,
    /// It waits for all others.
    controller: Weight,
    /// So does this, where there is one.
    execution: Weight,
}

impl Needs {
    fn of(backend: &dyn Backend, segment_memory: Weight, mode: ProofMode) -> Self {
        Self {
            heaviest: heaviest_task(backend, segment_memory, mode),
            controller: backend.weight(TaskKind::Controller, backend.budget_for(segment_memory)),
            execution: execution(backend, segment_memory),
        }
    }

    fn waiting(&self) -> Weight {
        self.controller + self.execution
    }

    /// Who waits.
    fn who(&self) -> &'static str {
        match self.execution {
            Weight::ZERO => "controller",
            _ => "controller and execution",
        }
    }

    /// On one worker.
    fn together(&self) -> Weight {
        self.heaviest + self.waiting()
    }
}

/// The most that a task of a proof may take on one of these workers while those wait that end only after it. Each of them went where there was
/// the most room, as the scheduler places them. Nothing where one of them has no room.
pub(crate) fn left_beside(rooms: &[Weight], waiting: impl IntoIterator<Item = Weight>) -> Weight {
    let mut rooms = rooms.to_vec();
    for weight in waiting {
        match rooms.iter_mut().max() {
            Some(most) if *most >= weight => *most = most.saturating_sub(weight),
            _ => return Weight::ZERO,
        }
    }
    rooms.into_iter().max().unwrap_or(Weight::ZERO)
}

/// What each of several provers may use of this machine's memory, of which the provers may use `all`. None for one alone: it has all of it.
///
/// # Errors
/// A proof has no room in that. Where nobody tells what its tasks weigh (`backend`), 1 GB is enough.
pub(crate) fn share(
    backend: Option<&dyn Backend>,
    segment_memory: Weight,
    all: Weight,
    provers: NonZeroU32,
) -> Result<Option<Weight>> {
    let share = Weight::gb(all.as_gb() / provers);
    let needs = |backend| Needs::of(backend, segment_memory, ProofMode::Compressed).together();
    let needed = backend.map_or(Weight::gb(1), needs).max(Weight::gb(1));
    if share < needed {
        let each = match provers.get() {
            1 => String::new(),
            several => format!(", {share} for each of {several}"),
        };
        let remedy = match all.as_gb() / needed.as_gb() {
            0 => "take a larger machine".to_owned(),
            fit => format!("start {fit} at the most (--provers)"),
        };
        bail!("this machine has {all} for provers{each}, and a proof takes {needed} of one: {remedy}");
    }
    Ok((provers.get() > 1).then_some(share))
}

/// Refuses workers of these types, which may take so much each, where none has room for the heaviest task of a proof beside those of the proof
/// that wait for it: it would wait there for ever.
pub(crate) fn check(
    registry: &Registry,
    provers: &[ProverType],
    segment_memory: Weight,
    mode: ProofMode,
    rooms: &[Weight],
) -> Result<()> {
    // Binaries beside this one do not tell what their tasks weigh.
    for backend in provers.iter().filter_map(|prover| registry.get(*prover).ok()) {
        let (prover, needs) = (backend.prover_type(), Needs::of(&*backend, segment_memory, mode));
        let left = left_beside(rooms, [needs.controller, needs.execution]);
        if left < needs.heaviest {
            let (heaviest, waiting, who) = (needs.heaviest, needs.waiting(), needs.who());
            let have = match rooms {
                [room] => format!("the tasks of no worker here may take more than {room} together"),
                _ => format!("no worker here has more than {left} left once that is where the most room is"),
            };
            bail!(
                "the heaviest task of a proof by {prover} takes {heaviest} beside the {waiting} of its {who}, and {have}: give one {} \
                 (--max-weight; --workers of `proofmill dev`)",
                needs.together()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_backends::{
        ExecBackend,
        tasks::{ClusterLink, ClusterTask, ClusterTasks, Later},
    };
    use std::sync::Arc;

    /// A prover type whose proofs are made by the SP1 cluster's tasks.
    struct ByClusterTasks(ExecBackend);

    impl Backend for ByClusterTasks {
        proofmill_stand_in::forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree
        node_weight reduce finish verify }

        fn cluster_tasks(&self) -> Option<&dyn ClusterTasks> {
            Some(self)
        }
    }

    impl ClusterTasks for ByClusterTasks {
        fn run(&self, _: ClusterTask, _: Arc<dyn ClusterLink>) -> Later<()> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[test]
    fn a_share_that_no_proof_has_room_in_is_refused_with_how_many_have() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let exec = ExecBackend::default();
        let share = |all, provers| super::share(Some(&exec), Weight::gb(4), Weight::gb(all), number(provers));
        // Its heaviest task and the controller take 1 GB each.
        assert_eq!(share(7, 3).unwrap(), Some(Weight::gb(2)));
        assert_eq!(share(2, 1).unwrap(), None, "one alone has all of it");
        let said = share(7, 4).unwrap_err().to_string();
        for part in ["7 GB for provers, 1 GB for each of 4", "takes 2 GB", "start 3 at the most (--provers)"]
        {
            assert!(said.contains(part), "{said}");
        }
        for provers in [1, 2] {
            let said = share(1, provers).unwrap_err().to_string();
            assert!(said.contains("1 GB for provers") && said.contains("take a larger machine"), "{said}");
        }
        // Nobody tells what its tasks weigh.
        let unknown = |all| super::share(None, Weight::gb(4), Weight::gb(all), number(4));
        assert_eq!(unknown(4).unwrap(), Some(Weight::gb(1)));
        assert!(unknown(3).is_err());
    }

    #[test]
    fn a_worker_alone_has_room_for_all_that_waits_for_its_heaviest_task() {
        let exec: Arc<dyn Backend> = Arc::new(ExecBackend::default());
        let execution: Arc<dyn Backend> = Arc::new(ByClusterTasks(ExecBackend::default()));
        for (backend, needed) in [(exec, 2), (execution, 3)] {
            let registry = Registry::default().with(backend);
            let check = |mode, rooms: &[u32]| {
                let rooms: Vec<_> = rooms.iter().map(|room| Weight::gb(*room)).collect();
                super::check(&registry, &[ProverType::Exec], Weight::gb(4), mode, &rooms)
            };
            for mode in [ProofMode::Core, ProofMode::Compressed] {
                check(mode, &[needed]).unwrap();
                check(mode, &vec![1; needed as usize]).unwrap();
                for few in [vec![needed - 1], vec![1; needed as usize - 1]] {
                    let said = check(mode, &few).unwrap_err().to_string();
                    assert!(said.contains(&format!("give one {needed} GB")), "{said}");
                    assert_eq!(said.contains("its controller and execution"), needed == 3, "{said}");
                }
            }
        }
    }

    #[test]
    fn what_waits_goes_where_the_most_room_is() {
        let left = |rooms: &[u32], waiting: &[u32]| {
            let rooms: Vec<_> = rooms.iter().map(|room| Weight::gb(*room)).collect();
            left_beside(&rooms, waiting.iter().map(|weight| Weight::gb(*weight))).as_gb()
        };
        // A small worker beside it helps nothing: the controller is not put there.
        assert_eq!(left(&[5, 1], &[1, 0]), 4);
        assert_eq!(left(&[5, 5], &[1, 0]), 5);
        assert_eq!(left(&[6, 1], &[1, 0]), 5);
        // The execution goes to the other one, which has more then.
        assert_eq!(left(&[10, 9], &[2, 8]), 8);
        assert_eq!(left(&[1, 1], &[2]), 0, "the controller has no room");
        assert_eq!(left(&[], &[]), 0);
    }
}
