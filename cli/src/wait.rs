//! Waiting for a job: long polls (`?wait=N`), one after the other, until it is final or the caller's time is up.
//!
//! The API going away for a while is not the end of a wait: what it accepted, it finishes. Nothing here cancels:
//! to stop waiting only stops looking.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::exit::Exit;
use crate::http::{Api, ApiError};

/// 30 s in one call: half of what the API grants, well below where proxies cut idle requests.
const POLL_WAIT_MAX: Duration = Duration::from_secs(30);
/// 500 ms at least between calls, so that an API that does not hold them is not hammered.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// Waits for a job and answers it once it is final, or `None` when time is up first; `seen` is told each status on
/// the way.
pub async fn for_job(
    api: &Api,
    id: &str,
    timeout: Duration,
    mut seen: impl FnMut(&str),
) -> Result<Option<Value>, ApiError> {
    let deadline = Instant::now() + timeout;
    match tokio::time::timeout_at(deadline, until_final(api, id, deadline, &mut seen)).await {
        Ok(ended) => ended.map(Some),
        Err(_) => Ok(None),
    }
}

async fn until_final(
    api: &Api,
    id: &str,
    deadline: Instant,
    seen: &mut impl FnMut(&str),
) -> Result<Value, ApiError> {
    loop {
        let began = Instant::now();
        // Whole seconds are what the API takes; the caller's deadline cuts the last one short.
        let wait = deadline.duration_since(began).min(POLL_WAIT_MAX).as_secs() + 1;
        match api.query(&["jobs", id], &[("wait", &wait.to_string())], Duration::from_secs(wait)).await {
            Ok(job) => {
                let status = job["status"].as_str().unwrap_or_default();
                seen(status);
                if Exit::from_job_status(status).is_some() {
                    return Ok(job);
                }
            }
            Err(error) if error.is_transient() => tokio::time::sleep(error.retry_after()).await,
            Err(error) => return Err(error),
        }
        tokio::time::sleep_until(began + POLL_INTERVAL_MIN).await;
    }
}
