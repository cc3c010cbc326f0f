//! The rules of retrying, on a paused clock.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;

use tokio::time::Instant;

use super::*;

const WALL: &str = "2026-11-22T10:00:00Z";

#[derive(Debug)]
struct Fixed(f64);

impl Jitter for Fixed {
    fn fraction(&self) -> f64 {
        self.0
    }
}

fn advice(pairs: &[(&'static str, &str)]) -> Advice {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    Advice::from_headers(&headers, WALL.parse().unwrap())
}

fn unavailable() -> ProviderError {
    ProviderError::Unavailable { provider: "anthropic", reason: "down".into(), retry_after: None }
}

/// Runs attempts that fail as told until the list is used up, then succeed; answers the result, how many attempts
/// there were, and how long it took.
async fn run(failures: Vec<Failure>, limit: Duration) -> (Result<(), ProviderError>, u32, Duration) {
    run_in(failures, CallContext::within(limit)).await
}

async fn run_in(failures: Vec<Failure>, cx: CallContext) -> (Result<(), ProviderError>, u32, Duration) {
    let (gate, policy, jitter) = (RateGate::new(), RetryPolicy::default(), Fixed(0.0));
    let retrier = Retrier { provider: "anthropic", policy: &policy, gate: &gate, jitter: &jitter };
    let count = AtomicU32::new(0);
    let started = Instant::now();
    let result = retrier
        .run(&cx, || {
            let turn = count.fetch_add(1, Ordering::SeqCst) as usize;
            let failure = failures.get(turn).cloned();
            async move { failure.map_or(Ok(()), Err) }.boxed()
        })
        .await;
    assert_eq!(cx.meter.spent().requests, count.load(Ordering::SeqCst));
    (result, count.load(Ordering::SeqCst), started.elapsed())
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn backoff_doubles_up_to_eight_seconds_and_jitter_takes_at_most_a_quarter() {
    let policy = RetryPolicy::default();
    let waits: Vec<u128> = (0..7).map(|n| policy.backoff(n, 0.0).as_millis()).collect();
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    assert_eq!(policy.backoff(0, 1.0), Duration::from_millis(375));
    assert_eq!(policy.backoff(u32::MAX, 7.5), Duration::from_secs(6));
}

#[test]
fn the_dice_of_the_system_stay_in_range() {
    for _ in 0..1_000 {
        assert!((0.0..1.0).contains(&OsJitter.fraction()));
    }
}

#[test]
fn every_form_of_retry_after_is_read_and_milliseconds_win() {
    let after = |pairs: &[_]| advice(pairs).retry_after;
    assert_eq!(after(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
    assert_eq!(after(&[("retry-after", "1.5")]), Some(Duration::from_millis(1_500)));
    assert_eq!(after(&[("retry-after", "9"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
    assert_eq!(after(&[("retry-after", "Sun, 22 Nov 2026 10:00:07 GMT")]), Some(Duration::from_secs(7)));
    assert_eq!(after(&[("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
    assert_eq!(
        after(&[("retry-after", "Sun, 22 Nov 2026 12:00:09 GMT"), ("date", "Sun, 22 Nov 2026 12:00:00 GMT")]),
        Some(Duration::from_secs(9)),
        "our clock may be wrong, the answer's own date is not"
    );
    assert_eq!(after(&[("retry-after", "-3")]), Some(Duration::ZERO));
    assert_eq!(after(&[("retry-after", "1e300")]), None);
    assert_eq!(after(&[("retry-after", "1e15")]), Some(RETRY_AFTER_MAX), "beyond a day it is a mistake");
    for nonsense in ["soon", "NaN", "inf", ""] {
        assert_eq!(after(&[("retry-after", nonsense)]), None, "{nonsense}");
    }
    assert_eq!(advice(&[("x-should-retry", "false")]).should_retry, Some(false));
    assert_eq!(advice(&[("x-should-retry", "true")]).should_retry, Some(true));
    assert_eq!(advice(&[("x-should-retry", "maybe")]).should_retry, None);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_three_times_in_all() {
    let (result, attempts, took) = run(vec![Failure::transient(unavailable()); 9], MINUTE).await;
    assert_eq!((result, attempts), (Err(unavailable()), 3));
    assert_eq!(took, Duration::from_millis(1_500));
    let (result, attempts, _) = run(vec![Failure::transient(unavailable()); 2], MINUTE).await;
    assert_eq!((result, attempts), (Ok(()), 3));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_is_waited_for_longer_than_what_is_in_trouble() {
    let unreached = Failure { again: Again::Reconnect, ..Failure::transient(unavailable()) };
    let (result, attempts, took) = run(vec![unreached.clone(); 9], MINUTE).await;
    assert_eq!((result, attempts), (Err(unavailable()), 7));
    assert_eq!(took, Duration::from_millis(500 + 1_000 + 2_000 + 4_000 + 8_000 + 8_000));
    let (result, attempts, _) = run(vec![unreached; 5], MINUTE).await;
    assert_eq!((result, attempts), (Ok(()), 6));
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_is_never_tried_again() {
    let error = ProviderError::Unauthorized { provider: "anthropic", status: 401 };
    let (result, attempts, took) = run(vec![Failure::fatal(error.clone())], MINUTE).await;
    assert_eq!((result, attempts, took), (Err(error), 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_never_overslept() {
    let slow = Failure { again: Again::After(Duration::from_secs(20)), ..Failure::transient(unavailable()) };
    let (result, attempts, took) = run(vec![slow], Duration::from_secs(10)).await;
    assert_eq!((result, attempts, took), (Err(unavailable()), 1, Duration::ZERO));
    let (_, attempts, took) =
        run(vec![Failure::transient(unavailable()); 9], Duration::from_millis(1_400)).await;
    assert_eq!((attempts, took), (2, Duration::from_millis(500)), "the second wait would end too late");
}

#[tokio::test(start_paused = true)]
async fn a_pause_the_deadline_allows_is_sat_out_unless_the_caller_has_better_to_do() {
    let slow = Failure { again: Again::After(MINUTE), ..Failure::transient(unavailable()) };
    let hour = Duration::from_secs(3_600);
    let (result, attempts, took) = run(vec![slow.clone()], hour).await;
    assert_eq!((result, attempts, took), (Ok(()), 2, MINUTE));
    let cx = CallContext { pause_max: Some(Duration::from_secs(30)), ..CallContext::within(hour) };
    let (result, attempts, took) = run_in(vec![slow], cx).await;
    assert_eq!((result, attempts, took), (Err(unavailable()), 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_ends_at_the_deadline() {
    let (gate, policy, jitter) = (RateGate::new(), RetryPolicy::default(), Fixed(0.0));
    let retrier = Retrier { provider: "paradigm", policy: &policy, gate: &gate, jitter: &jitter };
    let started = Instant::now();
    let result: Result<(), _> =
        retrier.run(&CallContext::within(MINUTE), || std::future::pending().boxed()).await;
    assert_eq!(result, Err(ProviderError::Timeout { provider: "paradigm" }));
    assert_eq!(started.elapsed(), MINUTE);
}

#[tokio::test(start_paused = true)]
async fn one_callers_429_makes_every_caller_wait_once() {
    let (gate, policy) = (RateGate::new(), RetryPolicy::default());
    let limited = Failure {
        error: ProviderError::RateLimited { provider: "anthropic", retry_after: Duration::from_secs(2) },
        again: Again::After(Duration::from_secs(2)),
        closes_gate: true,
    };
    let started = Instant::now();
    let callers = (0..10).map(|n| {
        let (gate, limited) = (gate.clone(), limited.clone());
        async move {
            // The first is refused; the others come a moment later and must not even ask.
            sleep(Duration::from_millis(n)).await;
            let retrier =
                Retrier { provider: "anthropic", policy: &policy, gate: &gate, jitter: &Fixed(0.0) };
            let cx = CallContext::within(MINUTE);
            let answer = retrier.run(&cx, || {
                let refused = n == 0 && started.elapsed() < Duration::from_secs(2);
                let limited = limited.clone();
                async move { if refused { Err(limited) } else { Ok(()) } }.boxed()
            });
            (answer.await, cx.meter.spent().requests)
        }
    });
    let answers = futures_util::future::join_all(callers).await;
    let requests: u32 = answers.iter().map(|(_, requests)| requests).sum();
    assert!(answers.iter().all(|(answer, _)| answer.is_ok()));
    assert_eq!(requests, 11, "one refusal, then one request each");
    assert!(started.elapsed() < Duration::from_millis(2_100), "{:?}", started.elapsed());
}
