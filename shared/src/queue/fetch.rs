//! The fetcher: a task that turns free slots into claimed jobs.
//!
//! It takes a slot before it claims, so a claimed job always has a place to run; and it watches shutdown itself:
//! apalis closes a backend only after running jobs end, which would keep claimed ones waiting for a lease.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::leases::{Attempt, Leases};
use crate::{
    job::{JobSpec, Queue},
    limits,
    store::{Store, StoreError},
};

/// How one worker process serves one queue.
#[derive(Clone)]
pub struct Consumer {
    /// Which queue.
    pub queue: Queue,
    /// The worker's name in records and logs.
    pub worker: String,
    /// One permit per job that may be in flight.
    pub slots: Arc<Semaphore>,
    /// Where claimed jobs are kept alive.
    pub leases: Leases,
    /// No claims after this.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({}, {})", self.queue.as_str(), self.worker)
    }
}

/// Claimed jobs on their way from the fetcher to apalis.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox(Arc<Mutex<InboxState>>);

#[derive(Debug, Default)]
struct InboxState {
    jobs: VecDeque<(JobSpec, Attempt)>,
    waker: Option<Waker>,
    closed: bool,
}

/// What apalis finds when it asks for the next job.
pub(super) enum Next {
    Job(Box<(JobSpec, Attempt)>),
    Wait,
    End,
}

impl Inbox {
    pub(super) fn poll(&self, waker: &Waker) -> Next {
        let mut state = self.lock();
        match state.jobs.pop_front() {
            Some(job) => Next::Job(Box::new(job)),
            None if state.closed => Next::End,
            None => {
                state.waker = Some(waker.clone());
                Next::Wait
            }
        }
    }

    fn put(&self, job: (JobSpec, Attempt)) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn close(&self) -> VecDeque<(JobSpec, Attempt)> {
        let mut state = self.lock();
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        std::mem::take(&mut state.jobs)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches until `shutdown`, then hands back what has not started.
pub(super) async fn fetch(store: Store, consumer: Consumer, inbox: Inbox, shutdown: CancellationToken) {
    let mut fetcher = Fetcher { store, consumer, inbox, wake: None, backoff: limits::REDIS_BACKOFF_MIN };
    while !shutdown.is_cancelled() {
        // Not cancelled in the middle: a claim whose answer is dropped would wait for its lease to end.
        let Some(slots) = fetcher.free_slots(&shutdown).await else { break };
        match fetcher.claim(slots).await {
            Ok(Found::Jobs) => {}
            Ok(Found::Nothing { look_again_in }) => {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = fetcher.wait_for_work(look_again_in) => {}
                }
            }
            Err(error) => fetcher.back_off(&error, &shutdown).await,
        }
    }
    for (job, attempt) in fetcher.inbox.close() {
        let back = fetcher.store.retry_later(job.id, attempt.claim.fence, Duration::ZERO, false, &[]).await;
        if let Err(error) = back {
            tracing::warn!(job.id = %job.id, %error, "A claimed job could not be handed back; its lease will end.");
        }
    }
    // A wake-up that reached this fetcher while it ended is passed on: a claim of nothing puts the token back.
    drop(fetcher.wake.take());
    let Consumer { queue, worker, .. } = &fetcher.consumer;
    if let Err(error) = fetcher.store.claim(*queue, worker, 0).await {
        tracing::debug!(%error, "No wake-up was passed on; others look again by themselves.");
    }
}

enum Found {
    Jobs,
    Nothing { look_again_in: Duration },
}

struct Fetcher {
    store: Store,
    consumer: Consumer,
    inbox: Inbox,
    wake: Option<MultiplexedConnection>,
    backoff: Duration,
}

impl Fetcher {
    /// At least one slot, and as many more as are free.
    async fn free_slots(&self, shutdown: &CancellationToken) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            () = shutdown.cancelled() => return None,
            slot = self.consumer.slots.clone().acquire_owned() => slot.ok()?,
        };
        let mut slots = vec![first];
        while slots.len() < limits::CLAIM_BATCH_MAX {
            match self.consumer.slots.clone().try_acquire_owned() {
                Ok(slot) => slots.push(slot),
                Err(_) => break,
            }
        }
        Some(slots)
    }

    async fn claim(&mut self, mut slots: Vec<OwnedSemaphorePermit>) -> Result<Found, StoreError> {
        let Consumer { queue, worker, leases, .. } = &self.consumer;
        let answer = self.store.claim(*queue, worker, slots.len()).await?;
        self.backoff = limits::REDIS_BACKOFF_MIN;
        if answer.jobs.is_empty() {
            return Ok(Found::Nothing { look_again_in: answer.look_again_in });
        }
        for (job, claim) in answer.jobs {
            let Some(slot) = slots.pop() else { break };
            let attempt = leases.hold(job.id, claim, slot);
            self.inbox.put((job, attempt));
        }
        Ok(Found::Jobs)
    }

    /// Blocks on the wake list. A lost wake-up costs at most the block.
    async fn wait_for_work(&mut self, look_again_in: Duration) {
        let block = look_again_in.clamp(Duration::from_millis(10), limits::WAKE_BLOCK_MAX);
        let mut connection = match self.wake.take() {
            Some(connection) => connection,
            None => match self.store.blocking_connection().await {
                Ok(connection) => connection,
                Err(_) => return tokio::time::sleep(block).await,
            },
        };
        let woken = self.store.wait_for_wake(&mut connection, self.consumer.queue, block).await;
        match woken {
            Ok(()) => self.wake = Some(connection),
            Err(_) => tokio::time::sleep(limits::REDIS_BACKOFF_MIN).await,
        }
    }

    async fn back_off(&mut self, error: &StoreError, shutdown: &CancellationToken) {
        if self.backoff == limits::REDIS_BACKOFF_MIN {
            tracing::warn!(queue = self.consumer.queue.as_str(), %error, "Jobs could not be claimed; waiting for Redis.");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(self.backoff) => {}
        }
        self.backoff = (self.backoff * 2).min(limits::REDIS_BACKOFF_MAX);
    }
}
