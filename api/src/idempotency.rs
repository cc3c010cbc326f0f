//! `Idempotency-Key`: the same key and the same request answer the same object, as it is by then.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use sha2::{Digest as _, Sha256};
use shared::limits;

use crate::{
    body::Received,
    problem::{Code, Problem},
};

/// The client's key with a fingerprint of what it asked, when it sent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency(pub Option<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Some(key) = key(&parts.headers)? else { return Ok(Self(None)) };
        let received = Received::from_request_parts(parts, state).await?;
        let route = format!("{} {}\n", parts.method, parts.uri.path());
        let digest = Sha256::new().chain_update(route).chain_update(&received.bytes).finalize();
        Ok(Self(Some((key, hex(&digest)))))
    }
}

/// The header's value: a quoted string as in the draft, or bare as most clients send it.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = |text: &&str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let key = value.to_str().ok().filter(visible).and_then(|text| unquoted(text.trim()));
    match key {
        Some(key)
            if (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && values.next().is_none() =>
        {
            Ok(Some(key))
        }
        _ => {
            let most = limits::IDEMPOTENCY_KEY_BYTES_MAX;
            let detail =
                format!("Idempotency-Key must be one value of 1 to {most} visible ASCII characters.");
            Err(Problem::new(Code::BadRequest, detail))
        }
    }
}

fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let (mut key, mut rest) = (String::new(), quoted.strip_suffix('"')?.chars());
    while let Some(character) = rest.next() {
        key.push(match character {
            '\\' => rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            '"' => return None,
            plain => plain,
        });
    }
    Some(key)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", HeaderValue::from_str(value).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["abc"]).unwrap().as_deref(), Some("abc"));
        assert_eq!(read(&["\"abc\""]).unwrap().as_deref(), Some("abc"));
        assert_eq!(read(&[r#""a\"b\\""#]).unwrap().as_deref(), Some(r#"a"b\"#));
    }

    #[test]
    fn a_malformed_key_is_refused_instead_of_being_ignored() {
        for value in ["", "\"\"", "\"a", r#""a"b""#, r#""\x""#, "a\tb", &"k".repeat(256)] {
            assert_eq!(read(&[value]).unwrap_err().status(), 400, "{value}");
        }
        assert!(read(&["a", "a"]).is_err());
        assert!(read(&[&"k".repeat(255)]).is_ok());
    }
}
