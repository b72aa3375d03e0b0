//! What is printed. Much of it are words of others: ids of workers, causes that clients give, answers of nodes. A terminal obeys
//! control characters in them, which can rewrite what an operator has read; so they are shown, and not sent. The macros here are
//! those of the standard library for all modules that follow.

use proofmill_wire::text;
use std::{borrow::Cow, fmt::Write};

/// A text as a terminal may have it: lines and tabs stay, other control characters and what turns the direction of writing
/// are shown as `\u{…}`.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        if is_obeyed(one) {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", one.escape_unicode());
        } else {
            shown.push(one);
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(one: char) -> bool {
    !matches!(one, '\n' | '\t') && text::is_obeyed(one)
}

macro_rules! print {
    ($($text:tt)*) => { std::print!("{}", $crate::printed::harmless(&std::fmt::format(format_args!($($text)*)))) };
}

macro_rules! println {
    ($($text:tt)*) => { std::println!("{}", $crate::printed::harmless(&std::fmt::format(format_args!($($text)*)))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { std::eprintln!("{}", $crate::printed::harmless(&std::fmt::format(format_args!($($text)*)))) };
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        for (said, shown) in [
            ("two\n\tlines, and ä│", "two\n\tlines, and ä│"),
            ("\u{1b}[2Jvalid", "\\u{1b}[2Jvalid"),
            ("NOT PROVEN\rvalid", "NOT PROVEN\\u{d}valid"),
            ("\u{9b}2J\u{7f}\u{8}", "\\u{9b}2J\\u{7f}\\u{8}"),
            ("\u{202e}gnihton", "\\u{202e}gnihton"),
        ] {
            assert_eq!(harmless(said), shown);
        }
    }
}
