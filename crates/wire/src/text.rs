//! Texts of peers: why something failed, what they are, what they call things.

/// Says that a text was cut.
const CUT: &str = "…";

/// The most bytes of a text that says why something failed. It is kept for as long as what failed, and travels in headers, of which
/// peers take 16 KiB in all.
pub const MAX_TEXT: usize = 2048;

/// The text, or as much of it as fits into so many bytes with a sign that it was cut.
#[must_use]
pub fn brief(text: impl Into<String>, most: usize) -> String {
    let mut text = text.into();
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    text
}

/// Whether a terminal, or whoever reads a log, may obey a character of a text instead of showing it: control characters, what
/// breaks lines, and what turns the direction of writing.
#[must_use]
pub fn is_obeyed(one: char) -> bool {
    // Unicode's `Bidi_Control`: they are no control characters by their category.
    let is_mark = matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_mark || breaks_lines(one) || one.is_control()
}

/// Whether what follows the character is another line, for some reader.
#[must_use]
pub fn breaks_lines(one: char) -> bool {
    matches!(one, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        for (text, most, cut) in [
            ("short", 5, "short"),
            ("shorts", 5, "sh…"),
            ("ééé", 6, "ééé"),
            ("éééé", 6, "é…"),
            ("éééé", 7, "éé…"),
            ("much", 3, "…"),
        ] {
            assert_eq!(brief(text, most), cut);
            assert!(brief(text, most).len() <= most);
        }
    }

    #[test]
    fn what_is_obeyed_is_known() {
        assert!("\u{1b}\r\n\t\u{7f}\u{9b}\u{85}\u{2028}\u{202e}\u{200f}\u{61c}\0".chars().all(is_obeyed));
        assert!("w-1 ä│…🦀'\"\\".chars().all(|one| !is_obeyed(one)));
        assert!("\n\u{b}\u{c}\r\u{85}\u{2028}\u{2029}".chars().all(breaks_lines));
        assert!("\t\u{1b}\u{202e} ".chars().all(|one| !breaks_lines(one)));
    }
}
