//! Secrets at rest: XChaCha20-Poly1305 under the operator's `SECRETS_KEY`.
//!
//! The first key of the list seals, all of them open, so keys rotate by putting a new one in front. What is
//! sealed is bound to its place by the associated data: a sealed secret copied to another tenant does not open.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The keys secrets are sealed with.
#[derive(Clone)]
pub struct Sealer {
    ciphers: Vec<XChaCha20Poly1305>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} keys)", self.ciphers.len())
    }
}

/// `SECRETS_KEY` was not a comma-separated list of 32-byte keys in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a comma-separated list of 32 bytes in base64 each (`head -c 32 /dev/urandom | base64`)")]
pub struct InvalidSecretsKey;

/// A stored secret could not be opened: none of the configured keys sealed it for this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret does not open with any key of SECRETS_KEY")]
pub struct Unopenable;

impl Sealer {
    /// From the value of `SECRETS_KEY`.
    pub fn from_keys(keys: &SecretString) -> Result<Self, InvalidSecretsKey> {
        let cipher = |text: &str| {
            let key = BASE64.decode(text.trim()).map_err(|_| InvalidSecretsKey)?;
            if key.len() != KEY_BYTES {
                return Err(InvalidSecretsKey);
            }
            XChaCha20Poly1305::new_from_slice(&key).map_err(|_| InvalidSecretsKey)
        };
        let ciphers = keys.expose_secret().split(',').map(cipher).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ciphers })
    }

    /// Seals `secret` for `place`; the answer is text for a record.
    pub fn seal(&self, place: &str, secret: &str) -> String {
        let mut sealed = vec![0; NONCE_BYTES];
        random_bytes(&mut sealed);
        let payload = Payload { msg: secret.as_bytes(), aad: place.as_bytes() };
        let text = self.ciphers[0]
            .encrypt(XNonce::from_slice(&sealed), payload)
            .expect("XChaCha20-Poly1305 seals any text below 256 GiB");
        sealed.extend(text);
        BASE64.encode(sealed)
    }

    /// Opens what was sealed for `place`.
    pub fn open(&self, place: &str, sealed: &str) -> Result<SecretString, Unopenable> {
        let bytes = BASE64.decode(sealed).map_err(|_| Unopenable)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_BYTES).ok_or(Unopenable)?;
        let open = |cipher: &XChaCha20Poly1305| {
            let payload = Payload { msg: text, aad: place.as_bytes() };
            cipher.decrypt(XNonce::from_slice(nonce), payload).ok()
        };
        let secret = self.ciphers.iter().find_map(open).ok_or(Unopenable)?;
        String::from_utf8(secret).map(SecretString::from).map_err(|_| Unopenable)
    }
}

/// Fills `bytes` from the kernel's generator.
pub fn random_bytes(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel's random generator answers once the machine has booted");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &[u8]) -> Sealer {
        let list: Vec<String> = keys.iter().map(|byte| BASE64.encode([*byte; KEY_BYTES])).collect();
        Sealer::from_keys(&SecretString::from(list.join(","))).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_place_only() {
        let sealer = sealer(&[1]);
        let sealed = sealer.seal("tenant a", "whsec_x");
        assert!(!sealed.contains("whsec"));
        assert_eq!(sealer.open("tenant a", &sealed).unwrap().expose_secret(), "whsec_x");
        assert_eq!(sealer.open("tenant b", &sealed).unwrap_err(), Unopenable);
    }

    #[test]
    fn keys_rotate_by_putting_a_new_one_in_front() {
        let sealed = sealer(&[1]).seal("p", "old");
        let both = sealer(&[2, 1]);
        assert_eq!(both.open("p", &sealed).unwrap().expose_secret(), "old");
        assert!(sealer(&[1]).open("p", &both.seal("p", "new")).is_err());
    }

    #[test]
    fn a_short_key_or_damaged_text_is_refused() {
        assert!(Sealer::from_keys(&SecretString::from("c2hvcnQ=")).is_err());
        let sealer = sealer(&[1]);
        for text in ["", "AAAA", "%%%"] {
            assert!(sealer.open("p", text).is_err());
        }
    }
}
