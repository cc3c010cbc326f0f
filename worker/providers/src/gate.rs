//! One gate per provider and process: every request passes it, every answer teaches it. It closes when the
//! provider asks for a pause, and paces when the provider's rate-limit headers say that little is left, so that one
//! caller's 429 is every caller's wait, once.
//!
//! Nothing here sleeps past a caller's deadline, and nothing retries: `retry` does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::context::CallContext;
use crate::limits::GATE_SHUT_MAX;

/// A caller never waits longer than this for one bucket to refill: headers are advice, a 429 is the truth.
const REFILL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Token limits count what we cannot know beforehand; with less than this share of a window left, wait for it.
const TOKENS_RESERVE_SHARE: f64 = 1.0 / 60.0;

/// Shared by all callers of one provider; clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct RateGate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    closed_until: Option<Instant>,
    in_flight: u32,
    requests: Option<Bucket>,
    input_tokens: Option<Bucket>,
    output_tokens: Option<Bucket>,
}

/// A limit as the provider reported it: what was left then, refilling evenly.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    limit: f64,
    refill_per_sec: f64,
    at: Instant,
}

/// Proof of having passed the gate; held while the request is under way.
#[derive(Debug)]
pub(crate) struct Pass(RateGate);

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

impl RateGate {
    /// An open gate that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open and takes one request's worth. `Err` holds how long it stays shut, when that is
    /// longer than the caller can wait.
    pub(crate) async fn pass(&self, cx: &CallContext) -> Result<Pass, Duration> {
        loop {
            let now = Instant::now();
            let wait = {
                let mut state = self.lock();
                let wait = state.wait(now);
                if wait.is_zero() {
                    state.enter();
                    return Ok(Pass(self.clone()));
                }
                wait
            };
            if !cx.can_wait(wait) {
                return Err(wait);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Shuts the gate for everyone for `pause` from now. The later end wins: callers refused at the same moment
    /// do not add up their pauses.
    pub(crate) fn close_for(&self, pause: Duration) {
        let until = Instant::now() + pause.min(GATE_SHUT_MAX);
        let mut state = self.lock();
        state.closed_until = Some(state.closed_until.map_or(until, |old| old.max(until)));
    }

    /// Learns from the rate-limit headers of an answer; `wall` is the time of day.
    pub(crate) fn observe(&self, headers: &HeaderMap, wall: Timestamp) {
        let now = Instant::now();
        let mut state = self.lock();
        let others = f64::from(state.in_flight.saturating_sub(1));
        if let Some(bucket) = Bucket::from_headers(headers, "requests", others, now, wall) {
            state.requests = Some(bucket);
        }
        if let Some(bucket) = Bucket::from_headers(headers, "input-tokens", 0.0, now, wall) {
            state.input_tokens = Some(bucket);
        }
        if let Some(bucket) = Bucket::from_headers(headers, "output-tokens", 0.0, now, wall) {
            state.output_tokens = Some(bucket);
        }
    }
}

impl State {
    fn wait(&self, now: Instant) -> Duration {
        let closed = self.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let refill = [
            self.requests.map(|bucket| bucket.wait_for(1.0, now)),
            self.input_tokens.map(|bucket| bucket.wait_for(bucket.limit * TOKENS_RESERVE_SHARE, now)),
            self.output_tokens.map(|bucket| bucket.wait_for(bucket.limit * TOKENS_RESERVE_SHARE, now)),
        ];
        refill.into_iter().flatten().fold(closed, Duration::max)
    }

    fn enter(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
        let now = Instant::now();
        if let Some(bucket) = &mut self.requests {
            bucket.left = bucket.left_at(now) - 1.0;
            bucket.at = now;
        }
    }
}

impl Bucket {
    fn from_headers(
        headers: &HeaderMap,
        what: &str,
        already_spoken_for: f64,
        now: Instant,
        wall: Timestamp,
    ) -> Option<Self> {
        let text = |end: &str| headers.get(format!("anthropic-ratelimit-{what}-{end}"))?.to_str().ok();
        let limit: f64 =
            text("limit")?.parse().ok().filter(|limit: &f64| limit.is_finite() && *limit >= 1.0)?;
        let left: f64 =
            text("remaining")?.parse().ok().filter(|left: &f64| left.is_finite() && *left >= 0.0)?;
        let reset: Timestamp = text("reset")?.parse().ok()?;
        // `reset` is when the limit is whole again; before that it refills evenly.
        let refill_secs = reset.duration_since(wall).as_secs_f64().max(0.001);
        let refill_per_sec = ((limit - left) / refill_secs).max(limit / 3_600.0);
        Some(Self { left: left - already_spoken_for, limit, refill_per_sec, at: now })
    }

    fn left_at(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() * self.refill_per_sec;
        (self.left + refilled).min(self.limit)
    }

    fn wait_for(&self, wanted: f64, now: Instant) -> Duration {
        let missing = wanted.min(self.limit) - self.left_at(now);
        if missing <= 1e-6 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing / self.refill_per_sec)
            .unwrap_or(REFILL_WAIT_MAX)
            .clamp(Duration::from_millis(1), REFILL_WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient() -> CallContext {
        CallContext::within(Duration::from_secs(3_600))
    }

    fn headers(limit: u32, remaining: u32, reset: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (end, value) in
            [("limit", limit.to_string()), ("remaining", remaining.to_string()), ("reset", reset.into())]
        {
            let name: reqwest::header::HeaderName =
                format!("anthropic-ratelimit-requests-{end}").parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_holds_every_caller_once_and_for_the_same_time() {
        let gate = RateGate::new();
        gate.close_for(Duration::from_secs(2));
        gate.close_for(Duration::from_secs(2));
        let started = Instant::now();
        let callers: Vec<_> = (0..20)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.pass(&patient()).await.is_ok() })
            })
            .collect();
        for caller in callers {
            assert!(caller.await.unwrap());
        }
        let waited = started.elapsed();
        assert!(waited >= Duration::from_secs(2) && waited < Duration::from_millis(2_100), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_is_refused_at_once() {
        let gate = RateGate::new();
        gate.close_for(Duration::from_secs(5));
        let started = Instant::now();
        let refused = gate.pass(&CallContext::within(Duration::from_secs(3))).await.unwrap_err();
        assert_eq!((refused, started.elapsed()), (Duration::from_secs(5), Duration::ZERO));
        let hurried = CallContext { pause_max: Some(Duration::from_secs(4)), ..patient() };
        assert!(gate.pass(&hurried).await.is_err(), "longer than this caller sits out");
        gate.close_for(Duration::from_secs(86_400));
        let waited = Instant::now();
        assert!(gate.pass(&patient()).await.is_ok());
        assert_eq!(waited.elapsed(), GATE_SHUT_MAX, "after that, one asks again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_bucket_paces_and_refills_evenly() {
        let gate = RateGate::new();
        let wall: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        // 60 requests a minute, none left, whole again in a minute: one a second.
        gate.observe(&headers(60, 0, "2026-11-22T10:01:00Z"), wall);
        let started = Instant::now();
        for _ in 0..3 {
            drop(gate.pass(&patient()).await.unwrap());
        }
        let waited = started.elapsed();
        assert!(
            waited >= Duration::from_millis(2_900) && waited < Duration::from_millis(3_200),
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_and_nonsense_headers_hold_nobody() {
        let gate = RateGate::new();
        let wall: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        gate.observe(&headers(60, 59, "2026-11-22T10:00:01Z"), wall);
        gate.observe(&headers(0, 0, "yesterday"), wall);
        let started = Instant::now();
        for _ in 0..20 {
            drop(gate.pass(&patient()).await.unwrap());
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
