//! What a verifier contract wants to be shown.

use crate::{
    AskedSnark, AttestorSet, ChainError, L1,
    contracts::{AllOfVerifier::verifiersCall, SnarkVerifier::halo2VerifierCall},
    snark_form::Shown,
};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolValue;
use std::ops::RangeInclusive;

/// How many verifiers an `AllOfVerifier` asks.
const ASKED: RangeInclusive<usize> = 2..=8;

/// Whether the code of a Halo2 verifier rests on the setup for development, whose secret everybody knows.
pub fn is_for_development(halo2: &[u8]) -> bool {
    proofmill_srs::development_words().iter().any(|word| halo2.windows(word.len()).any(|part| part == word))
}

/// A verifier contract, by what it takes as a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierKind {
    /// Signatures of attestors.
    Attestors(AttestorSet),
    /// A SNARK that the EVM verifies.
    Snark {
        /// The contract.
        verifier: Address,
        /// Whether its Halo2 verifier is on the setup for development: then anybody can make a SNARK of anything for it.
        insecure: bool,
        /// The code of its Halo2 verifier.
        halo2: Bytes,
    },
    /// What each of several verifiers takes, none of which is of this kind itself.
    AllOf(Vec<VerifierKind>),
    /// A contract that this code does not know. It gets the proof as it is.
    Other {
        /// The contract.
        verifier: Address,
    },
}

/// Why no SNARK is made for a verifier: it would take none such, which shows only hours later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherSnark {
    /// The verifier is on the setup for development, and the SNARK is not.
    #[error(
        "the verifier on L1 is on the setup for development, and takes no SNARK on another: name one on it with --snark \
         insecure-development-small"
    )]
    OfCeremony,
    /// The SNARK is on the setup for development, and the verifier is not.
    #[error(
        "the verifier on L1 is not on the setup for development, and takes no SNARK on that: name one on a setup of a ceremony with --snark \
         small or --snark published"
    )]
    ForDevelopment,
    /// The verifier is on a setup of a ceremony, and no SNARK is named.
    #[error(
        "the verifier on L1 is on a setup of a ceremony, whose SNARKs are known by a file alone: name which one with --snark small or \
         --snark published, and the folder that has, or is to have, its `.verifier` file with --snark-dir"
    )]
    NotNamed,
    /// The verifier takes a SNARK of another size.
    #[error(
        "the verifier on L1 takes the SNARK {takes} alone, and {asked} is to be made: name the other one with --snark {takes}, here and for \
         whoever makes it, or have the contract name a verifier that takes {asked} (`proofmill contracts deploy-verifier`)"
    )]
    OtherSize {
        /// That which it takes.
        takes: &'static str,
        /// That which is named.
        asked: &'static str,
    },
    /// The verifier takes a SNARK that needs a name, and none is named.
    #[error(
        "the verifier on L1 takes the SNARK {takes} alone, which is known by a file alone: name it with --snark {takes}, here and for whoever \
         makes it, and the folder that has, or is to have, its `.verifier` file with --snark-dir"
    )]
    OtherSizeNotNamed {
        /// That which it takes.
        takes: &'static str,
    },
    /// The verifier is of another release.
    #[error(
        "the verifier on L1 takes the SNARK {asked} of another release's circuit, and none of this one's: run the release that the contract \
         was made with, or have the contract name a verifier of this one's circuit (`proofmill contracts deploy-verifier`)"
    )]
    OtherCircuit {
        /// Its name.
        asked: &'static str,
    },
}

impl VerifierKind {
    /// Asks the contract.
    ///
    /// # Errors
    /// There is no contract, or L1 cannot be read.
    pub async fn find(l1: &L1, verifier: Address) -> Result<Self, ChainError> {
        let asked = match l1.read(verifier, &verifiersCall {}, None).await {
            Ok(asked) => asked,
            Err(ChainError::Reverted(_) | ChainError::OtherAnswer { .. }) => {
                return Self::find_single(l1, verifier).await;
            }
            Err(error) => return Err(error),
        };
        // Another contract's, which may name nobody, or thousands that are not there.
        if !ASKED.contains(&asked.len()) {
            return Ok(Self::Other { verifier });
        }
        let mut kinds = Vec::new();
        for verifier in asked {
            kinds.push(Self::find_single(l1, verifier).await?);
        }
        Ok(Self::AllOf(kinds))
    }

    async fn find_single(l1: &L1, verifier: Address) -> Result<Self, ChainError> {
        if let Some(set) = AttestorSet::find(l1, verifier).await? {
            return Ok(Self::Attestors(set));
        }
        match Self::halo2_behind(l1, verifier).await {
            Ok(halo2) => {
                let halo2 = l1.code(halo2).await?;
                Ok(Self::Snark { verifier, insecure: is_for_development(&halo2), halo2 })
            }
            Err(ChainError::Reverted(_) | ChainError::OtherAnswer { .. }) => Ok(Self::Other { verifier }),
            Err(error) => Err(error),
        }
    }

