//! The log, a line for each record. Much of it are words of others: what they call themselves, why they gave up, what their nodes
//! answer. A line break in them would begin a line that looks like one of ours, so it is shown, and so is all else that whoever reads
//! a log may obey.

use crate::cli::LogFormat;
use proofmill_wire::text::is_obeyed;
use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// Where the formatted records go, each in one piece.
pub(crate) struct Records<W> {
    pub(crate) to: W,
    pub(crate) format: LogFormat,
    /// Whether the formatter colours them.
    pub(crate) colours: bool,
}

impl<W: Write> Write for Records<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let line = one_line(&String::from_utf8_lossy(record), self.format, self.colours);
        self.to.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What the formatter colours with. It does not look for more of it in fields, where it harms nobody: all that it does is to colour.
const COLOURS: [&str; 9] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[3m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
    "\u{1b}[34m",
    "\u{1b}[35m",
];

/// A record with nothing in it that is obeyed but its own end and its colours.
fn one_line(record: &str, format: LogFormat, colours: bool) -> String {
    let (line, end) = record.strip_suffix('\n').map_or((record, ""), |line| (line, "\n"));
    let is_text = matches!(format, LogFormat::Text);
    let colours = |rest: &str| colours && COLOURS.iter().any(|colour| rest.starts_with(*colour));
    let mut shown = String::with_capacity(record.len());
    for (at, one) in line.char_indices() {
        // Writing to a string does not fail.
        let _ = match one {
            '\t' => shown.write_char(one),
            '\u{1b}' if colours(&line[at..]) => shown.write_char(one),
            _ if !is_obeyed(one) => shown.write_char(one),
            '\n' if is_text => shown.write_str("\\n"),
            _ if is_text => write!(shown, "{}", one.escape_unicode()),
            // In a string, which says so itself of most. None of them is beyond what four digits can name.
            _ => write!(shown, "\\u{:04x}", u32::from(one)),
        };
    }
    shown + end
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_wire::text::breaks_lines;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of these words of others.
    fn logged(format: LogFormat, ansi: bool, said: &str) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let builder = tracing_subscriber::fmt()
            .with_writer(move || Records { to: to.clone(), format, colours: ansi })
            .with_target(false)
            .with_ansi(ansi);
        let log = || tracing::warn!(worker = said, cause = %said, "it said {said}");
        match format {
            LogFormat::Text => tracing::subscriber::with_default(builder.finish(), log),
            LogFormat::Json => tracing::subscriber::with_default(builder.json().finish(), log),
        }
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const FORGED: &str =
        "w\r\n2026-01-01T00:00:00Z  INFO all is well\u{85}\u{2028}\u{1b}[2K\u{202e}llew si lla\u{9b}";

    #[test]
    fn nobody_writes_a_line_of_the_log() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, false, FORGED);
            let line = log.strip_suffix('\n').unwrap();
            assert!(!line.contains(is_obeyed), "{line:?}");
            assert!(line.contains("all is well"), "{line}");
        }
        let line = logged(LogFormat::Json, false, FORGED);
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["fields"]["cause"], FORGED, "a program reads what was said");
    }

    #[test]
    fn colours_are_the_formatters_alone() {
        let colours = |said: &str| {
            let log = logged(LogFormat::Text, true, said);
            assert_eq!(log.matches(breaks_lines).count(), 1, "{log:?}");
            log.matches('\u{1b}').count()
        };
        assert!(colours("well") > 0);
        assert_eq!(colours(FORGED), colours("well"));
    }

    #[test]
    fn what_is_harmless_stays() {
        let log = logged(LogFormat::Text, false, "two\twords, and ä│🦀");
        assert!(log.contains("cause=two\twords, and ä│🦀"), "{log}");
    }
}
