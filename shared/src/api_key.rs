//! API keys: `wfk_`, the id of the key, `_`, a secret of 256 bits, a checksum.
//!
//! The checksum tells a mistyped or invented key without asking the store, and lets scanners know a leaked one. What
//! is stored is a digest (`Sealer::digests`): a secret of 256 bits needs no stretching.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{id::KeyId, seal::random_bytes};

const PREFIX: &str = "wfk_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 32 hexadecimal digits, as in `key_…`.
const ID_CHARS: usize = 32;
/// 43 digits of 62: a little more than 256 bits.
const SECRET_CHARS: usize = 43;
/// 6 digits of 62 hold 32 bits.
const CHECKSUM_CHARS: usize = 6;

/// What a key allows. Later ones do not include earlier ones: a key has a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Looking at the tenant's workflows, jobs, files and usage.
    Read,
    /// Making, running, changing and erasing them.
    Write,
    /// The tenant's webhook secret and provider credentials.
    Manage,
    /// Keys and limits of all tenants, and the audit log.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Manage, Self::Admin];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(InvalidApiKey)
    }
}

/// A key as a client sends it: well-formed, not yet known to be one of ours.
#[derive(Debug, Clone)]
pub struct ApiKey {
    id: KeyId,
    text: SecretString,
}

/// The text was not an API key: mistyped, cut, or invented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct InvalidApiKey;

impl ApiKey {
    /// A new random key.
    pub fn generate() -> Self {
        let id = KeyId::new();
        let mut text = format!("{PREFIX}{}_", &id.to_string()[4..]);
        text.extend(random_digits());
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self { id, text: SecretString::from(text) }
    }

    /// Names the key; no secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The text, shown once and sent by clients.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Its last four characters, by which people know it again.
    pub fn last4(&self) -> &str {
        let text = self.expose();
        &text[text.len() - 4..]
    }
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        let rest = text.strip_prefix(PREFIX).filter(|rest| rest.is_ascii()).ok_or(InvalidApiKey)?;
        let (id, secret) = rest.split_once('_').ok_or(InvalidApiKey)?;
        let digits = secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if id.len() != ID_CHARS || secret.len() != SECRET_CHARS + CHECKSUM_CHARS || !digits {
            return Err(InvalidApiKey);
        }
        let (unsigned, given) = text.split_at(text.len() - CHECKSUM_CHARS);
        if checksum(unsigned) != given {
            return Err(InvalidApiKey);
        }
        let id = format!("key_{id}").parse().map_err(|_| InvalidApiKey)?;
        Ok(Self { id, text: SecretString::from(text.to_owned()) })
    }
}

/// Each digit equally likely: a byte above the last multiple of 62 is drawn again.
fn random_digits() -> impl Iterator<Item = char> {
    let draws = std::iter::repeat_with(|| {
        let mut byte = [0];
        random_bytes(&mut byte);
        usize::from(byte[0])
    });
    draws.filter(|byte| *byte < 4 * DIGITS.len()).map(|byte| char::from(DIGITS[byte % 62])).take(SECRET_CHARS)
}

fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// CRC-32 as in zip and Ethernet, bit by bit: 80 characters need no table.
fn crc32(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_round_trips_and_is_never_shown_by_debug() {
        let key = ApiKey::generate();
        let read: ApiKey = key.expose().parse().unwrap();
        assert_eq!(read.id(), key.id());
        assert_eq!(key.expose().len(), 4 + 32 + 1 + 43 + 6);
        assert!(key.expose().starts_with("wfk_") && key.expose().ends_with(key.last4()));
        assert!(!format!("{key:?}").contains(&key.expose()[37..]));
        assert_ne!(ApiKey::generate().expose()[37..], key.expose()[37..]);
    }

    #[test]
    fn a_key_with_any_character_changed_is_not_a_key() {
        let key = ApiKey::generate();
        let text = key.expose();
        for at in 0..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            assert!(String::from_utf8(wrong).unwrap().parse::<ApiKey>().is_err(), "at {at}");
        }
        for text in ["", "wfk_", "wfk_a_b", &text[..text.len() - 1], &format!("{text}0"), "wfk_é", "admin"] {
            assert!(text.parse::<ApiKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_scanners_know() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum("").len(), CHECKSUM_CHARS);
    }

    #[test]
    fn scopes_are_named_as_they_are_serialised() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
    }
}
