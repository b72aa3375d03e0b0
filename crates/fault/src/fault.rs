//! What a fault is, and its text form.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where the cause of a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// In what was to be done: the program, its input, or the prover that runs it.
    Task,
    /// In the worker that was to do it.
    Worker,
    /// In the artifact store or a disk.
    Store,
    /// In the cluster, or on the way to it.
    Cluster,
    /// In a chain's node, or on the way to it.
    Chain,
    /// Nowhere: somebody decided so.
    Nobody,
}

impl At {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Task, Self::Worker, Self::Store, Self::Cluster, Self::Chain, Self::Nobody];

    /// The name on the wire and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Worker => "worker",
            Self::Store => "store",
            Self::Cluster => "cluster",
            Self::Chain => "chain",
            Self::Nobody => "nobody",
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $at:ident / $name:literal,)+) => {
        /// Which cause it is. Names are kept: they are on the wire and in ledgers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
            /// One that this version does not know, of a place that it knows.
            Other(At),
        }

        impl Code {
            /// All that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Where the cause lies.
            pub const fn at(self) -> At {
                match self {
                    $(Self::$variant => At::$at,)+
                    Self::Other(at) => at,
                }
            }

            const fn short(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(_) => "other",
                }
            }
        }
    };
}

codes! {
    /// The program refused its input, or stopped by itself.
    ProgramFailed = Task / "program-failed",
    /// The program ran past its limit of instructions.
    CycleLimit = Task / "cycle-limit",
    /// What was asked for is malformed: the program, the input, the request.
    Malformed = Task / "malformed",
    /// What was asked for cannot be made by this prover type.
    Unsupported = Task / "unsupported",
    /// The prover failed, or panicked.
    ProverFailed = Task / "prover-failed",
    /// It ran longer than a task may.
    TooLong = Task / "too-long",
    /// It was said to be done, and its result is not there.
    NoResult = Task / "no-result",
    /// A proof that was made does not hold.
    BadProof = Task / "bad-proof",
    /// The blocks do not give what the checkpoint on L1 says.
    Refuted = Task / "refuted",
    /// A peer that says no more than that another try cannot help.
    Rejected = Task / "rejected",
    /// The same of a worker, which may be broken itself: another one is asked.
    Dismissed = Task / "dismissed",
    /// The worker's process ended, its stream broke, or it fell silent.
    WorkerLost = Worker / "lost",
    /// What was sent to the worker never arrived there.
    NotDelivered = Worker / "not-delivered",
    /// The system killed the prover for want of memory.
    KilledForMemory = Worker / "killed-for-memory",
    /// The same while the worker did several tasks: which of them was too much is not known.
    KilledAmongOthers = Worker / "killed-among-others",
    /// The worker is smaller than the task.
    TooSmall = Worker / "too-small",
    /// The worker does not know what it is asked: another version, or a prover type that it does not have.
    Unfit = Worker / "unfit",
    /// The worker lacks settings or files that the task needs, which another one of the same build may have.
    NotSetUp = Worker / "not-set-up",
    /// The worker stops and hands back what it holds.
    Stopping = Worker / "stopping",
    /// The store cannot be reached, or refuses.
    StoreAway = Store / "away",
    /// The store has no space.
    StoreFull = Store / "full",
    /// What a client stored is not there.
    Missing = Store / "missing",
    /// What a client stored is damaged.
    Damaged = Store / "damaged",
    /// The cluster cannot be reached, or does not answer.
    ClusterAway = Cluster / "away",
    /// The cluster refused for now.
    ClusterRefused = Cluster / "refused",
    /// A chain's node cannot be reached, or answers wrongly.
    ChainAway = Chain / "away",
    /// A chain's node is behind, or on another branch.
    ChainBehind = Chain / "behind",
    /// Nobody wants it any more.
    Withdrawn = Nobody / "withdrawn",
    /// Its deadline has passed.
    Late = Nobody / "late",
    /// Put back so that something else can go on.
    PutBack = Nobody / "put-back",
}

