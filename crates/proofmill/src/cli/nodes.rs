//! Which nodes a role asks, how it sends to L1, and where it tells how it is.

use clap::Args;
use proofmill_chain::FeeLimits;
use url::Url;

/// The chain that things settle on.
#[derive(Clone, Debug, Args)]
pub(crate) struct L1 {
    /// JSON-RPC node of L1. With several, the newest head among them is followed, and each is asked what the others lack
    #[arg(
        long,
        env = "L1_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        required = true,
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l1_rpc: Vec<Url>,
    /// Chain id that L1 must have
    #[arg(long, env = "PROOFMILL_L1_CHAIN_ID", value_name = "ID")]
    pub(crate) l1_chain_id: Option<u64>,
}

/// The rollup and its chains.
#[derive(Clone, Debug, Args)]
pub(crate) struct Chains {
    #[command(flatten)]
    pub(crate) l1: L1,
    /// The rollup's contract on L1
    #[arg(long, env = "PROOFMILL_ROLLUP", value_name = "ADDRESS")]
    pub(crate) rollup: alloy_primitives::Address,
}

/// How transactions are sent to L1.
#[derive(Clone, Debug, Args)]
pub(crate) struct Sending {
    /// Where transactions are sent, in place of --l1-rpc: a private relay, for example; several are tried in turn
    #[arg(
        long,
        env = "PROOFMILL_L1_SEND_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l1_send_rpc: Vec<Url>,
    /// The most that is offered for a unit of gas, base fee and tip together
    #[arg(long, env = "PROOFMILL_MAX_FEE", default_value = "500", value_name = "GWEI", value_parser = gwei)]
    pub(crate) max_fee: u128,
    /// The most of it that is offered as a tip, whatever the node suggests
    #[arg(long, env = "PROOFMILL_MAX_TIP", default_value = "50", value_name = "GWEI", value_parser = gwei)]
    pub(crate) max_tip: u128,
}

/// Where a role tells how it is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Observing {
    /// Where to serve `/metrics` (Prometheus), `/healthz` and `/status` (JSON) over HTTP [default: nowhere]
    #[arg(long, env = "PROOFMILL_METRICS_LISTEN", value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) metrics_listen: Option<String>,
}

/// The rollup's own chain.
#[derive(Clone, Debug, Args)]
pub(crate) struct L2 {
    /// JSON-RPC node of the rollup (L2). With several, the newest head among them is followed, and each is asked what the others
    /// lack
    #[arg(
        long,
        env = "L2_RPC",
        hide_env_values = true,
        value_delimiter = ',',
        required = true,
        value_parser = node_url,
        value_name = "URL"
    )]
    pub(crate) l2_rpc: Vec<Url>,
}

/// The address of a node, checked where it is given.
pub(crate) fn node_url(text: &str) -> Result<Url, String> {
    let url: proofmill_http::NodeUrl = text.parse().map_err(|error| format!("{error}"))?;
    Ok(url.secret().clone())
}

/// Where to listen. What cannot be such a place is refused where it is given, and not as one that is taken.
pub(crate) fn host_port(text: &str) -> Result<String, String> {
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_ipv6 = host.starts_with('[') && host.ends_with(']');
        !host.is_empty() && (is_ipv6 || !host.contains([':', '/'])) && port.parse::<u16>().is_ok()
    });
    if !is_one {
        return Err(
            "write a host and a port, as 127.0.0.1:9100, or 0.0.0.0:9100 for all addresses of the machine"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// Gwei as wei.
fn gwei(text: &str) -> Result<u128, String> {
    let wei: f64 = text.parse::<f64>().map_err(|error| error.to_string())? * 1e9;
    if (1.0..=1e18).contains(&wei) {
        Ok(wei as u128)
    } else {
        Err("more than nothing, and at most 1000000000 gwei, are wanted".into())
    }
}

impl Default for Sending {
    fn default() -> Self {
        let FeeLimits { max_fee, max_tip } = FeeLimits::default();
        Self { l1_send_rpc: Vec::new(), max_fee, max_tip }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        sending: Sending,
    }

    /// The flags' defaults are those that the sender has by itself.
    #[test]
    fn fees_have_one_default() {
        let flags = Flags::try_parse_from(["proofmill"]).unwrap().sending;
        let FeeLimits { max_fee, max_tip } = FeeLimits::default();
        assert_eq!((flags.max_fee, flags.max_tip), (max_fee, max_tip));
    }

    #[test]
    fn a_place_to_listen_has_a_host_and_a_port() {
        for good in ["127.0.0.1:0", "0.0.0.0:9100", "localhost:65535", "[::1]:80"] {
            assert_eq!(host_port(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "9100",
            ":9100",
            "localhost",
            "localhost:",
            "localhost:65536",
            "::1:80",
            "http://a:80",
            "a:-1",
        ] {
            assert!(host_port(bad).is_err_and(|said| said.contains("127.0.0.1:9100")), "{bad}");
        }
    }

    #[test]
    fn fees_are_checked() {
        for (text, wei) in [("1", 1_000_000_000), ("0.5", 500_000_000)] {
            assert_eq!(gwei(text), Ok(wei));
        }
        for bad in ["0", "-1", "nan", "1e30", "much"] {
            gwei(bad).unwrap_err();
        }
    }
}
