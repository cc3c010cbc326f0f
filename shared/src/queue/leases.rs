//! The leases a worker holds on one shard: renewed together, each with a signal that stops its attempt.
//!
//! A lease is given up in two ways only: the attempt ends and drops it, or Redis says it is lost. While Redis
//! does not answer, attempts go on: their writes name a fence, so a second attempt elsewhere cannot be harmed.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::slots::Slot;
use crate::{
    job::EntryId,
    limits,
    store::{Claim, Hub, RenewAnswer, Store},
};

/// 10 ms at least between tries to renew, however short the lease is.
const RENEW_RETRY_MIN: Duration = Duration::from_millis(10);

/// Why a running attempt has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Another attempt is current: write nothing.
    LeaseLost,
    /// The client cancelled the job: finish it as cancelled.
    Cancelled,
    /// This worker ends: hand the job back.
    Shutdown,
}

/// All leases of one worker process on one shard. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    held: Arc<Mutex<HashMap<EntryId, Held>>>,
    store: Store,
}

#[derive(Clone)]
struct Held {
    fence: u64,
    signal: Signal,
}

#[derive(Debug, Clone, Default)]
struct Signal {
    reason: Arc<OnceLock<StopReason>>,
    stop: CancellationToken,
}

impl Signal {
    fn raise(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            self.stop.cancel();
        }
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leases({} held)", self.lock().len())
    }
}

/// One attempt at a job, from claim to end: its fence, its slot and the signal that stops it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What was claimed.
    pub claim: Claim,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: EntryId,
    fence: u64,
    signal: Signal,
    leases: Leases,
    slot: Mutex<Option<Slot>>,
}

impl Attempt {
    /// Cancelled when the attempt has to stop; [`Attempt::reason`] tells why.
    pub fn stopped(&self) -> CancellationToken {
        self.inner.signal.stop.clone()
    }

    /// Why the attempt has to stop, once it has.
    pub fn reason(&self) -> Option<StopReason> {
        self.inner.signal.reason.get().copied()
    }

    /// Leaves its slot to another job: what remains to be done is to write down how it ended. So the next claim goes to
    /// Redis beside that, not after it.
    pub fn vacate(&self) {
        drop(self.inner.slot.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Stops the attempt from inside the worker: a write was refused, or the worker ends.
    pub fn stop(&self, reason: StopReason) {
        self.inner.signal.raise(reason);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        // The same job may have been claimed again by this worker meanwhile.
        if held.get(&self.id).is_some_and(|held| held.fence == self.fence) {
            held.remove(&self.id);
        }
    }
}

impl Leases {
    /// None held yet.
    pub fn new(store: Store) -> Self {
        Self { held: Arc::default(), store }
    }

    /// How many attempts are under way.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Stops all attempts.
    pub fn stop_all(&self, reason: StopReason) {
        for held in self.lock().values() {
            held.signal.raise(reason);
        }
    }

    pub(super) fn hold(&self, id: EntryId, claim: Claim, slot: Slot) -> Attempt {
        let signal = Signal::default();
        let previous = self.lock().insert(id, Held { fence: claim.fence, signal: signal.clone() });
        if let Some(previous) = previous {
            previous.signal.raise(StopReason::LeaseLost);
        }
        let inner =
            Inner { id, fence: claim.fence, signal, leases: self.clone(), slot: Mutex::new(Some(slot)) };
        Attempt { claim, inner: Arc::new(inner) }
    }

    /// Renews until `ended`: three times a lease, and sooner after a renewal that failed, so that leases are
    /// alive again soon after Redis is.
    pub async fn renew_until(self, ended: CancellationToken) {
        let every = self.store.lease() / 3;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let renewed = self.renew_once().await;
            pause =
                if renewed { every } else { (every / 8).clamp(RENEW_RETRY_MIN, limits::REDIS_BACKOFF_MAX) };
        }
    }

    /// Passes requests to cancel on to running attempts until `ended`; renewing is the backstop.
    pub async fn watch_cancels_until(self, hub: Hub, ended: CancellationToken) {
        let mut any = hub.listen_all();
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                id = any.next() => match id {
                    Some(id) => self.cancel(&id),
                    None => { self.renew_once().await; } // messages may have been missed: ask
                },
            }
        }
    }

    fn cancel(&self, id: &str) {
        if let Ok(id) = id.parse::<EntryId>()
            && let Some(held) = self.lock().get(&id)
        {
            held.signal.raise(StopReason::Cancelled);
        }
    }

    /// `false`: some leases could not be renewed.
    async fn renew_once(&self) -> bool {
        let mut renewed = true;
        let held: Vec<(EntryId, Held)> = self.lock().iter().map(|(id, held)| (*id, held.clone())).collect();
        for batch in held.chunks(limits::RENEW_BATCH_MAX) {
            let names: Vec<(EntryId, u64)> = batch.iter().map(|(id, held)| (*id, held.fence)).collect();
            match self.store.renew(&names).await {
                Ok(answers) => {
                    for ((_, held), answer) in batch.iter().zip(answers) {
                        match answer {
                            RenewAnswer::Held => {}
                            RenewAnswer::Lost => held.signal.raise(StopReason::LeaseLost),
                            RenewAnswer::Cancel => held.signal.raise(StopReason::Cancelled),
                        }
                    }
                }
                Err(error) => {
                    renewed = false;
                    let shard = self.store.shard().0;
                    tracing::warn!(%error, shard, leases = batch.len(), "Leases could not be renewed; attempts go on.");
                }
            }
        }
        renewed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EntryId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
