//! Who is responsible for what Ethereum's execution layer leaves to its consensus layer.

/// Chain ids of Ethereum's mainnet, Sepolia, Holesky and Hoodi, whose beacon chains somebody checks.
const BEACON_CHAINS: [u64; 4] = [1, 11_155_111, 17_000, 560_048];

/// Who checks what the execution layer leaves open: withdrawals, beacon roots, times.
///
/// On Ethereum a block with withdrawals that nobody earned, or with a beacon root that is none, is valid by the rules of
/// execution and refused by the beacon chain. A rollup has no beacon chain: there the one who makes blocks could mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Consensus {
    /// Nobody else: a block has no withdrawals, and its `parentBeaconBlockRoot` is zero.
    Rollup = 0,
    /// Ethereum's beacon chain, which who relies on a proof must check himself. Withdrawals and beacon roots are taken as
    /// they stand. Such a chain cannot be settled as a rollup: [`ChainSpec::require_rollup`](crate::ChainSpec::require_rollup).
    Ethereum = 1,
}

impl Consensus {
    /// [`Ethereum`](Self::Ethereum) for its mainnet, Sepolia, Holesky and Hoodi; [`Rollup`](Self::Rollup) for every other chain.
    ///
    /// ```
    /// use proofmill_stateless::Consensus;
    /// assert_eq!(Consensus::of(1), Consensus::Ethereum);
    /// assert_eq!(Consensus::of(4242), Consensus::Rollup);
    /// ```
    pub fn of(chain_id: u64) -> Self {
        if BEACON_CHAINS.contains(&chain_id) { Self::Ethereum } else { Self::Rollup }
    }

    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Rollup),
            1 => Some(Self::Ethereum),
            _ => None,
        }
    }
}

/// Whether the contracts that collect requests (EIP-7002 withdrawals, EIP-7251 consolidations) must have code from Prague on.
///
/// A request is a message to the consensus layer. Nobody reads those of a rollup, so a rollup loses nothing without the
/// contracts; but its nodes may refuse a block then, as Ethereum's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RequestContracts {
    /// A contract without code makes no requests. As anvil does, whose chains have neither contract.
    Optional = 0,
    /// A Prague block is invalid where one of them has no code, as the EIPs say.
    Required = 1,
}

impl RequestContracts {
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Optional),
            1 => Some(Self::Required),
            _ => None,
        }
    }
}
