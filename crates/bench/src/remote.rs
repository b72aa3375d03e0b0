//! What ssh says when it does not come through, and what to do about it.

/// Quotes a word for a POSIX shell, and for fish: a backslash in single quotes may be one before a quote there.
pub fn quoted(word: &str) -> String {
    let mut out = String::from("'");
    for letter in word.chars() {
        match letter {
            '\'' => out += r#"'"'"'"#,
            '\\' => out += r#"'"\\"'"#,
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// A command line for `ssh`: a script for a POSIX shell. The user's may be another: it only starts one.
pub fn in_shell(script: &str) -> String {
    format!("exec sh -c {}", quoted(script))
}

/// The same in the user's login shell, so that `PATH` is the user's.
pub fn in_login_shell(script: &str) -> String {
    format!("exec $SHELL -lc {}", quoted(&in_shell(script)))
}

/// The cause and the remedy of what ssh said of a server when it ended.
pub fn trouble(server: &str, said: &str) -> String {
    let lower = said.to_lowercase();
    let is = |words: &str| lower.contains(words);
    let remedy = if is("connection refused") {
        "nothing listens there for ssh: check the name and the port, and that sshd runs"
    } else if is("host key verification failed") {
        "its host key is not known, or is another than before: connect once by hand and check it"
    } else if is("permission denied") || is("too many authentication failures") {
        "it takes none of your keys, and a session never asks for a password: add one with ssh-copy-id, or to your ssh-agent"
    } else if is("could not resolve hostname") || is("name or service not known") {
        "the name is not known: check it, or give it a HostName in your ssh configuration"
    } else if is("timed out") || is("no route to host") || is("network is unreachable") {
        "it cannot be reached: check the address, the network and the firewall"
    } else {
        "try it by hand"
    };
    // The last line is the error; before it may be warnings and a banner.
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    format!("ssh does not come through to {server} ({last}): {remedy} (ssh {server})")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{path::Path, process::Command};

    #[test]
    fn each_trouble_has_its_remedy() {
        for (said, remedy) in [
            ("ssh: connect to host a port 22: Connection refused", "that sshd runs"),
            ("banner\nroot@a: Permission denied (publickey,password).\n", "ssh-copy-id"),
            ("Host key verification failed.", "connect once by hand"),
            ("ssh: Could not resolve hostname a: Name or service not known", "HostName"),
            ("ssh: connect to host a port 22: Connection timed out", "firewall"),
            ("", "it said nothing"),
        ] {
            let trouble = trouble("root@a", said);
            assert!(trouble.contains(remedy) && trouble.contains("ssh root@a"), "{trouble}");
        }
    }

    /// The login shells of this machine, of those that people have.
    fn shells() -> impl Iterator<Item = &'static str> {
        let all = ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/usr/bin/fish"];
        all.into_iter().filter(|shell| Path::new(shell).exists())
    }

    #[test]
    fn no_backslash_is_in_single_quotes() {
        // fish takes one there for part of `\'` or `\\`.
        assert_eq!(quoted(r"a\'b"), r#"'a'"\\"''"'"'b'"#);
        assert_eq!(quoted(""), "''");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_script_comes_through_every_login_shell_as_it_is(word in "[ -~]{0,20}['\\\\$\n ]{0,6}[ -~]{0,5}") {
            let script = format!("printf '%s\\n' {}; if [ a = a ]; then printf %s {0}; fi", quoted(&word));
            for shell in shells() {
                for line in [in_shell(&script), in_login_shell(&script)] {
                    let output = Command::new(shell).arg("-c").arg(line).env("SHELL", shell).output().unwrap();
                    let expected = format!("{word}\n{word}");
                    prop_assert!(String::from_utf8_lossy(&output.stdout).ends_with(&expected), "{shell}: {output:?}");
                }
            }
        }
    }
}
