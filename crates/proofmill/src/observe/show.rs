//! A role's status as people read it.

use super::RoleStatus;
use crate::{progress::duration, report::thousands};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use proofmill_proof_coordinator::{
    OpenBatch, OpenBatches, ProofState, ProofStatus, QuotedCall, SettledCall, SettlingStatus,
    rules::ProofLevel,
};

/// So many batches are shown: those that settlement waits for first.
const BATCHES: usize = 20;

/// The batches that wait for proofs: what each has, and what it waits for.
fn of_batches(batches: &OpenBatches) -> String {
    if batches.first.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["batch", "has", "waits for"]);
    for OpenBatch { number, level, proofs } in batches.first.iter().take(BATCHES) {
        let has = proofs.iter().filter(|(_, proof)| proof.state == ProofState::Proven);
        let has: Vec<_> = has.map(|(prover, _)| prover.name()).collect();
        let lacks = proofs.iter().filter(|(_, proof)| proof.state != ProofState::Proven);
        let lacks: Vec<_> = lacks.map(|(prover, proof)| format!("{prover}: {}", of_proof(proof))).collect();
        let batch = match level {
            ProofLevel::Range => number.to_string(),
            ProofLevel::Epoch => format!("epoch to {number}"),
        };
        table.add_row([batch, has.join(", "), lacks.join("\n")]);
    }
    let more = batches.first.len().saturating_sub(BATCHES) + batches.more;
    let more = if more == 0 { String::new() } else { format!("{more} more batches wait for proofs\n") };
    format!("{table}\n{more}")
}

fn of_proof(proof: &ProofStatus) -> String {
    let for_ = duration(proof.for_);
    let mut out = match &proof.state {
        ProofState::Preparing => format!("its input is being made, for {for_}"),
        ProofState::Waiting => format!("no prover has it, for {for_}"),
        ProofState::Held { by, left } if left.is_zero() => {
            format!("{by} has it for {for_}, and is late: the next prover that asks is given it")
        }
        ProofState::Held { by, left } => format!("{by} has it for {for_}, and for {} yet", duration(*left)),
        ProofState::Proven => format!("there for {for_}"),
        ProofState::Refuted => "never there: its blocks refute the batch".to_owned(),
    };
    if let Some(trouble) = &proof.trouble {
        out += &format!(" ({trouble})");
    }
    out
}

/// How batches come to be settled.
fn of_settling(status: &SettlingStatus) -> String {
    let SettlingStatus { settled, open, ready, under_way, last, quote, .. } = status;
    let mut out =
        format!("batches are settled up to {settled}; {open} more are on L1, of which {ready} can go now\n");
    if let Some((first, last)) = under_way {
        out += &format!("batches {first} to {last} are on their way to L1\n");
    }
    if let Some(SettledCall { first, last, transaction, gas, fee }) = last {
        let eth = *fee as f64 / 1e18;
        out += &format!(
            "batches {first} to {last} took {} gas ({eth:.6} ETH) in {transaction}\n",
            thousands(*gas)
        );
    }
    if let Some(QuotedCall { first, last, gas, fee }) = quote {
        let eth = *fee as f64 / 1e18;
        out += &format!(
            "nothing is sent: batches {first} to {last} would take {} gas (up to {eth:.6} ETH)\n",
            thousands(*gas)
        );
    }
    out
}