impl Code {
    /// The code with this name, such as `task/cycle-limit`. An unknown one of a known place is [`Code::Other`].
    pub fn parse(name: &str) -> Option<Self> {
        let (at, short) = name.split_once('/')?;
        let at = At::ALL.into_iter().find(|known| known.name() == at)?;
        let plain = !short.is_empty() && short.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let known = Self::ALL.iter().copied().find(|code| code.at() == at && code.short() == short);
        plain.then(|| known.unwrap_or(Self::Other(at)))
    }

    /// The program itself cannot be run for its input. No prover can help; a smaller input may.
    pub const fn is_of_execution(self) -> bool {
        matches!(self, Self::ProgramFailed | Self::CycleLimit)
    }

    /// The worker cannot use its store. What it holds goes elsewhere, and new work only makes it worse.
    pub const fn is_of_the_workers_store(self) -> bool {
        matches!(self, Self::StoreAway | Self::StoreFull | Self::Other(At::Store))
    }

    /// The worker had not enough memory. A larger one may do it.
    pub const fn is_of_memory(self) -> bool {
        matches!(self, Self::KilledForMemory | Self::KilledAmongOthers)
    }

    /// What a client stored is not there as it was stored. A share that is not mounted looks the same.
    pub const fn is_of_the_input(self) -> bool {
        matches!(self, Self::Missing | Self::Damaged)
    }

    /// Whether it would come to the same on any worker, as often as it is tried.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::ProgramFailed
                | Self::CycleLimit
                | Self::Malformed
                | Self::Unsupported
                | Self::Refuted
                | Self::Rejected
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.at(), self.short()))
    }
}

/// What went wrong, and whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Fault {
    /// Which cause it is, and with it where the cause lies.
    pub code: Code,
    /// What happened, for people. Nothing decides by it.
    pub text: String,
}

impl Fault {
    /// A fault.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Where the cause lies.
    pub const fn at(&self) -> At {
        self.code.at()
    }

    /// The same fault with another text.
    #[must_use]
    pub fn saying(&self, text: impl Into<String>) -> Self {
        Self::new(self.code, text)
    }

    /// Code and text in one line, as ledgers keep it: `task/cycle-limit: it ran past…`.
    pub fn encode(&self) -> String {
        format!("{}: {}", self.code, self.text)
    }

    /// What [`encode`](Self::encode) wrote. Text without a code is a task's fault of an unknown kind, as older versions
    /// wrote it.
    pub fn decode(line: &str) -> Self {
        let coded = line.split_once(": ").and_then(|(code, text)| Some(Self::new(Code::parse(code)?, text)));
        coded.unwrap_or_else(|| Self::new(Code::Other(At::Task), line))
    }
}

impl From<String> for Fault {
    fn from(line: String) -> Self {
        Self::decode(&line)
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.encode()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_has_one_name() {
        for code in Code::ALL {
            let named = Code::ALL.iter().filter(|other| other.to_string() == code.to_string());
            assert_eq!(named.count(), 1, "{code}");
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
    }

    #[test]
    fn an_unknown_code_is_read_as_its_place() {
        assert_eq!(Code::parse("store/on-fire"), Some(Code::Other(At::Store)));
        for nothing in ["moon/away", "store", "", "/", "store/", "store/Two words", "http://x/y"] {
            assert_eq!(Code::parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn text_of_an_older_version_is_a_fault_of_the_task() {
        let old = "its deadline passed 60 s after it was created: allow more";
        assert_eq!(Fault::decode(old), Fault::new(Code::Other(At::Task), old));
    }

    proptest! {
        #[test]
        fn a_fault_is_read_as_it_was_written(at in 0..Code::ALL.len(), text in ".*") {
            let fault = Fault::new(Code::ALL[at], text);
            prop_assert_eq!(&Fault::decode(&fault.encode()), &fault);
            let json = serde_json::to_string(&fault).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
        }

        #[test]
        fn any_text_is_some_fault(line in ".*") {
            let _ = Fault::decode(&line);
        }
    }
}
