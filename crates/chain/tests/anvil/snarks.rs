//! Which SNARKs a verifier takes, found out before hours go into one that it does not.

use crate::scene::Scene;
use alloy_primitives::{Address, B256};
use proofmill_backends::SnarkVariant;
use proofmill_chain::{
    AskedSnark, Halo2Verifier, OtherSnark, SnarkForm, VerifierKind, deploy_snark_verifier, is_for_development,
};
use serde_json::json;

fn form(variant: SnarkVariant) -> SnarkForm {
    SnarkForm {
        name: variant.name(),
        for_development: variant.is_for_development(),
        rows: variant.size.wrapper_k(),
    }
}

/// Whether the code shows that the verifier takes this SNARK, or that it takes none such.
async fn checked(scene: &Scene, verifier: Address, variant: SnarkVariant) -> Result<bool, OtherSnark> {
    let forms = SnarkVariant::ALL.map(form);
    let asked = AskedSnark { forms: &forms, form: form(variant), named: true, words: &[] };
    VerifierKind::find(&scene.l1, verifier).await.unwrap().check_snark(&asked)
}

#[tokio::test]
async fn a_snark_of_another_size_than_the_contracts_is_refused() {
    let scene = Scene::new().await;
    let halo2 = Halo2Verifier::InsecureDevelopment;
    let verifier = deploy_snark_verifier(&scene.publisher, halo2, B256::ZERO).await.unwrap().address;
    let [small, _, published, _] = SnarkVariant::ALL;
    let other_size = |takes: SnarkVariant, asked: SnarkVariant| {
        Err(OtherSnark::OtherSize { takes: takes.name(), asked: asked.name() })
    };
    assert_eq!(checked(&scene, verifier, small).await, Ok(false));
    assert_eq!(checked(&scene, verifier, published).await, other_size(small, published));

    // As if its circuit were of the other size.
    let halo2 = VerifierKind::halo2_behind(&scene.l1, verifier).await.unwrap();
    let mut code = scene.l1.code(halo2).await.unwrap().to_vec();
    let [own, other] = [small, published].map(|variant| proofmill_srs::rows_word(variant.size.wrapper_k()));
    let at = code.windows(32).position(|part| part == own).unwrap();
    code[at..][..32].copy_from_slice(&other);
    scene.rpc("anvil_setCode", json!([halo2, alloy_primitives::hex::encode_prefixed(&code)])).await;
    assert_eq!(checked(&scene, verifier, published).await, Ok(false));
    assert_eq!(checked(&scene, verifier, small).await, other_size(published, small));

    // Of another generator: reverts, and has nothing that is known but its setup.
    let foreign = [&[0x5f, 0x5f, 0xfd][..], &proofmill_srs::development_words().concat()].concat();
    assert!(is_for_development(&foreign));
    scene.rpc("anvil_setCode", json!([halo2, alloy_primitives::hex::encode_prefixed(&foreign)])).await;
    for variant in [small, published] {
        assert_eq!(checked(&scene, verifier, variant).await, Ok(false));
    }
}
