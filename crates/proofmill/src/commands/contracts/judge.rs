//! What a contract must be before a rollup rests on it: looked at in every way in, because rules stay until the next ones.

use alloy_primitives::{Address, Bytes};
use eyre::{Result, WrapErr, bail};
use proofmill_chain::{
    DELEGATES, DEVELOPMENT_CHAIN, L1, VerifierKind, is_for_development, majority, public_network,
    takes_any_proof, takes_anything,
};
use proofmill_primitives::ProverType;

/// What was said of the attestors that count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// How many of them must sign.
    pub(super) threshold: Option<u64>,
    /// That they are relied on although L1 is a public network.
    pub(super) trust_attestors: bool,
}

/// Judges a verifier that is there, and tells what it is.
///
/// # Errors
/// It takes anything, can be exchanged, or rests on fewer than was said; or L1 cannot be read.
pub(super) async fn judge_verifier(
    l1: &L1,
    prover: ProverType,
    verifier: Address,
    said: Said,
) -> Result<String> {
    let judged = async {
        let chain_id = l1.chain_id();
        check_type(chain_id, prover)?;
        check_verifier(&l1.code(verifier).await?, chain_id)?;
        let kind = VerifierKind::find(l1, verifier).await?;
        for single in kind.single() {
            let at = match single {
                VerifierKind::Attestors(set) => set.verifier,
                VerifierKind::Snark { verifier, .. } => {
                    let halo2 = VerifierKind::halo2_behind(l1, *verifier).await?;
                    check_halo2(&l1.code(halo2).await?, chain_id)
                        .wrap_err_with(|| format!("the Halo2 verifier {halo2} behind it"))?;
                    *verifier
                }
                VerifierKind::Other { verifier } => {
                    let asks = VerifierKind::find(l1, *verifier).await?;
                    check_not_several(&asks).wrap_err_with(|| format!("{verifier}, which it asks"))?;
                    *verifier
                }
                // None of several is of this kind.
                VerifierKind::AllOf(_) => continue,
            };
            if at != verifier {
                check_verifier(&l1.code(at).await?, chain_id)
                    .wrap_err_with(|| format!("{at}, which it asks"))?;
            }
        }
        check_snark(prover, &kind)?;
        judge(chain_id, &kind, said)?;
        Ok::<_, eyre::Report>(words(prover, &kind))
    };
    judged.await.wrap_err_with(|| format!("--verifier {prover}={verifier}"))
}

/// Refuses one of several verifiers that asks several itself: whom those rely on would not be judged, and nobody gives them proofs in
/// their order.
fn check_not_several(kind: &VerifierKind) -> Result<()> {
    if matches!(kind, VerifierKind::AllOf(_)) {
        bail!("it asks several verifiers itself: name a contract that asks all of them at once");
    }
    Ok(())
}

/// Refuses a verifier of SNARKs for proofs of which no such SNARK is made: its rollup would take none, for ever.
fn check_snark(prover: ProverType, kind: &VerifierKind) -> Result<()> {
    if kind.wants_snark() && prover != ProverType::OpenVm {
        bail!("it verifies SNARKs of openvm proofs alone: name a verifier that is for {prover}");
    }
    Ok(())
}

/// Judges a kind of verifier by whom it relies on.
fn judge(chain_id: u64, kind: &VerifierKind, said: Said) -> Result<()> {
    for single in kind.single() {
        let VerifierKind::Attestors(set) = single else { continue };
        let (threshold, most) = (set.threshold as u64, majority(set.members.len()) as u64);
        if threshold == 0 || set.threshold > set.members.len() {
            bail!(
                "it wants {threshold} signatures of {} different attestors: one without any takes anything, and one with more than there are \
                 takes nothing, for ever. Name another contract",
                set.members.len()
            );
        }
        if threshold < most && said.threshold != Some(threshold) {
            bail!(
                "it takes what {threshold} of {} attestors signed, and more than half of them are {most}: say --threshold {threshold} if \
                 that is meant",
                set.members.len()
            );
        }
    }
    // Attestors stand in for a proof where there is no other.
    if kind.single().all(|kind| matches!(kind, VerifierKind::Attestors(_))) {
        check_trust(chain_id, said.trust_attestors)?;
    }
    Ok(())
}

/// What a verifier is, for people.
pub(super) fn words(prover: ProverType, kind: &VerifierKind) -> String {
    if !prover.proves() {
        return format!("of {prover}, which PROVES NOTHING");
    }
    let single: Vec<_> = kind
        .single()
        .map(|kind| match kind {
            VerifierKind::Attestors(set) => attestors_words(set.threshold as u64, &set.members),
            VerifierKind::Snark { insecure, .. } => format!("that verifies {}", snark(*insecure)),
            _ => "that gets the proof as it is; this release does not know what it is".to_owned(),
        })
        .collect();
    single.join(", and one ")
}

/// What a verifier that counts attestors is, for people.
pub(super) fn attestors_words(threshold: u64, attestors: &[Address]) -> String {
    let names: Vec<_> = attestors.iter().map(Address::to_string).collect();
    format!("that {threshold} of {} attestors must sign for ({})", names.len(), names.join(", "))
}

