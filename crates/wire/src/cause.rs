//! What a cause of failure means to a program. Causes travel and are kept as text for people; a sign at the beginning of what
//! the worker says tells the kinds apart on which a client acts.

/// The program cannot be run for its input: it passes its limit of instructions, or stops by itself (memory, say).
const CANNOT_EXECUTE: &str = "the program cannot be executed: ";

/// A cause of this kind.
pub fn cannot_execute(cause: &str) -> String {
    format!("{CANNOT_EXECUTE}{cause}")
}

/// Whether a cause is of this kind. What has passed it on may have said more before it.
pub fn is_cannot_execute(cause: &str) -> bool {
    cause.contains(CANNOT_EXECUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_known_behind_other_words() {
        let cause = format!("CONTROLLER t1 failed on w1: {}", cannot_execute("it ran past its limit of 7"));
        assert!(is_cannot_execute(&cause));
        assert!(!is_cannot_execute("CONTROLLER t1 failed on w1: the disk is full"));
    }
}
