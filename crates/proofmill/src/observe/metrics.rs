//! A role's status as Prometheus reads it (text format 0.0.4).

use super::RoleStatus;
use proofmill_chain::{BatchFill, EndpointReport};
use proofmill_primitives::{CheckpointNumber, Epoch};
use proofmill_proof_coordinator::{BatchGas, OpenBatches, ProofState, SettlingStatus};
use proofmill_prover_node::rules::Receipt;
use std::{collections::BTreeMap, fmt::Write};

struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text += name;
        for (at, (label, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            // Writing into a text cannot fail.
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// Under the names that L2 nodes of the field have.
    fn batches(&mut self, batches: &BTreeMap<CheckpointNumber, BatchFill>) {
        type Figure = fn(&BatchFill) -> u64;
        let families: [(&str, &str, Figure); 3] = [
            ("batch_gas_used", "Gas that the blocks of the batch used.", |fill| fill.gas),
            ("batch_tx_count", "Transactions of the batch.", |fill| fill.transactions),
            ("batch_size", "Blocks of the batch: last - first + 1.", |fill| fill.blocks),
        ];
        for (name, help, figure) in families {
            self.family(name, "gauge", help);
            for (number, fill) in batches {
                self.sample(name, &[("batch_number", &number.to_string())], figure(fill) as f64);
            }
        }
    }

    /// The batches that wait for proofs. Parts of one batch, where it was split, are one sample: the longest.
    fn open_batches(&mut self, batches: &OpenBatches) {
        let (mut waits, mut left) = (BTreeMap::new(), BTreeMap::new());
        for batch in &batches.first {
            for (prover, proof) in &batch.proofs {
                let (holder, held) = match &proof.state {
                    ProofState::Held { by, left } => (by.as_str(), Some(left.as_secs_f64())),
                    _ => ("", None),
                };
                let key = (batch.number, batch.level.name(), prover.name(), holder, proof.state.name());
                let waited = waits.entry(key).or_insert(0.0_f64);
                *waited = f64::max(*waited, proof.for_.as_secs_f64());
                if let Some(held) = held {
                    let left = left.entry(key).or_insert(held);
                    *left = f64::min(*left, held);
                }
            }
        }
        for (name, help, samples) in [
            (
                "proofmill_pull_batch_seconds",
                "For how long a proof of a batch is in its state, while the batch waits for proofs.",
                waits,
            ),
            (
                "proofmill_pull_batch_left_seconds",
                "How long until a batch that is held goes to the next prover.",
                left,
            ),
        ] {
            self.family(name, "gauge", help);
            for ((number, level, prover, holder, state), seconds) in samples {
                let number = number.to_string();
                let mut labels = vec![
                    ("batch_number", number.as_str()),
                    ("level", level),
                    ("prover", prover),
                    ("state", state),
                ];
                if !holder.is_empty() {
                    labels.push(("holder", holder));
                }
                self.sample(name, &labels, seconds);
            }
        }
        self.family(
            "proofmill_pull_more_batches",
            "gauge",
            "Batches that wait for proofs and are too many to be told of.",
        );
        self.sample("proofmill_pull_more_batches", &[], batches.more as f64);
    }

    /// Proofs that are there and cannot go to L1.
    fn unready(&mut self, settling: &SettlingStatus) {
        self.family(
            "proofmill_settle_unready_proofs",
            "gauge",
            "Proofs that are there and cannot be made ready for L1.",
        );
        self.sample("proofmill_settle_unready_proofs", &[], settling.unready as f64);
        self.family(
            "proofmill_settle_unready_seconds",
            "gauge",
            "For how long the one of them that is tried the longest.",
        );
        self.sample("proofmill_settle_unready_seconds", &[], settling.unready_for.as_secs_f64());
    }

    /// What the submission of each epoch's proof took, as of batches.
    fn epochs(&mut self, published: &[(Epoch, Receipt)]) {
        type Figure = fn(&Receipt) -> f64;
        let families: [(&str, &str, Figure); 2] = [
            (
                "epoch_verification_gas",
                "Gas on L1 that the submission of an epoch's proof took.",
                |receipt| receipt.gas_used as f64,
            ),
            ("epoch_verification_fee_eth", "What that cost, in ether.", |receipt| receipt.fee as f64 / 1e18),
        ];
        for (name, help, figure) in families {
            self.family(name, "gauge", help);
            for (epoch, receipt) in published {
                let (number, transaction) = (epoch.0.to_string(), receipt.transaction.to_string());
                let labels = [("epoch", number.as_str()), ("tx_hash", transaction.as_str())];
                self.sample(name, &labels, figure(receipt));
            }
        }
    }

    /// One sample for each endpoint that has the value.
    fn endpoints(
        &mut self,
        status: &RoleStatus,
        (name, kind, help): (&str, &str, &str),
        value: impl Fn(&EndpointReport) -> Option<f64>,
    ) {
        self.family(name, kind, help);
        for chain in &status.chains {
            for endpoint in &chain.endpoints {
                if let Some(value) = value(endpoint) {
                    self.sample(name, &[("chain", &chain.chain), ("endpoint", &endpoint.url)], value);
                }
            }
        }
    }
}

pub(super) fn text(
    status: &RoleStatus,
    fills: Option<&BTreeMap<CheckpointNumber, BatchFill>>,
    verified: &[BatchGas],
    published: &[(Epoch, Receipt)],
) -> String {
    let mut page = Page { text: String::new() };
    page.family("proofmill_info", "gauge", "Version and role; always 1.");
    page.sample("proofmill_info", &[("role", &status.role), ("version", &status.version)], 1.0);

    page.endpoints(
        status,
        ("proofmill_endpoint_head", "gauge", "Newest block of the endpoint."),
        |endpoint| endpoint.head.map(|head| head as f64),
    );
    page.endpoints(
        status,
        ("proofmill_endpoint_lag_blocks", "gauge", "Blocks that the endpoint is behind the followed head."),
        |endpoint| endpoint.head.map(|_| endpoint.lag as f64),
    );
    page.endpoints(
        status,
        (
            "proofmill_endpoint_error_ratio",
            "gauge",
            "Requests of the last five minutes without an answer, 0 to 1.",
        ),
        |endpoint| Some(endpoint.error_rate),
    );
    page.endpoints(
        status,
        ("proofmill_endpoint_requests_total", "counter", "Requests to the endpoint, tries included."),
        |endpoint| Some(endpoint.requests as f64),
    );
    page.endpoints(
        status,
        ("proofmill_endpoint_followed", "gauge", "1 for the endpoint whose head is followed."),
        |endpoint| Some(f64::from(u8::from(endpoint.followed))),
    );
    page.family("proofmill_endpoint_state", "gauge", "1 for the state that the endpoint is in.");
    for chain in &status.chains {
        for endpoint in &chain.endpoints {
            let labels = [
                ("chain", chain.chain.as_str()),
                ("endpoint", &endpoint.url),
                ("state", endpoint.state.name()),
            ];
            page.sample("proofmill_endpoint_state", &labels, 1.0);
        }
    }
    page.family("proofmill_chain_head", "gauge", "Newest block that is followed.");
    for chain in &status.chains {
        if let Some(head) = chain.head {
            page.sample("proofmill_chain_head", &[("chain", &chain.chain)], head as f64);
        }
    }
    page.family("proofmill_chain_head_age_seconds", "gauge", "For how long that is the newest block.");
    for chain in &status.chains {
        if let Some(age) = chain.head_age {
            page.sample("proofmill_chain_head_age_seconds", &[("chain", &chain.chain)], age.as_secs_f64());
        }
    }
    page.family(
        "proofmill_trouble_seconds",
        "gauge",
        "For how long something is wrong with a chain or an endpoint.",
    );
    for chain in &status.chains {
        for trouble in &chain.troubles {
            let holds_up = if trouble.holds_up { "true" } else { "false" };
            let labels =
                [("chain", chain.chain.as_str()), ("subject", &trouble.subject), ("holds_up", holds_up)];
            page.sample("proofmill_trouble_seconds", &labels, trouble.for_.as_secs_f64());
        }
    }
    page.family("proofmill_problems", "gauge", "Things that keep the role's work from going on.");
    let held_up = status.chains.iter().flat_map(|chain| &chain.troubles).filter(|trouble| trouble.holds_up);
    page.sample("proofmill_problems", &[], (status.problems.len() + held_up.count()) as f64);
    if !status.accounts.is_empty() {
        page.family("proofmill_account_balance_eth", "gauge", "What an account that pays on L1 has.");
        for account in &status.accounts {
            let (address, eth) = (account.address.to_string(), f64::from(account.balance) / 1e18);
            page.sample("proofmill_account_balance_eth", &[("account", &address)], eth);
        }
        page.family("proofmill_account_submissions_left", "gauge", "How many submissions that pays for.");
        for account in &status.accounts {
            let (address, left) = (account.address.to_string(), account.transactions as f64);
            page.sample("proofmill_account_submissions_left", &[("account", &address)], left);
        }
    }
    if !verified.is_empty() {
        // By the name that dashboards for ethrex know.
        page.family("batch_verification_gas", "gauge", "Gas on L1 that the verification of a batch took.");
        for batch in verified {
            let (number, transaction) = (batch.number.to_string(), batch.transaction.to_string());
            let labels = [("batch_number", number.as_str()), ("tx_hash", transaction.as_str())];
            page.sample("batch_verification_gas", &labels, batch.gas as f64);
        }
    }
    if !published.is_empty() {
        page.epochs(published);
    }
    if let Some(batches) = &status.batches {
        page.open_batches(batches);
    }
    if let Some(settling) = &status.settling {
        page.unready(settling);
    }
    if let Some(fills) = fills {
        page.batches(fills);
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofmill_primitives::ProverType;
    use proofmill_proof_coordinator::{OpenBatch, ProofStatus, rules::ProofLevel};
    use std::time::Duration;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page { text: String::new() };
        page.sample("a", &[("b", "say \"no\"\\\n")], 1.5);
        page.sample("c", &[], 2.0);
        assert_eq!(page.text, "a{b=\"say \\\"no\\\"\\\\\\n\"} 1.5\nc 2\n");
    }

    #[test]
    fn a_batch_that_waits_is_told_with_its_states_and_its_holder_once() {
        let proof = |state, secs| ProofStatus { state, for_: Duration::from_secs(secs), trouble: None };
        let part = |state, secs| OpenBatch {
            number: CheckpointNumber(7),
            level: ProofLevel::Range,
            proofs: [(ProverType::Sp1, proof(state, secs))].into(),
        };
        let held = ProofState::Held { by: "a".to_owned(), left: Duration::from_secs(9) };
        // It was split, and two parts wait.
        let first = vec![part(ProofState::Waiting, 3), part(ProofState::Waiting, 5), part(held, 4)];
        let mut page = Page { text: String::new() };
        page.open_batches(&OpenBatches { first, more: 2 });
        let labels = "batch_number=\"7\",level=\"range\",prover=\"sp1\",state=";
        let samples: Vec<_> = page.text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                format!("proofmill_pull_batch_seconds{{{labels}\"waiting\"}} 5"),
                format!("proofmill_pull_batch_seconds{{{labels}\"held\",holder=\"a\"}} 4"),
                format!("proofmill_pull_batch_left_seconds{{{labels}\"held\",holder=\"a\"}} 9"),
                "proofmill_pull_more_batches 2".to_owned(),
            ]
        );
    }

    #[test]
    fn each_epoch_has_its_gas_and_its_fee() {
        let mut page = Page { text: String::new() };
        let receipt =
            Receipt { transaction: [7; 32].into(), block: 9, gas_used: 126_000, fee: 25 * 10_u128.pow(14) };
        page.epochs(&[(Epoch(3), receipt)]);
        let labels = format!("{{epoch=\"3\",tx_hash=\"0x{}\"}}", "07".repeat(32));
        assert!(page.text.contains(&format!("epoch_verification_gas{labels} 126000\n")), "{}", page.text);
        assert!(page.text.contains(&format!("epoch_verification_fee_eth{labels} 0.0025\n")), "{}", page.text);
    }
}
