//! For each shard. Once, at the start: seals what an older key of `SECRETS_KEY` sealed with the newest. Once a second, or four times in a
//! short lease: tells the store that Redis is here, and lets it erase what was kept long enough and cancel
//! what deleted workflows left behind.

use std::time::Duration;

use shared::{
    id::TenantId,
    limits,
    seal::Sealer,
    store::{Shards, Store, StoreError},
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// 1 s at most. Shorter leases need shorter intervals: when nobody tells for half a lease that Redis is here, it is taken
/// to have been away, and nothing is reclaimed.
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// 100 jobs a script of a few milliseconds; when there are more, the next one follows at once.
const ERASED_MAX: usize = 100;

/// Ticks until `shutdown`, each shard by itself: one that is away holds up no other.
pub(crate) async fn keep_all(shards: Shards, shutdown: CancellationToken) {
    shards.serve_each(shutdown.clone(), |store| keep(store, shutdown.clone())).await;
}

/// An error is told once, and when it is over.
async fn keep(store: Store, shutdown: CancellationToken) {
    let mut clock = tokio::time::interval(INTERVAL_MAX.min(store.lease() / 4));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut away, mut more, shard) = (false, false, store.shard().0);
    while !shutdown.is_cancelled() {
        if !more {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = clock.tick() => {}
            }
        }
        let ticked = match store.tick(ERASED_MAX).await {
            Ok(erased) => store.cancel_deleted().await.map(|_| erased),
            Err(error) => Err(error),
        };
        more = ticked.as_ref().is_ok_and(|&erased| erased >= ERASED_MAX);
        match ticked {
            Ok(0) if !away => {}
            Ok(erased) => {
                if std::mem::take(&mut away) {
                    tracing::info!(shard, "The store answers again.");
                }
                tracing::debug!(erased, "Erased {erased} jobs that were kept long enough.");
            }
            Err(error) if !away => {
                away = true;
                tracing::warn!(%error, shard, "The store does not answer; requests are answered 503 until it does.");
            }
            Err(_) => {}
        }
    }
}

/// Seals all tenants' secrets with the newest key; afterwards the older ones may go. API keys follow as they are used.
pub(crate) async fn reseal_all(shards: Shards, sealer: Sealer, shutdown: CancellationToken) {
    if sealer.key_count() < 2 {
        return;
    }
    shards.serve_each(shutdown.clone(), |store| reseal(store, sealer.clone(), shutdown.clone())).await;
}

async fn reseal(store: Store, sealer: Sealer, shutdown: CancellationToken) {
    loop {
        let resealed = tokio::select! {
            () = shutdown.cancelled() => return,
            resealed = reseal_once(&store, &sealer) => resealed,
        };
        match resealed {
            Ok(0) => return tracing::info!("All secrets are sealed with the newest key of SECRETS_KEY."),
            Ok(count) => {
                return tracing::info!(
                    count,
                    "{count} secrets were sealed anew; the older keys of SECRETS_KEY may go once every API key was used."
                );
            }
            Err(StoreError::Unreadable(error)) => {
                return tracing::error!(
                    error,
                    "A secret does not open; the older keys of SECRETS_KEY have to stay."
                );
            }
            Err(StoreError::Unavailable(_)) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(INTERVAL_MAX) => {}
        }
    }
}

async fn reseal_once(store: &Store, sealer: &Sealer) -> Result<usize, StoreError> {
    let mut resealed = store.reseal(&TenantId::default_tenant(), sealer).await?;
    let mut after = None;
    loop {
        let page = store.tenants(after.as_ref(), limits::PAGE_ITEMS_MAX).await?;
        for tenant in &page.items {
            resealed += store.reseal(&tenant.id, sealer).await?;
        }
        let Some(next) = page.next else { return Ok(resealed) };
        after = Some(next.parse().map_err(|_| StoreError::Unreadable("the name of a tenant".to_owned()))?);
    }
}
