//! A plot without a library: for each batch a bar of each kind of proof, on a scale that begins at zero, and each kind's median.

use crate::{report::Row, stats::Spread};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 80.0;
/// The widest bar: a few batches are no walls.
const WIDEST: f64 = 48.0;
/// So many batches are numbered at most.
const NUMBERED: usize = 24;
/// About the width of a letter.
const LETTER: f64 = 6.5;
/// So many letters of the label are shown.
const LONGEST: usize = 80;
/// So many letters of what proved something are shown: it may be the path of a log.
const LONGEST_KIND: usize = 48;
/// The height of a line of the legend.
const LINE: f64 = 20.0;
/// Colours that people tell apart however they see them (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

pub(crate) fn times(label: &str, rows: &[Row]) -> String {
    let kinds: Vec<String> = rows.iter().map(Row::kind).collect::<BTreeSet<_>>().into_iter().collect();
    let colours: BTreeMap<&str, &str> =
        kinds.iter().zip(COLOURS.iter().cycle()).map(|(kind, colour)| (kind.as_str(), *colour)).collect();
    let batches: Vec<u64> = rows.iter().map(|row| row.batch).collect::<BTreeSet<_>>().into_iter().collect();
    let scale = Scale::of(rows.iter().map(seconds).fold(0.0, f64::max));
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let y = |seconds: f64| TOP + height - seconds / scale.top() * height;
    let label: String = label.chars().take(LONGEST).collect();
    let legend = legend(&kinds, rows);
    let lines = legend.last().map_or(0.0, |entry| entry.line);
    let whole = HEIGHT + LINE * lines;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {whole}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{whole}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"16\">Proving time by batch: {}</text>\n",
        escaped(&label)
    );
    // Writing into a text cannot fail.
    for line in 0..=scale.lines {
        let (seconds, end) = (scale.step * line as f64, LEFT + width);
        let (at, colour) = (y(seconds), if line == 0 { "#666666" } else { "#dddddd" });
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} s</text>",
            LEFT - 8.0,
            at + 4.0,
            short(seconds)
        );
    }
    let step = width / batches.len().max(1) as f64;
    let bar = (step * 0.8 / kinds.len().max(1) as f64).min(WIDEST);
    let middle = |batch: u64| {
        let place = batches.binary_search(&batch).unwrap_or(0);
        LEFT + step * (place as f64 + 0.5)
    };
    for row in rows {
        let (kind, seconds) = (row.kind(), seconds(row));
        let place = kinds.iter().position(|known| *known == kind).unwrap_or(0) as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"><title>batch {}, {}: {} s</title></rect>",
            middle(row.batch) + bar * (place - kinds.len() as f64 / 2.0),
            y(seconds),
            (bar - 1.0).max(bar / 2.0),
            TOP + height - y(seconds),
            colours.get(kind.as_str()).unwrap_or(&COLOURS[0]),
            row.batch,
            escaped(&kind),
            short(seconds)
        );
    }
    // The last number is the longest.
    let digits = batches.last().map_or(1, |batch| batch.to_string().len());
    let numbered = ((width / (LETTER * (digits as f64 + 2.0))) as usize).clamp(1, NUMBERED);
    let every = batches.len().div_ceil(numbered).max(1);
    for batch in batches.iter().step_by(every) {
        let (x, y) = (middle(*batch), TOP + height + 18.0);
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{batch}</text>");
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">batch</text>",
        LEFT + width / 2.0,
        TOP + height + 38.0
    );
    for Entry { kind, text, median, x, line } in &legend {
        let (colour, at) = (colours.get(*kind).unwrap_or(&COLOURS[0]), y(*median));
        let below = HEIGHT + LINE * line;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\" stroke-dasharray=\"6 4\"/>\
             <rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            LEFT + width,
            below - 24.0,
            x + 18.0,
            below - 14.0,
            escaped(text)
        );
    }
    out + "</svg>\n"
}

/// What a colour stands for.
struct Entry<'a> {
    kind: &'a str,
    text: String,
    median: f64,
    x: f64,
    /// From 0.
    line: f64,
}

/// What the colours stand for, in as many lines as that takes.
fn legend<'a>(kinds: &'a [String], rows: &[Row]) -> Vec<Entry<'a>> {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        times.entry(row.kind()).or_default().push(seconds(row));
    }
    let (mut x, mut line, mut legend) = (LEFT, 0.0, Vec::new());
    for kind in kinds {
        let median = Spread::of(times.remove(kind).unwrap_or_default()).median;
        let text = format!("{}{}: median {} s", shortened(kind), proves_nothing(kind), short(median));
        let wide = 42.0 + LETTER * text.chars().count() as f64;
        if x > LEFT && x + wide > WIDTH {
            (x, line) = (LEFT, line + 1.0);
        }
        legend.push(Entry { kind, text, median, x, line });
        x += wide;
    }
    legend
}

/// The end of a long name: of a path it tells more than the beginning.
fn shortened(kind: &str) -> String {
    let count = kind.chars().count();
    if count <= LONGEST_KIND {
        return kind.to_owned();
    }
    let end: String = kind.chars().skip(count + 1 - LONGEST_KIND).collect();
    format!("\u{2026}{end}")
}

fn seconds(row: &Row) -> f64 {
    row.time_ms as f64 / 1e3
}

