//! What a reply other than a success means: which action its status calls for, and in which words.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::error::ProviderError;
use crate::limits::BACKOFF_MAX;
use crate::retry::Advice;

pub(crate) fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error()
}

/// The action a failed status calls for. Also used for errors that arrive within a stream.
pub(crate) fn status_error(
    provider: &'static str,
    status: StatusCode,
    message: String,
    advice: Advice,
) -> ProviderError {
    let retry_after = advice.retry_after;
    let unavailable =
        |reason: &str| ProviderError::Unavailable { provider, reason: reason.to_owned(), retry_after };
    match status.as_u16() {
        401..=403 => ProviderError::Unauthorized { provider, status: status.as_u16() },
        413 => ProviderError::TooLong { provider, message },
        400 if message.to_ascii_lowercase().contains("too long") => {
            ProviderError::TooLong { provider, message }
        }
        429 => ProviderError::RateLimited { provider, retry_after: retry_after.unwrap_or(BACKOFF_MAX) },
        408 | 504 => unavailable("it took too long"),
        503 | 529 => unavailable("it is overloaded"),
        500..=599 => unavailable(&format!("it reported an internal error (status {})", status.as_u16())),
        _ => ProviderError::Rejected { provider, status: status.as_u16(), message },
    }
}

/// The ways in which providers word an error: `{"error": {"message"}}`, `{"error": "…"}`, `{"detail": "…"}`,
/// `{"detail": [{"msg"}]}`, `{"message"}`.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Option<ErrorText>,
    #[serde(default)]
    detail: Option<ErrorText>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ErrorText {
    Plain(String),
    Object {
        #[serde(alias = "msg")]
        message: String,
    },
    List(Vec<ErrorText>),
    Other(serde::de::IgnoredAny),
}

impl ErrorText {
    fn text(&self) -> Option<String> {
        match self {
            Self::Plain(text) | Self::Object { message: text } => Some(text.clone()),
            Self::List(items) => {
                let texts: Vec<String> = items.iter().filter_map(Self::text).collect();
                (!texts.is_empty()).then(|| texts.join("; "))
            }
            Self::Other(_) => None,
        }
    }
}

pub(super) fn error_message(body: &[u8]) -> Option<String> {
    let body: ErrorBody = serde_json::from_slice(body).ok()?;
    let detail = body.detail.as_ref().and_then(ErrorText::text);
    let error = body.error.as_ref().and_then(ErrorText::text);
    detail.or(error).or(body.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_shape_of_error_is_read() {
        let read = |body: &str| error_message(body.as_bytes());
        assert_eq!(read(r#"{"type":"error","error":{"type":"x","message":"bad"}}"#).as_deref(), Some("bad"));
        assert_eq!(read(r#"{"error":"bad"}"#).as_deref(), Some("bad"));
        assert_eq!(
            read(r#"{"id":"1","code":"c","error":"e","detail":"why","doc_url":"u"}"#).as_deref(),
            Some("why")
        );
        assert_eq!(read(r#"{"detail":[{"loc":["q"],"msg":"a"},{"msg":"b"}]}"#).as_deref(), Some("a; b"));
        assert_eq!(read(r#"{"message":"m"}"#).as_deref(), Some("m"));
        assert_eq!(read(r#"{"detail":5}"#), None);
        assert_eq!(read("<html>"), None);
    }
}
