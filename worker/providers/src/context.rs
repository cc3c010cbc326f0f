//! What travels with a call: its deadline and the meter of what it cost. Being cancelled is being dropped: every
//! future of this crate may be dropped at any await.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Tokens as the providers count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Input read at full price.
    pub input_tokens: u64,
    /// Output, thinking included.
    pub output_tokens: u64,
    /// Input written to the provider's prompt cache.
    pub cache_creation_input_tokens: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read_input_tokens: u64,
}

impl TokenUsage {
    /// Adds another call's tokens.
    pub fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_creation_input_tokens =
            self.cache_creation_input_tokens.saturating_add(other.cache_creation_input_tokens);
        self.cache_read_input_tokens =
            self.cache_read_input_tokens.saturating_add(other.cache_read_input_tokens);
    }

    /// All input, cached or not.
    pub fn input_tokens_total(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_creation_input_tokens)
            .saturating_add(self.cache_read_input_tokens)
    }
}

/// What was spent so far, failed attempts included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens.
    pub usage: TokenUsage,
    /// HTTP requests.
    pub requests: u32,
}

/// Counts what a call costs while it goes on, so that a call that fails is still accounted for. Clones share one
/// count.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Spent>>);

impl Meter {
    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what another meter counted.
    pub fn add(&self, more: Spent) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.usage.add(more.usage);
        spent.requests = spent.requests.saturating_add(more.requests);
    }

    pub(crate) fn add_request(&self) {
        self.add(Spent { requests: 1, ..Spent::default() });
    }

    pub(crate) fn add_usage(&self, usage: TokenUsage) {
        self.add(Spent { usage, requests: 0 });
    }
}

/// The circumstances of one call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallContext {
    /// The call is over by then, retries and waits included.
    pub deadline: Instant,
    /// The longest single pause to sit out when a provider asks for one; a longer one is handed back as an error
    /// that names it, for a caller that has something better to do meanwhile. `None`: whatever the deadline allows.
    pub pause_max: Option<Duration>,
    /// Counts requests and tokens, also of a call that fails in the end.
    pub meter: Meter,
}

impl CallContext {
    /// A call that has to be over at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, pause_max: None, meter: Meter::default() }
    }

    /// A call that has to be over within `limit` from now.
    pub fn within(limit: Duration) -> Self {
        Self::until(Instant::now() + limit)
    }

    /// The same circumstances with a count of its own, for a part of the call that is reported separately.
    pub(crate) fn part(&self) -> Self {
        Self { meter: Meter::default(), ..self.clone() }
    }

    /// Whether a pause from now on can be sat out: it ends before the deadline and is not longer than allowed.
    pub(crate) fn can_wait(&self, pause: Duration) -> bool {
        let ends_in_time = Instant::now().checked_add(pause).is_some_and(|end| end < self.deadline);
        ends_in_time && self.pause_max.is_none_or(|longest| pause <= longest)
    }
}
