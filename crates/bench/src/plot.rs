//! A plot without a library: bars, one for each batch, on a scale that begins at zero.

use crate::report::Row;
use std::{collections::BTreeSet, fmt::Write};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
/// Colours that people tell apart however they see them (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
const LINES: usize = 5;

pub(crate) fn times(label: &str, rows: &[Row]) -> String {
    let kinds: Vec<String> = rows.iter().map(Row::kind).collect::<BTreeSet<_>>().into_iter().collect();
    let longest = rows.iter().map(|row| row.time_ms as f64 / 1e3).fold(0.0, f64::max);
    let top = round_up(longest);
    let (width, height) = (WIDTH - LEFT - 20.0, HEIGHT - TOP - BOTTOM);
    let y = |seconds: f64| TOP + height - seconds / top * height;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">Proving time by batch: {}</text>\n",
        escaped(label)
    );
    // Writing into a text cannot fail.
    for line in 0..=LINES {
        let seconds = top * line as f64 / LINES as f64;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4} s</text>",
            LEFT + width,
            y(seconds),
            LEFT - 8.0,
            y(seconds) + 4.0,
            short(seconds)
        );
    }
    let step = width / rows.len().max(1) as f64;
    let every = rows.len().div_ceil(30).max(1);
    for (at, row) in rows.iter().enumerate() {
        let kind = row.kind();
        let colour = COLOURS[kinds.iter().position(|known| *known == kind).unwrap_or(0) % COLOURS.len()];
        let (x, seconds) = (LEFT + step * at as f64, row.time_ms as f64 / 1e3);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"><title>batch {}, {}: {seconds:.1} s</title></rect>",
            x + step * 0.1,
            y(seconds),
            step * 0.8,
            TOP + height - y(seconds),
            row.batch,
            escaped(&kind)
        );
        if at % every == 0 {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x + step / 2.0,
                TOP + height + 18.0,
                row.batch
            );
        }
    }
    for (at, kind) in kinds.iter().enumerate() {
        let x = LEFT + 140.0 * at as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{0}\" width=\"12\" height=\"12\" fill=\"{1}\"/><text x=\"{2}\" y=\"{3}\">{4}</text>",
            HEIGHT - 18.0,
            COLOURS[at % COLOURS.len()],
            x + 18.0,
            HEIGHT - 8.0,
            escaped(kind)
        );
    }
    out + "</svg>\n"
}

/// The next of 1, 2, 5, 10, 20, …
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

fn short(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        assert_eq!([0.0, 0.03, 1.0, 1.1, 47.1, 301.0].map(round_up), [1.0, 0.05, 1.0, 2.0, 50.0, 500.0]);
        assert_eq!([0.0, 0.4, 20.0].map(short), ["0", "0.4", "20"]);
    }

    #[test]
    fn labels_are_escaped() {
        assert!(times("<a & b>", &[]).contains("&lt;a &amp; b&gt;"));
    }
}
