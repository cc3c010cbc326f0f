//! Secrets at rest: XChaCha20-Poly1305 under the operator's `SECRETS_KEY`.
//!
//! The first key of the list seals, all of them open, so keys rotate by putting a new one in front. What is
//! sealed is bound to its place by the associated data: a sealed secret copied to another tenant does not open.
//! [`Sealer::reseal`] brings what an older key sealed under the newest, after which the older one may go.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// What separates the peppers from the keys that seal.
const PEPPER_OF_API_KEYS: &[u8] = b"pepper of api keys";

/// The keys secrets are sealed with.
#[derive(Clone)]
pub struct Sealer {
    ciphers: Vec<XChaCha20Poly1305>,
    peppers: Vec<[u8; 32]>,
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
        let (mut ciphers, mut peppers) = (Vec::new(), Vec::new());
        for text in keys.expose_secret().split(',') {
            let key = BASE64.decode(text.trim()).map_err(|_| InvalidSecretsKey)?;
            if key.len() != KEY_BYTES {
                return Err(InvalidSecretsKey);
            }
            ciphers.push(XChaCha20Poly1305::new_from_slice(&key).map_err(|_| InvalidSecretsKey)?);
            peppers.push(authenticate(&key, PEPPER_OF_API_KEYS));
        }
        Ok(Self { ciphers, peppers })
    }

    /// How many keys the list has.
    pub fn key_count(&self) -> usize {
        self.ciphers.len()
    }

    /// What is stored of an API key: a digest under each key of the list, the newest first.
    pub fn digests<'a>(&'a self, api_key: &'a str) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.peppers.iter().map(move |pepper| authenticate(pepper, api_key.as_bytes()))
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
        self.open_with(place, sealed).map(|(_, secret)| secret)
    }

    /// The same secret under the newest key; `None` when it is that already.
    pub fn reseal(&self, place: &str, sealed: &str) -> Result<Option<String>, Unopenable> {
        let (key, secret) = self.open_with(place, sealed)?;
        Ok((key > 0).then(|| self.seal(place, secret.expose_secret())))
    }

    /// The secret, with the place of its key in the list.
    fn open_with(&self, place: &str, sealed: &str) -> Result<(usize, SecretString), Unopenable> {
        let bytes = BASE64.decode(sealed).map_err(|_| Unopenable)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_BYTES).ok_or(Unopenable)?;
        let open = |(key, cipher): (usize, &XChaCha20Poly1305)| {
            let payload = Payload { msg: text, aad: place.as_bytes() };
            cipher.decrypt(XNonce::from_slice(nonce), payload).ok().map(|secret| (key, secret))
        };
        let (key, secret) = self.ciphers.iter().enumerate().find_map(open).ok_or(Unopenable)?;
        let secret = String::from_utf8(secret).map_err(|_| Unopenable)?;
        Ok((key, SecretString::from(secret)))
    }
}

fn authenticate(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
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
    fn what_an_older_key_sealed_is_sealed_anew_by_the_newest() {
        let (old, both, new) = (sealer(&[1]), sealer(&[2, 1]), sealer(&[2]));
        let sealed = old.seal("p", "secret");
        let anew = both.reseal("p", &sealed).unwrap().expect("an older key sealed it");
        assert_eq!(new.open("p", &anew).unwrap().expose_secret(), "secret");
        assert_eq!(both.reseal("p", &anew).unwrap(), None);
        assert!(both.reseal("q", &sealed).is_err());
    }

    #[test]
    fn an_api_key_has_a_digest_under_each_key_and_none_is_the_sealing_key() {
        let both = sealer(&[2, 1]);
        let digests: Vec<[u8; 32]> = both.digests("wfk_x").collect();
        assert_eq!(digests.len(), 2);
        assert_eq!(sealer(&[2]).digests("wfk_x").next(), Some(digests[0]));
        assert_eq!(sealer(&[1]).digests("wfk_x").next(), Some(digests[1]));
        assert_ne!(both.digests("wfk_y").next(), Some(digests[0]));
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
