//! A role's status as people read it.

use super::RoleStatus;
use crate::{progress::duration, report::thousands};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use proofmill_proof_coordinator::{QuotedCall, SettledCall, SettlingStatus};

/// How batches come to be settled.
fn of_settling(status: &SettlingStatus) -> String {
    let SettlingStatus { settled, open, ready, under_way, last, quote } = status;
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

    #[test]
    fn what_somebody_should_know_is_shown_and_missing_from_an_earlier_release() {
        let earlier =
            r#"{"role":"dev","version":"0","chains":[],"accounts":[],"settling":null,"problems":[]}"#;
        let mut status: RoleStatus = serde_json::from_str(earlier).unwrap();
        assert_eq!(text(&status), "");
        status.warnings.push("INSECURE: anybody can make it".to_owned());
        assert_eq!(text(&status), "warning: INSECURE: anybody can make it\n");
    }
}
