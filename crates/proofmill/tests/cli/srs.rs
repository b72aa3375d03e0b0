//! Setups of SNARKs, and what is refused before hours are spent.

use crate::process::{fail, output, proofmill, stand_in, succeed};
use std::{fs, path::Path};

#[test]
fn a_setup_for_development_is_made_once_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let dev = || succeed(proofmill(data).args(["srs", "dev", "--degree", "8"]));
    let said = dev();
    let file = data.join("data/snark/insecure-development-8.srs");
    assert!(said.contains("INSECURE") && said.contains(&file.display().to_string()), "{said}");
    let modified = || fs::metadata(&file).unwrap().modified().unwrap();
    let first = modified();
    assert!(dev().contains("there already"));
    assert_eq!(modified(), first);
    let check = |file: &Path| {
        let mut command = proofmill(data);
        command.args(["srs", "check"]).arg(file);
        command
    };
    let said = succeed(&mut check(&file));
    assert!(said.contains("degree 8") && said.contains("INSECURE"), "{said}");
    // It needs no import on another machine.
    let said = fail(proofmill(data).args(["srs", "import"]).arg(&file));
    assert!(said.contains("Proofmill keeps already") && said.contains("copy it into"), "{said}");
    // A damaged one is said to be, and made again.
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = fail(&mut check(&file));
    assert!(said.contains("damaged"), "{said}");
    let made = output(proofmill(data).args(["srs", "dev", "--degree", "8"]));
    let said = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success() && said.contains("damaged") && said.contains("made again now"), "{said}");
    succeed(&mut check(&file));
    // One that was given another's name stays.
    let renamed = data.join("data/snark/insecure-development-9.srs");
    fs::rename(&file, &renamed).unwrap();
    let said = fail(proofmill(data).args(["srs", "dev", "--degree", "9"]));
    assert!(said.contains("of degree 8, not 9") && said.contains("give it back its name"), "{said}");
    succeed(&mut check(&renamed));
    // What cannot be read is not replaced: nothing is made for it, which would take a minute.
    fs::create_dir(data.join("data/snark/insecure-development-22.srs")).unwrap();
    let said = fail(proofmill(data).args(["srs", "dev", "--degree", "22"]));
    assert!(said.contains("insecure-development-22.srs") && !said.contains("making the setup"), "{said}");
}

#[test]
fn a_setup_whose_secret_somebody_may_know_is_not_imported() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../srs/fixtures/prepared-5.ptau");
    let said = fail(proofmill(folder.path()).args(["srs", "import"]).arg(&fixture));
    assert!(said.contains("neither the perpetual powers of tau"), "{said}");
    let said = fail(proofmill(folder.path()).args(["srs", "import", "--degree", "9"]).arg(&fixture));
    assert!(said.contains("degree 5") && said.contains("larger file"), "{said}");
    let said = fail(proofmill(folder.path()).args(["srs", "import"]).arg(folder.path().join("absent")));
    assert!(said.contains("absent"), "{said}");
    assert!(!folder.path().join("data/snark").exists(), "nothing is kept");
}

#[test]
fn a_snark_without_its_setup_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let said = fail(proofmill(folder.path()).args(["worker", "--snark", "insecure-development-small"]));
    assert!(said.contains("proofmill srs dev --degree 22"), "{said}");
    let said = fail(proofmill(folder.path()).args(["worker", "--snark", "published"]));
    assert!(said.contains("proofmill srs import"), "{said}");
    let said = fail(proofmill(folder.path()).args(["worker", "--snark", "large"]));
    assert!(said.contains("insecure-development-small"), "{said}");
    let prove = ["prove", "--elf", "there.elf", "--stdin", "in", "--mode", "plonk", "--snark", "published"];
    let said = fail(proofmill(folder.path()).args(prove));
    assert!(said.contains("proofmill srs import"), "{said}");
    let said = fail(proofmill(folder.path()).args(["range", "--prove"]).args(&prove[1..]));
    assert!(said.contains("proofmill srs import"), "{said}");
    // Who makes none, has others make it, or only verifies it, needs no gigabytes of setup.
    for words in [
        &[&prove[..], &["--execute-only"]].concat(),
        &vec!["worker", "--prover", "exec", "--snark", "published", "--max-weight", "100000"],
        &vec!["dev", "--prover", "exec", "--l1-verifier", "snark", "--snark", "published"],
        &[&["range"][..], &prove[1..]].concat(),
        &[&prove[..], &["--cluster", "http://127.0.0.1:1"]].concat(),
        &vec!["verify", "--snark", "published", "there.bin"],
    ] {
        let said = fail(proofmill(folder.path()).args(words));
        assert!(!said.contains("proofmill srs"), "{said}");
    }
    // Somebody must make the SNARK that L1 wants.
    let said = fail(proofmill(folder.path()).args(["dev", "--prover", "openvm", "--l1-verifier", "snark"]));
    assert!(said.contains("--snark"), "{said}");
    // Nor is it any SNARK. The setups are as long as they must be, and holes.
    for (setup, magic) in [("ceremony", b"\x7fPMSRSC1"), ("insecure-development", b"\x7fPMSRSD1")] {
        for degree in [22, 23_u32] {
            let file = folder.path().join(format!("data/snark/{setup}-{degree}.srs"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, [&magic[..], &degree.to_le_bytes()].concat()).unwrap();
            let file = fs::File::options().write(true).open(&file).unwrap();
            file.set_len(8 + 4 + (128 << degree) + 256 + 32).unwrap();
        }
    }
    let stand_in = format!("--binary=openvm={}", stand_in().display());
    let dev = |words: &[&str]| {
        let mut command = proofmill(folder.path());
        command.args(["dev", "--prover", "openvm", "--l1-verifier", "snark", &stand_in]).args(words);
        fail(&mut command)
    };
    let said = dev(&["--snark", "small"]);
    assert!(said.contains("insecure-development-small alone"), "{said}");
    // No worker has the memory.
    let said = dev(&["--snark", "insecure-development-small", "--workers", "2,2"]);
    assert!(said.contains("takes 12 GB of memory"), "{said}");
    let prove = ["prove", "--elf", "there.elf", "--stdin", "in", "--mode", "plonk", "--snark", "small"];
    let said = fail(proofmill(folder.path()).args(prove).args(["--max-weight", "2", &stand_in]));
    assert!(said.contains("takes 12 GB of memory") && said.contains("cluster"), "{said}");
    let said = fail(proofmill(folder.path()).args(["localnet", "--l1-verifier", "snarks"]));
    assert!(said.contains("use attestors, snark or both"), "{said}");
}