/// What a verifier of SNARKs is shown, for people.
pub(super) const fn snark(insecure: bool) -> &'static str {
    match insecure {
        false => "a SNARK of each epoch's proof",
        true => "a SNARK on the INSECURE setup for development, which anybody can make of anything",
    }
}

/// Whoever has enough of the attestors' keys can have anything proven.
pub(super) fn check_trust(chain_id: u64, trusted: bool) -> Result<()> {
    match public_network(chain_id) {
        Some(network) if !trusted => bail!(
            "L1 is {network} (chain id {chain_id}): there attestors stand between a rollup's funds and whoever has their keys. Use a \
             verifier of proofs (--verifier TYPE=ADDRESS), or say --trust-attestors"
        ),
        _ => Ok(()),
    }
}

/// What proves nothing is taken on a development chain alone.
pub(super) fn check_type(chain_id: u64, prover: ProverType) -> Result<()> {
    if prover.proves() || chain_id == DEVELOPMENT_CHAIN {
        return Ok(());
    }
    bail!(
        "L1 has chain id {chain_id}: {prover} proves nothing, and the verifier that accepts anything is for the development chain \
         {DEVELOPMENT_CHAIN} alone. Leave {prover} out of --prover"
    )
}

/// Refuses what is no contract of its own.
fn check_code(code: &Bytes, chain_id: u64) -> Result<()> {
    if code.is_empty() {
        bail!("there is no contract on L1 {chain_id}");
    }
    if code.starts_with(&DELEGATES) {
        bail!(
            "it is an account that delegates (EIP-7702): whoever has its key can put anything in its place"
        );
    }
    Ok(())
}

/// Refuses what can be no verifier of proofs, as far as its code shows.
fn check_verifier(code: &Bytes, chain_id: u64) -> Result<()> {
    check_code(code, chain_id)?;
    if chain_id != DEVELOPMENT_CHAIN && takes_any_proof(code.clone())? {
        bail!(
            "it takes what is no proof, or passes calls on to another contract, which can be replaced: name a contract that verifies \
             proofs itself"
        );
    }
    Ok(())
}

