//! The forks of the OP Stack, and what each means for the EVM.

use core::fmt;
use proofmill_stateless::Fork;
use revm::primitives::hardfork::SpecId;

/// A fork whose rules of execution this crate has in full.
///
/// Delta, and the changes of derivation alone (Pectra's blob schedule), change nothing here. Lagoon is not final,
/// so it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum OpFork {
    /// Shanghai; receipts of deposits with nonce and version.
    Canyon = 1,
    /// Cancun without blobs; L1's blob base fee in the data fee.
    Ecotone = 2,
    /// P256VERIFY; the data fee by FastLZ.
    Fjord = 3,
    /// A limit for the input of the pairing on bn254.
    Granite = 4,
    /// The base fee's parameters in the extra data.
    Holocene = 5,
    /// Prague without requests; the message passer's root in the header; the operator fee.
    Isthmus = 6,
    /// A minimum base fee; the footprint of data availability in the header.
    Jovian = 7,
    /// Osaka but for its limit of a block's size; another limit for the pairing on bn254.
    Karst = 8,
}

impl OpFork {
    /// Every fork, oldest first.
    pub const ALL: [Self; 8] = [
        Self::Canyon,
        Self::Ecotone,
        Self::Fjord,
        Self::Granite,
        Self::Holocene,
        Self::Isthmus,
        Self::Jovian,
        Self::Karst,
    ];

    /// The name as configuration files begin it: `canyon_time` in `rollup.json`, `canyonTime` in `genesis.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canyon => "canyon",
            Self::Ecotone => "ecotone",
            Self::Fjord => "fjord",
            Self::Granite => "granite",
            Self::Holocene => "holocene",
            Self::Isthmus => "isthmus",
            Self::Jovian => "jovian",
            Self::Karst => "karst",
        }
    }

    /// The fork of Ethereum whose EVM it has.
    ///
    /// Karst: specifications, pull request 904 (Osaka's EIPs 7823, 7825, 7883, 7939, 7951), and the proposal of
    /// upgrade 19b to Optimism's governance, which lists the same.
    ///
    /// ```
    /// use proofmill_optimism::OpFork;
    /// use proofmill_stateless::Fork;
    /// assert_eq!(OpFork::Holocene.ethereum(), Fork::Cancun);
    /// ```
    pub const fn ethereum(self) -> Fork {
        match self {
            Self::Canyon => Fork::Shanghai,
            Self::Ecotone | Self::Fjord | Self::Granite | Self::Holocene => Fork::Cancun,
            Self::Isthmus | Self::Jovian => Fork::Prague,
            Self::Karst => Fork::Osaka,
        }
    }

    pub(crate) const fn spec(self) -> SpecId {
        match self.ethereum() {
            Fork::Shanghai => SpecId::SHANGHAI,
            Fork::Cancun => SpecId::CANCUN,
            Fork::Prague => SpecId::PRAGUE,
            Fork::Osaka => SpecId::OSAKA,
        }
    }
}

impl fmt::Display for OpFork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