    /// The contract by which a [`Snark`](Self::Snark) verifier verifies Halo2 proofs.
    ///
    /// # Errors
    /// It is no such verifier, or L1 cannot be read.
    pub async fn halo2_behind(l1: &L1, verifier: Address) -> Result<Address, ChainError> {
        l1.read(verifier, &halo2VerifierCall {}, None).await
    }

    /// The verifiers that are asked.
    pub fn single(&self) -> impl Iterator<Item = &Self> {
        match self {
            Self::AllOf(kinds) => kinds.as_slice(),
            single => std::slice::from_ref(single),
        }
        .iter()
    }

    /// Whether a SNARK is wanted.
    pub fn wants_snark(&self) -> bool {
        self.single().any(|kind| matches!(kind, Self::Snark { .. }))
    }

    /// Whether a SNARK is wanted that anybody can make of anything.
    pub fn is_insecure(&self) -> bool {
        self.single().any(|kind| matches!(kind, Self::Snark { insecure: true, .. }))
    }

    /// Checks that a SNARK is one that the verifier takes, as far as its code shows that. Whether it shows that of every verifier that
    /// wants one: the contract of another generator does not, nor that of a circuit which is not known here.
    ///
    /// # Errors
    /// It takes no such SNARK. Where none is wanted, any is right.
    pub fn check_snark(&self, asked: &AskedSnark<'_>) -> Result<bool, OtherSnark> {
        self.check_setup(asked.named.then_some(asked.form.for_development))?;
        let mut shown = true;
        for kind in self.single() {
            let Self::Snark { insecure, halo2, .. } = kind else { continue };
            match asked.shown(halo2, *insecure) {
                Shown::Same => {}
                Shown::Nothing => shown = false,
                Shown::Other(takes) if asked.named => {
                    return Err(OtherSnark::OtherSize { takes, asked: asked.form.name });
                }
                Shown::Other(takes) => return Err(OtherSnark::OtherSizeNotNamed { takes }),
                Shown::OtherCircuit => return Err(OtherSnark::OtherCircuit { asked: asked.form.name }),
            }
        }
        Ok(shown)
    }

    /// Checks that SNARKs are made of the setup that the verifier is on. Whether those that are named are for development; nothing where
    /// none are named.
    ///
    /// # Errors
    /// They are not. Where no SNARK is wanted, any are right.
    fn check_setup(&self, for_development: Option<bool>) -> Result<(), OtherSnark> {
        if !self.wants_snark() {
            return Ok(());
        }
        match (for_development, self.is_insecure()) {
            (Some(false), true) => Err(OtherSnark::OfCeremony),
            (Some(true), false) => Err(OtherSnark::ForDevelopment),
            (None, false) => Err(OtherSnark::NotNamed),
            (None | Some(true), true) | (Some(false), false) => Ok(()),
        }
    }

    /// Puts together what [`single`](Self::single) verifiers take, in their order, as this contract takes it.
    pub fn proof_bytes(&self, parts: Vec<Bytes>) -> Bytes {
        match self {
            Self::AllOf(_) => parts.abi_encode().into(),
            _ => parts.into_iter().next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SnarkForm, contracts::InsecureDevelopmentHalo2Verifier};
    use alloy_primitives::U256;

    /// With the sizes that there are.
    const FORMS: [SnarkForm; 4] = [
        SnarkForm { name: "insecure-development-small", for_development: true, rows: 23 },
        SnarkForm { name: "small", for_development: false, rows: 23 },
        SnarkForm { name: "insecure-development-published", for_development: true, rows: 22 },
        SnarkForm { name: "published", for_development: false, rows: 22 },
    ];
    /// That with which the transcript of the committed verifier's circuit begins, as its source has it.
    const BEGINS: &str = "3349172911923090008930401548916776435155729742624564364353122495816513996655";
    /// Stands for a word of the ceremony's setup.
    const CEREMONY: [u8; 32] = [0xce; 32];
    /// Stands for what another circuit's transcript begins with.
    const OTHER: [u8; 32] = [0x0e; 32];

    fn begins() -> [u8; 32] {
        U256::from_str_radix(BEGINS, 10).unwrap_or_default().to_be_bytes()
    }

    /// The code of a Halo2 verifier that is generated as the committed one: of so many rows, of a circuit, on a setup.
    fn halo2(rows: u32, circuit: [u8; 32], for_development: bool) -> Vec<u8> {
        let mut code = InsecureDevelopmentHalo2Verifier::BYTECODE.to_vec();
        let mut put = |own: [u8; 32], other: [u8; 32]| {
            let there: Vec<usize> = (0..code.len() - 31).filter(|at| code[*at..][..32] == own).collect();
            assert_eq!(there.len(), 1, "{}", alloy_primitives::hex::encode(own));
            code[there[0]..][..32].copy_from_slice(&other);
        };
        put(proofmill_srs::rows_word(23), proofmill_srs::rows_word(rows));
        put(begins(), circuit);
        if !for_development {
            for word in proofmill_srs::development_words() {
                put(word, CEREMONY);
            }
        }
        code
    }

    fn kind(halo2: Vec<u8>) -> VerifierKind {
        let insecure = is_for_development(&halo2);
        VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2: halo2.into() }
    }

