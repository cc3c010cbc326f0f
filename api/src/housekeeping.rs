//! Once a second: tells the store that Redis is here, and lets it erase what was kept long enough and cancel
//! what deleted workflows left behind.

use std::time::Duration;

use shared::store::Store;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// 1 s: fine enough for a lease of a second or more to notice that Redis was away.
const INTERVAL: Duration = Duration::from_secs(1);
/// 100 jobs a second: a script of a few milliseconds, and more than a day's work of one worker in a day.
const ERASED_MAX: usize = 100;

/// Ticks until `shutdown`. An error is told once, and when it is over.
pub(crate) async fn keep(store: Store, shutdown: CancellationToken) {
    let mut clock = tokio::time::interval(INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = clock.tick() => {}
        }
        let ticked = match store.tick(ERASED_MAX).await {
            Ok(erased) => store.cancel_deleted().await.map(|_| erased),
            Err(error) => Err(error),
        };
        match ticked {
            Ok(0) if !away => {}
            Ok(erased) => {
                if std::mem::take(&mut away) {
                    tracing::info!("The store answers again.");
                }
                tracing::debug!(erased, "Erased {erased} jobs that were kept long enough.");
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(%error, "The store does not answer; requests are answered 503 until it does.");
            }
            Err(_) => {}
        }
    }
}
