//! Networks whose funds are worth something to somebody, and their test networks.

/// The chain id of development nodes, where funds are worth nothing. What proves nothing is taken there alone.
pub const DEVELOPMENT_CHAIN: u64 = 31_337;

/// Chain ids and names: Ethereum, the largest networks that settle on it or beside it, and their public test networks.
/// <https://chainlist.org> has all.
const PUBLIC: [(u64, &str); 52] = [
    (1, "Ethereum"),
    (10, "OP Mainnet"),
    (14, "Flare"),
    (25, "Cronos"),
    (30, "Rootstock"),
    (56, "BNB Smart Chain"),
    (97, "BNB Smart Chain's test network"),
    (100, "Gnosis"),
    (130, "Unichain"),
    (137, "Polygon"),
    (146, "Sonic"),
    (169, "Manta Pacific"),
    (204, "opBNB"),
    (252, "Fraxtal"),
    (288, "Boba"),
    (300, "ZKsync's test network"),
    (324, "ZKsync Era"),
    (480, "World Chain"),
    (1088, "Metis"),
    (1101, "Polygon zkEVM"),
    (1135, "Lisk"),
    (1284, "Moonbeam"),
    (1301, "Unichain's test network"),
    (1868, "Soneium"),
    (2741, "Abstract"),
    (5000, "Mantle"),
    (7700, "Canto"),
    (8217, "Kaia"),
    (8453, "Base"),
    (10_200, "Gnosis's test network"),
    (17_000, "Holesky"),
    (34_443, "Mode"),
    (42_161, "Arbitrum One"),
    (42_170, "Arbitrum Nova"),
    (42_220, "Celo"),
    (43_113, "Avalanche's test network"),
    (43_114, "Avalanche"),
    (57_073, "Ink"),
    (59_141, "Linea's test network"),
    (59_144, "Linea"),
    (80_002, "Polygon's test network"),
    (80_094, "Berachain"),
    (81_457, "Blast"),
    (84_532, "Base's test network"),
    (167_000, "Taiko"),
    (421_614, "Arbitrum's test network"),
    (534_351, "Scroll's test network"),
    (534_352, "Scroll"),
    (560_048, "Hoodi"),
    (7_777_777, "Zora"),
    (11_155_111, "Sepolia"),
    (11_155_420, "OP Mainnet's test network"),
];

/// The name of a public network; none for those that nobody else is on, as far as this table knows.
pub fn public_network(chain_id: u64) -> Option<&'static str> {
    let at = PUBLIC.binary_search_by_key(&chain_id, |(id, _)| *id).ok()?;
    PUBLIC.get(at).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_networks_are_found() {
        assert!(PUBLIC.is_sorted_by_key(|(id, _)| *id));
        assert_eq!(public_network(1), Some("Ethereum"));
        assert_eq!(public_network(11_155_420), Some("OP Mainnet's test network"));
        assert_eq!(public_network(8453), Some("Base"));
        for private in [0, 2, 900, 1337, 31_337, u64::MAX] {
            assert_eq!(public_network(private), None, "{private}");
        }
    }
}