    fn asked(form: usize, words: &[[[u8; 32]; 2]]) -> AskedSnark<'_> {
        AskedSnark { forms: &FORMS, form: FORMS[form], named: true, words }
    }

    fn unnamed(words: &[[[u8; 32]; 2]]) -> AskedSnark<'_> {
        AskedSnark { named: false, ..asked(0, words) }
    }

    #[test]
    fn a_snark_is_made_of_the_setup_that_its_verifier_is_on() {
        let snark = |insecure| VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2: Bytes::new() };
        let other = VerifierKind::Other { verifier: Address::ZERO };
        let both = |insecure| VerifierKind::AllOf(vec![other.clone(), snark(insecure)]);
        for (named, insecure, checked) in [
            (None, true, Ok(())),
            (None, false, Err(OtherSnark::NotNamed)),
            (Some(true), true, Ok(())),
            (Some(true), false, Err(OtherSnark::ForDevelopment)),
            (Some(false), true, Err(OtherSnark::OfCeremony)),
            (Some(false), false, Ok(())),
        ] {
            assert_eq!(snark(insecure).check_setup(named), checked);
            assert_eq!(both(insecure).check_setup(named), checked);
            assert_eq!(other.check_setup(named), Ok(()));
        }
    }

    #[test]
    fn a_snark_of_another_size_than_its_verifiers_is_refused_on_either_setup_without_any_file() {
        for (own, other) in [(0, 2), (2, 0), (1, 3), (3, 1)] {
            let form = FORMS[own];
            let takes = kind(halo2(form.rows, OTHER, form.for_development));
            let both =
                VerifierKind::AllOf(vec![VerifierKind::Other { verifier: Address::ZERO }, takes.clone()]);
            for kind in [takes, both] {
                let refused = OtherSnark::OtherSize { takes: form.name, asked: FORMS[other].name };
                assert_eq!(kind.check_snark(&asked(other, &[])), Err(refused));
                let said = refused.to_string();
                assert!(said.contains(&format!("--snark {}", form.name)) && said.contains(FORMS[other].name));
                // The right size, of a circuit that nobody knows here.
                assert_eq!(kind.check_snark(&asked(own, &[])), Ok(false));
            }
        }
        // The one that needs no name.
        let published = kind(halo2(22, OTHER, true));
        let refused = OtherSnark::OtherSizeNotNamed { takes: FORMS[2].name };
        assert_eq!(published.check_snark(&unnamed(&[])), Err(refused));
        let small = kind(halo2(23, begins(), true));
        let words = [[proofmill_srs::development_words()[0], begins()]];
        assert_eq!(small.check_snark(&unnamed(&words)), Ok(true));
    }

    #[test]
    fn a_snark_of_another_releases_circuit_is_refused_where_this_ones_is_known_on_the_verifiers_setup() {
        for (form, setup) in [(0, proofmill_srs::development_words()[0]), (1, CEREMONY), (3, CEREMONY)] {
            let SnarkForm { rows, for_development, name } = FORMS[form];
            let kind = |circuit| kind(halo2(rows, circuit, for_development));
            let known = [[[0xcf; 32], OTHER], [setup, begins()]];
            assert_eq!(kind(begins()).check_snark(&asked(form, &known)), Ok(true));
            let refused = OtherSnark::OtherCircuit { asked: name };
            assert_eq!(kind(OTHER).check_snark(&asked(form, &known)), Err(refused));
            // On another contribution to the setup nothing is known.
            let elsewhere = [[[0xcf; 32], begins()]];
            assert_eq!(kind(OTHER).check_snark(&asked(form, &elsewhere)), Ok(false));
        }
    }

    #[test]
    fn what_another_generator_made_shows_nothing_and_is_not_refused() {
        let setup = proofmill_srs::development_words();
        let words = [[setup[0], begins()]];
        let foreign = [&[0x5f, 0x5f, 0xfd][..], &setup.concat()].concat();
        for form in [0, 2] {
            assert_eq!(kind(foreign.clone()).check_snark(&asked(form, &words)), Ok(false));
        }
        for form in [1, 3] {
            assert_eq!(kind(vec![0x5f, 0x5f, 0xfd]).check_snark(&asked(form, &words)), Ok(false));
        }
        // Nobody wants a SNARK.
        let other = VerifierKind::Other { verifier: Address::ZERO };
        assert_eq!(other.check_snark(&asked(3, &words)), Ok(true));
    }
}
