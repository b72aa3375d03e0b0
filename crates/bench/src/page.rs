//! A page of Prometheus: what was in each batch.

use std::collections::BTreeMap;

/// What L2 says of a batch. What is gone, or never was, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Gas of its blocks.
    pub gas: Option<u64>,
    /// Transactions.
    pub transactions: Option<u64>,
    /// Blocks: last − first + 1.
    pub blocks: Option<u64>,
    /// Instructions of its proof, where somebody counts them.
    pub instructions: Option<u64>,
}

/// By number.
pub type Batches = BTreeMap<u64, Batch>;

/// It is no page of metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no page of Prometheus metrics (it begins with {begins:?}): name the address that ends in /metrics"
)]
pub struct NotMetrics {
    begins: String,
}

/// Reads a page in the text format. Metrics of other names, and samples without a batch's number, are passed over.
///
/// # Errors
/// [`NotMetrics`] where no line is a comment or a sample, or it is an HTML page.
pub fn parse(text: &str) -> Result<Batches, NotMetrics> {
    let not_metrics = || NotMetrics { begins: text.trim().chars().take(40).collect() };
    // Lines of its style sheets and of its text may look like comments and samples.
    if text.trim_start().starts_with('<') {
        return Err(not_metrics());
    }
    let mut batches = Batches::new();
    let mut any = text.trim().is_empty();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            any = true;
            continue;
        }
        let Some((name, labels, value)) = sample(line) else { continue };
        any = true;
        let number = ["batch_number", "batch"].iter().find_map(|label| label_of(labels, label));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
        if !(value.is_finite() && value >= 0.0) {
            continue;
        }
        let value = value as u64;
        let name = name.rsplit(':').next().unwrap_or(name);
        let batch: &mut Batch = batches.entry(number).or_default();
        match name {
            "batch_gas_used" => batch.gas = Some(value),
            "batch_tx_count" => batch.transactions = Some(value),
            "batch_size" => batch.blocks = Some(value),
            "batch_instructions" => batch.instructions = Some(value),
            _ => {}
        }
    }
    batches.retain(|_, batch| *batch != Batch::default());
    if any { Ok(batches) } else { Err(not_metrics()) }
}

/// Name, labels as they stand, and value.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once('}')?,
        None => ("", rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

fn label_of<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|label| {
        let (key, value) = label.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_with_gaps() {
        let page = "# HELP batch_gas_used Gas\n# TYPE batch_gas_used gauge\nbatch_gas_used{batch_number=\"1\"} 2.1e7\n\
            batch_tx_count{batch_number=\"1\",chain=\"l2\"} 7\nbatch_size{batch_number=\"2\"} 3 1700000000\nother 1\nbatch_size 4\n\
            batch_gas_used{batch_number=\"9\"} NaN\n";
        let one = Batch { gas: Some(21_000_000), transactions: Some(7), ..Batch::default() };
        let two = Batch { blocks: Some(3), ..Batch::default() };
        assert_eq!(parse(page), Ok([(1, one), (2, two)].into()));
    }

    #[test]
    fn a_page_of_something_else() {
        let error = parse("<!DOCTYPE html>\n<html><body>Not Found</body></html>").unwrap_err();
        assert!(error.to_string().contains("<!DOCTYPE html>"), "{error}");
        let styled = "<html><style>\n#app { color: red }\n</style><body>\nError 404\n</body></html>";
        assert!(parse(styled).is_err(), "its style sheet is no comment");
        assert_eq!(parse(""), Ok(Batches::new()), "nothing is counted yet");
    }

    proptest! {
        #[test]
        fn no_page_panics(page in "\\PC*[{}\"=]*\\PC*") {
            drop(parse(&page));
        }
    }
}
