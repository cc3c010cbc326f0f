//! The fetcher: a task that turns free slots into claimed jobs.
//!
//! It takes a slot before it claims, so a claimed job always has a place to run; and it watches shutdown itself:
//! apalis closes a backend only after running jobs end, which would keep claimed ones waiting for a lease.
//!
//! Some slots are kept: when only they are free, it claims for tenants that have nothing running, and waits for
//! such a tenant or for a slot that is not kept. So no tenant's long jobs keep another one's first job waiting.
//!
//! Who is the only one to fetch sends the claim along with the wait, and keeps the slots it was made for until the answer.
//!
//! The fetchers of several shards share their slots. What one holds while it claims is missing to the others, so a shard
//! that has not answered lately is asked with empty hands first.

use std::{fmt, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    inbox::Inbox,
    leases::Leases,
    slots::{Share, Slot, Slots, Taken, Wanted},
    wake::{Along, TokenWait},
};
use crate::{
    job::{JobSpec, Queue},
    limits,
    store::{ClaimAnswer, Claimant, Room, Store, StoreError, Wake, until_still},
};

/// How one worker process serves one queue of one shard.
#[derive(Clone)]
pub struct Consumer {
    /// Which queue.
    pub queue: Queue,
    /// The worker's name in records and logs.
    pub worker: String,
    /// One for each job that may be in flight, shared with the consumers of other shards.
    pub slots: Slots,
    /// How many jobs of a tenant may run, unless its own record says otherwise; 0 for no limit.
    pub tenant_running_max: u64,
    /// Where claimed jobs are kept alive.
    pub leases: Leases,
    /// `false`: no claims for now. What was claimed goes on.
    pub may_claim: watch::Receiver<bool>,
    /// No claims after this.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({}, {})", self.queue.as_str(), self.worker)
    }
}

/// Fetches until `shutdown`, then hands back what has not started.
pub(super) async fn fetch(store: Store, consumer: Consumer, inbox: Inbox, shutdown: CancellationToken) {
    let mut fetcher = Fetcher {
        any: TokenWait::new(store.clone(), consumer.queue, Wake::Any),
        idle: TokenWait::new(store.clone(), consumer.queue, Wake::Idle),
        claimant: Claimant::new(consumer.worker.clone()),
        share: consumer.slots.share(),
        offered: None,
        answers: false,
        store,
        consumer,
        inbox,
        backoff: limits::REDIS_BACKOFF_MIN,
    };
    let mut known = None;
    while !shutdown.is_cancelled() {
        // Not cancelled in the middle: a claim whose answer is dropped would wait for its lease to end.
        let left = match known.take() {
            Some(left) => Ok(left),
            None => fetcher.claim().await,
        };
        match left {
            Ok(left) => {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    now = fetcher.wait(left) => known = now,
                }
            }
            Err(error) => fetcher.back_off(&error, &shutdown).await,
        }
    }
    let Fetcher { store, consumer, inbox, mut any, mut idle, .. } = fetcher;
    let (found, _) = tokio::join!(any.end(), idle.end()); // before anything is handed back that could wake them
    let found = found.into_iter().flat_map(|answer| answer.jobs).map(|(job, claim)| (job, claim.fence));
    let given = inbox.close().into_iter().map(|(job, attempt)| (job, attempt.claim.fence));
    for (job, fence) in given.chain(found) {
        hand_back(&store, &job, fence).await;
    }
    // A wake-up that reached this fetcher while it ended is passed on: a claim of nothing puts the token back.
    if let Err(error) = store.claim(consumer.queue, &consumer.worker, Room::NONE).await {
        tracing::debug!(%error, "No wake-up was passed on; others look again by themselves.");
    }
}

async fn hand_back(store: &Store, job: &JobSpec, fence: u64) {
    if let Err(error) = store.retry_later(job.id, fence, Duration::ZERO, false, &[]).await {
        tracing::warn!(job.id = %job.id, %error, "A claimed job could not be handed back; its lease will end.");
    }
}

/// What a claim left: the slots it did not fill, and when to look again even so.
struct Left {
    slots: usize,
    kept: usize,
    look_again_in: Duration,
    /// Nothing may be claimed whatever is free.
    paused: bool,
}

struct Fetcher {
    store: Store,
    consumer: Consumer,
    claimant: Claimant,
    share: Share,
    /// Slots that were waited for.
    offered: Option<Taken>,
    /// The last claim was answered.
    answers: bool,
    inbox: Inbox,
    any: TokenWait,
    idle: TokenWait,
    backoff: Duration,
}

