//! A role's status as people read it.

use super::RoleStatus;
use crate::progress::duration;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};

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
    if let Some(account) = &status.account {
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
    for problem in &status.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}
