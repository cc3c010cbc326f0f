//! Waiting for the end of a job: woken by the hub, never polling, and never longer than asked.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use shared::{
    id::JobId,
    job::Job,
    limits,
    store::{Home, Listener, StoreError},
};
use tokio::time::Instant;

use crate::Api;

/// 6,144 requests that wait, three quarters of those in flight: the rest is for those that do not.
pub(crate) const WAITS_MAX: usize = 6_144;

/// `Preference-Applied`
pub(crate) fn preference_applied(patience: Duration) -> (HeaderName, HeaderValue) {
    let name = HeaderName::from_static("preference-applied");
    let value = HeaderValue::try_from(format!("wait={}", patience.as_secs()));
    (name, value.expect("digits are a header value"))
}

/// What `Prefer: wait=N` asks for, at most the limit; zero when it does not. A preference that cannot be read is
/// ignored, as RFC 7240 has it.
pub(crate) fn preferred(headers: &HeaderMap) -> Duration {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let wait = values.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, seconds) = preference.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
    });
    Duration::from_secs(wait.unwrap_or(0)).min(limits::WAIT_MAX)
}

/// Waits until the job is final, `patience` is over, or the process ends; answers the job as it was last seen. `None`:
/// the tenant has no such job. `since`: who listens since before the job was accepted; then there is nothing to see at first.
pub(crate) async fn until_final(
    api: &Api,
    home: &Home,
    id: JobId,
    patience: Duration,
    since: Option<Listener>,
) -> Result<Option<Job>, StoreError> {
    let deadline = Instant::now() + patience;
    let place = if patience.is_zero() { None } else { api.waits.take(home.tenant()) };
    let last_look = place.is_none(); // as many wait as may: it is asked again
    let mut look = last_look || since.is_none();
    let mut listener = since.unwrap_or_else(|| api.hub.listen(id)); // before the first look, so that nothing falls between
    loop {
        if look {
            let job = home.store().job(home.tenant(), id).await?;
            if last_look || job.as_ref().is_none_or(|job| job.status.is_final()) {
                return Ok(job);
            }
        }
        look = true;
        tokio::select! {
            biased;
            () = api.shutdown.cancelled() => break,
            () = tokio::time::sleep_until(deadline) => break,
            told = listener.end(home.tenant()) => if told.is_some() { return Ok(told) },
        }
    }
    home.store().job(home.tenant(), id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> u64 {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_str(value).unwrap());
        }
        preferred(&headers).as_secs()
    }

    #[test]
    fn a_preference_is_read_where_it_can_be_and_ignored_where_not() {
        assert_eq!(asked(&["wait=10"]), 10);
        assert_eq!(asked(&["respond-async, Wait = 5"]), 5);
        assert_eq!(asked(&["respond-async", "wait=\"7\""]), 7);
        assert_eq!(asked(&["wait=1000"]), 60);
        for none in [&[][..], &["wait"], &["wait=-1"], &["wait=soon"], &["waiting=5"]] {
            assert_eq!(asked(none), 0, "{none:?}");
        }
    }
}
