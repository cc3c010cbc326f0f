//! Serving the shards: for each, the queues with their fetchers, the leases and the cancels, side by side. They share the
//! worker's slots and cells and nothing that waits for Redis, so a shard that is away holds up no other.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use shared::{
    job::Queue,
    queue::{Consumer, Leases, Slots, StopReason},
    store::{Hub, Shards, Store},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{cell::CellRoom, consume, environment::Environment};

/// 8 generations at once: each is a long call to a large model.
const GENERATE_SLOTS: usize = 8;
/// 64 webhooks at once: each is mostly waiting for a receiver.
const DELIVER_SLOTS: usize = 64;

/// 1 slot more for each 8, kept for tenants with nothing running: their first job never waits for other tenants' runs.
const SLOTS_PER_KEPT_SLOT: usize = 8;

/// 20 ms between looks at what still runs while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// The leases on all shards.
#[derive(Debug, Clone, Default)]
pub struct AllLeases(Arc<Mutex<Vec<Leases>>>);

impl AllLeases {
    /// Those of one shard more.
    fn on(&self, store: Store) -> Leases {
        let leases = Leases::new(store);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(leases.clone());
        leases
    }

    /// How many attempts are under way.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Leases::count).sum()
    }

    fn stop_all(&self, reason: StopReason) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(|leases| leases.stop_all(reason));
    }
}

/// How this worker serves a queue, on whichever shard.
#[derive(Debug, Clone)]
struct Post {
    queue: Queue,
    slots: Slots,
    may_claim: watch::Receiver<bool>,
}

impl Post {
    fn new(queue: Queue, concurrency: usize, cells: &CellRoom) -> Self {
        let slots = match queue {
            Queue::Execute => concurrency,
            Queue::Generate => concurrency.min(GENERATE_SLOTS),
            Queue::Deliver => DELIVER_SLOTS,
        };
        let may_claim = match queue {
            Queue::Execute | Queue::Generate => cells.may_claim(),
            Queue::Deliver => watch::channel(true).1, // needs no cell
        };
        Self { queue, slots: Slots::new(slots, slots.div_ceil(SLOTS_PER_KEPT_SLOT)), may_claim }
    }
}

/// A worker that takes jobs.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Its name in records and logs.
    name: String,
    posts: Vec<Post>,
    tenant_running_max: u64,
    environment: Environment,
    leases: AllLeases,
    /// What ends after the last job: renewals, and the passing on of cancels.
    background: TaskTracker,
    ended: CancellationToken,
    shutdown: CancellationToken,
}

impl Serving {
    /// One that has not begun.
    pub fn new(
        name: String,
        queues: &[Queue],
        (concurrency, tenant_running_max): (usize, u64),
        environment: Environment,
        background: TaskTracker,
        (ended, shutdown): (CancellationToken, CancellationToken),
    ) -> Self {
        let posts = queues.iter().map(|queue| Post::new(*queue, concurrency, &environment.cells)).collect();
        let leases = AllLeases::default();
        Self { name, posts, tenant_running_max, environment, leases, background, ended, shutdown }
    }

    /// What is under way.
    pub fn leases(&self) -> AllLeases {
        self.leases.clone()
    }

    /// Serves all shards until shutdown, and until what they hold has ended: runs may finish for `grace`.
    pub async fn run(self, shards: &Shards, grace: Duration) {
        self.background.spawn(stop_after_grace(self.leases.clone(), grace, self.shutdown.clone()));
        shards.serve_each(self.shutdown.clone(), |store| self.clone().serve(store)).await;
    }

    async fn serve(self, store: Store) {
        let leases = self.leases.on(store.clone());
        self.background.spawn(leases.clone().renew_until(self.ended.clone()));
        let (hub, _) = Hub::for_cancels(store.clone(), self.ended.clone());
        self.background.spawn(leases.clone().watch_cancels_until(hub, self.ended.clone()));

        let environment = Arc::new(self.environment.on(store));
        let consumer = |Post { queue, slots, may_claim }: Post| Consumer {
            queue,
            worker: self.name.clone(),
            slots,
            tenant_running_max: self.tenant_running_max,
            leases: leases.clone(),
            may_claim,
            shutdown: self.shutdown.clone(),
        };
        consume::serve(&environment, self.posts.into_iter().map(consumer), self.shutdown.clone()).await;
        self.shutdown.cancel(); // it ends as a whole
    }
}

/// Runs may finish for a while after shutdown; then they are stopped, and their jobs handed back.
async fn stop_after_grace(leases: AllLeases, grace: Duration, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tracing::info!(running = leases.count(), grace_ms = grace.as_millis(), "Draining: no more claims.");
    let deadline = tokio::time::Instant::now() + grace;
    while leases.count() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    leases.stop_all(StopReason::Shutdown);
}
