//! Standard Webhooks 1.0 signatures, scheme `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`.
//!
//! The clock is an argument. Vectors published with the specification are golden tests below and never edited.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::{seal::random_bytes, time::Timestamp};

const PREFIX: &str = "whsec_";
/// 32 bytes: the specification allows 24 to 64.
const SECRET_BYTES: usize = 32;

/// A tenant's webhook secret, as clients are shown it: `whsec_` and base64.
#[derive(Debug, Clone)]
pub struct WebhookSecret(SecretString);

/// The text was not a webhook secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is whsec_ and 24 to 64 bytes in base64")]
pub struct InvalidWebhookSecret;

impl WebhookSecret {
    /// A new random secret.
    pub fn generate() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        random_bytes(&mut bytes);
        Self(SecretString::from(format!("{PREFIX}{}", BASE64.encode(bytes))))
    }

    /// From its text.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookSecret> {
        let secret = Self(SecretString::from(text.to_owned()));
        match secret.key() {
            Some(key) if (24..=64).contains(&key.len()) => Ok(secret),
            _ => Err(InvalidWebhookSecret),
        }
    }

    /// The text shown to the tenant.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn key(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.expose().strip_prefix(PREFIX)?).ok()
    }

    /// The value of `webhook-signature` for one message, with `timestamp` in seconds since the epoch.
    pub fn sign(&self, message_id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = self.key().unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(format!("{message_id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

/// What a tenant's webhooks are signed with: while a secret is being replaced, by both.
#[derive(Debug, Clone)]
pub struct Signers {
    /// The secret.
    pub current: WebhookSecret,
    /// The one before the last rotation, and when it stops to sign.
    pub previous: Option<(WebhookSecret, Timestamp)>,
}

impl Signers {
    /// The value of `webhook-signature`: one signature for each secret, the current one's first.
    pub fn sign(&self, message_id: &str, timestamp: i64, body: &[u8]) -> String {
        let secrets = std::iter::once(&self.current).chain(self.previous.as_ref().map(|(secret, _)| secret));
        let signatures: Vec<String> =
            secrets.map(|secret| secret.sign(message_id, timestamp, body)).collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_are_signed_alike() {
        let vectors = [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ];
        for (secret, id, timestamp, body, signature) in vectors {
            let secret = WebhookSecret::parse(secret).unwrap();
            assert_eq!(secret.sign(id, timestamp, body.as_bytes()), signature);
        }
    }

    #[test]
    fn during_a_rotation_both_secrets_sign() {
        let (current, old) = (WebhookSecret::generate(), WebhookSecret::generate());
        let one = Signers { current: current.clone(), previous: None };
        assert_eq!(one.sign("msg_1", 1, b"{}"), current.sign("msg_1", 1, b"{}"));
        let both = Signers { previous: Some((old.clone(), Timestamp::from_millis(0))), ..one };
        let expected = format!("{} {}", current.sign("msg_1", 1, b"{}"), old.sign("msg_1", 1, b"{}"));
        assert_eq!(both.sign("msg_1", 1, b"{}"), expected);
    }

    #[test]
    fn a_generated_secret_parses_and_is_never_shown_by_debug() {
        let secret = WebhookSecret::generate();
        assert!(WebhookSecret::parse(secret.expose()).is_ok());
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert!(WebhookSecret::parse("whsec_c2hvcnQ=").is_err());
    }
}
