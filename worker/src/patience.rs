//! Waiting for Redis: an attempt's writes are repeated until they are taken or refused.

use std::{future::Future, time::Duration};

use shared::{
    limits,
    queue::{Attempt, StopReason},
    store::StoreError,
};
use tokio::time::Instant;

/// Repeats `write` while the store is unavailable. `None`: given up, because the record does not read, the attempt
/// is no longer ours to finish, or this worker ends and cannot wait any longer.
pub async fn until_stored<T, F>(attempt: &Attempt, mut write: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = limits::REDIS_BACKOFF_MIN;
    let mut ends_at = None;
    loop {
        match write().await {
            Ok(answer) => return Some(answer),
            Err(StoreError::Unreadable(cause)) => {
                tracing::error!(cause, "A write was not understood; the job is left to its lease.");
                return None;
            }
            Err(StoreError::Unavailable(cause)) => {
                match attempt.reason() {
                    Some(StopReason::LeaseLost) => return None,
                    Some(StopReason::Shutdown) => {
                        let end =
                            *ends_at.get_or_insert_with(|| Instant::now() + limits::SHUTDOWN_STORE_WAIT);
                        if Instant::now() >= end {
                            tracing::warn!(
                                cause,
                                "The store stays away at shutdown; a job is left to its lease."
                            );
                            return None;
                        }
                    }
                    Some(StopReason::Cancelled) | None => {}
                }
                if backoff == limits::REDIS_BACKOFF_MIN {
                    tracing::warn!(cause, "The store does not take a write; repeating it until it does.");
                }
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = next(backoff);
    }
}

fn next(backoff: Duration) -> Duration {
    (backoff * 2).min(limits::REDIS_BACKOFF_MAX)
}
