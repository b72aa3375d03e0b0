//! Keys in encrypted files: Web3 Secret Storage, as geth, Clef and Foundry write it.

use crate::{ChainError, SigningKey};
use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use serde_json::Value;
use std::{fmt, fs, path::Path};

/// The password of an encrypted key. It shows itself nowhere.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// [`ChainError::PasswordFile`] where it cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, ChainError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ChainError::PasswordFile { path: path.to_owned(), source })?;
        Ok(Self(text.lines().next().unwrap_or_default().to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl SigningKey {
    /// The key in an encrypted file (Web3 Secret Storage, version 3). Takes a second: the password is made dear to guess.
    ///
    /// # Errors
    /// [`ChainError::Keystore`] where the file cannot be read, the password is another one, or the key is of another account than
    /// the file says.
    pub fn from_keystore(path: &Path, password: &Password) -> Result<Self, ChainError> {
        let failed = |cause: String| ChainError::Keystore { path: path.to_owned(), cause };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let json: Value = serde_json::from_str(&text).map_err(|_| {
            failed("it is not JSON: an encrypted key of geth, Clef or Foundry is wanted".to_owned())
        })?;
        check(&json).map_err(failed)?;
        let signer = PrivateKeySigner::decrypt_keystore(path, &password.0).map_err(|error| {
            // What it displays names no secret; only one of its causes is worth a remedy.
            let said = error.to_string();
            let is_password = said.to_lowercase().contains("mac mismatch");
            failed(if is_password { "the password is another one".to_owned() } else { said })
        })?;
        match json.get("address").and_then(Value::as_str).map(str::parse::<Address>) {
            Some(Ok(named)) if named != signer.address() => Err(failed(format!(
                "its key is of {}, and the file says {named}: it was altered",
                signer.address()
            ))),
            _ => Ok(Self::from(signer)),
        }
    }
}

/// What is looked at before the file is decrypted: what takes it apart trusts these figures.
fn check(json: &Value) -> Result<(), String> {
    let crypto = json.get("crypto").or_else(|| json.get("Crypto")).ok_or("it has no part `crypto`")?;
    if json.get("version").and_then(Value::as_u64) != Some(3) {
        return Err("it is of another version of Web3 Secret Storage than 3".to_owned());
    }
    let params = crypto.get("kdfparams").ok_or("it does not say how its key follows from the password")?;
    let number = |name: &str| params.get(name).and_then(Value::as_u64);
    if number("dklen") != Some(32) {
        return Err("the length of its derived key is not 32".to_owned());
    }
    let scrypt = crypto.get("kdf").and_then(Value::as_str) == Some("scrypt");
    // 128 · n · r bytes of memory.
    if scrypt && number("n").unwrap_or(0).saturating_mul(number("r").unwrap_or(0)) > 1 << 24 {
        return Err("decrypting it would take more than 2 GiB of memory".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use std::path::PathBuf;

    /// The test vector of the definition of Web3 Secret Storage (scrypt would take a minute without optimisation).
    const PBKDF2: &str = r#"{ "crypto": { "cipher": "aes-128-ctr",
        "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2", "kdfparams": { "c": 262144, "dklen": 32, "prf": "hmac-sha256",
        "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2" },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3 }"#;
    const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("proofmill-keystore-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        path
    }

    fn read(name: &str, text: &str, password: &str) -> Result<SigningKey, ChainError> {
        let path = file(name, text);
        let read = SigningKey::from_keystore(&path, &Password::new(password));
        fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn an_encrypted_key_is_read_with_its_password_only() {
        let key = read("good", PBKDF2, "testpassword").unwrap();
        assert_eq!(key.address(), KEY.parse::<SigningKey>().unwrap().address());
        let wrong = read("wrong", PBKDF2, "testpasswort").unwrap_err().to_string();
        assert!(wrong.contains("the password is another one") && !wrong.contains("testpasswort"), "{wrong}");
        let altered =
            PBKDF2.replace("\"version\"", &format!("\"address\": \"{:x}\", \"version\"", Address::ZERO));
        let altered = read("altered", &altered, "testpassword").unwrap_err().to_string();
        assert!(altered.contains("it was altered"), "{altered}");
    }

    #[test]
    fn what_is_no_keystore_is_an_error_with_its_cause() {
        for (name, text, said) in [
            ("empty", "{}", "no part `crypto`"),
            ("words", "a key", "not JSON"),
            ("old", &PBKDF2.replace("\"version\": 3", "\"version\": 1"), "another version"),
            ("short", &PBKDF2.replace("\"dklen\": 32", "\"dklen\": 8"), "is not 32"),
            (
                "dear",
                r#"{ "version": 3, "crypto": { "kdf": "scrypt", "kdfparams": { "dklen": 32, "n": 4294967296, "r": 8 } } }"#,
                "2 GiB",
            ),
        ] {
            let error = read(name, text, "x").unwrap_err().to_string();
            assert!(error.contains(said), "{name}: {error}");
        }
        let missing = SigningKey::from_keystore(Path::new("/no/such"), &Password::new("x")).unwrap_err();
        assert!(missing.to_string().contains("/no/such"), "{missing}");
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let path = file("password", "a secret\nanother line\n");
        let password = Password::from_file(&path).unwrap();
        fs::remove_file(path).unwrap();
        assert_eq!((password.0.as_str(), format!("{password:?}").as_str()), ("a secret", "Password"));
        let key: SigningKey = B256::repeat_byte(7).try_into().unwrap();
        assert!(!format!("{:?}", crate::Signer::from(key)).contains("0707"));
    }
}
