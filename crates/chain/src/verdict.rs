//! What a node's words about a transaction mean: one table, with every client's own words in its tests.

/// Why a node does not take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has it already.
    Known,
    /// Another transaction was included at its nonce, or this one was.
    NonceTooLow,
    /// One is missing before it: the node lags, or lost one.
    NonceTooHigh,
    /// Another one waits at its nonce, or the pool is full, or the base fee has risen: it must pay more.
    Underpriced,
    /// There is no room for it now.
    PoolFull,
    /// The account cannot pay.
    Funds,
    /// Its gas does not even pay for its bytes.
    IntrinsicGas,
    /// It wants more gas than a block, or a transaction, may have, or has more bytes than the node takes.
    GasLimit,
    /// Anything else.
    Other,
}

/// Spaces, signs and capitals are left out: `AlreadyKnown`, `already_known` and `already known` are one word.
const TABLE: &[(Verdict, &[&str])] = &[
    (
        Verdict::Known,
        &[
            "alreadyknown",
            "alreadyimported",
            "alreadyinmempool",
            "alreadyinpool",
            "alreadyinthepool",
            "alreadyexists",
            "alreadysubmitted",
            "alreadyreceived",
            "knowntransaction",
            "existingtxwithsamehash",
            "alreadyincluded",
            "alreadymined",
        ],
    ),
    (
        Verdict::NonceTooHigh,
        &[
            "noncetoohigh",
            "noncegap",
            "gappednonce",
            "noncetoofar",
            "noncetoodistant",
            "nonceistoodistant",
            "noncehigherthan",
        ],
    ),
    (
        Verdict::NonceTooLow,
        &["noncetoolow", "oldnonce", "nonceistoolow", "noncetooold", "noncealreadyused", "nonceused"],
    ),
    (
        Verdict::Funds,
        &[
            "insufficientfunds",
            "insufficientbalance",
            "upfrontcostexceeds",
            "enoughfunds",
            "notenoughbalance",
            "exceedsaccountbalance",
            "exceedsthebalance",
            "overshot",
        ],
    ),
    (
        Verdict::IntrinsicGas,
        &[
            "intrinsicgas",
            "floordatagas",
            "gasistoolow",
            "gaslimittoolow",
            "insufficientgasforfloor",
            "belowfloor",
        ],
    ),
    (
        Verdict::GasLimit,
        &[
            "exceedsblockgaslimit",
            "gaslimitexceeded",
            "gaslimittoohigh",
            "exceedsthegaslimit",
            "gaslimitcap",
            "exceedsmaximumgas",
            "oversizeddata",
            "gasrequiredexceeds",
        ],
    ),
    (Verdict::PoolFull, &["poolisfull", "poolfull", "pooloverflow", "poollimit"]),
    (
        Verdict::Underpriced,
        &[
            "underpriced",
            "replacementnotallowed",
            "replacementtransaction",
            "insufficientgaspricetoreplace",
            "toreplaceexisting",
            "couldnotreplace",
            "feetoolow",
            "feecaptoolow",
            "tiptoolow",
            "priceistoolow",
            "pricetoolow",
            "pricebelow",
            "pricesuppliedistoolow",
            "belowconfiguredminimum",
            "lessthanblockbasefee",
            "belowthecurrentbasefee",
            "lowerthanbasefee",
            "lowerthanthebasefee",
            "belowbasefee",
            "belowchainminimum",
            "mingasprice",
        ],
    ),
];

impl Verdict {
    pub(crate) fn of(said: &str) -> Self {
        let word: String =
            said.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
        TABLE
            .iter()
            .find(|(_, words)| {
                words.iter().any(|known| word.replace("unknowntransaction", "").contains(known))
            })
            .map_or(Self::Other, |(verdict, _)| *verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clients_words_are_understood() {
        for (said, verdict) in [
            // geth, op-geth
            ("already known (code -32000)", Verdict::Known),
            ("nonce too low: next nonce 5, tx nonce 4", Verdict::NonceTooLow),
            ("nonce too high: tx nonce 9, gapped nonce 5", Verdict::NonceTooHigh),
            ("replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued", Verdict::Underpriced),
            ("transaction underpriced: tip needed 1, tip permitted 0", Verdict::Underpriced),
            (
                "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
                Verdict::Underpriced,
            ),
            ("txpool is full", Verdict::PoolFull),
            ("insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5", Verdict::Funds),
            ("intrinsic gas too low: gas 1, minimum needed 21000", Verdict::IntrinsicGas),
            ("insufficient gas for floor data gas cost: gas 1, minimum needed 21000", Verdict::IntrinsicGas),
            ("exceeds block gas limit", Verdict::GasLimit),
            ("transaction gas limit too high (cap: 16777216, tx: 30000000)", Verdict::GasLimit),
            ("oversized data: transaction size 131201, limit 131072", Verdict::GasLimit),
            ("gas required exceeds allowance (16777216)", Verdict::GasLimit),
            ("gapped-nonce tx from delegated accounts", Verdict::NonceTooHigh),
            // reth
            ("already known", Verdict::Known),
            ("replacement transaction underpriced", Verdict::Underpriced),
            ("insufficient gas price to replace existing transaction", Verdict::Underpriced),
            ("intrinsic gas too low", Verdict::IntrinsicGas),
            ("insufficient funds for gas * price + value", Verdict::Funds),
            // Nethermind
            ("AlreadyKnown", Verdict::Known),
            ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", Verdict::NonceTooLow),
            ("NonceGap, Future nonce. Expected nonce: 5", Verdict::NonceTooHigh),
            ("ReplacementNotAllowed", Verdict::Underpriced),
            ("FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7", Verdict::Underpriced),
            ("FeeTooLowToCompete", Verdict::Underpriced),
            ("InsufficientFunds, Account balance: 0, cumulative cost: 5", Verdict::Funds),
            ("GasLimitExceeded, Block gas limit: 30000000", Verdict::GasLimit),
            // Besu
            ("Known transaction", Verdict::Known),
            ("Nonce too low", Verdict::NonceTooLow),
            ("Transaction nonce is too distant from current sender nonce", Verdict::NonceTooHigh),
            ("Replacement transaction underpriced", Verdict::Underpriced),
            ("Gas price below configured minimum gas price", Verdict::Underpriced),
            ("gasPrice is less than the current BaseFee: lower than base fee", Verdict::Underpriced),
            ("Upfront cost exceeds account balance", Verdict::Funds),
            ("Intrinsic gas exceeds gas limit", Verdict::IntrinsicGas),
            ("Transaction gas limit exceeds block gas limit", Verdict::GasLimit),
            // Erigon
            ("INTERNAL_ERROR: existing tx with same hash", Verdict::Known),
            ("could not replace existing tx", Verdict::Underpriced),
            ("fee cap less than block base fee", Verdict::Underpriced),
            ("INTERNAL_ERROR: nonce too low", Verdict::NonceTooLow),
            // anvil, OpenEthereum
            ("transaction already imported", Verdict::Known),
            ("Transaction nonce is too low. Try incrementing the nonce.", Verdict::NonceTooLow),
            ("Transaction gas price supplied is too low.", Verdict::Underpriced),
            ("Unknown transaction type", Verdict::Other),
            ("method handler crashed", Verdict::Other),
        ] {
            assert_eq!(Verdict::of(said), verdict, "{said}");
        }
    }
}