/// Wherever `exec` shows, it is said.
fn proves_nothing(kind: &str) -> &'static str {
    if kind.split(' ').next() == Some("exec") { " (proves nothing)" } else { "" }
}

/// The lines of an axis from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    step: f64,
    lines: usize,
}

impl Scale {
    /// Up to `most`, in at most six steps of 1, 2, 2.5 or 5 times a power of ten.
    fn of(most: f64) -> Self {
        if most <= 0.0 {
            return Self { step: 0.2, lines: 5 };
        }
        let power = 10f64.powf((most / 6.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
        let step = steps.into_iter().find(|step| step * 6.0 >= most).unwrap_or(10.0 * power);
        Self { step, lines: (most / step - 1e-9).ceil().max(1.0) as usize }
    }

    fn top(self) -> f64 {
        self.step * self.lines as f64
    }
}

fn short(seconds: f64) -> String {
    let text = if seconds >= 100.0 { format!("{seconds:.1}") } else { format!("{seconds:.3}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text in XML, which has no control characters in any writing.
fn escaped(text: &str) -> String {
    let is_none = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(is_none, " ")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scales() {
        let tops = [0.0, 0.03, 0.245, 1.0, 1.1, 47.1, 301.0, 360.0].map(|most| short(Scale::of(most).top()));
        assert_eq!(tops, ["1", "0.03", "0.25", "1", "1.2", "50", "400", "400"]);
        assert_eq!([0.0, 0.4, 20.0, 301.482].map(short), ["0", "0.4", "20", "301.5"]);
    }

    #[test]
    fn labels_are_escaped_and_end() {
        assert!(times("<a & b>", &[]).contains("&lt;a &amp; b&gt;"));
        assert!(!times(&"x".repeat(200), &[]).contains(&"x".repeat(81)));
        let coloured = times("a\u{1b}[31mb\u{0}\u{ffff}", &[]);
        assert!(coloured.contains("a [31mb  <"), "{coloured}");
    }

    fn rows(kinds: &[String], batches: impl IntoIterator<Item = u64>) -> Vec<Row> {
        let row = |batch: u64, kind: &String| Row {
            batch,
            prover: Some(kind.clone()),
            log: None,
            of_epoch: false,
            time_ms: 1_000,
            gas: None,
            transactions: None,
            blocks: None,
            instructions: None,
        };
        batches.into_iter().flat_map(|batch| kinds.iter().map(move |kind| row(batch, kind))).collect()
    }

    /// Where texts begin and what they say, of those with these words in their element.
    fn texts<'a>(plot: &'a str, with: &str) -> Vec<(f64, f64, &'a str)> {
        let elements = plot.split("<text ").skip(1).filter(|element| element.contains(with));
        let number = |element: &'a str, name: &str| {
            let value = element.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            value.parse::<f64>().ok()
        };
        let text = |element: &'a str| Some(element.split_once('>')?.1.split('<').next()?.trim());
        let of = |element| Some((number(element, "x")?, number(element, "y")?, text(element)?));
        elements.filter_map(of).collect()
    }

    #[test]
    fn numbers_of_batches_do_not_run_into_each_other() {
        for (first, count) in [(1, 1), (1, 30), (1, 1_000), (99_999_000, 1_000), (u64::MAX - 50, 50)] {
            let plot = times("a", &rows(&["sp1".to_owned()], first..first + count));
            let texts = texts(&plot, "text-anchor=\"middle\"");
            let numbers: Vec<_> = texts.iter().filter(|(.., text)| text.parse::<u64>().is_ok()).collect();
            assert!(!numbers.is_empty());
            for pair in numbers.windows(2) {
                let (left, right) = (pair[0], pair[1]);
                assert!(left.0 + LETTER * left.2.len() as f64 <= right.0, "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn a_legend_of_long_names_stays_in_the_picture() {
        let kinds: Vec<String> =
            (0..9).map(|number| format!("/a/very/long/path/{}/{number}.log", "x".repeat(60))).collect();
        let plot = times("a", &rows(&kinds, 1..4));
        let height: f64 = plot
            .split("height=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next()?.parse().ok())
            .unwrap_or(0.0);
        let legend = texts(&plot, "median");
        assert_eq!(legend.len(), 9, "{plot}");
        for (x, y, text) in &legend {
            assert!(x + LETTER * text.chars().count() as f64 <= WIDTH && *y < height, "{x} {y} {text}");
            assert!(text.contains(".log: median 1 s"), "{text}");
        }
        for (at, (x, y, text)) in legend.iter().enumerate() {
            for (other, next, _) in &legend[at + 1..] {
                let ends = x + LETTER * text.chars().count() as f64;
                assert!((y - next).abs() > 1.0 || ends <= *other, "{text} runs into another");
            }
        }
        // One that needs no more than a line has the height that it always had.
        assert!(times("a", &rows(&["sp1".to_owned()], 1..4)).contains("viewBox=\"0 0 960 440\""));
    }

    proptest! {
        #[test]
        fn every_time_is_within_its_scale(most in 0.001f64..1e6) {
            let scale = Scale::of(most);
            prop_assert!(scale.top() >= most * 0.999_999 && scale.top() <= most * 2.0, "{scale:?}");
            prop_assert!((1..=6).contains(&scale.lines), "{scale:?}");
        }
    }
}
