//! How much a block may cost for its gas, and what costs more.

use std::{fs, path::Path};

/// The machine of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// OpenVM, whose cost is its instructions.
    OpenVm,
    /// SP1, whose cost is its prover gas.
    Sp1,
}

impl Machine {
    /// The cost for each gas that all but the exceptions stay below: fifteen times that of transfers.
    pub const fn goal(self) -> u64 {
        match self {
            Self::OpenVm => 60,
            Self::Sp1 => 99,
        }
    }

    /// What an attack may cost for each gas where that is above the goal, by the table in `docs/limits.md`.
    fn exception(self, attack: &str) -> Option<u64> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
        let page = fs::read_to_string(path).expect("docs/limits.md");
        let row = page.lines().find_map(|line| line.trim_start().strip_prefix(&format!("| `{attack}` |")))?;
        let column = match self {
            Self::OpenVm => 0,
            Self::Sp1 => 1,
        };
        row.split('|').nth(column)?.trim().parse().ok()
    }

    /// Errors where an attack costs more than it may, or no more than what is no attack: then it is no exception any more.
    pub fn check(self, attack: &str, cost: u64, gas: u64) -> Result<(), String> {
        let per_gas = cost as f64 / gas as f64;
        let exception = self.exception(attack);
        let most = exception.unwrap_or(self.goal());
        if cost > most * gas {
            return Err(format!("{attack}: {per_gas:.1} for each gas, more than {most}"));
        }
        if exception.is_some() && cost <= self.goal() * gas {
            return Err(format!(
                "{attack}: {per_gas:.1} for each gas: no exception any more (docs/limits.md)"
            ));
        }
        println!("{attack}: {per_gas:.1}");
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Machine;
    use crate::ATTACKS;

    #[test]
    fn exceptions_are_read_from_the_page() {
        let blake2f = Machine::OpenVm.exception("blake2f").unwrap();
        assert!(blake2f > 60 && Machine::OpenVm.exception("blake2").is_none());
        assert!(Machine::OpenVm.check("blake2f", blake2f * 1_000, 1_000).is_ok());
        assert!(Machine::OpenVm.check("blake2f", blake2f * 1_000 + 1, 1_000).is_err());
        assert!(Machine::OpenVm.check("blake2f", 60_000, 1_000).is_err(), "it is no exception any more");
        assert!(Machine::Sp1.exception("op-div").is_none() && Machine::OpenVm.exception("op-div").is_some());
        let named = ATTACKS.iter().filter(|(name, _)| Machine::OpenVm.exception(name).is_some()).count();
        assert!(named > 5 && named < ATTACKS.len() / 4, "{named}");
    }
}