/// The endpoints' table, and a line for each thing that is wrong.
pub(crate) fn text(status: &RoleStatus) -> String {
    let mut out = String::new();
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_header(["chain", "endpoint", "head", "behind", "errors", "requests", "state", "lacks"]);
    for chain in &status.chains {
        for endpoint in &chain.endpoints {
            table.add_row([
                chain.chain.clone(),
                format!("{}{}", endpoint.url, if endpoint.followed { " (followed)" } else { "" }),
                endpoint.head.map_or_else(|| "?".to_owned(), |head| head.to_string()),
                endpoint.lag.to_string(),
                format!("{:.0} %", endpoint.error_rate * 100.0),
                endpoint.requests.to_string(),
                endpoint.state.to_string(),
                endpoint.lacks.join(", "),
            ]);
        }
    }
    if !status.chains.is_empty() {
        out += &format!("{table}\n");
    }
    for chain in &status.chains {
        for trouble in &chain.troubles {
            let word = if trouble.holds_up { "problem" } else { "warning" };
            out += &format!("{word}: {} ({}): {}\n", trouble.subject, duration(trouble.for_), trouble.said);
        }
    }
    for account in &status.accounts {
        let eth = f64::from(account.balance) / 1e18;
        let word = match account.transactions {
            0 => "problem: ",
            _ if account.is_low() => "warning: ",
            _ => "",
        };
        out += &format!(
            "{word}the account {} has {eth:.4} ETH on L1, for about {} submissions{}\n",
            account.address,
            account.transactions,
            if account.is_low() { ": send it more" } else { "" }
        );
    }
    if let Some(batches) = &status.batches {
        out += &of_batches(batches);
    }
    if let Some(settling) = &status.settling {
        out += &of_settling(settling);
    }
    for warning in &status.warnings {
        out += &format!("warning: {warning}\n");
    }
    for problem in &status.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_primitives::{CheckpointNumber, ProverType};
    use std::time::Duration;

    #[test]
    fn what_somebody_should_know_is_shown_and_missing_from_an_earlier_release() {
        let earlier =
            r#"{"role":"dev","version":"0","chains":[],"accounts":[],"settling":null,"problems":[]}"#;
        let mut status: RoleStatus = serde_json::from_str(earlier).unwrap();
        assert_eq!(text(&status), "");
        let settling = r#"{"settled":3,"open":2,"ready":1,"under_way":null,"last":null,"quote":null}"#;
        assert_eq!(serde_json::from_str::<SettlingStatus>(settling).unwrap().unready, 0);
        status.warnings.push("INSECURE: anybody can make it".to_owned());
        assert_eq!(text(&status), "warning: INSECURE: anybody can make it\n");
    }

    fn open(number: u64, proofs: impl IntoIterator<Item = (ProverType, ProofState)>) -> OpenBatch {
        let (for_, level) = (Duration::from_secs(184), ProofLevel::Range);
        let proofs = proofs.into_iter().map(|(of, state)| (of, ProofStatus { state, for_, trouble: None }));
        OpenBatch { number: CheckpointNumber(number), level, proofs: proofs.collect() }
    }

    #[test]
    fn a_batch_shows_what_it_has_and_what_it_waits_for() {
        let held = |left| ProofState::Held { by: "host-1".to_owned(), left: Duration::from_secs(left) };
        let mut seven = open(7, [(ProverType::Exec, ProofState::Proven), (ProverType::OpenVm, held(416))]);
        let first = vec![seven.clone(), open(8, [(ProverType::OpenVm, ProofState::Waiting)])];
        let shown = of_batches(&OpenBatches { first, more: 300 });
        let row = |what: &str| shown.lines().find(|line| line.contains(what)).unwrap().to_owned();
        let of_it = row(" 7 ");
        assert!(of_it.contains("exec"), "{shown}");
        assert!(of_it.contains("openvm: host-1 has it for 3 min 04 s, and for 6 min 56 s yet"), "{shown}");
        assert!(row(" 8 ").contains("openvm: no prover has it, for 3 min 04 s"), "{shown}");
        assert!(shown.ends_with("\n300 more batches wait for proofs\n"), "{shown}");
        // Its prover is late, and the proof failed before.
        let proof = seven.proofs.get_mut(&ProverType::OpenVm).unwrap();
        (proof.state, proof.trouble) = (held(0), Some("it panicked".to_owned()));
        let shown = of_batches(&OpenBatches { first: vec![seven; 21], more: 0 });
        assert!(shown.contains("is late: the next prover that asks is given it (it panicked)"), "{shown}");
        assert!(shown.ends_with("\n1 more batches wait for proofs\n"), "{shown}");
        assert_eq!(of_batches(&OpenBatches::default()), "");
    }
}
