//! What a session does, in order.

/// What is different from one session to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What is measured.
    pub binary: Binary,
    /// Which chains it is measured on.
    pub chains: Chains,
    /// Who sends transactions.
    pub load: Load,
    /// What becomes of L1 afterwards.
    pub l1: L1,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The one that runs the session.
    This,
    /// One that is built from a revision.
    Built,
}

/// Which chains a session measures on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chains {
    /// It starts them.
    Own,
    /// They run already, and go on.
    There,
}

/// Who sends transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The session.
    Sent,
    /// Somebody else, if anybody.
    Others,
}

/// What becomes of L1 when a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L1 {
    /// It ends too.
    Ends,
    /// It stays for the next session.
    Stays,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// End and remove what an earlier session left, and see that everything needed is there.
    Prepare,
    /// Build the revision.
    Build,
    /// Start L1, or find the one that an earlier session kept.
    StartL1,
    /// Deploy the contracts with a new salt, and start L2 and the proposer.
    StartL2,
    /// Send transactions until there is a batch: a prover that comes first would find none.
    StartLoad,
    /// Start who gives out the batches.
    StartCoordinator,
    /// Start the provers.
    StartProvers,
    /// Wait until so many batches are proven.
    Prove,
    /// Write the report.
    Report,
    /// End what was started, remove what it worked on, and see that nothing is left.
    TearDown,
}

impl Step {
    /// All steps of a session.
    pub fn all(shape: Shape) -> Vec<Self> {
        let is_part = |step: &Self| match step {
            Self::Build => shape.binary == Binary::Built,
            Self::StartL1 | Self::StartL2 => shape.chains == Chains::Own,
            Self::StartLoad => shape.load == Load::Sent,
            _ => true,
        };
        let all = [
            Self::Prepare,
            Self::Build,
            Self::StartL1,
            Self::StartL2,
            Self::StartLoad,
            Self::StartCoordinator,
            Self::StartProvers,
            Self::Prove,
            Self::Report,
            Self::TearDown,
        ];
        all.into_iter().filter(is_part).collect()
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Prepare => "looking for what an earlier session left, and for what is needed",
            Self::Build => "building the revision",
            Self::StartL1 => "starting L1",
            Self::StartL2 => "deploying the contracts, starting L2",
            Self::StartLoad => "sending transactions, until there is a batch to prove",
            Self::StartCoordinator => "starting the proof coordinator",
            Self::StartProvers => "starting the provers",
            Self::Prove => "proving",
            Self::Report => "writing the report",
            Self::TearDown => "ending everything",
        }
    }
}

/// What must be there before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A port of this machine that nobody listens on, and the flag that names another.
    Port(u16, &'static str),
    /// A program in `PATH`.
    Program(&'static str),
    /// The program of an Ethereum node, anvil.
    Anvil,
    /// A GPU.
    Gpu,
}

/// What a session needs on its machine.
pub fn needs(shape: Shape, l2_port: u16, metrics_port: u16, gpu: Gpu) -> Vec<Need> {
    let mut needs = Vec::new();
    if shape.chains == Chains::Own {
        needs.extend([
            Need::Port(l2_port, "--l2-port"),
            Need::Port(metrics_port, "--metrics-port"),
            Need::Anvil,
        ]);
    }
    if shape.binary == Binary::Built {
        needs.extend([Need::Program("cargo"), Need::Program("tar")]);
    }
    if gpu == Gpu::Needed {
        needs.push(Need::Gpu);
    }
    needs
}

/// The ports that a session's processes listen on, as far as they were started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// L1's.
    pub l1: Option<u16>,
    /// L2's, and that of its metrics.
    pub l2: [u16; 2],
    /// The coordinator's for provers, and that of its metrics.
    pub coordinator: Option<[u16; 2]>,
}

impl Ports {
    /// Those that must be free once everything has ended.
    pub fn to_be_free(self, shape: Shape) -> Vec<u16> {
        let is_own = shape.chains == Chains::Own;
        let l1 = self.l1.filter(|_| is_own && shape.l1 == L1::Ends);
        let l2 = self.l2.into_iter().filter(|_| is_own);
        l1.into_iter().chain(l2).chain(self.coordinator.into_iter().flatten()).collect()
    }
}

/// Whether provers use a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gpu {
    /// Where there is one.
    #[default]
    IfThere,
    /// There must be one.
    Needed,
    /// None is shown to them.
    Hidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Shape = Shape { binary: Binary::This, chains: Chains::Own, load: Load::Sent, l1: L1::Ends };

    #[test]
    fn transactions_are_sent_before_provers_come_and_the_end_is_always_the_same() {
        for binary in [Binary::This, Binary::Built] {
            for chains in [Chains::Own, Chains::There] {
                for load in [Load::Sent, Load::Others] {
                    let steps = Step::all(Shape { binary, chains, load, ..OWN });
                    assert!(steps.is_sorted(), "{steps:?}");
                    assert_eq!(steps.first(), Some(&Step::Prepare));
                    assert!(steps.ends_with(&[Step::Prove, Step::Report, Step::TearDown]));
                    assert_eq!(steps.contains(&Step::Build), binary == Binary::Built);
                    assert_eq!(steps.contains(&Step::StartL1), chains == Chains::Own);
                    assert_eq!(steps.contains(&Step::StartLoad), load == Load::Sent);
                }
            }
        }
    }

    #[test]
    fn every_port_of_what_ends_must_be_free() {
        let ports = Ports { l1: Some(1), l2: [2, 3], coordinator: Some([4, 5]) };
        assert_eq!(ports.to_be_free(OWN), [1, 2, 3, 4, 5]);
        assert_eq!(ports.to_be_free(Shape { l1: L1::Stays, ..OWN }), [2, 3, 4, 5]);
        assert_eq!(ports.to_be_free(Shape { chains: Chains::There, ..OWN }), [4, 5]);
        // What was not started has none.
        assert_eq!(Ports { l2: [2, 3], ..Ports::default() }.to_be_free(OWN), [2, 3]);
    }

    #[test]
    fn what_runs_already_needs_no_port() {
        let there = Shape { chains: Chains::There, ..OWN };
        assert_eq!(needs(there, 1729, 3702, Gpu::IfThere), []);
        assert_eq!(needs(there, 1729, 3702, Gpu::Needed), [Need::Gpu]);
        assert!(needs(OWN, 1729, 3702, Gpu::Hidden).contains(&Need::Port(1729, "--l2-port")));
    }
}
