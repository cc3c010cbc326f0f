//! What can go wrong with a provider. Each variant is one thing the caller does next; its text is for an end user
//! and never holds a key, credentials of a URL, or text of a prompt or an answer.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::limits::{EXPLANATION_CHARS_MAX, MESSAGE_CHARS_MAX};

/// Why a call to a provider gave nothing. Retries are already used up when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Try again, not before `retry_after`. Give the place to another meanwhile.
    #[error("{provider} is limiting requests; try again in {} s", seconds_up(*retry_after))]
    RateLimited {
        /// Who.
        provider: &'static str,
        /// How long the provider asked to be left alone.
        retry_after: Duration,
    },
    /// Try again later: the provider is down, overloaded or unreachable.
    #[error("{provider} is not available at the moment: {reason}")]
    Unavailable {
        /// Who.
        provider: &'static str,
        /// In our own words.
        reason: String,
        /// The wait the provider asked for, if it named one longer than a caller may be held.
        retry_after: Option<Duration>,
    },
    /// The time for this call is over.
    #[error("{provider} did not answer in time")]
    Timeout {
        /// Who.
        provider: &'static str,
    },
    /// The request itself is wrong (a 4xx): never retried as it is.
    #[error("{provider} rejected the request (status {status}): {message}")]
    Rejected {
        /// Who.
        provider: &'static str,
        /// The HTTP status.
        status: u16,
        /// The provider's own words, shortened and scrubbed.
        message: String,
    },
    /// The request is too long for the provider: shorten it.
    #[error("the text is too long for {provider}: {message}")]
    TooLong {
        /// Who.
        provider: &'static str,
        /// What is too long.
        message: String,
    },
    /// The model declined. Final: asking again asks for the same answer.
    #[error("{provider} declined to answer: {explanation}")]
    Refused {
        /// Who.
        provider: &'static str,
        /// The provider's explanation, shortened.
        explanation: String,
    },
    /// The answer did not fit, even with twice the space: ask for less.
    #[error("{provider} could not finish its answer within the allowed length")]
    Truncated {
        /// Who.
        provider: &'static str,
    },
    /// The provider answered something that is not what its protocol or our schema says.
    #[error("{provider} sent an answer that cannot be used: {reason}")]
    Malformed {
        /// Who.
        provider: &'static str,
        /// In our own words.
        reason: String,
    },
    /// The operator has to act: the key is wrong, lacks rights, or its account has no credit.
    #[error(
        "{provider} does not accept this service's credentials (status {status}); its operator has to check the key, its rights and its credit"
    )]
    Unauthorized {
        /// Who.
        provider: &'static str,
        /// The HTTP status: 401, 402 or 403.
        status: u16,
    },
}

impl ProviderError {
    /// The provider that failed, as in `"provider"` of the public API.
    pub fn provider(&self) -> &'static str {
        match self {
            Self::RateLimited { provider, .. }
            | Self::Unavailable { provider, .. }
            | Self::Timeout { provider }
            | Self::Rejected { provider, .. }
            | Self::TooLong { provider, .. }
            | Self::Refused { provider, .. }
            | Self::Truncated { provider }
            | Self::Malformed { provider, .. }
            | Self::Unauthorized { provider, .. } => provider,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Timeout { .. })
    }

    /// How long to wait before the same request, when the provider said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn malformed(provider: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { provider, reason: reason.into() }
    }

    pub(crate) fn refused(provider: &'static str, explanation: Option<&str>) -> Self {
        let explanation = explanation.map(|text| shorten(text, EXPLANATION_CHARS_MAX));
        let explanation = explanation.filter(|text| !text.is_empty());
        Self::Refused {
            provider,
            explanation: explanation
                .unwrap_or_else(|| "the request goes against its usage policy".to_owned()),
        }
    }
}

/// A configuration no client can be built from. Found at start, before any request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address of a provider cannot be used.
    #[error("the base URL of {provider} {problem}")]
    BaseUrl {
        /// Whose.
        provider: &'static str,
        /// What is wrong with it; the URL itself is not repeated.
        problem: &'static str,
    },
    /// A header value holds bytes HTTP does not allow.
    #[error("the {what} of {provider} holds characters that HTTP headers do not allow")]
    Header {
        /// Whose.
        provider: &'static str,
        /// Key or version.
        what: &'static str,
    },
    /// The TLS or HTTP layer could not start.
    #[error("the HTTP client could not be built: {0}")]
    Client(String),
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

/// The first `chars_max` characters on one line, blanks and control characters folded.
pub(crate) fn shorten(text: &str, chars_max: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let folded = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if folded.chars().count() <= chars_max {
        return folded;
    }
    folded.chars().take(chars_max - 1).chain(['…']).collect()
}

/// A provider's message made fit to show: one short line; nothing of it when it repeats a secret or a run of the
/// text we had sent (providers quote what they reject).
pub(crate) fn scrub(message: &str, secrets: &[&SecretString], sent: &str) -> String {
    /// A run this long that occurs in the request is a quotation, not a coincidence.
    const QUOTED_CHARS: usize = 16;
    const WITHHELD: &str = "the provider's message quotes the request and is not repeated";

    let leaks_secret = secrets.iter().any(|secret| {
        let key = secret.expose_secret();
        !key.is_empty() && message.contains(key)
    });
    if leaks_secret {
        return WITHHELD.to_owned();
    }
    let line = shorten(message, MESSAGE_CHARS_MAX);
    if line.is_empty() {
        return "no reason given".to_owned();
    }
    let chars: Vec<char> = line.chars().collect();
    let quotes = chars
        .windows(QUOTED_CHARS)
        .step_by(QUOTED_CHARS / 2)
        .any(|window| sent.contains(&window.iter().collect::<String>()));
    if quotes { WITHHELD.to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_repeats_a_key_is_withheld() {
        let key = SecretString::from("sk-canary-0123");
        let shown = scrub("invalid x-api-key sk-canary-0123", &[&key], "");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_message_that_quotes_the_prompt_is_withheld() {
        let sent = r#"{"messages":[{"content":"Mrs Dupont owes 12,000 euros to the bank"}]}"#;
        let shown = scrub("bad content: Mrs Dupont owes 12,000 euros to the bank", &[], sent);
        assert!(!shown.contains("Dupont"), "{shown}");
        assert_eq!(scrub("max_tokens: must be at least 1", &[], sent), "max_tokens: must be at least 1");
    }

    #[test]
    fn a_long_message_is_cut_on_a_character_boundary() {
        let shown = shorten(&"é\n".repeat(500), 10);
        assert_eq!(shown.chars().count(), 10);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn waits_are_shown_in_whole_seconds_rounded_up() {
        let error =
            ProviderError::RateLimited { provider: "anthropic", retry_after: Duration::from_millis(1_200) };
        assert_eq!(error.to_string(), "anthropic is limiting requests; try again in 2 s");
    }
}
