//! A provider's failure as a recording keeps it, and back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PROVIDER;
use crate::error::ProviderError;

/// A failure, without the name of who failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "error")]
#[expect(missing_docs, reason = "the variants and fields of ProviderError, explained there")]
pub enum Failure {
    RateLimited { retry_after_ms: u64 },
    Unavailable { reason: String, retry_after_ms: Option<u64> },
    Timeout,
    Rejected { status: u16, message: String },
    TooLong { message: String },
    Refused { explanation: String },
    Truncated,
    Malformed { reason: String },
    Unauthorized { status: u16 },
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<&ProviderError> for Failure {
    fn from(error: &ProviderError) -> Self {
        match error.clone() {
            ProviderError::RateLimited { retry_after, .. } => {
                Self::RateLimited { retry_after_ms: ms(retry_after) }
            }
            ProviderError::Unavailable { reason, retry_after, .. } => {
                Self::Unavailable { reason, retry_after_ms: retry_after.map(ms) }
            }
            ProviderError::Timeout { .. } => Self::Timeout,
            ProviderError::Rejected { status, message, .. } => Self::Rejected { status, message },
            ProviderError::TooLong { message, .. } => Self::TooLong { message },
            ProviderError::Refused { explanation, .. } => Self::Refused { explanation },
            ProviderError::Truncated { .. } => Self::Truncated,
            ProviderError::Malformed { reason, .. } => Self::Malformed { reason },
            ProviderError::Unauthorized { status, .. } => Self::Unauthorized { status },
        }
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        let provider = PROVIDER;
        match failure {
            Failure::RateLimited { retry_after_ms } => {
                Self::RateLimited { provider, retry_after: Duration::from_millis(retry_after_ms) }
            }
            Failure::Unavailable { reason, retry_after_ms } => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                Self::Unavailable { provider, reason, retry_after }
            }
            Failure::Timeout => Self::Timeout { provider },
            Failure::Rejected { status, message } => Self::Rejected { provider, status, message },
            Failure::TooLong { message } => Self::TooLong { provider, message },
            Failure::Refused { explanation } => Self::Refused { provider, explanation },
            Failure::Truncated => Self::Truncated { provider },
            Failure::Malformed { reason } => Self::Malformed { provider, reason },
            Failure::Unauthorized { status } => Self::Unauthorized { provider, status },
        }
    }
}
