//! The one retry policy of all providers: which failures are tried again, when, and how often. The wait is the
//! provider's own when it names one, else exponential with jitter; none ends after the caller's deadline.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::{sleep, timeout_at};

use crate::context::CallContext;
use crate::error::ProviderError;
use crate::gate::RateGate;
use crate::limits::{
    ATTEMPTS_MAX, BACKOFF_BASE, BACKOFF_JITTER, BACKOFF_MAX, RETRY_AFTER_MAX, UNREACHED_MAX,
};

/// Where the dice of backoff come from.
pub trait Jitter: Send + Sync + fmt::Debug {
    /// A number in `0.0..1.0`.
    fn fraction(&self) -> f64;
}

/// The operating system's dice.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsJitter;

impl Jitter for OsJitter {
    fn fraction(&self) -> f64 {
        // No entropy is no reason to fail a call: the middle is as good as any.
        getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
    }
}

/// How often and how patiently a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Requests for one call, the first included.
    pub attempts_max: u32,
    /// The same while no answer begins at all.
    pub unreached_max: u32,
    /// First backoff.
    pub backoff_base: Duration,
    /// Longest backoff.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: ATTEMPTS_MAX,
            unreached_max: UNREACHED_MAX,
            backoff_base: BACKOFF_BASE,
            backoff_max: BACKOFF_MAX,
        }
    }
}

impl RetryPolicy {
    /// The wait before retry number `retry` (0 is the first); `fraction` in `0.0..1.0` takes up to a quarter off.
    pub fn backoff(&self, retry: u32, fraction: f64) -> Duration {
        let doubled = self.backoff_base.saturating_mul(2_u32.saturating_pow(retry));
        doubled.min(self.backoff_max).mul_f64(1.0 - BACKOFF_JITTER * fraction.clamp(0.0, 1.0))
    }
}

/// What an attempt that failed says about the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    Backoff,
    /// No answer began: the wire may be broken.
    Reconnect,
    /// As the provider asked.
    After(Duration),
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: ProviderError,
    pub(crate) again: Again,
    /// The whole provider asked for a pause, not this request only.
    pub(crate) closes_gate: bool,
}

impl Failure {
    pub(crate) fn fatal(error: ProviderError) -> Self {
        Self { error, again: Again::Never, closes_gate: false }
    }

    pub(crate) fn transient(error: ProviderError) -> Self {
        Self { error, again: Again::Backoff, closes_gate: false }
    }
}

/// What the headers of a failed answer advise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) should_retry: Option<bool>,
    pub(crate) retry_after: Option<Duration>,
}

impl Advice {
    /// Reads `x-should-retry`, `retry-after-ms` and `retry-after` (seconds or an HTTP date, the latter measured
    /// against the answer's own `Date` so that our clock does not matter).
    pub(crate) fn from_headers(headers: &HeaderMap, wall: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let should_retry = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let millis = text("retry-after-ms").and_then(seconds).map(|ms| ms.div_f64(1_000.0));
        let after = || {
            let value = text(RETRY_AFTER.as_str())?;
            seconds(value).or_else(|| {
                let asked = http_date(value)?;
                let answered = text(DATE.as_str()).and_then(http_date).unwrap_or(wall);
                Some(Duration::try_from(asked.duration_since(answered)).unwrap_or(Duration::ZERO))
            })
        };
        Self { should_retry, retry_after: millis.or_else(after).map(|pause| pause.min(RETRY_AFTER_MAX)) }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    if number.is_nan() { None } else { Duration::try_from_secs_f64(number.max(0.0)).ok() }
}

fn http_date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text).ok()
}

/// Everything that decides about trying again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retrier<'a> {
    pub(crate) provider: &'static str,
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) gate: &'a RateGate,
    pub(crate) jitter: &'a dyn Jitter,
}

impl Retrier<'_> {
    /// Runs `attempt` until it succeeds, fails for good, or its attempts or time are used up.
    pub(crate) async fn run<'f, T>(
        &self,
        cx: &CallContext,
        mut attempt: impl FnMut() -> BoxFuture<'f, Result<T, Failure>>,
    ) -> Result<T, ProviderError> {
        let mut failed: u32 = 0;
        loop {
            let pass = self
                .gate
                .pass(cx)
                .await
                .map_err(|retry_after| ProviderError::RateLimited { provider: self.provider, retry_after })?;
            cx.meter.add_request();
            let outcome = timeout_at(cx.deadline, attempt())
                .await
                .map_err(|_| ProviderError::Timeout { provider: self.provider })?;
            drop(pass);
            let failure = match outcome {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = match failure.again {
                Again::Never => return Err(failure.error),
                Again::Backoff | Again::Reconnect => self.policy.backoff(failed, self.jitter.fraction()),
                Again::After(pause) => pause,
            };
            if failure.closes_gate {
                self.gate.close_for(pause);
            }
            failed += 1;
            let attempts_max = match failure.again {
                Again::Reconnect => self.policy.unreached_max,
                _ => self.policy.attempts_max,
            };
            if failed >= attempts_max || !cx.can_wait(pause) {
                return Err(failure.error);
            }
            tracing::debug!(
                provider = self.provider,
                attempt = failed,
                pause_ms = pause.as_millis(),
                "A request to {} is tried again: {}",
                self.provider,
                failure.error
            );
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests;
