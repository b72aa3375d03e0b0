//! Which SNARKs a Halo2 verifier takes, by what the code that is generated of its circuit has in it.

/// A SNARK, as far as the code of a contract that takes it shows it whatever release it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnarkForm {
    /// Its name in settings.
    pub name: &'static str,
    /// Whether it is on the setup for development.
    pub for_development: bool,
    /// Log2 of the rows of the circuit that the contract verifies.
    pub rows: u32,
}

/// The SNARK that is made for a verifier.
#[derive(Clone, Copy, Debug)]
pub struct AskedSnark<'a> {
    /// All SNARKs that there are.
    pub forms: &'a [SnarkForm],
    /// This one.
    pub form: SnarkForm,
    /// Whether somebody named it. The one that needs no name is made where nobody does.
    pub named: bool,
    /// What contracts have in their code that take it: a word of the setup, and one of this release's circuit on that setup. None where no
    /// such circuit is known.
    pub words: &'a [[[u8; 32]; 2]],
}

/// What the code of a Halo2 verifier shows of a SNARK that is made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is of the same circuit.
    Same,
    /// Nothing that speaks against it.
    Nothing,
    /// It takes this SNARK, and no other.
    Other(&'static str),
    /// It takes SNARKs of this name, of another release's circuit.
    OtherCircuit,
}

impl AskedSnark<'_> {
    /// Looks at the code of a Halo2 verifier, which is on the setup for development or not.
    pub(crate) fn shown(&self, code: &[u8], for_development: bool) -> Shown {
        let on_setup: Vec<_> = self.words.iter().filter(|[setup, _]| has(code, setup)).collect();
        if on_setup.iter().any(|[_, circuit]| has(code, circuit)) {
            return Shown::Same;
        }
        let of_rows = |form: &SnarkForm| {
            form.for_development == for_development && has(code, &proofmill_srs::rows_word(form.rows))
        };
        let mut forms = self.forms.iter().copied().filter(of_rows);
        match (forms.next(), forms.next()) {
            (Some(form), None) if form != self.form => Shown::Other(form.name),
            (Some(_), None) if !on_setup.is_empty() => Shown::OtherCircuit,
            // One that another generator made shows nothing.
            _ => Shown::Nothing,
        }
    }
}

/// Whether code has a word as a constant: solc leaves out the zeros that it begins with.
fn has(code: &[u8], word: &[u8; 32]) -> bool {
    let zeros = word.iter().take_while(|byte| **byte == 0).count();
    let digits = &word[zeros..];
    !digits.is_empty() && code.windows(digits.len()).any(|part| part == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_without_the_zeros_that_it_begins_with() {
        let mut word = [7; 32];
        word[..2].fill(0);
        // PUSH30.
        let code = [&[0x7d][..], &word[2..], &[0x5f]].concat();
        assert!(has(&code, &word));
        word[31] = 8;
        assert!(!has(&code, &word));
        assert!(!has(&code, &[0; 32]) && !has(&[], &word));
    }
}