impl Fetcher {
    /// Fills the free slots, as many at a time as one claim takes.
    async fn claim(&mut self) -> Result<Left, StoreError> {
        let paused = !*self.consumer.may_claim.borrow_and_update();
        if paused {
            self.offered = None;
            // A wake-up that came here is passed on.
            let answer = self.store.claim(self.consumer.queue, &self.consumer.worker, Room::NONE).await?;
            return Ok(Left { slots: 0, kept: 0, look_again_in: answer.look_again_in, paused });
        }
        let Consumer { queue, worker, tenant_running_max, .. } = &self.consumer;
        if !self.answers && self.share.has_others() {
            self.offered = None;
            self.store.claim(*queue, worker, Room::NONE).await?;
        }
        // Jobs that ended together leave their slots together: one claim fills them.
        until_still(|| self.consumer.slots.free()).await;
        let Taken { slots: taken, kept } = match self.offered.take() {
            Some(offered) => self.share.with_more(offered, limits::CLAIM_BATCH_MAX),
            None => self.share.take(limits::CLAIM_BATCH_MAX),
        };
        let room = Room { slots: taken.len() - kept, kept, tenant_running_max: *tenant_running_max };
        self.answers = false;
        let answer = self.store.claim_next(*queue, &mut self.claimant, room).await?;
        self.answers = true;
        self.backoff = limits::REDIS_BACKOFF_MIN;
        Ok(self.give(answer, taken, kept))
    }

    /// A slot to each job that was found; what is left.
    fn give(&self, answer: ClaimAnswer, mut taken: Vec<Slot>, kept: usize) -> Left {
        let slots = taken.len() - kept;
        let mut given = 0;
        for (job, claim) in answer.jobs {
            let Some(slot) = taken.pop() else { break };
            given += 1;
            let attempt = self.consumer.leases.hold(job.id, claim, slot);
            self.inbox.put((job, attempt));
        }
        let of_anybody = given.min(slots);
        Left {
            slots: slots - of_anybody,
            kept: kept - (given - of_anybody),
            look_again_in: answer.look_again_in,
            paused: false,
        }
    }

    /// Until there may be something to claim: a wake-up for what is free, a slot that becomes free, or the time. What a
    /// claim has left that was made meanwhile.
    async fn wait(&mut self, left: Left) -> Option<Left> {
        if !left.paused && !self.any.waits() && !self.share.has_others() {
            let taken = self.share.take(limits::CLAIM_BATCH_MAX);
            if taken.slots.len() > taken.kept {
                return self.wait_and_claim(taken, left.look_again_in).await;
            }
        }
        if left.slots > 0 {
            self.any.begin();
        } else if left.kept > 0 {
            self.idle.begin();
        }
        let look_again = left.look_again_in.clamp(LOOK_AGAIN_MIN, limits::WAKE_BLOCK_MAX);
        let look_again = tokio::time::sleep(look_again);
        let share = &self.share;
        let more_slots = async {
            let wanted = match (left.slots, left.kept) {
                (0, 0) if !left.paused => Wanted::Any,
                (0, _) if !left.paused => Wanted::Open,
                _ => return std::future::pending().await,
            };
            share.offered(wanted, limits::CLAIM_BATCH_MAX).await
        };
        tokio::select! {
            // Whoever could change it may be gone: then it stays as it is.
            Ok(()) = self.consumer.may_claim.changed() => {}
            _ = self.any.ended() => {}
            _ = self.idle.ended() => {}
            offered = more_slots => self.offered = Some(offered),
            () = look_again, if left.slots + left.kept > 0 => {}
        }
        None
    }

    /// Waits with the claim sent along. These slots are kept meanwhile: nobody else fetches for them.
    async fn wait_and_claim(&mut self, taken: Taken, look_again_in: Duration) -> Option<Left> {
        let Taken { slots, kept } = taken;
        let tenant_running_max = self.consumer.tenant_running_max;
        self.any.begin_with(Along {
            claimant: self.claimant.next(),
            room: Room { slots: slots.len() - kept, kept, tenant_running_max },
            block: look_again_in.clamp(LOOK_AGAIN_MIN, limits::WAKE_BLOCK_MAX),
        });
        let found = tokio::select! {
            found = self.any.ended() => found?,
            Ok(()) = self.consumer.may_claim.changed() => {
                let found = self.any.end().await?;
                self.claimant.heard();
                for (job, claim) in found.jobs {
                    hand_back(&self.store, &job, claim.fence).await;
                }
                return None;
            }
        };
        self.claimant.heard();
        Some(self.give(found, slots, kept))
    }

    async fn back_off(&mut self, error: &StoreError, shutdown: &CancellationToken) {
        if self.backoff == limits::REDIS_BACKOFF_MIN {
            let (queue, shard) = (self.consumer.queue.as_str(), self.store.shard().0);
            tracing::warn!(queue, shard, %error, "Jobs could not be claimed; waiting for Redis.");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(self.backoff) => {}
        }
        self.backoff = (self.backoff * 2).min(limits::REDIS_BACKOFF_MAX);
    }
}

/// 10 ms at least between looks, however much is due.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(10);
