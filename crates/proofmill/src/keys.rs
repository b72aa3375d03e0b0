//! Private keys: from files, from the environment, or kept by a service; never from a flag, which every user of the machine sees.

use crate::cli;
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_chain::{Password, RemoteSigner, Signer, SigningKey};
use std::{
    env,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Pays on L1, where no account is named.
pub(crate) const L1_KEY: &str = "PRIVATE_KEY";
/// Signs attestations, where no file is named.
pub(crate) const ATTESTOR_KEY: &str = "PROOFMILL_ATTESTOR_KEY";
/// Pays for what `load` sends, where no file is named.
pub(crate) const LOAD_KEY: &str = "LOAD_TEST_PRIVATE_KEY";
/// The password of encrypted keys, where no file is named.
pub(crate) const KEYSTORE_PASSWORD: &str = "PROOFMILL_KEYSTORE_PASSWORD";

/// The key in the file, or in the environment variable.
pub(crate) fn key<K: FromStr>(file: Option<&Path>, variable: &str) -> Result<K> {
    match file {
        Some(path) => {
            let text = fs::read_to_string(path);
            let text = text.wrap_err_with(|| format!("the key file {} cannot be read", path.display()))?;
            read(&text, path.display())
        }
        None => {
            let text = set(variable).ok_or_else(|| {
                eyre!("the environment variable {variable} is not set: set it to the private key")
            })?;
            read(&text, variable)
        }
    }
}

/// A variable of the environment; one that is set to nothing counts as not set.
pub(crate) fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|text| !text.trim().is_empty())
}

/// A key in hexadecimal; white space around it is ignored.
fn read<K: FromStr>(text: &str, place: impl Display) -> Result<K> {
    // What is no key may be most of one, and is not shown.
    text.trim().parse().map_err(|_| {
        eyre!("{place}: not a private key: 32 bytes in hexadecimal, with or without 0x, are wanted")
    })
}

/// The account that pays on L1, for what sends from one.
pub(crate) async fn payer(args: &cli::Paying) -> Result<Signer> {
    let (first, others) = payers(args).await?;
    if !others.is_empty() {
        bail!(
            "{} accounts are named to pay on L1, and this command sends from one: name one",
            others.len() + 1
        );
    }
    Ok(first)
}

/// The accounts that pay on L1, in the order in which they are used: the first, and the others.
pub(crate) async fn payers(args: &cli::Paying) -> Result<(Signer, Vec<Signer>)> {
    if !args.names_an_account() {
        return Ok((key::<SigningKey>(None, L1_KEY)?.into(), Vec::new()));
    }
    args.check()?;
    let mut signers = Vec::new();
    for file in &args.key_file {
        signers.push(key::<SigningKey>(Some(file), L1_KEY)?.into());
    }
    for (file, password) in args.keystore.iter().zip(passwords(args)?) {
        let file = file.clone();
        // The password is dear to try, by purpose.
        let key = tokio::task::spawn_blocking(move || SigningKey::from_keystore(&file, &password));
        signers.push(key.await??.into());
    }
    if let Some(service) = &args.web3signer {
        let service: proofmill_http::NodeUrl = service.as_str().parse().wrap_err("--web3signer")?;
        for account in &args.web3signer_account {
            let signer = RemoteSigner::new(service.clone(), *account);
            signer.check().await?;
            signers.push(signer.into());
        }
    }
    let mut accounts: Vec<_> = signers.iter().map(Signer::address).collect();
    accounts.sort_unstable();
    if let Some(twice) = accounts.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("the account {} is named twice to pay on L1: name each once", twice[0]);
    }
    let mut signers = signers.into_iter();
    let first = signers.next().ok_or_else(|| eyre!("no account is named that pays on L1"))?;
    Ok((first, signers.collect()))
}

/// A password for each encrypted key.
fn passwords(args: &cli::Paying) -> Result<Vec<Password>> {
    let (keys, files) = (args.keystore.len(), &args.keystore_password_file);
    let read = |file: &PathBuf| Ok(Password::from_file(file)?);
    match files.as_slice() {
        _ if keys == 0 => Ok(Vec::new()),
        [] => match set(KEYSTORE_PASSWORD) {
            Some(text) => Ok(vec![Password::new(text); keys]),
            None => bail!(
                "--keystore needs a password: name its file with --keystore-password-file, or set {KEYSTORE_PASSWORD}"
            ),
        },
        [one] => Ok(vec![read(one)?; keys]),
        files if files.len() == keys => files.iter().map(read).collect(),
        files => bail!(
            "{} password files are named for {keys} encrypted keys: name one for all, or one for each",
            files.len()
        ),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accounts_come_in_their_order_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, byte: u8| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{:064x}\n", u32::from(byte))).unwrap();
            path
        };
        let (one, two) = (file("one", 1), file("two", 2));
        let named = |key_file: Vec<PathBuf>| cli::Paying { key_file, ..Default::default() };
        let (first, others) = payers(&named(vec![two.clone(), one.clone()])).await.unwrap();
        assert_eq!(first.address(), key::<SigningKey>(Some(&two), "").unwrap().address());
        assert_eq!(others.len(), 1);
        let said = payer(&named(vec![two.clone(), one.clone()])).await.unwrap_err().to_string();
        assert!(said.contains("2 accounts"), "{said}");
        let said = payers(&named(vec![one.clone(), one])).await.unwrap_err().to_string();
        assert!(said.contains("named twice"), "{said}");
        let keystore = cli::Paying {
            keystore: vec![two.clone(), two.clone(), two.clone()],
            keystore_password_file: vec![two.clone(), two],
            ..Default::default()
        };
        let said = payers(&keystore).await.unwrap_err().to_string();
        assert!(said.contains("2 password files are named for 3"), "{said}");
    }

    #[tokio::test]
    async fn a_file_that_has_no_key_is_named_and_what_it_has_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        std::fs::write(&good, format!("{:064x}\n", 1)).unwrap();
        for text in ["", "0xabc123", &format!("{:064x}\n# an old one\n", 2)] {
            std::fs::write(&bad, text).unwrap();
            let paying = cli::Paying { key_file: vec![good.clone(), bad.clone()], ..Default::default() };
            let said = format!("{:#}", payers(&paying).await.unwrap_err());
            assert!(said.contains(&format!("{}: not a private key", bad.display())), "{said}");
            assert!(!said.contains("abc123") && !said.contains("old one"), "{said}");
        }
    }

    #[tokio::test]
    async fn half_of_an_account_is_refused_and_nobody_else_pays() {
        let service = Some("http://127.0.0.1:1/secret".parse().unwrap());
        let password = vec![PathBuf::from("password")];
        for (half, missing) in [
            (cli::Paying { web3signer: service, ..Default::default() }, "--web3signer-account"),
            (
                cli::Paying { web3signer_account: vec![Default::default()], ..Default::default() },
                "--web3signer ",
            ),
            (cli::Paying { keystore_password_file: password, ..Default::default() }, "--keystore"),
        ] {
            let said = payers(&half).await.unwrap_err().to_string();
            assert!(said.contains(missing) && !said.contains("secret"), "{said}");
        }
    }
}
