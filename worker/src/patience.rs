//! Waiting for Redis: an attempt's writes are repeated until they are taken or refused.

use std::{future::Future, time::Duration};

use shared::{
    limits,
    queue::{Attempt, StopReason},
    store::StoreError,
};

/// Repeats `write` while the store is unavailable. `None`: given up, because the record does not read or the
/// attempt is no longer ours to finish.
pub async fn until_stored<T, F>(attempt: &Attempt, mut write: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = limits::REDIS_BACKOFF_MIN;
    loop {
        match write().await {
            Ok(answer) => return Some(answer),
            Err(StoreError::Unreadable(cause)) => {
                tracing::error!(cause, "A write was not understood; the job is left to its lease.");
                return None;
            }
            Err(StoreError::Unavailable(cause)) => {
                if attempt.reason() == Some(StopReason::LeaseLost) {
                    return None;
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