/// Refuses what can be no verifier on a setup of a ceremony, as far as its code shows.
pub(super) fn check_halo2(code: &Bytes, chain_id: u64) -> Result<()> {
    check_code(code, chain_id)?;
    if takes_anything(code.clone())? {
        bail!(
            "it takes what is no proof, or passes calls on to another contract, which can be replaced: name the contract that solc \
             makes of the Halo2 verifier's source itself"
        );
    }
    if is_for_development(code) && chain_id != DEVELOPMENT_CHAIN {
        bail!(
            "it is on the setup for development, whose secret everybody knows, and L1 has chain id {chain_id}: name one on a setup of a \
             ceremony"
        );
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::AttestorSet;

    fn attestors(threshold: usize, count: u8) -> VerifierKind {
        let members = (1..=count).map(Address::repeat_byte).collect();
        VerifierKind::Attestors(AttestorSet { verifier: Address::repeat_byte(0xaa), members, threshold })
    }

    fn said(threshold: Option<u64>, trust_attestors: bool) -> Said {
        Said { threshold, trust_attestors }
    }

    #[test]
    fn a_halo2_verifier_is_looked_at_before_anything_rests_on_it() {
        let artifact =
            include_str!("../../../../../contracts/artifacts/InsecureDevelopmentHalo2Verifier.json");
        let artifact: serde_json::Value = serde_json::from_str(artifact).unwrap();
        let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
        assert!(is_for_development(&code));
        let refused = |code: &[u8]| check_halo2(&code.to_vec().into(), 1).unwrap_err().to_string();
        assert!(refused(&[]).contains("no contract"));
        assert!(refused(&[&DELEGATES[..], &[7; 20]].concat()).contains("EIP-7702"));
        assert!(refused(&[0x00]).contains("what is no proof"));
        let reverts = [0x5f, 0x5f, 0xfd];
        check_halo2(&reverts.to_vec().into(), 1).unwrap();
        let on_it = [&reverts[..], &proofmill_srs::development_words()[1]].concat();
        assert!(refused(&on_it).contains("setup for development"));
        check_halo2(&on_it.into(), DEVELOPMENT_CHAIN).unwrap();
    }

    #[test]
    fn a_verifier_is_looked_at_before_anything_rests_on_it() {
        let refused =
            |code: &[u8], chain| check_verifier(&code.to_vec().into(), chain).unwrap_err().to_string();
        for chain in [1, 901, DEVELOPMENT_CHAIN] {
            assert!(refused(&[], chain).contains("no contract"));
            assert!(refused(&[&DELEGATES[..], &[7; 20]].concat(), chain).contains("EIP-7702"));
        }
        // STOP, and a proxy of the smallest kind (EIP-1167).
        let proxy = [
            &[0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73][..],
            &[0xbe; 20],
            &[0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3],
        ]
        .concat();
        for code in [&[0x00][..], &proxy] {
            assert!(refused(code, 1).contains("what is no proof"));
            assert!(refused(code, 901).contains("what is no proof"));
            check_verifier(&code.to_vec().into(), DEVELOPMENT_CHAIN).unwrap();
        }
        check_verifier(&vec![0x5f, 0x5f, 0xfd].into(), 1).unwrap();
    }

    #[test]
    fn attestors_are_trusted_on_a_public_network_only_where_that_is_said() {
        for (chain, network) in [(1, "Ethereum"), (8453, "Base"), (11_155_111, "Sepolia")] {
            let refused = check_trust(chain, false).unwrap_err().to_string();
            assert!(refused.contains(network) && refused.contains("--trust-attestors"), "{refused}");
            check_trust(chain, true).unwrap();
            let refused = judge(chain, &attestors(2, 3), said(None, false)).unwrap_err().to_string();
            assert!(refused.contains(network), "{refused}");
            judge(chain, &attestors(2, 3), said(None, true)).unwrap();
            // Beside a proof they are more than none.
            let snark = VerifierKind::Snark { verifier: Address::ZERO, insecure: false, halo2: Bytes::new() };
            judge(chain, &VerifierKind::AllOf(vec![snark, attestors(2, 3)]), said(None, false)).unwrap();
        }
        for private in [900, 1337, DEVELOPMENT_CHAIN] {
            check_trust(private, false).unwrap();
            judge(private, &attestors(2, 3), said(None, false)).unwrap();
        }
    }

    #[test]
    fn fewer_than_a_majority_count_only_where_that_is_said() {
        for chain in [1, 901, DEVELOPMENT_CHAIN] {
            for (threshold, count) in [(1, 2), (1, 3), (2, 4), (2, 5)] {
                let kind = attestors(threshold, count);
                let several =
                    VerifierKind::AllOf(vec![VerifierKind::Other { verifier: Address::ZERO }, kind.clone()]);
                for kind in [&kind, &several] {
                    for other in [None, Some(threshold as u64 + 1)] {
                        let refused = judge(chain, kind, said(other, true)).unwrap_err().to_string();
                        assert!(refused.contains(&format!("--threshold {threshold}")), "{refused}");
                    }
                    judge(chain, kind, said(Some(threshold as u64), true)).unwrap();
                }
            }
            for (threshold, count) in [(1, 1), (2, 2), (2, 3), (3, 5)] {
                judge(chain, &attestors(threshold, count), said(None, true)).unwrap();
            }
        }
    }

    #[test]
    fn a_threshold_of_none_or_of_more_than_there_are_is_refused_whatever_is_said() {
        for (threshold, count) in [(0, 0), (0, 3), (1, 0), (4, 3)] {
            for said in [said(None, true), said(Some(threshold as u64), true)] {
                let refused = judge(DEVELOPMENT_CHAIN, &attestors(threshold, count), said).unwrap_err();
                assert!(refused.to_string().contains("Name another contract"), "{refused}");
            }
        }
    }

    #[test]
    fn several_verifiers_behind_one_of_several_are_refused() {
        let one = attestors(1, 5);
        check_not_several(&one).unwrap();
        check_not_several(&VerifierKind::Other { verifier: Address::ZERO }).unwrap();
        let refused = check_not_several(&VerifierKind::AllOf(vec![one])).unwrap_err().to_string();
        assert!(refused.contains("all of them at once"), "{refused}");
    }

    #[test]
    fn a_verifier_of_snarks_is_for_openvm_alone() {
        let snark = VerifierKind::Snark { verifier: Address::ZERO, insecure: false, halo2: Bytes::new() };
        for kind in [snark.clone(), VerifierKind::AllOf(vec![attestors(2, 3), snark])] {
            check_snark(ProverType::OpenVm, &kind).unwrap();
            let refused = check_snark(ProverType::Sp1, &kind).unwrap_err().to_string();
            assert!(refused.contains("openvm proofs alone") && refused.contains("sp1"), "{refused}");
        }
        check_snark(ProverType::Sp1, &attestors(2, 3)).unwrap();
    }

    #[test]
    fn what_proves_nothing_is_for_a_development_chain() {
        let refused = check_type(1, ProverType::Exec).unwrap_err().to_string();
        assert!(refused.contains("proves nothing"), "{refused}");
        check_type(DEVELOPMENT_CHAIN, ProverType::Exec).unwrap();
        check_type(1, ProverType::OpenVm).unwrap();
    }

    #[test]
    fn who_must_sign_is_shown() {
        let shown = words(ProverType::OpenVm, &attestors(1, 3));
        assert!(shown.contains("1 of 3") && shown.contains(&Address::repeat_byte(3).to_string()), "{shown}");
        for (insecure, word) in [(true, "INSECURE"), (false, "a SNARK of each epoch's proof")] {
            let snark = VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2: Bytes::new() };
            let several = VerifierKind::AllOf(vec![snark.clone(), attestors(2, 3)]);
            for kind in [snark, several] {
                let shown = words(ProverType::OpenVm, &kind);
                assert!(shown.contains(word) && shown.contains("INSECURE") == insecure, "{shown}");
            }
        }
        assert!(
            words(ProverType::Exec, &VerifierKind::Other { verifier: Address::ZERO }).contains("NOTHING")
        );
    }
}
